"""How an executor declares an option: name, type, default, help. The flags of ``fallline run`` follow from it.

An executor's options are a frozen dataclass whose fields are made by ``option``; its ``__post_init__`` checks values.
Nothing heavy is imported here or in ``executors.kinds``: ``fallline run --help`` reads every executor's options.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

KINDS: tuple[Any, ...] = (bool, int, float, str, tuple[str, ...])
"""Types that an option may have; ``tuple[str, ...]`` is a flag that may be repeated."""


def option(default: Any, help: str, *, least: int | None = None) -> Any:
    """A field of an options dataclass: its default, its help for a person, and for numbers the least value."""
    return field(default=default, metadata={"help": help, "least": least})


@dataclass(frozen=True)
class ExecutorFlag:
    """A flag of ``fallline run``: an option that the executors ``takers`` share.

    ``type`` is one of ``KINDS``; ``least`` the least value of a number, None where there is no limit.
    """

    name: str
    type: Any
    help: str
    least: int | None
    takers: tuple[str, ...]


def executor_flags(declared: dict[str, type]) -> list[ExecutorFlag]:
    """The flags of executors' options dataclasses by executor name, in the order of their first declaration.

    An option that several executors take is one flag: it must have the same type in each; where its help differs, the
    texts follow each other, each after the names of its executors. TypeError for an option that cannot be a flag.
    """
    options: dict[str, dict[str, tuple[Any, str, int | None]]] = {}
    for executor, kind in declared.items():
        hints = get_type_hints(kind)
        for item in fields(kind):
            options.setdefault(item.name, {})[executor] = (
                _flag_type(hints[item.name], f"option {item.name} of executor {executor}"),
                item.metadata.get("help", ""),
                item.metadata.get("least"),
            )
    flags: list[ExecutorFlag] = []
    for name, takers in options.items():
        types = {str(kind): kind for kind, _, _ in takers.values()}
        if len(types) > 1:
            raise TypeError(f"option {name} must have one type in the executors {', '.join(takers)}: {sorted(types)}")
        limits = [least for _, _, least in takers.values()]
        bounds = [least for least in limits if least is not None]
        flags.append(
            ExecutorFlag(
                name,
                next(iter(types.values())),
                _shared_help({taker: text for taker, (_, text, _) in takers.items()}, declared),
                min(bounds) if bounds and len(bounds) == len(limits) else None,
                tuple(takers),
            )
        )
    return flags


def _flag_type(hint: Any, where: str) -> Any:
    """The type of an option without ``| None``."""
    alternatives = [kind for kind in get_args(hint) if kind is not NoneType] if get_origin(hint) is not tuple else []
    kind = alternatives[0] if len(alternatives) == 1 else hint
    if kind not in KINDS:
        raise TypeError(
            f"{where} must be a bool, int, float, str or tuple[str, ...], or one of them | None; got {hint}"
        )
    return kind


def _shared_help(texts: dict[str, str], every: Iterable[str]) -> str:
    """One text where all executors give the same; else each after the names of those that give it."""
    by_text: dict[str, list[str]] = {}
    for executor, text in texts.items():
        by_text.setdefault(text, []).append(executor)
    if len(by_text) == 1 and set(texts) == set(every):
        return next(iter(by_text))
    return " ".join(f"{', '.join(executors)}: {text}" for text, executors in by_text.items())
