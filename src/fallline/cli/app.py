"""The commands. Each has an example in its help; none imports JAX before it has to."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from fallline.cli.terminal import shown_streams
from fallline.errors import FalllineError, FalllineWarning, ProcessError, printable

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="A laboratory for training recipes: train every combination of a study at once, and learn which "
    "differences are real.\n\nStart here: fallline run softmax/optimizers --preset quick",
)
data_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Data sets: what there is, fetch it, check it."
)
app.add_typer(data_app, name="data")
network_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Networks of neurons written as text: show, draw and explain them.",
)
app.add_typer(network_app, name="network")

OutOption = Annotated[
    Path | None, typer.Option("--out", help="The run folder; by default runs/NAME.", show_default=False)
]
DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        show_default=False,
        help="A folder with full data sets (mnist/, ...); by default FALLLINE_DATA, then the user's cache.",
    ),
]
PresetOption = Annotated[
    str | None,
    typer.Option(
        "--preset",
        show_default=False,
        help="quick (small data, under a minute), full, or claims where the "
        "study has it (every claim judged, some ten minutes).",
    ),
]
FolderArgument = Annotated[Path, typer.Argument(help="A run folder.", metavar="DIR")]
RoundsOption = Annotated[
    bool,
    typer.Option(
        "--all-rounds",
        help="Count trials of earlier forms of the study as well, which an edit of it left in the folder.",
    ),
]
NetworkArgument = Annotated[
    str, typer.Argument(help="A network: its text, a line a neuron, ; ends a line; or a file.", metavar="TEXT|FILE")
]


def main() -> None:
    """Run the command line; an error of ours is one screen of text on stderr and exit code 2."""
    from fallline.cli.ending import ENDING

    with shown_streams(), ENDING:
        _run()


def _run() -> None:
    try:
        with _told_warnings():
            app()
    except ProcessError as failure:
        from fallline.engine.processes import leave

        print(f"fallline: {failure}", file=sys.stderr)
        leave(2)
    except FalllineError as failure:
        print(f"fallline: {failure}", file=sys.stderr)
        raise SystemExit(2) from None
    except OSError as failure:  # the output cannot be written; what concerns a run's files comes as StoreError
        print(f"fallline: {failure}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BaseException as failure:  # a user's function may end the process as well
        from fallline.cli.border import error_of

        if (error := error_of(failure, sys.argv[1:])) is None:
            raise
        print(f"fallline: {error}", file=sys.stderr)
        raise SystemExit(2) from None


@contextmanager
def _told_warnings() -> Iterator[None]:
    """Warnings of ours as a line of text on stderr, each once."""
    with warnings.catch_warnings():
        warnings.simplefilter("default", FalllineWarning)
        usual = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *rest: Any) -> None:
            if issubclass(category, FalllineWarning):
                print(printable(f"fallline: {message}"), file=sys.stderr)  # a bar of rich's may stand in between
            else:
                usual(message, category, *rest)

        warnings.showwarning = show
        yield


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    if show:
        import fallline

        print(f"fallline {fallline.__version__}")
        raise typer.Exit


@app.command("list")
def list_studies() -> None:
    """List the built-in studies.

    Example: fallline list
    """
    from fallline.cli.screens import studies_table

    studies_table()


@app.command()
def parts(
    kind: Annotated[
        str | None,
        typer.Argument(
            help="optimizers, schedules, losses, metrics, tasks, orders or numbers; all by default.", show_default=False
        ),
    ] = None,
) -> None:
    """List what may be written in a recipe: optimizers, schedules, losses ... with their numbers and defaults.

    Example: fallline parts losses
    """
    from fallline.cli.parts import parts_table

    parts_table(kind)


@app.command()
def steps(
    examples: Annotated[int, typer.Option(help="Examples to train on.", min=1)],
    batch: Annotated[int, typer.Option(help="Examples a batch, of each worker.", min=1)],
    epochs: Annotated[float | None, typer.Option(help="Epochs, to be turned into steps.", show_default=False)] = None,
    count: Annotated[
        int | None, typer.Option("--steps", help="Steps, to be turned into epochs.", min=1, show_default=False)
    ] = None,
    workers: Annotated[int, typer.Option(help="Workers that each take a batch.", min=1)] = 1,
) -> None:
    """Turn epochs into steps, or steps into epochs: steps = epochs x examples / (batch x workers).

    Example: fallline steps --epochs 40 --examples 60000 --batch 128
    """
    from fallline.cli.screens import budget

    budget(examples, batch, epochs, count, workers)


@app.command()
def run(
    study: Annotated[str, typer.Argument(help="A built-in study (fallline list) or a TOML file.", metavar="NAME|FILE")],
    preset: PresetOption = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Change a field: steps=500, seeds=3, axes.learning_rate=[0.1,0.01]. May be repeated.",
            show_default=False,
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            help="How often each is trained, from random beginnings of its own; "
            "5 begin to tell skill from luck. Those there are kept.",
            min=1,
            show_default=False,
        ),
    ] = None,
    until_decided: Annotated[
        bool,
        typer.Option(
            "--until-decided",
            help="Add seeds in rounds until luck can no "
            "longer explain what is best, or, where the study claims "
            "something, until each claim is decided.",
        ),
    ] = False,
    max_seeds: Annotated[
        int | None,
        typer.Option(help="Where --until-decided ends: 100 unless told otherwise.", min=2, show_default=False),
    ] = None,
    out: OutOption = None,
    data: DataOption = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was stopped.")] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin anew: what the run folder holds is put aside, beside it.")
    ] = False,
    devices: Annotated[
        str | None,
        typer.Option(
            help="The mesh: trial=2,data=2 are two rows that train seeds and "
            "lanes of their own, two devices a row that share each batch.",
            show_default=False,
        ),
    ] = None,
    scaling: Annotated[bool, typer.Option(help="Measure what more devices buy, where the study asks.")] = True,
    report: Annotated[bool, typer.Option(help="Write the report page after training.")] = True,
    executor: Annotated[
        str | None,
        typer.Option(
            help="Train in jobs, one a cohort: local, slurm or ray; by default in this process.", show_default=False
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            help="Jobs at once; cohorts are cut so that there are as many. Alone it means --executor local.",
            min=1,
            show_default=False,
        ),
    ] = None,
    processes: Annotated[int, typer.Option(help="Processes that train each cohort together.", min=1)] = 1,
    partition: Annotated[str | None, typer.Option(help="Slurm: the partition.", show_default=False)] = None,
    account: Annotated[str | None, typer.Option(help="Slurm: the account.", show_default=False)] = None,
    gpus: Annotated[str | None, typer.Option(help="GPUs a job: 1, or with slurm a100:1.", show_default=False)] = None,
    cpus: Annotated[int | None, typer.Option(help="Cores a job.", min=1, show_default=False)] = None,
    memory: Annotated[str | None, typer.Option(help="Slurm: memory a job, 16G.", show_default=False)] = None,
    time: Annotated[
        str | None,
        typer.Option(
            help="Slurm: the time limit of a job, 2:00:00; what is not done then is continued in another turn.",
            show_default=False,
        ),
    ] = None,
    container: Annotated[
        str | None,
        typer.Option(help="Slurm: an image for Apptainer or Singularity that has fallline in it.", show_default=False),
    ] = None,
    bind: Annotated[
        list[str] | None,
        typer.Option(
            help="Slurm: a folder that the container sees beside the run's. May be repeated.", show_default=False
        ),
    ] = None,
    sbatch: Annotated[
        list[str] | None,
        typer.Option(
            help="Slurm: one more option of sbatch, --sbatch=--constraint=a100. May be repeated.", show_default=False
        ),
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="Ray: the cluster's address; by default one is started here.", show_default=False)
    ] = None,
    wait: Annotated[bool, typer.Option(help="Wait for the jobs; else fallline collect does.")] = True,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Plan, print what would be launched, and launch nothing.")
    ] = False,
) -> None:
    """Train every trial of a study at once, print what to use and how sure that is, and write the report.

    Trials that the run folder already holds are not trained again: add a rate or seeds and only those run. What it
    holds of the study before an edit is no part of the answer.

    Example: fallline run softmax/optimizers --preset quick --set steps=200 --out runs/first

    Example: fallline run softmax/optimizers --preset quick --until-decided

    Example: fallline run convnet/losses --preset claims

    Example: fallline run softmax/optimizers --executor slurm --partition teaching --gpus 1 --time 1:00:00
    """
    from fallline.cli.training import run_study

    settings = [*(settings or []), *([] if seeds is None else [f"seeds={seeds}"])]
    rounds = {"until_decided": until_decided, "max_seeds": max_seeds, "scaling": scaling}
    options = {
        "jobs": jobs,
        "partition": partition,
        "account": account,
        "gpus": gpus,
        "cpus": cpus,
        "memory": memory,
        "time": time,
        "container": container,
        "bind": bind,
        "sbatch": sbatch,
        "address": address,
    }
    elsewhere = {
        "executor": executor,
        "processes": processes,
        "devices": devices,
        "wait": wait,
        "dry": dry_run,
        "fresh": fresh,
        "options": {name: value for name, value in options.items() if value is not None},
    }
    run_study(study, preset, settings, out, data, resume, report, rounds, elsewhere)


@app.command()
def work(
    plan: Annotated[Path, typer.Argument(help="The plan of a run, RUN/plan.json.", metavar="PLAN")],
    cohort: Annotated[int, typer.Argument(help="Which of its cohorts: 0 is the first.", metavar="K")],
) -> None:
    """Train what is left of one cohort of a plan: what jobs call, and good by hand.

    Exit code 0: all is done; 75: asked to stop (SIGTERM, SIGUSR1), to be continued; 76: failed, try again; 2: failed.

    Example: fallline work runs/softmax-optimizers-quick/plan.json 0
    """
    from fallline.cli.jobs import work_on

    raise typer.Exit(work_on(plan, cohort))


@app.command()
def status(folder: FolderArgument) -> None:
    """Tell how the jobs of a run stand: done, running, waiting, failed and why.

    Example: fallline status runs/softmax-optimizers-quick
    """
    from fallline.cli.jobs import print_status

    print_status(folder)


@app.command()
def cancel(folder: FolderArgument) -> None:
    """End the jobs of a run; what trains writes a checkpoint first, so that --resume goes on from there.

    Example: fallline cancel runs/softmax-optimizers-quick
    """
    from fallline.cli.jobs import cancel_jobs

    cancel_jobs(folder)


@app.command()
def collect(
    folder: FolderArgument,
    wait: Annotated[bool, typer.Option(help="Wait for jobs that are out; else they are an error.")] = True,
    report: Annotated[bool, typer.Option(help="Write the report page.")] = True,
) -> None:
    """Wait for the jobs of a run, then print what to use and how sure that is, and write the report.

    Example: fallline collect runs/softmax-optimizers-quick
    """
    from fallline.cli.jobs import collect_jobs

    collect_jobs(folder, wait, report)


@app.command()
def scale(
    study: Annotated[str, typer.Argument(help="A built-in study (fallline list) or a TOML file.", metavar="NAME|FILE")],
    devices: Annotated[
        str | None,
        typer.Option(
            help="Counts of devices, with commas between; 2x3 are two hosts "
            "of three. By default the study's, else 1,2,4.",
            show_default=False,
        ),
    ] = None,
    preset: PresetOption = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Change a field of the study, as in run.", show_default=False)
    ] = None,
    batches: Annotated[
        str | None,
        typer.Option(help="Batch sizes to measure, with commas between; by default the study's.", show_default=False),
    ] = None,
    repeats: Annotated[
        int | None,
        typer.Option(help="How often each program is timed; 3 unless told otherwise.", min=1, show_default=False),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="The folder; by default runs/NAME-scale.", show_default=False)
    ] = None,
    data: DataOption = None,
) -> None:
    """Measure what more devices buy: one batch split over them, a batch on each, a trial on each.

    Says which to use, from what batch size a split pays, where the time goes, what 8, 64 and 512 devices would give.

    Example: fallline scale workers/scaling --devices 1,2,4
    """
    from fallline.cli.scaling import scale_study

    scale_study(study, devices, preset, settings or [], batches, repeats, out, data)


@app.command()
def plan(
    study: Annotated[str, typer.Argument(help="A built-in study (fallline list) or a TOML file.", metavar="NAME|FILE")],
    preset: PresetOption = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Change a field, as in run. May be repeated.", show_default=False)
    ] = None,
    seeds: Annotated[int | None, typer.Option(help="Seeds of each configuration.", min=1, show_default=False)] = None,
    data: DataOption = None,
    device: Annotated[
        str | None,
        typer.Option(
            help="One that is not here, by its data sheet: v100, t4, a100, l4, h100 or h200.", show_default=False
        ),
    ] = None,
    compile_all: Annotated[
        bool, typer.Option("--compile", help="Compile every program, however long it takes.")
    ] = False,
    measure: Annotated[
        bool, typer.Option("--measure", help="Try every cohort for a moment, each in a process of its own.")
    ] = False,
    calibrate: Annotated[bool, typer.Option("--calibrate", help="Measure this device anew.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Tell what a study would take before it trains: cohorts and why they split, FLOPs, memory, time, disk.

    Trains, compiles and reads nothing; the first time this device is calibrated, which takes a second or two.

    Example: fallline plan softmax/optimizers --preset quick

    Example: fallline plan convnet/optimizers --device t4
    """
    from fallline.cli.planning import plan_study

    settings = [*(settings or []), *([] if seeds is None else [f"seeds={seeds}"])]
    plan_study(study, preset, settings, data, device, compile_all, measure, calibrate, as_json)


@app.command("utilisation")
def utilisation(
    task: Annotated[str, typer.Argument(help="A task (fallline parts tasks).")],
    batches: Annotated[
        str | None,
        typer.Option(help="Batch sizes, with commas between; by default 1, 2, 4 ... 4096.", show_default=False),
    ] = None,
    optimizer: Annotated[str, typer.Option(help="The update rule.")] = "adam",
    full: Annotated[bool, typer.Option("--full", help="With the full data; else the sample in the package.")] = False,
    data: DataOption = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Write a page (.html), the picture (.svg, .png) or the figures (.csv).", show_default=False),
    ] = None,
) -> None:
    """Tell how well this device is used at each batch size, and beyond which more brings nothing.

    Trains for a moment at each size, one lane alone: step time, examples a second, share of the device's rate.

    Example: fallline utilisation mnist-softmax --batches 1,16,128,1024 --out use.html
    """
    from fallline.cli.using import use_device

    use_device(task, batches, optimizer, full, data, out)


@app.command()
def show(
    folder: FolderArgument,
    rows: Annotated[int, typer.Option(help="Rows of the table.", min=1)] = 20,
    every: Annotated[bool, typer.Option("--all", help="Every configuration, not each at its best.")] = False,
    all_rounds: RoundsOption = False,
) -> None:
    """Print what to use, how sure that is, and the table of a run.

    Example: fallline show runs/softmax-optimizers-quick --rows 10
    """
    from fallline.cli.screens import show_run

    show_run(folder, rows, every, all_rounds)


@app.command()
def report(
    folder: FolderArgument,
    out: Annotated[
        Path | None, typer.Option(help="The page; by default DIR/report/report.html.", show_default=False)
    ] = None,
    all_rounds: RoundsOption = False,
) -> None:
    """Write the report of a run: a page that draws its figures, the same as Markdown, and tables (CSV, LaTeX).

    Example: fallline report runs/softmax-optimizers-quick
    """
    from fallline.api import open_run

    print(open_run(folder, "fallline report", all_rounds).report(out))


@app.command()
def figures(
    folder: FolderArgument,
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Figures by name, as on the page; by default all.", metavar="NAME", show_default=False),
    ] = None,
    formats: Annotated[str, typer.Option("--format", help="What to write, with commas between.")] = "svg,pdf,png",
    out: Annotated[
        Path | None, typer.Option(help="The folder for them; by default DIR/report/figures.", show_default=False)
    ] = None,
    all_rounds: RoundsOption = False,
) -> None:
    """Write the figures of a run's report, or of what fallline scale measured, as SVG, PDF and PNG files.

    Example: fallline figures runs/softmax-optimizers-quick sensitivity --format pdf --out paper
    """
    from fallline.cli.drawing import write_figures

    write_figures(folder, names or [], formats, out, all_rounds)


@app.command()
def compare(
    folder: FolderArgument,
    by: Annotated[
        str | None,
        typer.Option(
            help="What is compared: optimizer, batch_size or another part or "
            "number of a recipe, or several with commas between; by "
            "default what the study varies.",
            show_default=False,
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            help="By what: validation_loss, test_accuracy ...; by default what ranks the run.", show_default=False
        ),
    ] = None,
    tune: Annotated[
        str | None,
        typer.Option(
            help="Numbers of which each gets its best, chosen on validation "
            "data, with commas between; by default all that vary and "
            "are not compared.",
            show_default=False,
        ),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(help="Write the table to this file, the pairs to NAME-pairs.csv beside it.", show_default=False),
    ] = None,
    all_rounds: RoundsOption = False,
) -> None:
    """Tell what is best in a run, which differences are real and which may be luck, each at its own best numbers.

    Example: fallline compare runs/softmax-optimizers-quick

    Example: fallline compare runs/softmax-optimizers-quick --by optimizer --metric test_accuracy
    """
    from fallline.cli.comparing import compare_arms

    compare_arms(folder, by, metric, tune, csv, all_rounds)


@app.command()
def profile(
    folders: Annotated[list[Path], typer.Argument(help="Run folders, best of different tasks.", metavar="DIR...")],
    by: Annotated[
        str | None,
        typer.Option(
            help="What is compared: optimizer or another part or number of a "
            "recipe, or several with commas between; by default what the "
            "first run varies.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write a page (.html) or the picture alone (.svg, .png).", show_default=False)
    ] = None,
    all_rounds: RoundsOption = False,
) -> None:
    """Tell what reaches the target in the fewest steps over several runs, best of different tasks.

    A miss counts as infinitely many steps. Seconds are compared only where trials ran alone.

    Example: fallline profile runs/mlp-fashion runs/convnet-optimizers --out profile.html
    """
    from fallline.cli.comparing import names
    from fallline.cli.profiling import profile_runs

    profile_runs(folders, None if by is None else names(by), out, all_rounds)


@app.command()
def export(
    folder: FolderArgument,
    to: Annotated[str, typer.Option(help="tensorboard, mlflow, parquet or csv.")],
    out: Annotated[
        Path | None, typer.Option(help="The folder to make; by default DIR/exports/TO.", show_default=False)
    ] = None,
    points: Annotated[
        int,
        typer.Option(
            help="Points of each curve of a trial at most, evenly spread, 0: all; "
            "for tensorboard and mlflow, parquet and csv have all.",
            min=0,
        ),
    ] = 200,
    all_rounds: RoundsOption = False,
) -> None:
    """Write a run in the files of other tools: a run a trial for TensorBoard and MLflow, or tables.

    What tensorboard and mlflow need: pip install 'fallline[tensorboard]', pip install 'fallline[mlflow]'.

    Example: fallline export runs/softmax-optimizers-quick --to tensorboard
    """
    from fallline.cli.exporting import export_run

    export_run(folder, to, out, points, all_rounds)


@app.command()
def verify(
    folder: FolderArgument,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair", help="Move what is damaged into DIR/damaged, so that the run with --resume makes it again."
        ),
    ] = False,
) -> None:
    """Check every file of a run folder: a line for each thing that is wrong, with its remedy; exit code 2 if any is.

    Example: fallline verify runs/softmax-optimizers-quick
    """
    from fallline.cli.verifying import verify_run

    raise typer.Exit(verify_run(folder, repair))


@data_app.command("list")
def data_list(data: DataOption = None) -> None:
    """List the data sets and where their files are.

    Example: fallline data list
    """
    from fallline.cli.screens import data_table

    data_table(data)


@data_app.command("get")
def data_get(
    name: Annotated[str, typer.Argument(help="mnist, fashion-mnist or cifar-10.")], data: DataOption = None
) -> None:
    """Fetch a data set from its public mirrors, resuming and checking SHA-256.

    Example: fallline data get mnist
    """
    from fallline.cli.screens import fetch

    fetch(name, data)


@data_app.command("verify")
def data_verify(
    name: Annotated[str | None, typer.Argument(help="One data set; all by default.", show_default=False)] = None,
    data: DataOption = None,
) -> None:
    """Check the files of data sets against their SHA-256; exit code 2 where one is wrong.

    Example: fallline data verify mnist
    """
    from fallline.cli.screens import verify

    raise typer.Exit(verify(name, data))


@network_app.command("show")
def network_show(text: NetworkArgument) -> None:
    """Print a network's inputs, layers, order, parameters and number of weights, and its text as it is read.

    Example: fallline network show "xw = ap*xp + aq*xq; xo = cp*xw"
    """
    from fallline.cli.networks import show_network

    show_network(text)


@network_app.command("draw")
def network_draw(
    text: NetworkArgument, out: Annotated[Path, typer.Option(help="The picture: a file that ends in .svg or .png.")]
) -> None:
    """Draw a network: inputs, neurons, and the parameters on the edges.

    Example: fallline network draw "xw = ap*xp + aq*xq; xo = cp*xw" --out net.svg
    """
    from fallline.cli.networks import draw_network

    draw_network(text, out)


@network_app.command("explain")
def network_explain(
    at: Annotated[str, typer.Option(help="The example: xp=1,xq=2, or 1,2 in the order of the inputs.")],
    target: Annotated[str, typer.Option(help="What the output should be: 1, or xo=1,xz=0 of several.")],
    text: Annotated[
        str | None,
        typer.Argument(
            help="The network: its text (; ends a line) or a file; with --run it is the run's.",
            metavar="TEXT|FILE",
            show_default=False,
        ),
    ] = None,
    values: Annotated[
        str | None,
        typer.Option(
            help="Every parameter, and bias_NEURON of each neuron: ap=0.5,aq=0.2,bias_xw=0.", show_default=False
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help="Without --values they are drawn uniform in [0, 1) from this seed, as training begins; 0 by default.",
            min=0,
            max=2**31 - 1,
            show_default=False,
        ),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(help="A run folder: the values that its best trial learnt.", metavar="DIR", show_default=False),
    ] = None,
    trial: Annotated[
        str | None, typer.Option(help="A trial of that run, by its first letters.", show_default=False)
    ] = None,
    rate: Annotated[
        float | None, typer.Option(help="Tell the values after a step of gradient descent as well.", show_default=False)
    ] = None,
) -> None:
    """Explain one example: every value forward, every gradient back, as tables to follow with a pencil.

    The loss is the sum over outputs of (output - target)^2.

    Example: fallline network explain "xw = ap*xp + aq*xq" --at xp=1,xq=2 --target 1 --rate 0.1
    """
    from fallline.cli.networks import explain_network

    explain_network(text, at, target, values, seed, run, trial, rate)
