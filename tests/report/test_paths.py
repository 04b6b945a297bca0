"""Paths over contours: where the lines of equal loss lie, what is held, the slider, and the saddle."""

from __future__ import annotations

import json
import re
import shutil

import jax
import numpy as np
import polars as pl
import pytest
import vl_convert
from test_report_page import opened

import fallline
from fallline.errors import StudyError, UnknownName
from fallline.losses import find_loss
from fallline.report import write_report
from fallline.report.export import without_pointer
from fallline.report.figures import drawn
from fallline.report.figures.contours import contour_levels, level_lines, lowest_point
from fallline.report.figures.path_picture import PLACES
from fallline.study import Figure, Study
from fallline.tasks import find_task

XS, YS = np.linspace(-2, 2, 41), np.linspace(-1.5, 1.5, 31)
X, Y = np.meshgrid(XS, YS)


def path_of(*names, **fields):
    return Figure(kind="path", **fields).model_copy(update={"of": list(names)})


@pytest.fixture(scope="module")
def neuron(tmp_path_factory):
    """One neuron, really trained by two rules."""
    study = Study(
        name="neuron",
        task="two-gaussians-one-neuron",
        metric="final_train_loss",
        seeds=2,
        base={"batch_size": 8, "steps": 300, "learning_rate": 0.1},
        axes={"optimizer": ["adam", "gradient_descent"]},
    )
    return fallline.run(study, tmp_path_factory.mktemp("neuron") / "run").records


@pytest.fixture(scope="module")
def saddle(tmp_path_factory):
    return fallline.run("neurons/saddle", tmp_path_factory.mktemp("saddle") / "run", preset="quick")


@pytest.mark.parametrize("radius", [0.3, 0.9, 1.4])
def test_the_contour_of_a_cone_is_one_closed_circle(radius):
    (line,) = level_lines(XS, YS, np.hypot(X, Y), radius)
    np.testing.assert_array_equal(line[0], line[-1])
    np.testing.assert_allclose(np.hypot(*line.T), radius, atol=0.1**2 / (8 * 0.2))  # the error of a chord
    assert np.linalg.norm(np.diff(line, axis=0), axis=1).sum() == pytest.approx(2 * np.pi * radius, rel=0.01)


def test_contours_of_a_plane_are_exact_and_run_from_border_to_border():
    (line,) = level_lines(XS, YS, X + 2 * Y, 0.33)
    np.testing.assert_allclose(line @ [1, 2], 0.33, atol=1e-12)
    ends = np.abs(line[[0, -1]]) / [2, 1.5]
    np.testing.assert_allclose(ends.max(axis=1), 1)
    assert (np.diff(line[:, 0]) > 0).all() or (np.diff(line[:, 0]) < 0).all()


def test_two_circles_are_two_lines_and_a_level_that_is_nowhere_is_none():
    two = np.minimum(np.hypot(X - 1, Y), np.hypot(X + 1, Y))
    assert len(level_lines(XS, YS, two, 0.5)) == 2
    assert level_lines(XS, YS, two, 9.0) == []


@pytest.mark.parametrize("level, cut_off", [(0.45, [[0, 1], [1, 0]]), (0.55, [[0, 0], [1, 1]])])
def test_where_corners_alternate_the_mean_says_which_belong_together(level, cut_off):
    """Heights 1 and 0 in turn, their mean 0.5: below it the high corners are one piece, above it the low ones."""
    ends = np.array([0.0, 1.0])
    lines = level_lines(ends, ends, np.array([[1.0, 0.0], [0.0, 1.0]]), level)
    assert sorted(np.round(line.mean(axis=0)).tolist() for line in lines) == cut_off


def test_cells_that_are_not_finite_have_no_line():
    values = np.hypot(X, Y)
    values[20, 25] = np.nan
    lines = level_lines(XS, YS, values, 0.6)
    assert lines and not any(((np.abs(line - [XS[25], YS[20]]) < [0.099, 0.099]).all(axis=1)).any() for line in lines)


def test_the_lowest_point_lies_between_the_points_of_the_grid_and_never_at_the_border():
    x, y, value = lowest_point(XS, YS, (X - 0.537) ** 2 + 3 * (Y + 0.211) ** 2 + 7)
    assert (x, y, value) == pytest.approx((0.537, -0.211, 7))
    assert lowest_point(XS, YS, X + Y**2) is None


def test_heights_are_round_and_evenly_spaced_or_powers_where_a_few_values_tower():
    levels, said = contour_levels(X**2 + Y**2)
    assert np.ptp(np.diff(levels)) < 1e-9 and said == f"{levels[1] - levels[0]:g} apart" and 8 <= len(levels) <= 30
    powers, said = contour_levels(np.exp(6 * X))
    np.testing.assert_allclose(np.diff(np.log10(powers)), 0.5)
    assert said == "each √10 times the next"
    assert contour_levels(np.ones((3, 3))) == ([], "")


def test_contours_of_a_neuron_lie_where_its_loss_has_their_level(neuron):
    found = drawn(neuron, path_of("ab", "bc"))
    rings = found.frame.filter(pl.col("what") == "contour")
    best = neuron.trials.filter(seed=0).sort("final_train_loss")["trial"]
    held = dict(
        neuron.weights.filter(pl.col("trial").is_in(best.implode()))
        .select(pl.concat_str("trial", pl.lit("/"), "array"), "values")
        .collect()
        .iter_rows()
    )
    train = find_task("two-gaussians-one-neuron").data("sample", None).train
    rows = np.linspace(0, len(train.inputs) - 1, 500).astype(int)

    def misses(trial):
        errors = []
        for a, b, level in rings.select("ab", "bc", "level").gather_every(7).iter_rows():
            w = np.array(held[f"{trial}/weights"])
            w[:2] = a, b
            outputs = 1 / (1 + np.exp(-(train.inputs[rows] @ w + held[f"{trial}/biases"][0])))
            errors.append(abs(((outputs - train.targets[rows]) ** 2).mean() - level))
        return max(errors)

    apart = np.diff(rings["level"].unique().sort().to_list()).min()
    assert rings.height > 100 and min(map(misses, best)) < 0.03 * apart < max(map(misses, best))
    assert "500 of 5,000 examples" in found.caption and "Shown: seed 0 of 2 seeds." in found.caption
    assert re.search(r"fixed at their final values in (adam|gradient descent)", found.caption)


def test_paths_are_the_curves_of_the_two_scalars_in_the_order_asked_for(neuron):
    found = drawn(neuron, path_of("bc", "ab"))
    paths = found.frame.filter(pl.col("what") == "path", pl.col("step") <= 100)
    assert found.specification["layer"][0]["encoding"]["x"]["title"] == "bc"
    seed = neuron.trials.filter(seed=0).select("trial", color=pl.col("optimizer").str.replace("_", " "))
    curves = neuron.curves.collect().join(seed, on="trial").filter(pl.col("step") <= 100)
    both = paths.drop("trial").join(curves.select("color", "step", a="ab", b="bc"), on=["color", "step"])
    assert both.height == 2 * 101
    np.testing.assert_allclose(both.select("ab", "bc").to_numpy(), both.select("a", "b").to_numpy())


def test_without_kept_weights_there_are_paths_and_a_reason_and_no_contours(neuron, tmp_path):
    shutil.copytree(neuron.folder, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "weights")
    found = drawn(fallline.open_run(tmp_path / "run").records, Figure(kind="path"))
    assert set(found.frame["what"]) == {"path", "corner", "note"}
    assert "No contours: the run keeps no weights of these trials." in found.caption
    assert "contours of the" not in found.caption
    assert vl_convert.vegalite_to_svg(found.specification).startswith("<svg")


def test_an_unknown_scalar_lists_those_that_were_watched(neuron):
    with pytest.raises(UnknownName, match=r"no watched scalar is named 'ac' .*; did you mean bc or ab\?"):
        drawn(neuron, path_of("ab", "ac"))
    with pytest.raises(StudyError, match=r"a path takes two watched scalars, got ab \(figure path\)"):
        drawn(neuron, path_of("ab"))


def test_scalars_may_bear_the_names_of_columns_and_a_task_from_python_is_drawn_without_contours(tmp_path):
    model = fallline.from_functions(
        lambda key: {"value": jax.numpy.ones(()), "rank": jax.numpy.zeros(())},
        lambda w, inputs: w["value"] * inputs + w["rank"],
        name="own",
        watch=dict,
    )
    task = fallline.from_arrays(
        "own", model=model, train=(np.arange(4.0, dtype=np.float32), np.ones(4, np.float32)), loss="squared_error"
    )
    study = Study(
        name="own",
        task=task,
        metric="final_train_loss",
        base={"optimizer": "adam", "learning_rate": 0.1, "batch_size": "all", "steps": 20},
    )
    run = fallline.run(study, tmp_path / "run").records
    found = drawn(run, Figure(kind="path"))
    paths = found.frame.filter(pl.col("what") == "path")
    curve = run.curves.collect()
    assert set(run.trials["task"]) == {"own"} and "No contours: the task own is not available" in found.caption
    np.testing.assert_allclose(paths["value_"], curve["value"])
    np.testing.assert_allclose(paths["value"], curve["train_loss"])
    assert vl_convert.vegalite_to_svg(found.specification).startswith("<svg")


def test_the_saddle_has_the_loss_and_the_still_points_that_its_page_names():
    task = find_task("saddle")
    inputs, targets = task.data("sample", None).train

    @jax.jit
    def f(x, y):
        return find_loss("squared_error")(task.model.apply({"x": x, "y": y}, inputs), targets)

    for x, y in np.random.default_rng(0).normal(size=(5, 2)):
        assert float(f(x, y)) == pytest.approx(x**2 - y**2 + y**4 / 4 + 1, rel=1e-5)
    for point, height, signs in (((0.0, 0.0), 1, [-1, 1]), ((0.0, 2**0.5), 0, [1, 1])):
        assert float(f(*point)) == pytest.approx(height, abs=1e-6)
        np.testing.assert_allclose(jax.jit(jax.grad(f, (0, 1)))(*point), 0, atol=1e-6)
        bends = np.linalg.eigvalsh(np.array(jax.jit(jax.hessian(f, (0, 1)))(*point)))
        assert np.sign(bends).tolist() == signs


def test_adam_and_sgd_plus_leave_the_saddle_long_before_sgd(saddle):
    for rate in (0.03, 0.01):
        trials = saddle.trials.filter(learning_rate=rate).select("optimizer", "trial")
        near = saddle.curves.join(trials, on="trial").filter(pl.col("x").abs() < 0.3, pl.col("y").abs() < 0.3)
        stay = dict(near.group_by("optimizer").len().iter_rows())
        assert stay["gradient_descent"] > 3 * max(stay.get("adam", 0), stay.get("sgd_plus", 0))


def test_the_lowest_point_of_the_saddles_picture_is_its_minimum(saddle):
    frame = drawn(saddle.records, saddle.records.study.figures[0]).frame
    low = frame.filter(pl.col("what") == "lowest").row(0, named=True)
    assert (low["x"], low["y"], low["level"]) == pytest.approx((0, 2**0.5, 0), abs=2e-3)
    rings = frame.filter(pl.col("what") == "contour")
    heights = rings["x"] ** 2 - rings["y"] ** 2 + rings["y"] ** 4 / 4 + 1
    np.testing.assert_allclose(heights, rings["level"], atol=0.01)


def test_the_slider_begins_at_its_end_so_still_pictures_show_whole_paths(saddle):
    chart = drawn(saddle.records, saddle.records.study.figures[0]).specification
    (slider,) = (param for param in chart["params"] if "bind" in param and isinstance(param["bind"], dict))
    assert slider["value"] == slider["bind"]["max"] == PLACES

    def picture(place):
        still = without_pointer(chart)
        for param in still["params"]:
            if param["name"] == slider["name"]:
                param["value"] = place
        return vl_convert.vegalite_to_svg(still)

    lengths = [len(picture(place)) for place in (0, PLACES // 2, PLACES)]
    assert lengths[0] < lengths[1] < lengths[2]


def test_in_the_page_the_slider_says_its_step_and_a_button_plays(saddle, tmp_path):
    page = write_report(saddle.records, tmp_path / "page.html")
    script = """<script>setTimeout(() => {
      const bind = document.querySelector(".vega-bind"), told = [];
      const [button, slider, said] = ["button", "input", "span:last-child"].map((part) => bind.querySelector(part));
      const tell = () => told.push([Number(slider.value), said.textContent]);
      tell();
      slider.value = 0; slider.dispatchEvent(new Event("input"));
      setTimeout(() => { tell(); button.click(); setTimeout(() => { tell(); button.click();
        document.body.dataset.seen = JSON.stringify(told); }, 2000); }, 200);
    }, 9000);</script></body>"""
    before, _, after = page.read_text().rpartition("</body>")
    page.write_text(before + script + after)
    _, text, log = opened(page, tmp_path / "profile")
    assert "CONSOLE" not in log
    (end, at_end), (start, at_start), (later, at_later) = json.loads(
        re.search(r'data-seen="([^"]*)"', text)[1].replace("&quot;", '"')
    )
    assert (end, at_end, start, at_start) == (PLACES, "300", 0, "0")
    assert 20 < later < PLACES and int(at_later) == round(301 ** (later / PLACES) - 1)
