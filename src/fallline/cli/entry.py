"""What the command ``fallline`` does around its commands: output that is safe to show, errors as text, exit codes."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fallline.cli.app import app
from fallline.cli.terminal import shown_streams
from fallline.errors import FalllineError, FalllineWarning, ProcessError, printable


def main() -> None:
    """Run the command line; a FalllineError is one screen of text on stderr and exit code 2."""
    from fallline.cli.ending import ENDING

    with shown_streams(), ENDING:
        _run()


def _run() -> None:
    try:
        with _warnings_as_text():
            app()
    except ProcessError as failure:
        from fallline.engine.processes import leave

        print(f"fallline: {failure}", file=sys.stderr)
        leave(2)
    except FalllineError as failure:
        print(f"fallline: {failure}", file=sys.stderr)
        raise SystemExit(2) from None
    except OSError as failure:  # the output cannot be written; failures of a run's files are StoreErrors
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
def _warnings_as_text() -> Iterator[None]:
    """FalllineWarnings as a line of text on stderr, each once."""
    with warnings.catch_warnings():
        warnings.simplefilter("default", FalllineWarning)
        usual = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *rest: Any) -> None:
            if issubclass(category, FalllineWarning):
                print(printable(f"fallline: {message}"), file=sys.stderr)  # rich's progress bar may redirect stderr
            else:
                usual(message, category, *rest)

        warnings.showwarning = show
        yield
