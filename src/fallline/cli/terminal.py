"""The one place that prints: whatever comes from files, data and the user's code is shown there, and never obeyed.

A terminal obeys control characters: a column called "\\x1b[2J" would clear it. Everything written to stdout and stderr
goes through ``ShownStream``; what rich draws goes around it, through ``new_screen``, which leaves rich's styles alone.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from fallline.errors import a_screen_of, printable

if TYPE_CHECKING:
    from rich.console import Console


class ShownStream:
    """A stream that shows control characters as Python writes them; with ``cut`` no text is longer than a screen."""

    def __init__(self, stream: TextIO, cut: bool = False):
        self.rich_proxied_file = stream  # where rich writes its own control characters
        self.cut = cut

    def write(self, text: str) -> int:
        shown = printable(text)
        self.rich_proxied_file.write(a_screen_of(shown) if self.cut else shown)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rich_proxied_file, name)


@contextmanager
def shown_streams() -> Iterator[None]:
    """Within it stdout and stderr show what they are given. A sign that the terminal has not is a question mark."""
    before = sys.stdout, sys.stderr
    for stream in before:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    out, err = (stream or io.StringIO() for stream in before)  # None where it was closed before Python began
    sys.stdout, sys.stderr = ShownStream(out), ShownStream(err, cut=True)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def new_screen(stderr: bool = False) -> Console:
    """A console of rich's on stdout or stderr: texts are shown, styles are its own."""
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

    class Screen(Console):
        def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
            for text, style, control in super().render(renderable, options):
                yield Segment(text, style, control) if control else Segment(printable(text), style)

        def on_broken_pipe(self) -> None:
            raise  # rich would end the process here, before what is still to be written

    return Screen(stderr=stderr, file=_below(sys.stderr if stderr else sys.stdout))


def _below(stream: Any) -> Any:
    """The stream itself: while a bar is drawn rich puts a stream of its own around ours."""
    while (below := getattr(stream, "rich_proxied_file", None)) is not None:
        stream = below
    return stream
