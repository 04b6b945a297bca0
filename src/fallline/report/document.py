"""A page that needs no network: sections under a bar, figures drawn by an embedded script."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import cache
from importlib import resources

from fallline.report.html import Markup, page_of, script_json, tag
from fallline.report.style import theme, variables

POLICY = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:"
"""The page may load nothing; it contains everything it needs."""

Section = tuple[str, str, Markup | None]
"""A section's key, its heading, and its content; None leaves it out."""


def document(
    name: str, title: str, question: str, sections: Sequence[Section], about: str, bare: Sequence[str] = ()
) -> str:
    """The whole page. Sections in ``bare`` have no heading; ``about`` is the last line."""
    sections = [section for section in sections if section[2]]
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("style", Markup(variables() + _template("template.css"))),
        tag("script", Markup("document.documentElement.classList.add('js')")),
    )
    bar = tag(
        "header",
        tag(
            "div",
            tag("span", name, cls="name"),
            tag("nav", [tag("a", heading, href=f"#{key}") for key, heading, _ in sections]),
            tag("button", "dark", id="theme", type="button", title="light or dark"),
        ),
        cls="bar",
    )
    body = [
        tag("section", tag("h2", heading) if key not in bare else None, content, id=key)
        for key, heading, content in sections
    ]
    main = tag(
        "main", tag("h1", title), tag("p", question, cls="question") if question else None, body, tag("footer", about)
    )
    scripts = [
        script_json({"light": theme(), "dark": theme(dark=True)}, id="themes"),
        tag("script", _bundle(), type="text/plain", id="vega"),
        tag("script", Markup(_template("template.js"))),
    ]
    return page_of(head, tag("body", bar, main, scripts))


@cache
def _template(name: str) -> str:
    return resources.files("fallline.report").joinpath(name).read_text(encoding="utf-8")


@cache
def _bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, compressed, in base64: the page unpacks it, which takes it
    milliseconds, and is half a megabyte smaller. ``scripts/bundle_vega.py`` writes the file; ``vega.LICENSE``."""
    return base64.b64encode(resources.files("fallline.report").joinpath("vega.js.gz").read_bytes()).decode()
