"""How to cite: from the CITATION.cff that ships with the package, the same as at the root of the repository."""

from pathlib import Path

import pytest

import fallline
from fallline.api import citing
from fallline.errors import UnknownName

OWN = Path(fallline.__file__).parent / "CITATION.cff"


def test_both_files_are_the_same_and_of_this_version():
    text = OWN.read_text(encoding="utf-8")
    assert (Path(__file__).parents[2] / "CITATION.cff").read_text(encoding="utf-8") == text
    known = citing.parse_citation(text)
    assert known["version"] == fallline.__version__ and known["license"] == "Apache-2.0"
    assert {"cff-version", "message", "title", "authors"} <= known.keys()


def test_the_command_prints_text_and_bibtex(cli):
    code, out, error = cli("cite")
    assert (code, error) == (0, "")
    text, bibtex = out.strip().split("\n\n")
    assert text == fallline.cite() and bibtex == fallline.cite("bibtex")
    assert f"version {fallline.__version__}" in text and f"version = {{{fallline.__version__}}}" in bibtex
    assert bibtex.startswith("@software{fallline,") and bibtex.count("{") == bibtex.count("}")
    assert cli("cite", "--format", "bibtex")[1].strip() == bibtex


def test_an_unknown_format_lists_the_known_ones(cli):
    with pytest.raises(UnknownName, match="bibtex"):
        fallline.cite("bib")
    code, _, error = cli("cite", "--format", "word")
    assert code == 2 and "text" in error


RELEASED = """
# a comment
title: "A title: with a colon"
version: 2.0.1
date-released: 2027-03-04
license: Apache-2.0
doi: 10.1/xyz
authors:
  - family-names: Noether
    given-names: Emmy
  - name: "The others"
keywords:
  - one
"""


def test_people_years_and_dois(monkeypatch):
    known = citing.parse_citation(RELEASED)
    assert known["title"] == "A title: with a colon" and known["keywords"] == ["one"]
    assert known["authors"] == [{"family-names": "Noether", "given-names": "Emmy"}, {"name": "The others"}]
    monkeypatch.setattr(citing, "parse_citation", lambda text: known)
    assert fallline.cite() == "Noether, Emmy; The others (2027). A title: with a colon, version 2.0.1. 10.1/xyz."
    bibtex = fallline.cite("bibtex")
    assert "author  = {Noether, Emmy and {The others}}" in bibtex and "year    = {2027}" in bibtex
