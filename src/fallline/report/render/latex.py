"""Tables for LaTeX: booktabs, every text escaped."""

from __future__ import annotations

import re
from unicodedata import normalize

from fallline.report.document import Table
from fallline.report.render.paper import note, paper_rows

BROKEN = 28
"""Length from which a column of words is broken into lines."""

PAPER = 64
"""Characters in a line of paper, without gaps; a wider table is scaled down."""

_SIGNS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "%": r"\%",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    '"': "{''}",
    "`": "{`}",
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",  # after a row's end these two would be an option of it
    "−": "$-$",
    "–": "--",
    "—": "---",
    "±": r"$\pm$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "≈": r"$\approx$",
    "≠": r"$\neq$",
    "∞": r"$\infty$",
    "→": r"$\to$",
    "√": r"$\surd$",
    "∈": r"$\in$",
    "²": "$^2$",
    "³": "$^3$",
    "°": r"$^\circ$",
    "µ": r"$\mu$",
    "…": r"\ldots{}",
    "✓": r"$\surd$",
    "✗": r"$\times$",
    "‘": "{`}",
    "’": "{'}",
    "“": "{``}",
    "”": "{''}",
    "\u00a0": "~",
}
_JOIN = {"-": "-–—", "–": "-–—", "—": "-–—", "'": "'"}
"""The signs that LaTeX would join with these before them."""

_LETTERS, _NAMES = (
    "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΥΦΨΩ",
    (
        "alpha beta gamma delta varepsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon "
        "varphi chi "
        "psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
    ),
)
_GREEK = dict(zip(_LETTERS, _NAMES.split(), strict=True))
_KNOWN = re.compile(r"[\x20-\x7e\u00c0-\u017f\u00a1-\u00bf]*")
"""What pdfLaTeX can set once the signs above are replaced: ASCII and the letters of European languages."""


def table(written: Table, study: str) -> str:
    """A table to \\input: booktabs, a self-contained caption, a label ``tab:STUDY-NAME``."""
    columns = written.on_paper
    rows = [[column.heading for column in columns], *paper_rows(written)]
    lines = [f"{' & '.join(escaped(text) for text in row)} \\\\" for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    kinds = "".join(_kind(width, column.numeric) for width, column in zip(widths, columns, strict=True))
    wide = sum(min(width, BROKEN) for width in widths) > PAPER
    caption = escaped(" ".join(filter(None, [written.caption, note(written)])))
    text = "\n".join(
        [
            r"\begin{table}",
            r"\centering\small",
            rf"\caption{{{caption}}}",
            rf"\label{{tab:{label(study)}-{label(written.name)}}}",
            r"\setlength{\tabcolsep}{4pt}",
            *([r"\resizebox{\linewidth}{!}{%"] if wide else []),
            rf"\begin{{tabular}}{{@{{}}{kinds}@{{}}}}",
            r"\toprule",
            lines[0],
            r"\midrule",
            *lines[1:],
            r"\bottomrule",
            r"\end{tabular}" + "}" * wide,
            r"\end{table}",
        ]
    )
    needs = "" if _KNOWN.fullmatch(text.replace("\n", " ")) else "; needs XeLaTeX or LuaLaTeX for its letters"
    return f"% \\usepackage{{booktabs{',graphicx' * wide}}}{needs}\n{text}\n"


def _kind(width: int, numeric: bool) -> str:
    """A column's type: numbers right-aligned, words left-aligned, long words in lines."""
    return "r" if numeric else "l" if width <= BROKEN else r"p{0.24\linewidth}"


def escaped(text: str) -> str:
    """``text`` in one line, with every special character escaped.

    >>> escaped("50 % of a_b"), escaped("−0.3 ± 0.1")
    ('50 \\\\% of a\\\\_b', '$-$0.3 $\\\\pm$ 0.1')
    """
    line = "".join(sign if sign.isprintable() or sign == "\u00a0" else " " for sign in normalize("NFC", text))
    line = re.sub(" +", " ", line).strip(" ")
    said = [_SIGNS.get(sign) or (rf"$\{_GREEK[sign]}$" if sign in _GREEK else sign) for sign in line]
    joins = [before in _JOIN.get(sign, "") for before, sign in zip(" " + line, line, strict=False)]
    return "".join("{}" * apart + sign for apart, sign in zip(joins, said, strict=True))


def label(text: str) -> str:
    """A name as a label may have it: letters, digits and hyphens.

    >>> label("softmax/optimizers_2")
    'softmax-optimizers-2'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "study"
