"""The settings for one's own matplotlib figures: the report's colours, sizes of column widths."""

import re

import pytest

import fallline
from fallline.errors import UnknownName
from fallline.report.matplotlib_style import WIDTHS
from fallline.report.style import INK, PALETTE


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", WIDTHS)
def test_colours_are_those_of_the_report(width, dark):
    found = fallline.style(width, dark=dark)
    pattern = r"cycler\('linestyle', (.*)\) \* cycler\('color', (.*)\)"
    styles, colors = re.fullmatch(pattern, found["axes.prop_cycle"]).groups()
    own = [mark.dark if dark else mark.light for mark in PALETTE]
    assert re.findall("#......", colors) == [*own[1:], own[0]] and len(re.findall("'", styles)) == 8
    assert found["figure.facecolor"] == found["axes.facecolor"] == INK["paper"][dark]
    assert found["text.color"] == INK["text"][dark] and found["figure.figsize"][0] == WIDTHS[width]


def test_a_column_has_smaller_letters_than_a_page_and_a_slide_larger_ones():
    sizes = {width: fallline.style(width)["font.size"] for width in WIDTHS}
    assert sizes["single-column"] == sizes["double-column"] < sizes["page"] < sizes["slide"]
    assert all(fallline.style(width)["xtick.labelsize"] >= 7 for width in WIDTHS)
    wide, high = fallline.style("single-column")["figure.figsize"]
    assert wide / high == pytest.approx(1.618, abs=0.01)


def test_an_unknown_width_lists_the_known_ones():
    with pytest.raises(UnknownName, match="did you mean single-column"):
        fallline.style("single column")


def test_a_call_gives_settings_of_its_own():
    fallline.style()["font.sans-serif"].clear()
    assert fallline.style()["font.sans-serif"]


def test_matplotlib_takes_every_setting():
    matplotlib = pytest.importorskip("matplotlib")
    for width in WIDTHS:
        with matplotlib.rc_context(fallline.style(width)):
            assert len(matplotlib.rcParams["axes.prop_cycle"]) == 40
