"""The builder of figures against altair, whose names and meaning it has."""

import altair
import pytest

from fallline.report import vega

ROWS = [{"a": 1, "b": 2.5, "c": "x"}, {"a": 2, "b": 0.5, "c": "y"}]


def points(alt, data):
    return (
        alt.Chart(data)
        .mark_point(size=20, filled=True)
        .encode(
            x=alt.X("a:Q", title="across", scale=alt.Scale(type="log", nice=False), axis=alt.Axis(values=[1, 2])),
            y="b:Q",
            color=alt.Color("c:N", sort=None, legend=alt.Legend(orient="right")),
            tooltip=["c:N", alt.Tooltip("b:Q", title="height", format=".2f")],
        )
    )


def layered(alt):
    data = alt.Data(values=ROWS)
    pick = alt.selection_point(name="pick", fields=["c"], bind="legend")
    hover = alt.selection_point(name="hover", on="pointermove", nearest=True, clear="pointerout", empty=False)
    zoom = alt.selection_interval(name="zoom", bind="scales", zoom="wheel![event.shiftKey]")
    faded = alt.condition(pick, alt.value(1), alt.value(0.1))
    line = points(alt, data).encode(opacity=faded).add_params(pick, zoom)
    span = alt.Chart(data).transform_filter("datum.a > 0").mark_rule(clip=True).encode(x="a:Q", y="b:Q", y2="a:Q")
    seen = (
        points(alt, data)
        .transform_calculate(said="datum.b + 1")
        .encode(
            opacity=alt.condition(hover, alt.value(1), alt.value(0)),
            fill=alt.condition("datum.a > 1", alt.value("red"), alt.value("blue")),
        )
        .add_params(hover)
    )
    return alt.layer(line, span, seen.properties(name="dots"))


def faceted(alt):
    whole = layered(alt).properties(width=200, height=100)
    return (
        whole.facet(alt.Facet("c:N", sort=["y", "x"], title=None), columns=2)
        .properties(spacing={"row": 4, "column": 3})
        .resolve_axis(x="independent")
        .resolve_scale(y="independent")
    )


def beside(alt):
    data = alt.Data(values=ROWS)
    return alt.vconcat(
        alt.hconcat(points(alt, data), points(alt, data).properties(title="right"), spacing=9),
        alt.concat(points(alt, alt.Data(values=ROWS[:1])), points(alt, data), columns=2),
    )


def variables(alt):
    chart = points(alt, alt.Data(values=ROWS)).transform_joinaggregate(last="max(a)", groupby=["c"])
    slider = alt.binding_range(min=0, max=9, step=1, name="up to ")
    return chart.add_params(alt.param(name="moment", value=9, bind=slider), alt.param(name="twice", expr="2 * moment"))


@pytest.mark.parametrize("build", [layered, faceted, beside, variables])
def test_what_is_built_is_what_altair_builds(build):
    ours, theirs = (plain(build(alt).to_dict()) for alt in (vega, altair))
    assert ours == theirs


def plain(specification):
    """Without what is altair's alone: its own theme, and names of views, which are told by their order."""
    specification.pop("config", None)
    names: dict[str, str] = {}

    def renamed(part):
        if isinstance(part, dict):
            return {
                key: names.setdefault(own, f"view {len(names)}")
                if key == "name" and isinstance(own, str) and own.startswith("view")
                else renamed(own)
                for key, own in sorted(part.items())
                if key not in ("$schema", "params")
            }
        return [renamed(one) for one in part] if isinstance(part, list) else part

    found = renamed(specification)
    params = [
        one | ({"views": [names.get(name, name) for name in one["views"]]} if "views" in one else {})
        for one in specification.get("params", [])
    ]
    return found | {"params": sorted(params, key=lambda one: one["name"])}


def test_a_chart_never_changes():
    chart = vega.Chart(vega.Data(values=ROWS)).mark_point()
    before = chart.to_dict()
    chart.encode(x="a:Q").transform_filter("datum.a").add_params(vega.param(name="p", value=1)).properties(width=1)
    assert chart.to_dict() == before


def test_python_gets_a_chart_of_altairs_with_its_rows():
    chart = layered(vega).properties(data=vega.NamedData("rows"), datasets={"rows": ROWS})
    found = vega.altair_chart(chart.to_dict())
    assert isinstance(found, altair.LayerChart) and found.to_dict()["datasets"] == {"rows": ROWS}
    assert "mimetype" not in chart._repr_mimebundle_() and chart._repr_mimebundle_()


def test_a_kind_of_figure_may_draw_with_altair(tmp_path, monkeypatch):
    from dataclasses import replace

    from fake_run import line_run
    from fallline.report import figures
    from fallline.report.figures.curves import CURVES
    from fallline.study import Figure

    own = replace(CURVES, name="own", draw=lambda frame, spec, look: points(altair, altair.Data(values=ROWS)))
    monkeypatch.setattr(figures, "figure_kinds", lambda: {"own": own})
    made = figures.drawn(line_run(tmp_path / "run", steps=20), Figure(kind="own"))
    assert made.specification["mark"] == {"type": "point", "size": 20, "filled": True}
    assert made.specification["config"]["font"] and made.specification["data"] == {"values": ROWS}
