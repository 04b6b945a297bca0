"""``fallline open``: the page of a run in the browser."""

from __future__ import annotations

from fallline.cli.options import FolderArgument


def command(folder: FolderArgument) -> None:
    """Open the page of a run in the browser.

    The page is written first where it is missing or older than the records.

    Example: fallline open runs/churn
    """
    import webbrowser

    from fallline.api.runs import page_of

    page = page_of(folder).absolute()
    opened = webbrowser.open(page.as_uri())
    print(f"{page}" if opened else f"no browser was found; open it yourself: {page}")
