"""The report's parts: numbers in words, colours, figures' data, files beside the page."""

from __future__ import annotations

import itertools
import re
import struct

import numpy as np
import polars as pl
import pytest
import vl_convert
from hypothesis import given, settings
from hypothesis import strategies as st

import fallline
from fake_recipes import LOSSES, recipes_run
from fake_run import hyperparameters_run, line_run, softmax_run, tiny
from fallline.errors import UnknownName
from fallline.report import charts, figure, formatting, shown, write_figures, write_report
from fallline.report.figures import drawn, figure_kinds
from fallline.report.figures.thin import thinned
from fallline.report.headline import Opening
from fallline.report.render.escaping import script_json
from fallline.report.results import Results, columns
from fallline.report.style import INK, OWN, PALETTE, Theme
from fallline.search.records import SearchRecord
from fallline.stats.analysis import Analysis
from fallline.study import Figure, Study


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    return line_run(tmp_path_factory.mktemp("line") / "run", marks=[100])


@pytest.fixture(scope="module")
def softmax(tmp_path_factory):
    said = [
        {"where": {"optimizer": name}, "at": {"learning_rate": rate}, "metric": "validation_accuracy", "value": value}
        for name, rate, value in (("adam", 0.01, 0.92), ("momentum", 0.1, 0.91), ("adadelta", 0.5, 0.84))
    ]
    return softmax_run(tmp_path_factory.mktemp("softmax") / "run", reported=said)


@pytest.fixture(scope="module")
def hyperparameters(tmp_path_factory):
    return hyperparameters_run(tmp_path_factory.mktemp("numbers") / "run")


@pytest.fixture(scope="module")
def recipes(tmp_path_factory):
    return recipes_run(tmp_path_factory.mktemp("recipes") / "run", losses=LOSSES)


@pytest.fixture(scope="module")
def crossed(tmp_path_factory):
    betas = [{"beta1": one, "beta2": two} for one in (0.5, 0.9) for two in (0.9, 0.99)]
    return recipes_run(tmp_path_factory.mktemp("crossed") / "run", optimizers=("adam",), rates=(0.01,), more=betas)


@pytest.fixture(scope="module")
def neurons(tmp_path_factory):
    base = {"optimizer": "adam", "learning_rate": 0.1, "batch_size": 8, "steps": 20}
    study = Study(
        name="neurons",
        task="two",
        networks={"two": {"text": "xo = a*xp + b*xq"}},
        base=base,
        seeds=2,
        metric="tail_train_loss",
    )
    return fallline.run(study, tmp_path_factory.mktemp("neurons") / "run").records


def table(folder, name, **fields):
    base = {"batch_size": 32, "steps": 40, "learning_rate": 0.01}
    data = {"table": name, "target": ["target"], "model": "mlp"}
    study = Study(name=name, data=data, base=base, axes={"optimizer": ["adam", "momentum"]}, **{"seeds": 2} | fields)
    return fallline.run(study, folder / "run").records


@pytest.fixture(scope="module")
def wine(tmp_path_factory):
    return table(tmp_path_factory.mktemp("wine"), "wine")


@pytest.fixture(scope="module")
def diabetes(tmp_path_factory):
    return table(tmp_path_factory.mktemp("diabetes"), "diabetes", seeds=1)


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """The last run of a search of two optimizers, and what it tried at two rungs."""
    run = softmax_run(
        tmp_path_factory.mktemp("searched") / "run", seeds=2, optimizers=("adam", "momentum"), rates=(0.1,), search={}
    )
    random = np.random.default_rng(0)
    rows = [
        {
            "bracket": 1,
            "rung": rung,
            "steps": 25 * rung,
            "seeds": rung,
            "trial_steps": 25 * rung**2,
            "optimizer": optimizer,
            "learning_rate": rate,
            "beta2": 1 - rate / 10 if optimizer == "adam" else None,
            "value": None if rate > 0.9 else float(0.9 - abs(np.log10(rate / 0.03)) / 10 + random.normal() / 100),
        }
        for rung, rates in ((1, np.geomspace(1e-3, 1.0, 12)), (2, np.geomspace(1e-3, 1.0, 12)[5:9]))
        for optimizer in ("adam", "momentum")
        for rate in map(float, rates)
    ]
    SearchRecord(run.paths.search, run.study.hash).write_rows(rows)
    return run


@pytest.fixture(scope="module")
def every_run(softmax, line, hyperparameters, recipes, crossed, neurons, wine, diabetes, searched):
    return softmax, line, hyperparameters, recipes, crossed, neurons, wine, diabetes, searched


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.91998, "0.9200"),
        (2.3026, "2.303"),
        (0.0013494, "0.001349"),
        (1.3494e-7, "1.349e-7"),
        (0, "0"),
        (None, "–"),
        (-0.5, "−0.5000"),
        (12345.6, "1.235e+4"),
        (float("nan"), "–"),
        (float("inf"), "∞"),
        (9999.96, "1.000e+4"),
    ],
)
def test_results_are_written_with_four_significant_digits(value, text):
    assert formatting.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.005, "0.005"),
        (1e-7, "1e-7"),
        (2.5e-5, "2.5e-5"),
        (30000, "30,000"),
        (1.0, "1"),
        (0.0, "0"),
        (-0.5, "−0.5"),
        ("sum_of_squares", "sum of squares"),
    ],
)
def test_settings_are_written_as_they_were_chosen(value, text):
    assert formatting.setting(value) == text


def test_tooltips_write_numbers_as_the_tables_do():
    values = [0.0, 0.91998, 2.3026, 0.0013494, 1.3494e-7, -0.25, 12345.6, 9e-5, 1e-4, 0.1 + 0.2, 123.456, 1e20]
    chart = {
        "data": {"values": [{"v": value, "n": place} for place, value in enumerate(values)]},
        "transform": [{"calculate": formatting.number_expression("v"), "as": "said"}],
        "mark": "text",
        "encoding": {"text": {"field": "said"}, "y": {"field": "n", "axis": None}},
    }
    drawn_texts = re.findall(r"<text[^>]*>([^<]*)</text>", vl_convert.vegalite_to_svg(chart))
    assert drawn_texts == [formatting.number(value) for value in values]


@given(st.floats(min_value=1e-30, max_value=1e30))
@settings(max_examples=200, deadline=None)
def test_a_written_number_reads_back_to_four_digits(value):
    assert float(formatting.number(value)) == pytest.approx(value, rel=6e-4)
    assert formatting.number(-value) == "−" + formatting.number(value)


MACHADO = {
    "normal": np.eye(3),
    "deutan": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "protan": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
}


def linear(color: str) -> np.ndarray:
    v = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def oklab(rgb: np.ndarray) -> np.ndarray:
    lms = np.cbrt(
        np.array(
            [
                [0.4122214708, 0.5363325363, 0.0514459929],
                [0.2119034982, 0.6806995451, 0.1073969566],
                [0.0883024619, 0.2817188376, 0.6299787005],
            ]
        )
        @ np.clip(rgb, 0, 1)
    )
    return (
        np.array(
            [
                [0.2104542553, 0.7936177850, -0.0040720468],
                [1.9779984951, -2.4285922050, 0.4505937099],
                [0.0259040371, 0.7827717662, -0.8086757660],
            ]
        )
        @ lms
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("eyes", MACHADO)
def test_no_two_optimizers_look_alike_to_a_colour_blind_reader(theme, eyes):
    for one, other in itertools.combinations(PALETTE, 2):
        a, b = (oklab(MACHADO[eyes] @ linear(getattr(mark, theme))) for mark in (one, other))
        assert np.linalg.norm(a - b) > 0.1, (one, other)


def luminance(color: str) -> float:
    """The relative luminance of WCAG 2."""
    return float(np.dot([0.2126, 0.7152, 0.0722], linear(color)))


def test_ten_recipes_have_ten_colours_that_stand_out_from_the_paper():
    assert len({mark.light for mark in PALETTE}) == len({mark.dark for mark in PALETTE}) == len(OWN) == 10
    for place, theme in enumerate(("light", "dark")):
        paper = luminance(INK["paper"][place])
        for mark in PALETTE:
            low, high = sorted([paper, luminance(getattr(mark, theme))])
            assert (high + 0.05) / (low + 0.05) > 2.9, mark
    look = Theme.of(OWN)
    assert {mark.dash for mark in look.optimizers.values()} == {(1, 0)}
    words = look.marks("schedule", [f"schedule {number}" for number in range(25)])
    assert len({mark.light for mark in words[:10]}) == 10 and len({(mark.light, mark.dash) for mark in words}) == 25


def test_an_optimizer_looks_the_same_whatever_it_is_compared_with():
    few, many = Theme.of(["adam", "lion"]), Theme.of(["momentum", "rmsprop", "adam", "lion", "zeta"])
    assert few.optimizers["adam"] == many.optimizers["adam"]
    every = Theme.of([f"own_{number}" for number in range(40)]).optimizers
    assert len({(mark.light, mark.dash) for mark in every.values()}) == 40


def colour_scales(part):
    """All colour scales in a specification, as pairs of a name and its colour; fills have the empty name as well."""
    if isinstance(part, list):
        return {pair for inner in part for pair in colour_scales(inner)}
    if not isinstance(part, dict):
        return set()
    found = {pair for inner in part.values() for pair in colour_scales(inner)}
    if str(part.get("range", [""])[0]).startswith("#"):
        found |= set(zip(part["domain"], part["range"], strict=True))
    return found


def test_an_optimizer_has_one_colour_in_every_figure_of_a_run(softmax):
    look = Theme.of(softmax.trials["optimizer"].unique(maintain_order=True).to_list())
    for spec in (Figure(kind="sensitivity"), Figure(kind="curves", color="optimizer", where={"learning_rate": 0.01})):
        whole = figure(softmax, spec).to_dict(validate=False)
        specification = {key: part for key, part in whole.items() if key != "datasets"}
        assert colour_scales(specification) - {("", look.optimizers["gradient_descent"].light)} == {
            (name.replace("_", " "), mark.light) for name, mark in look.optimizers.items()
        }


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=2000), st.integers(60, 300))
@settings(max_examples=40, deadline=None)
def test_thinning_keeps_the_peaks_and_both_ends(values, most):
    points = pl.LazyFrame({"configuration": [7] * len(values), "step": range(len(values)), "value": values})
    thin = thinned(points, most)
    assert thin.height <= most
    assert (thin["value"].min(), thin["value"].max()) == (min(values), max(values))
    assert (thin["step"][0], thin["step"][-1]) == (0, len(values) - 1)
    assert thin["value"].to_list() == [values[step] for step in thin["step"]]


def test_a_curve_is_the_mean_over_seeds_with_its_interval(softmax):
    spec = Figure(kind="curves", metric="train_loss", where={"optimizer": "momentum", "learning_rate": 0.05})
    row = drawn(softmax, spec).frame.filter(pl.col("step") == 500).row(0, named=True)
    names = softmax.trials.filter(pl.col("optimizer") == "momentum", pl.col("learning_rate") == 0.05)["trial"]
    own = softmax.curves.filter(pl.col("trial").is_in(names.implode()), pl.col("step") == 500).collect()["train_loss"]
    half = 2.7764451 * own.std() / 5**0.5  # Student's t for 4 degrees of freedom, from a printed table
    assert (row["value"], row["low"], row["high"]) == pytest.approx((own.mean(), own.mean() - half, own.mean() + half))


def test_a_diverged_curve_ends_where_it_diverged(line):
    frame = drawn(line, Figure(kind="curves", metric="train_loss")).frame
    gone = line.trials.filter(pl.col("status") == "diverged")
    ends = frame.filter("end").sort("configuration")
    assert ends.height == gone.height > 0
    assert ends["step"].to_list() == [step - 1 for step in gone["diverged_at"]]


def test_many_configurations_become_the_best_lines(tmp_path):
    run = softmax_run(
        tmp_path / "run", seeds=1, optimizers=("adam",), rates=tuple(np.geomspace(1e-4, 0.01, 40)), steps=50
    )
    found = drawn(run, Figure(kind="curves"))
    lines = found.frame.filter(pl.col("what") == "line")
    assert lines["configuration"].n_unique() == 12
    assert "Shown: 12 of 40 configurations, the best by validation accuracy." in found.caption


def test_the_band_holds_the_middle_four_fifths_of_the_others(tmp_path):
    run = softmax_run(
        tmp_path / "run", seeds=1, optimizers=("adam",), rates=tuple(np.geomspace(1e-3, 0.02, 40)), steps=50
    )
    frame = drawn(run, Figure(kind="curves")).frame
    drawn_ones = frame.filter(pl.col("what") == "line")["configuration"].unique()
    band = frame.filter(pl.col("what") == "others", pl.col("step") == 50).row(0, named=True)
    others = run.trials.with_row_index("configuration").filter(~pl.col("configuration").is_in(drawn_ones.implode()))
    values = others["validation_accuracy"].to_numpy()
    assert len(values) == 28
    assert (band["low"], band["value"], band["high"]) == pytest.approx(np.quantile(values, [0.1, 0.5, 0.9]))


def test_contours_are_where_the_loss_has_their_level(line):
    rings = drawn(line, Figure(kind="path")).frame.filter(pl.col("what") == "contour")
    x, y = np.array([1, 2, 3, 4]), np.array([0, -1, -2, -3])
    loss = [((w * x + b - y) ** 2).sum() for w, b in rings.select("W", "b").iter_rows()]
    assert loss == pytest.approx(rings["level"].to_list(), rel=1e-9)
    lowest = drawn(line, Figure(kind="path")).frame.filter(pl.col("what") == "lowest").select("W", "b").row(0)
    assert lowest == pytest.approx((-1, 1))


def test_the_sensitivity_takes_the_best_configuration_of_each_rate(softmax):
    frame = drawn(softmax, Figure(kind="sensitivity")).frame
    row = frame.filter(pl.col("color") == "adam", pl.col("learning_rate") == 0.01).row(0, named=True)
    own = softmax.trials.filter(pl.col("optimizer") == "adam", pl.col("learning_rate") == 0.01)["validation_accuracy"]
    assert row["value"] == pytest.approx(own.mean())
    assert frame.filter(pl.col("color") == "adam", pl.col("learning_rate") == 1.0)["value"].to_list() == [None]


@pytest.mark.parametrize(("scatter", "cut"), [(0.05, False), (3.0, True)])
def test_whiskers_are_in_the_picture_or_it_is_said_that_they_are_cut(tmp_path, scatter, cut):
    rows = [
        {"learning_rate": rate, "seed": seed, "validation_accuracy": rate + scatter * (seed - 1)}
        for rate in (0.1, 0.2, 0.4)
        for seed in range(3)
    ]
    found = drawn(tiny(tmp_path / "run", rows, seeds=3), Figure(kind="sensitivity"))
    low, high = found.specification["layer"][0]["encoding"]["y"]["scale"]["domain"]
    inside = low <= found.frame["low"].min() and found.frame["high"].max() <= high
    assert inside is not cut and ("cut" in found.caption) is cut
    assert low <= found.frame["value"].min() and found.frame["value"].max() <= high < 1


def test_the_flat_part_of_an_optimum_is_within_a_tenth_of_the_best(hyperparameters):
    found = drawn(hyperparameters, Figure(kind="hyperparameters"))
    row = found.table.filter(pl.col("optimizer") == "adam", pl.col("hyperparameter") == "epsilon").row(0, named=True)
    assert (row["default"], row["best_found"]) == (1e-8, 1e-8)  # epsilon changes nothing here: the base wins a tie
    assert (row["near_best_from"], row["near_best_to"], row["values_near_best"]) == (1e-10, 1e-4, 4)
    rate = found.table.filter(pl.col("optimizer") == "adam", pl.col("hyperparameter") == "learning_rate").row(
        0, named=True
    )
    assert (rate["best_found"], rate["values_near_best"]) == (0.1, 1)


def test_named_figures_come_in_the_studys_order_and_others_fit(softmax, line, hyperparameters, tmp_path):
    assert list(charts(line)) == ["curves", "sensitivity", "path"]
    assert list(charts(softmax)) == ["curves", "sensitivity", "stopping", "reported", "ranks", "tuning"]
    assert list(charts(hyperparameters)) == ["hyperparameters"]
    named = [{"kind": "sensitivity"}, {"kind": "curves", "metric": "train_loss"}, {"kind": "curves", "steps": 100}]
    run = softmax_run(tmp_path / "run", seeds=1, optimizers=("adam",), rates=(0.01, 0.1), figures=named)
    assert list(charts(run)) == ["sensitivity", "curves-1", "curves-2"]
    assert drawn(run, run.study.figures[2]).frame["step"].max() == 100


@pytest.mark.parametrize("kind", list(figure_kinds()))
def test_every_kind_draws_every_run_that_it_fits(kind, every_run):
    fitting = [run for run in every_run if figure_kinds()[kind].fits(Analysis.of(run))]
    assert fitting or kind == "guessed", "that one only where a study names it: see test_forecast.py"
    for run in fitting:
        assert vl_convert.vegalite_to_svg(figure(run, kind).to_dict(validate=False)).startswith("<svg")


@pytest.mark.parametrize("kind", list(figure_kinds()))
def test_a_kind_that_does_not_fit_says_so_in_place_of_a_picture(kind, every_run):
    for run in every_run:
        if not figure_kinds()[kind].fits(Analysis.of(run)) and kind not in ("path", "curves", "sensitivity"):
            found = drawn(run, Figure(kind=kind))
            assert vl_convert.vegalite_to_svg(found.specification).startswith("<svg")
            assert found.frame.is_empty() == (found.caption == "")


def test_an_unknown_figure_lists_the_near_ones(line):
    with pytest.raises(UnknownName, match=r"did you mean sensitivity\?"):
        figure(line, "sensitivty")
    with pytest.raises(UnknownName, match="no kind of figure is named 'curve'"):
        figure(line, Figure(kind="curve"))


def test_tables_lie_beside_the_page_and_pictures_come_when_asked_for(hyperparameters, tmp_path):
    page = write_report(hyperparameters, tmp_path / "out" / "page.html")
    names = {str(path.relative_to(page.parent)) for path in page.parent.rglob("*") if path.is_file()}
    assert names == {
        "page.html",
        "page.md",
        "tables/figure-hyperparameters.csv",
        "tables/answer.tex",
        "tables/arms.csv",
        "tables/pairs.csv",
        "tables/pairs.tex",
        "tables/ranked.csv",
        "tables/ranked.tex",
        "tables/best.csv",
        "tables/times.csv",
    }
    written = write_figures(hyperparameters, folder=page.parent / "figures")
    assert [path.name for path in written] == ["hyperparameters.svg", "hyperparameters.pdf", "hyperparameters.png"]
    svg = (page.parent / "figures/hyperparameters.svg").read_text()
    width, height = (float(re.search(rf'{side}="([\d.]+)"', svg)[1]) for side in ("width", "height"))
    assert struct.unpack(">II", (page.parent / "figures/hyperparameters.png").read_bytes()[16:24]) == pytest.approx(
        (2 * width, 2 * height), abs=2
    )
    assert pl.read_csv(page.parent / "tables/ranked.csv").height == hyperparameters.trials.height


def test_the_terminal_says_what_the_page_says(softmax):
    found = shown(softmax, top=3)
    opening = Opening.of(Results.of(softmax))
    assert found.before == [softmax.study.title, "", *opening.lead]
    ((table, under),) = found.tables
    brief = [column.texts[:3] for column in opening.columns if column.heading not in ("sd", "n", "test loss")]
    assert cells(table) == brief and "The first 3 of 9 rows." in under
    every = shown(softmax, top=20, every=True)
    assert every.before == [*found.before, *opening.sure]
    assert every.after[: len(opening.figures)] == opening.figures and opening.figures[0] in str(every)
    (arms, explained), (whole, _) = every.tables
    assert cells(arms) == [column.texts for column in opening.columns] and any("sd: " in line for line in explained)
    assert whole.row_count == 20
    assert cells(whole) == [column.texts[:20] for column in columns(opening.results, opening.results.ranked)]


def cells(table):
    """The texts of a table of rich's, a list a column."""
    return [[getattr(cell, "plain", cell) for cell in column.cells] for column in table.columns]


def test_text_cannot_leave_its_place():
    evil = '</script><img src=x onerror="alert(1)">'
    assert "</script><" not in script_json({"name": evil})
