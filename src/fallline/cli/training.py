"""``fallline run``: progress while it trains, then the answer and the report."""

from __future__ import annotations

import time

from fallline.cli.display import Display
from fallline.cli.ending import ENDING, say_stopped
from fallline.cli.jobs import launch_study
from fallline.cli.options import typed_command
from fallline.cli.run_flags import RunFlags
from fallline.cli.screens import chosen_study, print_outcome
from fallline.cli.terminal import new_screen


def train_study(flags: RunFlags) -> None:
    """Load the study, train it here or in jobs, print what came out."""
    study = chosen_study(flags.study, flags.preset, flags.settings)
    flags.check()

    from fallline.api import default_folder, run
    from fallline.engine.processes import number

    folder = flags.out or default_folder(study, flags.preset)
    executor = flags.chosen_executor
    if executor is not None and not flags.until_decided:
        launch_study(study, folder, executor, flags)
        return
    screen = new_screen(stderr=True)
    start = time.perf_counter()
    ENDING.second = (
        f"ended at once; what was done up to the last checkpoint is kept in {folder}. Continue with the same "
        "command and --resume."
    )
    try:
        with Display(screen, study.name) as display:
            result = run(
                study,
                folder,
                resume=flags.resume,
                fresh=flags.fresh,
                data=flags.data,
                until_decided=flags.until_decided,
                max_seeds=flags.max_seeds,
                executor=executor,
                options=flags.options,
                processes=flags.processes,
                devices=flags.devices,
                scaling=flags.scaling,
                on_progress=display.on_progress,
                on_message=display.on_message,
                command=typed_command(),
            )
    except KeyboardInterrupt:
        say_stopped(folder)
        raise
    ENDING.second = ""
    screen.print(display.closing(time.perf_counter() - start), highlight=False, markup=False)
    if number() > 0:
        return  # the first of the processes prints the outcome
    print_outcome(result, flags.report, screen)
