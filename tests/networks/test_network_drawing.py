"""The picture of a network: nothing over anything else, every edge and neuron there, weights as width and colour."""

from __future__ import annotations

import json
import time
from itertools import combinations, pairwise

import numpy as np
import polars as pl
import pytest

from fake_run import tiny
from fallline.errors import ModelError, UnknownName
from fallline.networks import draw, labels, parse, save
from fallline.networks.drawing import _texts, picture
from fallline.networks.marks import DARK, LABEL, LIGHT, NAME, SMALL
from fallline.networks.network import ACTIVATIONS
from fallline.networks.placing import ROW, _crossings, _settled, columns_of, place
from fallline.networks.routes import routes
from fallline.report.figures import Figure, drawn
from fallline.report.figures import network as kind
from fallline.report.style import night
from fallline.stats.analysis import Analysis


def full(*sizes):
    """The text of a network in which every neuron reads the whole layer before it."""
    lines, before = [], [f"x{i}" for i in range(sizes[0])]
    for depth, size in enumerate(sizes[1:]):
        own = [f"n{depth}_{i}" for i in range(size)]
        lines += [f"{name} = " + " + ".join(f"w_{name}_{other}*{other}" for other in before) for name in own]
        before = own
    return "\n".join(lines)


ONE = "xw = ab*xa + bc*xb + cd*xc + ac*xd"
TWO = ("xw=ap*xp+aq*xq+ar*xr+as*xs", "xz=bp*xp+bq*xq+br*xr+bs*xs", "xo=cp*xw+cq*xz")
ODD = """
h = relu(2*ap*xp^2 + aq*xp*xq - 3*ar*xr + b0 + 2)
g = tanh(bp*h + bq*xr + bs*xs)
longish_name = identity(0.5*xp + cg*h - xq + cx*xs^3)
o = dg*g + dh*h*longish_name + dp*xp + dq*xq
side = es*xs
"""
CHAIN = [f"h{i} = a{i}*{f'h{i - 1}' if i else 'x'}" + (f" + b{i}*h{i - 4}" if i > 3 else "") for i in range(24)]
SMALL_ONES = {"one": ONE, "4-2-1": TWO, "5-4-3-2": full(5, 4, 3, 2), "odd": ODD}
ALL = SMALL_ONES | {"chain": CHAIN, "10-8-6-3": full(10, 8, 6, 3)}


def values_of(network, seed=0):
    draws = np.random.default_rng(seed)
    names = [*network.parameters, *(f"bias_{neuron.name}" for neuron in network.neurons)]
    return {name: float(draws.normal()) for name in names}


def placed(network, values=None):
    edges = labels.edges(network)
    names = {name: labels.width(name, NAME) for name in columns_of(network)}
    texts = {(edge.source, edge.target): _texts(edge, values) for edge in edges}
    wide = {pair: sum(labels.width(said, LABEL) for said in both) + 10 * all(both) for pair, both in texts.items()}
    return place(network, edges, names, wide), edges, texts


def layers(chart):
    """(mark, rows) of every layer."""
    whole = chart.to_dict()
    stored = whole.get("datasets", {})
    return [
        (layer["mark"], layer["data"].get("values") or stored[layer["data"]["name"]], layer["encoding"])
        for layer in whole["layer"]
    ]


def written(chart):
    """Every text of a chart as a rectangle (left, right, top, bottom, text)."""
    found = []
    for mark, rows, encoding in layers(chart):
        if mark["type"] == "text":
            size, align = mark["fontSize"], mark["align"]
            for row in rows:
                text = row[encoding["text"]["field"]]
                x, y = (row[encoding[axis]["field"]] for axis in "xy")
                wide = labels.width(text, size)
                left = x - {"left": 0, "center": wide / 2, "right": wide}[align]
                top = y - (0.75 * size if mark.get("baseline") == "alphabetic" else size / 2)
                if text:
                    found.append((left, left + wide, top, top + 0.95 * size, text))
    return found


def overlap(a, b):
    return a[0] < b[1] and b[0] < a[1] and a[2] < b[3] and b[2] < a[3]


@pytest.mark.parametrize("name", SMALL_ONES)
@pytest.mark.parametrize("trained", [False, True])
def test_no_text_stands_over_another_text_or_a_neuron_it_is_not_of(name, trained):
    network = parse(SMALL_ONES[name])
    values = values_of(network) if trained else None
    texts = written(picture(network, values))
    assert len(texts) >= len(labels.edges(network)) + 2 * len(network.neurons)
    assert not [(a[4], b[4]) for a, b in combinations(texts, 2) if overlap(a, b)]
    boxes = placed(network, values)[0].boxes
    for text in texts:
        for other, box in boxes.items():
            around = (box.x - box.half_width, box.x + box.half_width, box.y - box.half_height, box.y + box.half_height)
            assert text[4].rstrip("…") in other or not overlap(text, around)


@pytest.mark.parametrize("name", ALL)
def test_no_edge_runs_through_a_neuron_that_it_does_not_join(name):
    placing, edges, _ = placed(parse(ALL[name]))
    for pair, points in routes(placing, edges).items():
        dense = np.concatenate([np.linspace(a, b, 30) for a, b in pairwise(points)])
        assert (np.diff(points[:, 0]) > -1e-9).all()
        for other, box in placing.boxes.items():
            inside = (abs(dense[:, 0] - box.x) < box.half_width) & (abs(dense[:, 1] - box.y) < box.half_height)
            assert other in pair or not inside.any(), (pair, other)


@pytest.mark.parametrize("name", SMALL_ONES)
def test_no_edge_crosses_the_text_of_another(name):
    network = parse(SMALL_ONES[name])
    placing, edges, texts = placed(network)
    ways = routes(placing, edges)
    for pair, both in texts.items():
        column = placing.columns[placing.boxes[pair[1]].column]
        wide = sum(labels.width(one, LABEL) for one in both)
        for other, points in ways.items():
            dense = np.concatenate([np.linspace(a, b, 30) for a, b in pairwise(points)])
            x, y = dense[:, 0] - column.labels, placing.rows[pair] - dense[:, 1]
            assert other == pair or not ((x > 1) & (x < wide) & (y > 2) & (y < ROW - 6)).any()


def test_inputs_stand_left_and_outputs_right_and_every_edge_leads_to_the_right():
    for text in ALL.values():
        network = parse(text)
        placing, edges, _ = placed(network)
        x = {name: box.x for name, box in placing.boxes.items()}
        assert {x[name] for name in network.inputs} == {min(x.values())}
        assert {x[name] for name in network.outputs} == {max(x.values())}
        assert all(x[edge.source] < x[edge.target] for edge in edges)


def test_neighbours_in_a_column_never_touch():
    for text in [*ALL.values(), full(60, 50, 2), full(900, 2)]:
        placing, _, _ = placed(parse(text))
        columns = {}
        for box in placing.boxes.values():
            columns.setdefault(box.column, []).append(box)
            assert box.half_height <= box.y <= placing.height - box.half_height
        for column in columns.values():
            column.sort(key=lambda box: box.y)
            assert all(b.y - a.y > a.half_height + b.half_height for a, b in pairwise(column))


def test_a_tangle_that_can_be_untangled_is_drawn_without_crossings():
    """Written in an order that crosses everywhere: the sweeps find the one without."""
    chains = 6
    first = [f"a{i} = u{i}*x{i}" for i in range(chains)]
    second = [f"b{i} = v{i}*a{i}" for i in (3, 0, 5, 1, 4, 2)]
    last = [f"c{i} = w{i}*b{i}" for i in reversed(range(chains))]
    placing, _, _ = placed(parse([*first, *second, *last]))
    orders = [sorted(range(chains), key=lambda i: placing.boxes[f"{letter}{i}"].y) for letter in "xabc"]
    assert orders[0] == orders[1] == orders[2] == orders[3]


def test_crossings_are_counted_as_by_hand():
    draws = np.random.default_rng(3)
    for _ in range(20):
        pieces = np.unique(np.stack([draws.integers(0, 6, 15), draws.integers(6, 12, 15)], axis=1), axis=0)
        place_of = np.concatenate([draws.permutation(6), draws.permutation(6)]) / 7.0
        by_hand = sum(
            (place_of[a] - place_of[c]) * (place_of[b] - place_of[d]) < 0 for (a, b), (c, d) in combinations(pieces, 2)
        )
        assert _crossings([pieces], place_of) == by_hand


def test_settling_is_the_least_squares_under_its_distances():
    from scipy.optimize import minimize

    wanted, apart = np.array([5.0, 3, 4, 20, 18, 0]), np.array([2.0, 3, 1, 4, 2])
    weight = np.array([1.0, 4, 1, 1, 4, 1])
    found = _settled(wanted, apart, weight)
    law = {"type": "ineq", "fun": lambda y: np.diff(y) - apart}
    best = minimize(lambda y: (weight * (y - wanted) ** 2).sum(), np.cumsum([0, *apart]), constraints=law)
    assert np.allclose(found, best.x, atol=1e-3) and (np.diff(found) >= apart - 1e-9).all()


def test_the_terms_on_an_edge_are_said_with_coefficients_and_powers():
    network = parse("o = 2*ap*xp^2 + aq*xp - 3*ar*xr + as*xp*xr - xq + b + 2")
    said = {edge.source: (labels.in_names(edge), labels.in_values(edge, VALUES)) for edge in labels.edges(network)}
    assert said["xp"] == ("2·ap·xp² + aq + as·xp·xr", "0.624·xp² − 0.0500 + 1.00·xp·xr")
    assert said["xr"] == ("−3·ar + as·xp·xr", "−6.00 + 1.00·xp·xr")
    assert said["xq"] == ("−1", "−1")
    assert labels.note(network.neurons[0], None) == "b, 2, bias"
    assert labels.note(network.neurons[0], VALUES) == "b 12,300, 2, bias −1.20e−5"


VALUES = {"ap": 0.312, "aq": -0.05, "ar": 2.0, "as": 1.0, "b": 12345.6, "bias_o": -1.2e-5}


def test_the_weight_of_an_edge_adds_terms_of_the_same_sources():
    network = parse("o = 2*ap*xp + aq*xp + ar*xq^2 - as*xq")
    edges = labels.edges(network)
    assert labels.weight(edges[0], VALUES) == pytest.approx(2 * 0.312 - 0.05)
    assert labels.weight(edges[1], VALUES) == 2.0


@pytest.mark.parametrize(
    "value, said",
    [
        (0.0, "0"),
        (0.3, "0.300"),
        (-1.236, "−1.24"),
        (999.6, "1,000"),
        (0.9996, "1.00"),
        (123.4, "123"),
        (2e6, "2.00e6"),
        (float("nan"), "–"),
        (0.00123, "0.00123"),
    ],
)
def test_a_weight_has_three_digits(value, said):
    assert labels.number(value) == said


def test_texts_are_taken_for_at_least_as_wide_as_helvetica_sets_them():
    helvetica = {
        "0": 556,
        "−": 584,
        "a": 556,
        "m": 833,
        "W": 944,
        "i": 222,
        "r": 333,
        ".": 278,
        "_": 556,
        "A": 667,
        "w": 722,
        "D": 722,
        "G": 778,
        "x": 500,
    }
    for letter, thousandths in helvetica.items():
        assert labels.width(letter, 1000) >= thousandths


def test_weights_show_as_width_and_their_sign_as_colour():
    network = parse(TWO)
    values = values_of(network)
    mark, rows, encoding = layers(picture(network, values))[0]
    assert mark["type"] == "line"
    strokes = {row["says"]: (row["wide"], row["sign"]) for row in rows}
    assert len(strokes) == 10
    by_size = sorted(labels.edges(network), key=lambda edge: abs(labels.weight(edge, values)))
    widths = [strokes[f"{edge.source} → {edge.target}"][0] for edge in by_size]
    assert widths == sorted(widths) and widths[0] < widths[-1]
    for edge in by_size:
        sign = "above" if labels.weight(edge, values) > 0 else "below"
        assert strokes[f"{edge.source} → {edge.target}"][1] == sign
    assert encoding["color"]["scale"]["range"][:2] == [LIGHT.positive, LIGHT.negative]


def test_an_untrained_network_is_grey_and_has_no_weights():
    chart = picture(parse(TWO))
    _, rows, _ = layers(chart)[0]
    assert {row["sign"] for row in rows} == {"plain"} and len({row["wide"] for row in rows}) == 1
    assert not any("weight" in row for row in rows) and "weight" not in {text[4] for text in written(chart)}


def test_a_weight_that_is_no_number_is_grey_and_said_to_be_missing():
    network = parse("o = ap*xp + aq*xq")
    chart = picture(network, {"ap": float("nan"), "aq": 0.5, "bias_o": float("inf")})
    signs = {row["says"]: row["sign"] for row in layers(chart)[0][1]}
    assert signs == {"xp → o": "plain", "xq → o": "above"}
    assert {"–", "bias –"} <= {text[4] for text in written(chart)}
    assert "NaN" not in json.dumps(chart.to_dict())


def test_values_are_complete_or_an_error_in_words():
    network = parse(TWO)
    values = values_of(network)
    with pytest.raises(ModelError, match=r"missing: bias_xo"):
        draw(network, {name: value for name, value in values.items() if name != "bias_xo"})
    with pytest.raises(UnknownName, match="did you mean ap"):
        draw(network, values | {"app": 1.0})


def test_many_edges_have_no_labels_but_tell_them_under_the_pointer():
    network = parse(full(10, 8, 6, 3))
    chart = picture(network, values_of(network))
    mark, rows, encoding = layers(chart)[0]
    assert mark["type"] == "rule" and len(rows) == 80 + 48 + 18
    assert not any(name.startswith("w_") for *_, name in written(chart))
    assert {tip["title"] for tip in encoding["tooltip"]} == {"edge", "term", "weight"}
    assert {row["term"] for row in rows} == set(network.parameters)


def test_two_hundred_neurons_are_drawn_quickly_small_and_the_same_each_time():
    network = parse(full(20, 40, 40, 40, 40, 40, 3))
    assert len(network.neurons) == 203
    start = time.perf_counter()
    first = picture(network, values_of(network)).to_dict(validate=False)
    assert time.perf_counter() - start < 10
    assert picture(network, values_of(network)).to_dict(validate=False) == first
    assert first["width"] < 1200 and first["height"] < 1000
    small, _, _ = placed(parse(TWO))
    assert max(box.half_height for box in placed(network)[0].boxes.values()) < small.boxes["xw"].half_height / 2
    texts = [row["text"] for rows in first["datasets"].values() for row in rows if "text" in row]
    assert "3,000 of 7,320 edges drawn, the heaviest" in texts


def test_long_ways_through_many_layers_stay_few_places():
    """Every neuron reads all before it: a place a source and column, not one an edge and column."""
    lines = [f"h{i} = " + " + ".join(f"w{i}_{j}*{f'h{j}' if j >= 0 else 'x'}" for j in range(-1, i)) for i in range(60)]
    placing, edges, _ = placed(parse(lines))
    assert len(edges) == 1830 and len({(at, y) for between in placing.between.values() for at, y in between}) <= 1770
    chart = picture(parse(lines), values_of(parse(lines)))
    assert sum(len(rows) for _, rows, _ in layers(chart)) < 4000 and chart["width"] < 2500


def test_the_activations_of_the_network_stand_in_the_key():
    texts = {text[4] for text in written(picture(parse(ODD)))}
    assert set(ACTIVATIONS) <= texts
    assert not set(ACTIVATIONS) - {"sigmoid"} & {text[4] for text in written(picture(parse(ONE)))}


def test_a_picture_is_saved_as_svg_or_png(tmp_path):
    network = parse(TWO)
    save(network, tmp_path / "plain.svg")
    save(network, tmp_path / "trained.PNG", values_of(network))
    svg = (tmp_path / "plain.svg").read_text(encoding="utf-8")
    assert svg.startswith("<svg") and all(f">{name}<" in svg for name in (*network.inputs, *network.parameters))
    assert (tmp_path / "trained.PNG").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ModelError, match=r"end in \.svg or \.png, got 'a\.pdf'"):
        save(network, tmp_path / "a.pdf")
    with pytest.raises(ModelError, match="cannot write"):
        save(network, tmp_path / "nowhere" / "a.svg")


def test_a_network_shows_itself_as_a_picture_in_a_notebook():
    bundle = parse(ONE)._repr_mimebundle_()
    assert bundle["image/svg+xml"].startswith("<svg") and bundle["text/plain"] == str(parse(ONE))


def test_the_chart_is_valid_vega_lite_in_light_and_dark():
    network = parse(ODD)
    for dark, colors in ((False, LIGHT), (True, DARK)):
        chart = draw(network, values_of(network), dark=dark).to_dict(validate=True)
        assert chart["config"]["background"] == colors.paper
        assert colors.positive in json.dumps(chart["layer"])


def network_run(folder, trained=True):
    """Two networks with two rates and two seeds each; the better rate's lowest seed diverged."""
    rows, weights = [], []
    for name, text in (("one", ONE), ("two", "\n".join(TWO))):
        for rate in (0.1, 0.01):
            for seed in (0, 1):
                trial = f"{len(rows):016x}"
                best = rate == 0.01
                lost = name == "two" and not best and seed == 0
                rows.append(
                    {
                        "trial": trial,
                        "task": name,
                        "learning_rate": rate,
                        "seed": seed,
                        "steps": 10,
                        "status": "diverged" if lost else "done",
                        "final_train_loss": None if lost else 0.1 if best else 0.2,
                    }
                )
                network = parse(text)
                sizes = {"weights": len(network.parameters), "biases": len(network.neurons)}
                weights += [
                    {
                        "trial": trial,
                        "array": array,
                        "shape": [size],
                        "values": [len(rows) + i / 8 for i in range(size)],
                    }
                    for array, size in sizes.items()
                ]
    run = tiny(folder, rows, metric="final_train_loss")
    (folder / "models.json").write_text(json.dumps({"one": ONE, "two": "\n".join(TWO)}))
    if trained:
        (folder / "weights").mkdir()
        block = run.paths.done_blocks()[0]
        schema = {"trial": pl.String, "array": pl.String, "shape": pl.List(pl.Int64), "values": pl.List(pl.Float32)}
        pl.DataFrame(weights, schema=schema).write_parquet(run.paths.weights(block))
    return run


def test_the_report_draws_each_network_with_the_weights_of_its_best_configuration(tmp_path):
    run = network_run(tmp_path)
    assert kind.NETWORK.fits(Analysis.of(run))
    made = drawn(run, Figure(kind="network"))
    assert made.frame.unique("network", maintain_order=True).select("network", "trial", "seed").rows() == [
        ("one", "learning rate 0.01", 0),
        ("two", "learning rate 0.01", 0),
    ]
    counted = made.frame.filter(pl.col("network") == "two").group_by("what").len().sort("what").rows()
    assert counted == [("edge", 10), ("input", 4), ("neuron", 3), ("parameter", 10)]
    edges = made.frame.filter(pl.col("what") == "edge", pl.col("network") == "one")
    assert edges.select("source", "target", "text", "value").rows() == [
        ("xa", "xw", "ab", 3.0),
        ("xb", "xw", "bc", 3.125),
        ("xc", "xw", "cd", 3.25),
        ("xd", "xw", "ac", 3.375),
    ]
    assert "one: learning rate 0.01, seed 0; two: learning rate 0.01, seed 0" in made.caption
    assert len(made.specification["hconcat"]) == 2


def test_the_report_keeps_the_widths_of_the_edges(tmp_path):
    """A theme's width of lines must not take their place."""
    import vl_convert

    made = drawn(network_run(tmp_path), Figure(kind="network", where={"task": "one"}))
    svg = vl_convert.vegalite_to_svg(made.specification)
    rows = next(rows for mark, rows, _ in layers(made.chart) if mark["type"] == "line" and "wide" in rows[0])
    widths = {row["wide"] for row in rows}
    assert len(widths) == 4 and all(f'stroke-width="{width:g}"' in svg for width in widths)


def test_a_diverged_seed_gives_way_to_the_lowest_that_finished(tmp_path):
    made = drawn(network_run(tmp_path), Figure(kind="network", where={"task": "two", "learning_rate": 0.1}))
    assert made.frame.select("network", "seed").unique().rows() == [("two", 1)]
    assert "layer" in made.specification


def test_without_weights_the_report_draws_the_networks_in_grey_and_says_so(tmp_path):
    made = drawn(network_run(tmp_path, trained=False), Figure(kind="network"))
    assert made.frame["value"].is_null().all() and "No weights were kept" in made.caption
    stored = made.specification["datasets"].values()
    assert {row["sign"] for rows in stored for row in rows if "sign" in row} == {"plain"}


def test_every_colour_of_the_report_has_a_dark_twin():
    assert set(kind.INKS) <= set(night(" ".join(kind.INKS)))
    assert {light: dark for light, dark in zip(LIGHT, DARK, strict=True)} == night(" ".join(kind.INKS))


def test_a_run_without_networks_has_no_such_figure(tmp_path):
    assert not kind.NETWORK.fits(Analysis.of(tiny(tmp_path, [{"final_train_loss": 0.1}])))


def test_networks_that_are_wide_together_stand_one_under_the_other(tmp_path):
    run = network_run(tmp_path, trained=False)
    (tmp_path / "models.json").write_text(json.dumps({"one": ODD, "two": full(5, 4, 3, 2)}))
    assert len(drawn(run, Figure(kind="network")).specification["vconcat"]) == 2


def test_small_notes_fit_under_their_neurons():
    """The text under a neuron keeps clear of the rows of the neuron below it."""
    network = parse(full(5, 4, 3, 2))
    placing, _, _ = placed(network)
    for name, box in placing.boxes.items():
        under = box.y + box.half_height + 13 + SMALL / 2
        for pair, y in placing.rows.items():
            same = placing.boxes[pair[1]].column == box.column and pair[1] != name
            assert not same or not box.y < y or y - ROW / 2 > under
