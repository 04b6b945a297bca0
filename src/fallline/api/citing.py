"""``fallline.cite``: how to cite the package, from the CITATION.cff that ships with it."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from fallline.errors import UnknownName

FORMATS = ("text", "bibtex")


def cite(form: str = "text") -> str:
    """The citation of the installed version, as "text" or "bibtex".

    The year is that of ``date-released``; a version that was not released has none.

    >>> print(fallline.cite("bibtex"))                                                      # doctest: +SKIP
    """
    if form not in FORMATS:
        raise UnknownName("format of a citation", form, FORMATS, "cite")
    known = parse_citation(files("fallline").joinpath("CITATION.cff").read_text(encoding="utf-8"))
    return _bibtex(known) if form == "bibtex" else _text(known)


def parse_citation(text: str) -> dict[str, Any]:
    """The keys of a CITATION.cff: a text, or for a list its items, those of ``authors`` as dictionaries.

    Only the YAML that the file uses: ``key: value``, and lists of texts or of such pairs.
    """
    found: dict[str, Any] = {}
    items: list[Any] = []
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        bare = line.strip().removeprefix("- ")
        key, colon, value = bare.partition(":")
        value = value.strip().strip('"')
        if not line.startswith(" "):
            items = []
            found[key] = value or items
        elif colon and line.strip().startswith("- "):
            items.append({key: value})
        elif colon:
            items[-1][key] = value
        else:
            items.append(bare.strip('"'))
    return found


def _names(known: dict[str, Any], braces: bool) -> list[str]:
    """The authors, a group in braces for BibTeX, which else takes its last word for a family name."""
    named = []
    for author in known["authors"]:
        if "name" in author:
            named.append(f"{{{author['name']}}}" if braces else author["name"])
        else:
            named.append(f"{author['family-names']}, {author['given-names']}")
    return named


def _year(known: dict[str, Any]) -> str:
    return known.get("date-released", "")[:4]


def _bibtex(known: dict[str, Any]) -> str:
    fields = {
        "author": " and ".join(_names(known, braces=True)),
        "title": f"{{{known['title']}}}",
        "version": known["version"],
        "year": _year(known),
        "url": known.get("repository-code", known.get("url", "")),
        "doi": known.get("doi", ""),
        "license": known["license"],
    }
    lines = [f"  {name:<7} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join(["@software{fallline,", *lines, "}"])


def _text(known: dict[str, Any]) -> str:
    year = f" ({_year(known)})" if _year(known) else ""
    more = [known[name] for name in ("doi", "repository-code", "url") if known.get(name)]
    parts = [f"{'; '.join(_names(known, braces=False))}{year}", f"{known['title']}, version {known['version']}", *more]
    return ". ".join(parts) + "."
