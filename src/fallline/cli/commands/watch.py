"""``fallline watch``: a page that follows a run."""

from __future__ import annotations

from typing import Annotated

import typer

from fallline.cli.options import FolderArgument


def command(
    folder: FolderArgument,
    port: Annotated[int, typer.Option(help="The port; by default a free one.", min=0, max=65535)] = 0,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
) -> None:
    """Follow a run on a page in the browser.

    The page is served on 127.0.0.1 and reads the run folder only: blocks that are finished, the best settings so far,
    their curves, the time left. When the run has ended it shows the report. Ctrl-C ends it; the run is not affected.

    Example: fallline watch runs/churn
    """
    from fallline.api.watching import watch

    def started(address: str) -> None:
        print(f"{folder} is followed at {address}; Ctrl-C ends this", flush=True)
        if browser:
            import webbrowser

            webbrowser.open(address)

    watch(folder, port, started)
