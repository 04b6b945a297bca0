"""The flags of ``fallline run`` that the executors' options make: an executor in one file brings its own."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_type_hints

import typer

if TYPE_CHECKING:
    from fallline.executors.options import ExecutorFlag


def with_executor_flags(command: Callable[..., None]) -> Callable[..., None]:
    """``command``, which takes the options of executors as ``**options``, with one flag for each of them.

    Options that are not given are left out of ``options``; in the help of its flags, "{executors}" becomes what there
    is. RuntimeError where an executor's option has the name of a flag of the command.
    """
    from fallline.executors.options import executor_flags
    from fallline.executors.protocol import executors

    known = executors()
    in_words = ", ".join(f"{name} ({executor.meaning})" for name, executor in known.items())
    hints = get_type_hints(command, include_extras=True)
    own = [
        parameter.replace(
            annotation=_with_executors(hints[parameter.name], in_words), kind=inspect.Parameter.KEYWORD_ONLY
        )
        for parameter in inspect.signature(command).parameters.values()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    flags = executor_flags({name: executor.options for name, executor in known.items()})
    taken = {parameter.name for parameter in own}
    for flag in flags:
        if flag.name in taken:
            raise RuntimeError(f"option {flag.name} of executor {flag.takers[0]} is a flag of fallline run already")

    def run(**values: Any) -> None:
        options = {flag.name: values.pop(flag.name) for flag in flags}
        command(**values, **{name: value for name, value in options.items() if value is not None})

    parameters = [*own, *map(_parameter, flags)]
    run.__doc__ = command.__doc__
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    vars(run)["__signature__"] = inspect.Signature(parameters)
    return run


def _with_executors(hint: Any, in_words: str) -> Any:
    """The annotation of a flag, with the executors in its help."""
    kind, declared = get_args(hint)
    if "{executors}" not in (declared.help or ""):
        return hint
    declared = copy.copy(declared)
    declared.help = declared.help.replace("{executors}", in_words)
    return Annotated[kind, declared]


def _parameter(flag: ExecutorFlag) -> inspect.Parameter:
    """The flag as typer reads it: None where it is not given."""
    kind = list[str] if flag.type == tuple[str, ...] else flag.type
    declared = typer.Option(help=flag.help, show_default=False, min=flag.least)
    return inspect.Parameter(
        flag.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, declared]
    )
