"""Two hyperparameters crossed as a heat map with its table, and curves of noisy batches as running means."""

from __future__ import annotations

import itertools
import re

import numpy as np
import polars as pl
import pytest
import vl_convert

from fake_run import line_run, softmax_run, tiny
from fallline.errors import UnknownName
from fallline.report import charts, write_figures, write_report
from fallline.report.figures import drawn, figure_kinds
from fallline.stats.analysis import Analysis
from fallline.study import Figure

BETAS = {8: ((0.7, 0.9, 0.99), (0.7, 0.9, 0.99)), 32: ((0.6, 0.9, 0.99), (0.7, 0.9, 0.99))}
SEEDS = 5
GRID = Figure(kind="grid")


def betas(folder, seeds=SEEDS, drop=(), gone=(), partly=(), scale=1.0, **fields):
    """Betas of adam at two sizes of batches, as the pencil below expects them: losses of a formula and a noise."""
    rows = []
    for batch, (firsts, seconds) in BETAS.items():
        for first, second, seed in itertools.product(firsts, seconds, range(seeds)):
            pair = (batch, first, second)
            if pair in drop:
                continue
            lost = pair in gone or (pair in partly and seed == 1)
            tail = loss(batch, first, second, seed, scale)
            rows.append(
                {
                    "beta1": first,
                    "beta2": second,
                    "batch_size": batch,
                    "seed": seed,
                    "status": "diverged" if lost else "done",
                    "diverged_at": 4 if lost else None,
                    "tail_train_loss": None if lost else tail,
                    "final_train_loss": None if lost else tail * (1 + 0.5 * (-1) ** seed),
                    "min_train_loss": tail / 10,
                    "min_train_loss_step": 3,
                }
            )
    return tiny(folder / "run", rows, **{"metric": "train_loss", "seeds": seeds, **fields})


def loss(batch, first, second, seed, scale=1.0):
    noise = np.random.default_rng([batch, round(100 * first), round(100 * second), seed]).normal(0, 1e-4)
    return scale * (0.01 + abs(first - 0.9) / 50 + abs(second - 0.99) / 50 + noise)


def svg(chart):
    return vl_convert.vegalite_to_svg(chart.to_dict())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return betas(tmp_path_factory.mktemp("betas"))


def test_a_cell_is_the_mean_over_seeds_with_its_standard_deviation(run):
    found = drawn(run, GRID)
    assert found.frame.height == 18 and (found.frame["n"] == SEEDS).all()
    row = found.frame.filter(pl.col("panel") == "batch size 32", pl.col("up") == "0.6", pl.col("right") == "0.99")
    own = [loss(32, 0.6, 0.99, seed) for seed in range(SEEDS)]
    assert row["value"].item() == pytest.approx(np.mean(own))
    assert row["sd"].item() == pytest.approx(np.std(own, ddof=1))


def test_the_best_of_each_panel_is_framed_and_named(run):
    found = drawn(run, GRID)
    best = found.frame.filter("best").select("panel", "up", "right").rows()
    assert best == [("batch size 8", "0.9", "0.99"), ("batch size 32", "0.9", "0.99")]
    assert "Framed, best: beta1 0.9 with beta2 0.99 (batch size 8) and beta1 0.9 with beta2 0.99 (batch size 32)." in (
        found.caption
    )


def test_beta1_stands_up_the_side_and_a_learning_rate_along_the_bottom(run, tmp_path):
    frame = drawn(run, GRID).frame
    assert (frame["side"][0], frame["along"][0]) == ("beta1", "beta2")
    turned = drawn(run, Figure(kind="grid", color="beta2")).frame
    assert (turned["side"][0], turned["along"][0]) == ("beta2", "beta1")
    rows = [
        {"learning_rate": rate, "momentum": momentum, "validation_accuracy": rate * momentum}
        for rate in (0.1, 0.01)
        for momentum in (0.5, 0.9)
    ]
    rates = drawn(tiny(tmp_path / "rates", rows), GRID)
    assert (rates.frame["side"][0], rates.frame["along"][0]) == ("momentum", "learning_rate")
    assert rates.frame.filter("best").select("up", "right").rows() == [("0.9", "0.1")]  # more accuracy is better


def test_a_panel_shows_only_the_values_it_was_run_with(run):
    frame = drawn(run, GRID).frame
    for batch, (firsts, _) in BETAS.items():
        assert set(frame.filter(pl.col("panel") == f"batch size {batch}")["up"]) == {str(value) for value in firsts}
    assert "not run" not in svg(drawn(run, GRID).chart)


def test_a_mean_over_the_last_steps_takes_the_place_of_a_last_batch(run, tmp_path):
    assert set(drawn(run, GRID).frame["metric"]) == {"tail_train_loss"}
    assert "The loss of a single last batch is noisy" in drawn(run, GRID).caption
    rows = [
        {"beta1": one, "beta2": two, "tail_train_loss": 1.0, "validation_accuracy": one * two}
        for one in (0.5, 0.9)
        for two in (0.5, 0.9)
    ]
    held_out = drawn(tiny(tmp_path / "held", rows), GRID).frame  # a study's own metric on held-out data stays
    assert set(held_out["metric"]) == {"validation_accuracy"}
    rows = [row | {"batch_size": None, "final_train_loss": 2.0} for row in rows]
    every = drawn(tiny(tmp_path / "every", rows, metric="train_loss"), GRID)  # of all examples a loss is no draw
    assert set(every.frame["metric"]) == {"final_train_loss"} and "noisy draw" not in every.caption


def test_the_table_has_a_row_a_configuration_with_every_loss_and_its_spread(run):
    found = drawn(run, GRID).table
    losses = ["final loss, last batch", "mean of the last steps", "minimum"]
    assert found.columns == ["batch_size", "beta1", "beta2", *losses]
    assert found.height == 18
    row = found.filter(batch_size="8", beta1="0.7", beta2="0.9").row(0, named=True)
    own = np.array([loss(8, 0.7, 0.9, seed) for seed in range(SEEDS)])
    last = own * (1 + 0.5 * (-1.0) ** np.arange(SEEDS))
    for text, values in zip(list(row.values())[3:], (last, own, own / 10), strict=True):
        mean, sd = (float(part.replace("−", "-")) for part in text.removesuffix(")").split(" (sd "))
        assert mean == pytest.approx(values.mean(), rel=6e-4)
        assert sd == pytest.approx(values.std(ddof=1), rel=0.06)


def test_the_time_alone_is_never_a_share_of_a_shared_programs_time(run, tmp_path):
    assert drawn(run, GRID).frame["seconds_alone"].is_null().all()
    assert "single trials have no times" in drawn(run, GRID).caption
    pairs = list(itertools.product((0.5, 0.9), (0.5, 0.9)))
    rows = [{"beta1": one, "beta2": two, "tail_train_loss": one * two, "final_train_loss": 1.0} for one, two in pairs]
    alone = tiny(tmp_path / "alone", rows, metric="train_loss")
    set_timing(alone, lanes=1)
    found = drawn(alone, GRID)
    assert set(found.table["seconds alone"]) == {"4.08"}  # 0.21 s of warm-up and 3.87 s after it
    assert "Seconds alone" in found.caption
    measured = tiny(tmp_path / "measured", rows, metric="train_loss")
    set_timing(measured, alone_seconds=77.5)
    assert set(drawn(measured, GRID).table["seconds alone"]) == {"77.5"}


def set_timing(run, **changes):
    import json

    (path,) = (run.folder / "timings").glob("*.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_diverged_and_missing_cells_say_so_in_words(tmp_path):
    run = betas(tmp_path, drop={(8, 0.7, 0.7)}, gone={(8, 0.99, 0.7)}, partly={(8, 0.9, 0.99)})
    found = drawn(run, GRID)
    picture, frame = svg(found.chart), found.frame
    assert picture.count(">not run<") == 1 and picture.count(">diverged<") == 1 and "1 of 5 diverged" in picture
    assert frame.filter(pl.col("state") == "diverged")["value"].to_list() == [None]
    some = frame.filter((pl.col("lost") == 1) & (pl.col("n") == 4)).row(0, named=True)
    others = [loss(8, 0.9, 0.99, seed) for seed in range(SEEDS) if seed != 1]
    assert (some["up"], some["right"], some["value"]) == ("0.9", "0.99", pytest.approx(np.mean(others)))
    assert not some["best"]  # what diverges with some seeds comes after what never does
    assert "Hatched: every seed diverged." in found.caption and "the mean is over the others" in found.caption


def test_colours_are_logarithmic_beyond_a_decade(run, tmp_path):
    def scale(run):
        return re.findall(r'"scheme": "viridis", "type": "(\w+)"', figure_text(run))

    rows = [
        {"beta1": one, "beta2": two, "tail_train_loss": 10 ** (-4 * one * two), "final_train_loss": 1.0}
        for one in (0.1, 0.9)
        for two in (0.1, 0.9)
    ]
    assert set(scale(run)) == {"linear"}
    assert set(scale(tiny(tmp_path / "wide", rows, metric="train_loss"))) == {"log"}
    solved = tiny(tmp_path / "solved", [rows[0] | {"tail_train_loss": 0.0}, *rows[1:]], metric="train_loss")
    assert set(scale(solved)) == {"log"} and svg(drawn(solved, GRID).chart).count(">0<") == 1


def test_panels_share_their_colours_unless_each_would_be_of_one(run, tmp_path):
    def legends(found):
        return svg(found.chart).count("role-legend-title")

    shared = drawn(run, GRID)
    assert shared.frame["panel"].n_unique() == 2
    assert legends(shared) == 1 and "its own colours" not in shared.caption
    rows = [
        {"beta1": one, "beta2": two, "batch_size": batch, "validation_accuracy": 0.4 + batch / 100 + one * two / 20}
        for one in (0.1, 0.9)
        for two in (0.1, 0.9)
        for batch in (8, 32)
    ]
    far = drawn(tiny(tmp_path / "far", rows), GRID)
    assert legends(far) == 2 and "Each panel has its own colour scale." in far.caption
    rows = [row | {"validation_accuracy": row["beta1"] ** 2 * (row["batch_size"] > 8)} for row in rows]
    zeros = drawn(tiny(tmp_path / "zeros", rows), GRID)  # a panel of zeros beside one that spans more than a decade
    assert legends(zeros) == 1 and svg(zeros.chart).count(">0<") == 4


def figure_text(run):
    import json

    return json.dumps(drawn(run, GRID).specification, sort_keys=True)


def luminance(color):
    v = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]


def hexed(color):
    found = re.fullmatch(r"rgb\((\d+), ?(\d+), ?(\d+)\)", color)
    if found:
        return "#" + "".join(f"{int(part):02x}" for part in found.groups())
    return "#" + "".join(2 * letter for letter in color[1:]) if len(color) == 4 else color


@pytest.mark.parametrize("spread", [0.5, 30.0])
def test_every_value_can_be_read_on_its_cell(tmp_path, spread):
    values = np.geomspace(1, 1 + spread, 49)
    rows = [
        {
            "beta1": 0.1 + place // 7 / 10,
            "beta2": 0.1 + place % 7 / 10,
            "tail_train_loss": value,
            "final_train_loss": 1.0,
        }
        for place, value in enumerate(values)
    ]
    picture = svg(drawn(tiny(tmp_path / "run", rows, metric="train_loss"), GRID).chart)
    cells = re.findall(r'<path aria-label="[^"]*" [^>]*d="M[^"]*" fill="(rgb[^"]*|#\w+)"', picture)
    inks = re.findall(r'<text [^>]*font-size="13px" font-weight="600" fill="([^"]*)"', picture)
    assert len(cells) == len(inks) == 49
    for cell, ink in zip(cells, inks, strict=True):
        dark, bright = sorted((luminance(hexed(cell)), luminance(hexed(ink))))
        assert (bright + 0.05) / (dark + 0.05) > 4.5  # WCAG 2, level AA


def test_the_caption_says_how_many_cells_the_seeds_do_not_tell_from_the_best(tmp_path):
    noise = [0.9, 1.1, 1.0]
    cells = ((0.5, 0.5, 1.0, 0), (0.5, 0.9, 1.01, 1), (0.9, 0.5, 4.0, 0), (0.9, 0.9, 9.0, 0))
    rows = [
        {
            "beta1": one,
            "beta2": two,
            "seed": seed,
            "final_train_loss": 1.0,
            "tail_train_loss": value * noise[(seed + turn) % 3],
        }
        for one, two, value, turn in cells
        for seed in range(3)
    ]
    found = drawn(tiny(tmp_path / "run", rows, metric="train_loss", seeds=3), GRID)
    # against the best 1.01 * (1.1, 1.0, 0.9) - (0.9, 1.1, 1.0) has mean 0.01; 4 and 9 times the same noise lie far off
    assert found.frame["tied"].to_list() == [None, True, False, False]
    assert "1 of 3 other cells is not significantly worse than the best" in found.caption


def test_it_stands_in_a_report_where_two_numbers_are_crossed_in_full_and_nowhere_else(run, tmp_path):

    def fits(run):
        return figure_kinds()["grid"].fits(Analysis.of(run))

    assert fits(run) and "grid" in charts(run)
    assert not fits(betas(tmp_path / "holes", drop={(8, 0.7, 0.7)}))
    assert not fits(line_run(tmp_path / "line", steps=20))
    assert not fits(softmax_run(tmp_path / "softmax", seeds=1, steps=20, optimizers=("adam", "momentum")))


def test_a_run_without_two_numbers_gets_a_sentence_and_an_unknown_column_an_error(run, tmp_path):
    found = drawn(line_run(tmp_path / "line", optimizers=("adam",), steps=20), GRID)
    assert found.frame.is_empty() and found.caption == "" and "nothing to cross" in svg(found.chart)
    with pytest.raises(UnknownName, match="beta1"):
        drawn(run, Figure(kind="grid", color="beta"))


def test_the_page_has_the_heat_map_and_its_table(run, tmp_path):
    page = write_report(run, tmp_path / "report" / "report.html")
    text = page.read_text(encoding="utf-8")
    assert "mean of the last steps" in text
    assert [path.name for path in write_figures(run, ["grid"], ["png"], tmp_path)] == ["grid.png"]
    data = pl.read_csv(page.parent / "tables/figure-grid.csv")
    assert data["value"].to_list() == pytest.approx(drawn(run, GRID).frame["value"].to_list())


STEPS = 4000


def noisy(folder, noise, seeds=6, batch_size=8, gone=False):
    """Losses that fall to 0.1, with the noise of small batches on them; and the losses themselves [seeds, steps]."""
    fall = 0.1 + 0.9 * np.exp(-np.arange(STEPS + 1) / 400)
    values = np.abs(fall + np.random.default_rng(3).normal(0, noise, (seeds, STEPS + 1)))
    rows = [
        {
            "seed": seed,
            "steps": STEPS,
            "batch_size": batch_size,
            "final_train_loss": None if gone else own[-1],
            **({"status": "diverged", "diverged_at": STEPS + 1} if gone else {}),
        }
        for seed, own in enumerate(values)
    ]
    curves = pl.concat(
        pl.DataFrame({"trial": f"{seed:016x}", "step": np.arange(STEPS + 1), "train_loss": own})
        for seed, own in enumerate(values)
    )
    return tiny(folder / "run", rows, curves, metric="train_loss", seeds=seeds), values


CURVES = Figure(kind="curves", metric="train_loss")


def test_a_curve_of_noisy_batches_is_a_running_mean_whose_window_is_said(tmp_path):
    run, values = noisy(tmp_path, noise=0.3)
    found = drawn(run, CURVES)
    assert set(found.frame["window"]) == {50}  # a fiftieth of the steps, 80, rounded down
    assert "a running mean of each seed over 50 steps." in found.caption
    for row in found.frame.sample(20, seed=0).iter_rows(named=True):
        before, after = min(25, row["step"]), min(24, STEPS - row["step"])
        own = values[:, row["step"] - before : row["step"] + after + 1].mean(axis=1)
        half = 2.5705818 * own.std(ddof=1) / 6**0.5  # Student's t for 5 degrees of freedom, from a printed table
        assert (row["value"], row["low"], row["high"]) == pytest.approx(
            (own.mean(), own.mean() - half, own.mean() + half)
        )
    ends = found.frame.sort("step")
    assert (ends["step"][0], ends["step"][-1]) == (0, STEPS)


def test_a_curve_that_can_be_read_is_drawn_as_it_was_recorded(tmp_path):
    for name, case in {"quiet": {"noise": 0.005}, "every example a step": {"noise": 0.3, "batch_size": None}}.items():
        run, values = noisy(tmp_path / name, **case)
        frame = drawn(run, CURVES).frame
        assert frame["window"].is_null().all()
        assert frame["value"].to_list() == pytest.approx([values[:, step].mean() for step in frame["step"]])


def test_a_noisy_curve_that_diverged_still_ends_with_its_last_point(tmp_path):
    run, values = noisy(tmp_path, noise=0.3, gone=True)
    frame = drawn(run, CURVES).frame
    assert set(frame["window"]) == {50}
    assert frame.filter("end").select("step", "value").row(0) == pytest.approx((STEPS, values[:, -1].mean()))
