"""HTML in small pieces; everything that was not built here is escaped."""

from __future__ import annotations

import json
import re
from html import escape
from typing import Any

from fallline.errors import HIDDEN, printable

_HELD = re.compile(rf"(\\\\)|\\u00([01][0-9a-f])|({HIDDEN.pattern})")
"""In JSON: a backslash, which is two there, a control character as it is written there, or one that is not."""


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


VOID = {"meta", "input", "br"}
SHAPES = {"line", "circle"}
"""Elements of a drawing without content."""


def tag(name: str, /, *children: Any, **attributes: Any) -> Markup:
    """``<name ...>children</name>``. Attributes: ``cls`` is class, ``_`` becomes ``-``, None and False are left out."""
    said = ""
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        key = {"cls": "class", "for_": "for"}.get(key, key).replace("_", "-")
        said += f" {key}" if value is True else f' {key}="{escape(str(value))}"'
    if name in SHAPES:
        return Markup(f"<{name}{said}/>")
    return Markup(f"<{name}{said}>" + ("" if name in VOID else f"{join(*children)}</{name}>"))


def join(*children: Any) -> Markup:
    """The children one after the other; text is escaped, None is nothing, lists are joined."""
    pieces = []
    for child in children:
        if child is None:
            continue
        if isinstance(child, (list, tuple)):
            pieces.append(join(*child))
        else:
            pieces.append(child if isinstance(child, Markup) else escape(str(child)))
    return Markup("".join(pieces))


def with_command(text: str) -> Markup:
    """A sentence whose command, "fallline run ...", breaks between words only, not at the hyphens of options."""
    before, found, command = text.partition("fallline run ")
    if not found:
        return join(text)
    command, end, after = command.partition(". Only what is new")
    whole = [[tag("span", word, cls="w"), " "] for word in f"{found}{command}".split(" ")]
    return join(before, [piece for pieces in whole for piece in pieces][:-1], end, after)


def printable_json(value: Any) -> str:
    """``value`` as JSON whose texts are ``printable``."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return _HELD.sub(lambda found: found[1] or (f"\\\\x{found[2]}" if found[2] else f"\\{printable(found[3])}"), text)


def script_json(value: Any, **attributes: Any) -> Markup:
    """Data for a script; no text in it can end the element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    text = HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    for sign, code in (
        ("<", "\\u003c"),
        (">", "\\u003e"),
        ("&", "\\u0026"),
        ("\u2028", "\\u2028"),
        ("\u2029", "\\u2029"),
    ):
        text = text.replace(sign, code)
    return tag("script", Markup(text), type="application/json", **attributes)


def page_of(head: Markup, body: Markup) -> str:
    """The file of a page. Names of files, data and classes have no control characters."""
    return f"<!doctype html>\n{printable(tag('html', head, body, lang='en'))}\n"


def details(summary: Any, *children: Any, **attributes: Any) -> Markup:
    """Content that is collapsed at first."""
    return tag("details", tag("summary", summary), *children, **attributes)
