"""Data and texts as they may stand in a page."""

from __future__ import annotations

import json
import re
from typing import Any

from markupsafe import Markup, escape

from fallline.errors import HIDDEN, printable

_HELD = re.compile(rf"(\\\\)|\\u00([01][0-9a-f])|({HIDDEN.pattern})")
"""In JSON: a backslash, which is two there, a control character as it is written there, or one that is not."""

_IN_SCRIPTS = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
"""What could end a script's element or a line of it, as JSON may write it."""


def with_command(text: str) -> Markup:
    """A sentence whose command, "fallline run ...", breaks between words only, not at the hyphens of options."""
    before, found, command = text.partition("fallline run ")
    if not found:
        return escape(text)
    command, end, after = command.partition(". Only what is new")
    words = (Markup('<span class="w">{}</span>').format(word) for word in f"{found}{command}".split(" "))
    return escape(before) + Markup(" ").join(words) + escape(f"{end}{after}")


def printable_json(value: Any) -> str:
    """``value`` as JSON whose texts are ``printable``."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return _HELD.sub(lambda found: found[1] or (f"\\\\x{found[2]}" if found[2] else f"\\{printable(found[3])}"), text)


def script_json(value: Any) -> Markup:
    """Data for a script's element; no text in it can end the element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    text = HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    for sign, code in _IN_SCRIPTS.items():
        text = text.replace(sign, code)
    return Markup(text)
