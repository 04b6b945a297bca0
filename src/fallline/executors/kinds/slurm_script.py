"""The batch script of a launch: readable, commented, and good to be run by hand."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fallline.errors import StudyError
from fallline.executors.protocol import AGAIN, CONTINUE, MOST_ATTEMPTS

if TYPE_CHECKING:
    from fallline.store.launches import Launch

TASKS = 1000
"""Elements of one array: Slurm's usual limit is 1001."""

MOST_KILLS = 20
"""Restarts after which a worker that was killed is not put back again: it may be one that cannot even begin."""

HEAD = """#!/bin/bash
# fallline: {count} of the plan {plan}, one an element of the array.
# Submitted as:  sbatch --array=0-{last} {script}
# By hand, for the first of them:  bash {script} 0
{directives}

# Slurm warns {warn} s before the time limit (USR1) and at an eviction (TERM), be it before anything else has begun.
warned=
trap 'warned=yes' USR1 TERM

# The cohorts of the plan that are to be trained, by their places in it.
cohorts=({cohorts})
element=${{SLURM_ARRAY_TASK_ID:-${{1:-0}}}}
cohort=${{cohorts[$((${{FALLLINE_FIRST:-0}} + element))]}}
me=${{SLURM_ARRAY_JOB_ID:-by-hand}}_$element

# What the worker is told. The job keeps its name when it is put back into the queue.
export FALLLINE_LAUNCH={number} FALLLINE_JOB=slurm-$me
{settings}
log={logs}/$cohort.log
"""

WORKER = """
# The worker. It trains what is left of its cohort, and does nothing where nothing is left.
worker=({command} "$cohort")
"""

GROUP = """
# {processes} processes train a cohort together. The first node of the job is where they meet.
first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
address=$(scontrol show node -o "$first" | sed -n 's/.* NodeAddr=\\([^ ]*\\).*/\\1/p')
FALLLINE_COORDINATOR=${{address:-$first}}:$((20000 + SLURM_JOB_ID % 20000))
export FALLLINE_COORDINATOR FALLLINE_PROCESSES={processes}
# srun starts them and ends all where one fails; each is told which of them it is.
worker=(srun --kill-on-bad-exit=1 --ntasks={processes} --cpus-per-task={cpus} --output="$log" --open-mode=append \\
  bash -c 'export FALLLINE_PROCESS=$SLURM_PROCID; exec "$@"' worker {command} "$cohort")
"""

TAIL = """
# The worker hears of a warning whenever it is ready to listen: it is told again and again until it has written its
# checkpoint.
( trap '' USR1 TERM; exec "${{worker[@]}}" ) >>"$log" 2>&1 &
pid=$!
wait "$pid"; code=$?
while [ -n "$warned" ] && kill -USR1 "$pid" 2>/dev/null; do
  sleep 1
done
[ -n "$warned" ] && [ $code -gt 128 ] && {{ wait "$pid"; code=$?; }}

# 0: all is done. {go_on}: to be continued. {again}: failed, and worth another attempt; so is a worker that was killed.
# The worker counts its attempts and ends with 2 once there were enough. Not put back is what somebody cancelled: Slurm
# has then ended the job already, and not for its time.
again= state=
[ $code -eq {go_on} ] || [ $code -eq {again} ] && again=yes
[ $code -gt 128 ] && [ "${{SLURM_RESTART_COUNT:-0}}" -lt {kills} ] && again=yes
[ -z "$SLURM_JOB_ID" ] || [ -e {cancelled} ] && again=
[ -n "$again" ] && state=$(scontrol show job -o "$me" 2>/dev/null)
if [[ $state == *JobState=RUNNING* || $state == *Reason=TimeLimit* ]]; then
  scontrol requeue "$me" && sleep 60  # Slurm ends the script here
fi
exit $code
"""


def batch_script(launched: Launch) -> str:
    """The script; whatever comes from outside is quoted for the shell."""
    from fallline.executors.process_group import CARRIED

    options, quote = launched.options, shlex.quote
    if not str(launched.root).isprintable():
        raise StudyError(f"the run folder {str(launched.root)!r} must have a name of one line")
    count = len(launched.cohorts)
    settings = [f"export {name}={quote(os.environ[name])}" for name in CARRIED if os.environ.get(name)]
    head = HEAD.format(
        warn=options["warn"],
        count=f"{count} cohort" + "s" * (count > 1),
        last=min(count, TASKS) - 1,
        plan=_line(launched.plan),
        script=_line(launched.script),
        directives="\n".join(f"#SBATCH {line}" for line in _directives(launched)),
        cohorts=" ".join(map(str, launched.cohorts)),
        number=launched.number,
        settings="\n".join(settings),
        logs=quote(str(launched.folder / "logs")),
    )
    command = _command(launched)
    middle = (
        WORKER.format(command=command)
        if launched.processes == 1
        else GROUP.format(command=command, processes=launched.processes, cpus=options["cpus"])
    )
    kills = MOST_KILLS if launched.processes == 1 else MOST_ATTEMPTS  # of a group all are killed where one fails
    return (
        head + middle + TAIL.format(go_on=CONTINUE, again=AGAIN, kills=kills, cancelled=quote(str(launched.cancelled)))
    )


def _directives(launched: Launch) -> list[str]:
    """What the script asks of Slurm, in the lines that sbatch reads."""
    options = launched.options
    asked = {
        "job-name": "fallline",
        "partition": options["partition"],
        "account": options["account"],
        "nodes": launched.processes if launched.processes > 1 else 1,
        "ntasks-per-node": 1,
        "cpus-per-task": options["cpus"],
        "mem": options["memory"],
        "gpus-per-node": options["gpus"],
        "time": options["time"],
        "signal": f"B:USR1@{options['warn']}",
        "open-mode": "append",
        "output": _directive_path(launched),
    }
    lines = [f"--{name}={value}" for name, value in asked.items() if value not in ("", 0)]
    return [*lines, "--requeue", *options["sbatch"]]


def _directive_path(launched: Launch) -> str:
    """Where the script's own words go; sbatch reads % as a place for a number and has quotes of its own."""
    path = str(launched.folder / "logs" / "slurm").replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{path}-%a.log"'


def _command(launched: Launch) -> str:
    """The worker's command, within a container where one is given."""
    options = launched.options
    python = options["python"] or ("python3" if options["container"] else sys.executable)
    words = [python, "-m", "fallline", "work", str(launched.plan)]
    if options["container"]:
        inner = [word for bind in _binds(launched) for word in ("--bind", bind)]
        gpus = ["--nv"] if options["gpus"] else []
        return '"$(command -v apptainer || command -v singularity)" exec ' + shlex.join(
            [*gpus, *inner, options["container"], *words]
        )
    return shlex.join(words)


def _binds(launched: Launch) -> list[str]:
    """The folders that a container must see: the run's, the study's own, those of data and programs, and what is asked.

    StudyError where one has a name that containers cannot be told.
    """
    from fallline.store.paths import RunPaths
    from fallline.store.writing import RunWriter

    settings = [os.environ.get(name, "") for name in ("FALLLINE_DATA", "FALLLINE_CACHE")]
    own = [
        launched.root,
        *filter(None, RunWriter(RunPaths(launched.root)).places()),
        *(Path(value).absolute() for value in settings if value and Path(value).is_dir()),
    ]
    for folder in own:
        if set(str(folder)) & set(",:"):
            raise StudyError(f"a container cannot be given the folder {folder}: its name has a comma or a colon")
    return list(dict.fromkeys([*map(str, own), *launched.options["bind"]]))


def _line(value: object) -> str:
    """A path in a comment, on one line."""
    return shlex.quote(str(value)).replace("\n", " ").replace("\r", " ")
