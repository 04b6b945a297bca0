"""The commands. Each has an example in its help; none imports JAX before it has to."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from fallline.errors import FalllineError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
                  rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]},
                  help="A laboratory for training recipes: train every combination of a study at once, and learn which "
                       "differences are real.\n\nStart here: fallline run softmax/optimizers --preset quick")
data_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None,
                       help="Data sets: what there is, fetch it, check it.")
app.add_typer(data_app, name="data")

OutOption = Annotated[Path | None, typer.Option("--out", help="The run folder; by default runs/NAME.",
                                                show_default=False)]
DataOption = Annotated[Path | None, typer.Option("--data", show_default=False,
                                                 help="A folder with full data sets (mnist/, ...); by default "
                                                      "FALLLINE_DATA, then the user's cache.")]
FolderArgument = Annotated[Path, typer.Argument(help="A run folder.", metavar="DIR")]


def main() -> None:
    """Run the command line; an error of ours is one screen of text on stderr and exit code 2."""
    try:
        app()
    except FalllineError as failure:
        print(f"fallline: {failure}", file=sys.stderr)
        raise SystemExit(2) from None
    except OSError as failure:  # the output cannot be written; what concerns a run's files comes as StoreError
        print(f"fallline: {failure}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


@app.callback(invoke_without_command=True)
def version(show: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False
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
def parts(kind: Annotated[str | None, typer.Argument(help="optimizers, schedules, losses, metrics, tasks, orders or "
                                                          "numbers; all by default.", show_default=False)] = None
          ) -> None:
    """List what may be written in a recipe: optimizers, schedules, losses ... with their numbers and defaults.

    Example: fallline parts losses
    """
    from fallline.cli.parts import parts_table

    parts_table(kind)


@app.command()
def steps(examples: Annotated[int, typer.Option(help="Examples to train on.", min=1)],
          batch: Annotated[int, typer.Option(help="Examples a batch, of each worker.", min=1)],
          epochs: Annotated[float | None, typer.Option(help="Epochs, to be turned into steps.",
                                                       show_default=False)] = None,
          count: Annotated[int | None, typer.Option("--steps", help="Steps, to be turned into epochs.", min=1,
                                                    show_default=False)] = None,
          workers: Annotated[int, typer.Option(help="Workers that each take a batch.", min=1)] = 1) -> None:
    """Turn epochs into steps, or steps into epochs: steps = epochs x examples / (batch x workers).

    Example: fallline steps --epochs 40 --examples 60000 --batch 128
    """
    from fallline.cli.screens import budget

    budget(examples, batch, epochs, count, workers)


@app.command()
def run(study: Annotated[str, typer.Argument(help="A built-in study (fallline list) or a TOML file.",
                                             metavar="NAME|FILE")],
        preset: Annotated[str | None, typer.Option(help="quick (small data, under a minute) or full.",
                                                   show_default=False)] = None,
        settings: Annotated[list[str] | None, typer.Option("--set", help="Change a field: steps=500, seeds=3, "
                                                           "axes.learning_rate=[0.1,0.01]. May be repeated.",
                                                           show_default=False)] = None,
        out: OutOption = None, data: DataOption = None,
        resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was stopped.")] = False,
        report: Annotated[bool, typer.Option(help="Write the report page after training.")] = True) -> None:
    """Train every trial of a study at once, print the ranked table and write the report.

    Trials that the run folder already holds are not trained again: add a rate or seeds and only those run.

    Example: fallline run softmax/optimizers --preset quick --set steps=200 --out runs/first
    """
    from fallline.cli.training import run_study

    run_study(study, preset, settings or [], out, data, resume, report)


@app.command()
def show(folder: FolderArgument,
         rows: Annotated[int, typer.Option(help="Rows of the table.", min=1)] = 20) -> None:
    """Print the ranked table of a run.

    Example: fallline show runs/softmax-optimizers-quick --rows 10
    """
    from fallline.cli.screens import ranked_table

    ranked_table(folder, rows)


@app.command()
def report(folder: FolderArgument,
           out: Annotated[Path | None, typer.Option(help="The page; by default DIR/report/report.html.",
                                                    show_default=False)] = None) -> None:
    """Write the report page of a run, with its figures (SVG, PNG) and tables (CSV) beside it.

    Example: fallline report runs/softmax-optimizers-quick
    """
    from fallline.api import open_run

    print(open_run(folder).report(out))


@data_app.command("list")
def data_list(data: DataOption = None) -> None:
    """List the data sets and where their files are.

    Example: fallline data list
    """
    from fallline.cli.screens import data_table

    data_table(data)


@data_app.command("get")
def data_get(name: Annotated[str, typer.Argument(help="mnist, fashion-mnist or cifar-10.")],
             data: DataOption = None) -> None:
    """Fetch a data set from its public mirrors, resuming and checking SHA-256.

    Example: fallline data get mnist
    """
    from fallline.cli.screens import fetch

    fetch(name, data)


@data_app.command("verify")
def data_verify(name: Annotated[str | None, typer.Argument(help="One data set; all by default.",
                                                           show_default=False)] = None,
                data: DataOption = None) -> None:
    """Check the files of data sets against their SHA-256; exit code 2 where one is wrong.

    Example: fallline data verify mnist
    """
    from fallline.cli.screens import verify

    raise typer.Exit(verify(name, data))
