"""Vega-Lite specifications from small pieces: the names and the meaning of altair's, as far as our figures need them.

Altair's import and its checks take longer than all else of a report. Tests hold what is built here against what altair
builds and against its schema; ``altair_chart`` gives the real thing to whoever wants to change a figure.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partialmethod
from typing import Any

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.4.1.json"

_TYPES = {"Q": "quantitative", "N": "nominal", "O": "ordinal", "T": "temporal"}
_SECOND = ("x2", "y2")
"""Channels that share the type of another."""

_INNER = ("layer", "hconcat", "vconcat", "concat")


class Scale(dict):
    """A scale's properties."""


class Axis(dict):
    """An axis's properties."""


class Legend(dict):
    """A legend's properties."""


class Data(dict):
    """Rows that a chart holds: ``values``."""


class NamedData(dict):
    """Rows that the whole specification holds under a name."""

    def __init__(self, name: str):
        super().__init__(name=name)


class Channel(dict):
    """A channel of an encoding: "field:Q" in short, and its properties."""

    def __init__(self, short: str = "", **properties: Any):
        super().__init__(_field(short) if short else {}, **properties)


class X(Channel):
    """Across."""


class Y(Channel):
    """Upward."""


class Color(Channel):
    """Colour of lines and marks."""


class Fill(Channel):
    """Colour of areas."""


class Shape(Channel):
    """Shape of points."""


class Size(Channel):
    """Size of marks."""


class Opacity(Channel):
    """How opaque."""


class StrokeDash(Channel):
    """Dash of lines."""


class StrokeOpacity(Channel):
    """How opaque lines are."""


class Order(Channel):
    """In which order marks are joined or stacked."""


class Tooltip(Channel):
    """A line under the pointer."""


class Facet(Channel):
    """What each panel shows."""


class Parameter(dict):
    """A selection or a variable; ``empty`` False: nothing selected is nothing at all."""

    empty = True


def value(constant: Any) -> dict[str, Any]:
    """A channel that is the same for all marks."""
    return {"value": constant}


def condition(of: Parameter | str, then: dict[str, Any], otherwise: dict[str, Any]) -> dict[str, Any]:
    """A channel that is ``then`` where a selection, or a test of the row, holds."""
    holds: dict[str, Any] = {"test": of} if isinstance(of, str) else {"param": of["name"]}
    if isinstance(of, Parameter) and not of.empty:
        holds["empty"] = False
    return {"condition": holds | then} | otherwise


def selection_point(name: str, *, bind: str | None = None, empty: bool = True, **select: Any) -> Parameter:
    """What a click, a pointer or a legend (``bind``) selects."""
    return _selection(name, "point", bind, empty, select)


def selection_interval(name: str, *, bind: str | None = None, **select: Any) -> Parameter:
    """What dragging selects, or moves where it is bound to "scales"."""
    return _selection(name, "interval", bind, True, select)


def _selection(name: str, kind: str, bind: str | None, empty: bool, select: dict[str, Any]) -> Parameter:
    found = Parameter(name=name, select={"type": kind, **select}, **({"bind": bind} if bind else {}))
    found.empty = empty
    return found


def param(name: str, **properties: Any) -> Parameter:
    """A variable: its value, or the expression that gives it."""
    return Parameter(name=name, **properties)


def binding_range(**properties: Any) -> dict[str, Any]:
    """A slider that sets a variable."""
    return {"input": "range", **properties}


class Chart:
    """A view, or views together. It never changes: every method gives another."""

    def __init__(self, data: Data | NamedData | None = None, **parts: Any):
        self.parts: dict[str, Any] = ({} if data is None else {"data": data}) | parts

    def __getitem__(self, name: str) -> Any:
        return self.parts[name]

    def _with(self, **parts: Any) -> Chart:
        return Chart(**{**self.parts, **parts})

    def _mark(self, kind: str, **style: Any) -> Chart:
        return self._with(mark={"type": kind, **style})

    mark_area = partialmethod(_mark, "area")
    mark_bar = partialmethod(_mark, "bar")
    mark_circle = partialmethod(_mark, "circle")
    mark_image = partialmethod(_mark, "image")
    mark_line = partialmethod(_mark, "line")
    mark_point = partialmethod(_mark, "point")
    mark_rect = partialmethod(_mark, "rect")
    mark_rule = partialmethod(_mark, "rule")
    mark_text = partialmethod(_mark, "text")
    mark_tick = partialmethod(_mark, "tick")

    def encode(self, **channels: Any) -> Chart:
        """The chart with these channels: ``Channel``, "field:Q", or several of either."""
        return self._with(
            encoding=self.parts.get("encoding", {})
            | {name: _channel(name, channel) for name, channel in channels.items()}
        )

    def properties(self, **parts: Any) -> Chart:
        """The chart with width, height, title, name, data, spacing, config ..."""
        return self._with(**parts)

    def transform_filter(self, test: str) -> Chart:
        """Only the rows for which ``test`` holds."""
        return self._transformed([{"filter": test}])

    def transform_calculate(self, **expressions: str) -> Chart:
        """Rows with more fields, each by its expression."""
        return self._transformed([{"calculate": said, "as": name} for name, said in expressions.items()])

    def transform_joinaggregate(self, groupby: list[str], **fields: str) -> Chart:
        """Rows with a figure of their group: ``last="max(step)"``."""
        parted = {name: said.rstrip(")").split("(") for name, said in fields.items()}
        return self._transformed(
            [
                {
                    "joinaggregate": [{"as": name, "op": op, "field": field} for name, (op, field) in parted.items()],
                    "groupby": groupby,
                }
            ]
        )

    def _transformed(self, more: list[dict[str, Any]]) -> Chart:
        return self._with(transform=[*self.parts.get("transform", []), *more])

    def add_params(self, *parameters: Parameter) -> Chart:
        """The chart with selections or variables; they belong to the first of several layers."""
        return self._with(params=[*self.parts.get("params", []), *parameters])

    def facet(self, by: Facet, *, columns: int, data: Data | NamedData | None = None) -> Chart:
        """A panel a value of ``by``; the panels share the rows."""
        inner = {name: part for name, part in self.parts.items() if name != "data"}
        return Chart(self.parts.get("data") if data is None else data, facet=by, spec=Chart(**inner), columns=columns)

    def resolve_scale(self, **channels: str) -> Chart:
        """Which scales panels share."""
        return self._resolved(scale=channels)

    def resolve_axis(self, **channels: str) -> Chart:
        """Which axes panels share."""
        return self._resolved(axis=channels)

    def _resolved(self, **parts: Any) -> Chart:
        return self._with(resolve=self.parts.get("resolve", {}) | parts)

    def to_dict(self) -> dict[str, Any]:
        """The specification; at its top named rows, and selections with the views they are made in."""
        gathered = _Gathered()
        found = gathered.view(self)
        extra = {"params": gathered.params, "datasets": gathered.datasets}
        return {**found, **{name: part for name, part in extra.items() if part}, "$schema": SCHEMA}

    def _repr_mimebundle_(self, *args: Any, **options: Any) -> Any:
        return altair_chart(self.to_dict())._repr_mimebundle_(*args, **options)


def layer(*layers: Chart, **parts: Any) -> Chart:
    """One over another; what all have in common belongs to the whole."""
    return _together("layer", layers, parts, ("data", "width", "height"))


def hconcat(*charts: Chart, **parts: Any) -> Chart:
    """Side by side."""
    return _together("hconcat", charts, parts, ("data",))


def vconcat(*charts: Chart, **parts: Any) -> Chart:
    """One below another."""
    return _together("vconcat", charts, parts, ("data",))


def concat(*charts: Chart, **parts: Any) -> Chart:
    """In rows of so many ``columns``."""
    return _together("concat", charts, parts, ("data",))


def _together(how: str, charts: Iterable[Chart], parts: dict[str, Any], shared: Iterable[str]) -> Chart:
    charts = list(charts)
    for name in shared:
        own = [chart.parts[name] for chart in charts if name in chart.parts]
        whole = name in parts or (len(own) == len(charts) if name == "data" else bool(own))
        common = parts.get(name, own[0] if own else None)
        if whole and all(one is common if name == "data" else one == common for one in own):
            parts = {**parts, name: common}
            charts = [Chart(**{key: part for key, part in chart.parts.items() if key != name}) for chart in charts]
    return Chart(**{how: charts}, **parts)


def altair_chart(specification: dict[str, Any]) -> Any:
    """The specification as a chart of altair's, which shows itself in a notebook and can be changed."""
    import altair

    bare = {name: part for name, part in specification.items() if name != "datasets"}
    chart = altair.Chart.from_dict(bare)
    if "datasets" in specification:
        chart["datasets"] = specification["datasets"]  # set apart: its check of every row takes a second
    return chart


def finished(specification: dict[str, Any]) -> Chart:
    """A specification made elsewhere as a chart, to be put beside others."""
    return Chart(**{name: part for name, part in specification.items() if name not in ("config", "$schema")})


class _Gathered:
    """What belongs to the top of a specification, gathered from its views."""

    def __init__(self) -> None:
        self.params: list[dict[str, Any]] = []
        self.datasets: dict[str, list[dict[str, Any]]] = {}

    def view(self, chart: Chart) -> dict[str, Any]:
        """The chart as a dictionary, without its named rows and its selections."""
        found = {name: part for name, part in chart.parts.items() if name not in ("params", "datasets")}
        self.datasets |= chart.parts.get("datasets", {})
        for name in _INNER:
            if name in found:
                found[name] = [self.view(inner) if isinstance(inner, Chart) else inner for inner in found[name]]
        if "spec" in found:
            found["spec"] = self.view(found["spec"])
        for parameter in chart.parts.get("params", []):
            self._lift(parameter, found)
        return found

    def _lift(self, parameter: Parameter, view: dict[str, Any]) -> None:
        """The parameter at the top; a selection with the view it is made in, which gets a name."""
        known = next((one for one in self.params if one["name"] == parameter["name"]), None)
        if known is None:
            known = dict(parameter)
            self.params.append(known)
        if "select" in parameter:
            views = known.setdefault("views", [])
            views.append(view.setdefault("name", f"view-{1 + sum(len(one.get('views', [])) for one in self.params)}"))


def _channel(name: str, channel: Any) -> Any:
    if isinstance(channel, (list, tuple)):
        return [_channel(name, part) for part in channel]
    found = Channel(channel) if isinstance(channel, str) else channel
    return {key: part for key, part in found.items() if key != "type"} if name in _SECOND else found


def _field(short: str) -> dict[str, str]:
    field, _, kind = short.partition(":")
    return {"field": field, "type": _TYPES[kind]} if kind else {"field": field}
