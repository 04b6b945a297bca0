"""The command ``fallline``: its commands in groups, each imported when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

PANELS = {
    "Write a study": ("new", "check"),
    "Run a study": ("run", "tune", "status", "collect", "cancel", "work"),
    "Read its results": ("show", "compare", "report", "figures", "predict", "profile", "export", "verify"),
    "Keep runs in order": ("runs", "watch", "open", "rename", "rm"),
    "Plan and measure": ("plan", "steps", "scale", "utilisation"),
    "What a study is made of": ("list", "parts", "data", "network", "cite"),
}
"""The commands as ``fallline --help`` lists them: a module of ``fallline.cli.commands`` each."""


class LazyCommands(Mapping[str, Any]):
    """The commands by name; one is imported when it is looked up, so that a command costs its own imports only."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            if all(name not in names for names in PANELS.values()):
                raise KeyError(name)
            self._loaded[name] = _load(name)
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return (name for names in PANELS.values() for name in names)

    def __len__(self) -> int:
        return sum(map(len, PANELS.values()))


def _load(name: str) -> Any:
    """The command of the module of that name."""
    module = import_module(f"fallline.cli.commands.{name}")
    if hasattr(module, "app"):
        return get_command(module.app)
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(name)(module.command)
    return get_command(app)


class Commands(TyperGroup):
    """A group whose commands are imported when they are used, and listed in panels."""

    def __init__(self, **settings: Any):
        super().__init__(**settings)
        self.commands: Any = LazyCommands()

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        width = max(map(len, self.commands))
        for panel, names in PANELS.items():
            with formatter.section(panel):
                formatter.write_dl(
                    [
                        (name.ljust(width), self.commands[name].get_short_help_str(formatter.width - width - 6))
                        for name in names
                    ]
                )


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="A laboratory for training recipes: train every combination of a study at once, and learn which "
    "differences are real.\n\nStart here: fallline run softmax/optimizers --preset quick",
)


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    if show:
        import fallline

        print(f"fallline {fallline.__version__}")
        raise typer.Exit
