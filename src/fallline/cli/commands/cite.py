"""``fallline cite``: how to cite the package."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    form: Annotated[
        str | None, typer.Option("--format", help="bibtex or text; by default both.", show_default=False)
    ] = None,
) -> None:
    """Print how to cite fallline, as text and BibTeX.

    Example: fallline cite --format bibtex
    """
    from fallline.api import cite

    print("\n\n".join(cite(one) for one in ((form,) if form else ("text", "bibtex"))))
