"""Figures and tables of studies of recipes: classes, mistakes, early stopping, budgets, losses of several kinds."""

from __future__ import annotations

import re
import struct
import zlib

import numpy as np
import polars as pl
import pytest
import vl_convert

from fake_recipes import CLASSES, EXAMPLES, LOSSES, recipes_run
from fallline.errors import StoreError
from fallline.report import formatting
from fallline.report.figures import drawn
from fallline.report.png import data_uri, png
from fallline.report.results import Results, columns
from fallline.report.sections.budget import budget_table, sentence
from fallline.report.sentences.answer import answer, cautions, runner_up
from fallline.stats import budgets
from fallline.study import Figure


@pytest.fixture(scope="module")
def recipes(tmp_path_factory):
    """Four kinds of loss on ten classes."""
    return recipes_run(tmp_path_factory.mktemp("recipes") / "run", losses=LOSSES)


@pytest.fixture(scope="module")
def only_losses(tmp_path_factory):
    return recipes_run(
        tmp_path_factory.mktemp("only") / "run",
        losses=LOSSES,
        rates=(0.01, 0.003, 0.001),
        accuracy=False,
        predictions=False,
    )


def truth_and_given(run, trial, split="test"):
    """The labels and what a trial gave, read from the folder's files."""
    given = pl.read_parquet(run.folder / "predictions" / "*.parquet")
    given = given.filter(pl.col("trial") == trial, pl.col("split") == split)["predicted"][0]
    truth = pl.read_parquet(run.folder / "answers" / "fashion.parquet").filter(pl.col("split") == split)["labels"][0]
    return truth.to_list(), given.to_list()


def test_the_confusion_matrix_counts_the_best_configurations_answers(recipes):
    found = drawn(recipes, Figure(kind="confusion"))
    best = Results.of(recipes).ranked.row(0, named=True)
    keys = ("optimizer", "learning_rate", "loss_kind")
    own = recipes.trials.filter(*(pl.col(key) == best[key] for key in keys))
    counts = {}
    for trial in own["trial"]:
        for true, given in zip(*truth_and_given(recipes, trial), strict=True):
            counts[CLASSES[true], CLASSES[given]] = counts.get((CLASSES[true], CLASSES[given]), 0) + 1
    cells = found.frame.group_by("true", "given").agg(pl.col("count").sum()).filter(pl.col("count") > 0)
    assert {(true, given): count for true, given, count in cells.iter_rows()} == counts
    assert sum(counts.values()) == 2 * EXAMPLES
    assert "400 examples of the test split" in found.caption and "2 seeds" in found.caption


def test_where_and_panel_choose_whose_matrix_is_drawn(recipes):
    other = drawn(recipes, Figure(kind="confusion", where={"loss": "sigmoid_focal"}))
    assert "sigmoid focal" in other.frame["trial"][0]
    several = drawn(recipes, Figure(kind="confusion", panel="loss"))
    assert several.frame["panel"].n_unique() == 3
    assert several.table["panel"].n_unique() == 3


def test_the_table_of_classes_gives_precision_recall_and_f1_over_seeds(recipes):
    found = drawn(recipes, Figure(kind="confusion"))
    best = Results.of(recipes).ranked.row(0, named=True)
    own = recipes.trials.filter(
        pl.col("optimizer") == best["optimizer"],
        pl.col("loss_kind") == best["loss_kind"],
        pl.col("learning_rate") == best["learning_rate"],
    )
    recalls = []
    for trial in own["trial"]:
        truth, given = map(np.array, truth_and_given(recipes, trial))
        recalls.append((given[truth == 6] == 6).mean())
    row = found.table.filter(pl.col("class") == "shirt").row(0, named=True)
    assert (
        row["recall"] == f"{formatting.number(np.mean(recalls))} (sd {formatting.number(np.std(recalls, ddof=1), 2)})"
    )
    assert found.table["class"].to_list() == list(CLASSES)


def test_predictions_that_do_not_match_their_answers_are_an_error(tmp_path):
    run = recipes_run(tmp_path / "run", seeds=1, rates=(0.01,))
    path = run.folder / "answers" / "fashion.parquet"
    pl.read_parquet(path).with_columns(pl.col("labels").list.head(7)).write_parquet(path)
    with pytest.raises(StoreError, match="has 400 predictions for 7 examples of test"):
        drawn(run, Figure(kind="confusion"))


def test_mistakes_show_each_example_with_what_it_is_and_was_taken_for(recipes):
    found = drawn(recipes, Figure(kind="mistakes"))
    frame = found.frame
    assert frame["wrong"].to_list() == sorted(frame["wrong"], reverse=True) and 0 < frame.height <= 48
    truth, _ = truth_and_given(recipes, recipes.trials["trial"][0])
    assert frame["true"].to_list() == [CLASSES[truth[example]] for example in frame["example"]]
    row = frame.row(0, named=True)
    times = sum(
        truth_and_given(recipes, trial)[1][row["example"]] != truth[row["example"]] for trial in recipes.trials["trial"]
    )
    assert (row["wrong"], row["trials"]) == (times, recipes.trials.height)
    svg = vl_convert.vegalite_to_svg(found.specification)
    assert svg.count("data:image/png;base64,") == frame.height
    assert svg.count("image-rendering: pixelated") == frame.height
    text = f"Example {row['example']}: true class {row['true']}, predicted {row['given']}"
    assert f"{text}, wrong in {times} of 32 trials" in svg


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_keeps_every_pixel(channels):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, channels), np.uint8)
    uri = data_uri(png(pixels.tobytes(), 5, 7, channels))
    image = f'<image width="7" height="5" style="image-rendering: pixelated" href="{uri}"/>'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="7" height="5">{image}</svg>'
    seen = decoded(vl_convert.svg_to_png(svg, scale=1))
    assert (seen[:, :, :3] == np.broadcast_to(pixels, (5, 7, 3))).all()


def decoded(picture: bytes) -> np.ndarray:
    """The pixels [height, width, 4] of a PNG of 8-bit colour, whatever its row filters."""
    place, content, size = 8, b"", (0, 0)
    while place < len(picture):
        length, kind = struct.unpack(">I4s", picture[place : place + 8])
        body = picture[place + 8 : place + 8 + length]
        size = struct.unpack(">II", body[:8]) if kind == b"IHDR" else size
        content += body if kind == b"IDAT" else b""
        place += 12 + length
    wide, raw = 4 * size[0], zlib.decompress(content)
    rows, above = [], np.zeros(wide, np.int64)
    for start in range(0, len(raw), wide + 1):
        row, coded = np.zeros(wide, np.int64), raw[start + 1 : start + 1 + wide]
        for i, value in enumerate(coded):
            a, b, c = row[i - 4] if i > 3 else 0, above[i], above[i - 4] if i > 3 else 0
            nearest = min((abs(b - c), 0, a), (abs(a - c), 1, b), (abs(a + b - 2 * c), 2, c))[2]
            row[i] = (value + (0, a, b, (a + b) // 2, nearest)[raw[start]]) % 256
        rows.append(row)
        above = row
    return np.array(rows).reshape(size[1], size[0], 4)


def test_early_stopping_is_held_against_the_last_step(recipes):
    found = drawn(recipes, Figure(kind="stopping"))
    rows = found.frame.filter(pl.col("what") == "patience")
    row = rows.filter(pl.col("patience") == 2).row(0, named=True)
    best = Results.of(recipes).ranked.row(0, named=True)
    own = recipes.trials.filter(
        pl.col("optimizer") == best["optimizer"],
        pl.col("loss_kind") == best["loss_kind"],
        pl.col("learning_rate") == best["learning_rate"],
    )
    kept, last, stopped = [], [], []
    for trial in own["trial"]:
        looks = recipes.curves.filter(pl.col("trial") == trial, pl.col("validation_loss").is_not_null()).collect()
        losses, accuracies = looks["validation_loss"].to_list(), looks["validation_accuracy"].to_list()
        end = next(
            (k for k in range(2, len(losses)) if min(losses[k - 1 : k + 1]) >= min(losses[: k - 1])), len(losses) - 1
        )
        kept.append(accuracies[int(np.argmin(losses[: end + 1]))])
        last.append(accuracies[-1])
        stopped.append(looks["step"][end])
    assert (row["kept_value"], row["last_value"]) == pytest.approx((np.mean(kept), np.mean(last)))
    assert row["difference"] == pytest.approx(np.mean(kept) - np.mean(last))
    assert (row["stop_step"], row["steps_saved"]) == pytest.approx((np.mean(stopped), 100 - np.mean(stopped)))
    assert found.table["validation accuracy_kept"][1] == formatting.number(np.mean(kept))


def test_trials_that_did_stop_early_are_not_asked_what_they_would_have_done(tmp_path):
    run = recipes_run(tmp_path / "run", more=({"early_stop": None}, {"early_stop": 2.0}), predictions=False)
    frame = drawn(run, Figure(kind="stopping")).frame.filter(pl.col("what") == "patience")
    assert frame["configuration"].n_unique() == 4 and run.trials.height == 16


def test_losses_of_different_kinds_have_panels_of_their_own(recipes):
    found = drawn(recipes, Figure(kind="curves", metric="train_loss"))
    assert found.frame["panel"].unique().sort().to_list() == sorted(
        [
            "softmax cross entropy",
            "sigmoid focal (alpha 0.25, gamma 2)",
            "weighted cross entropy (pos weight 0.5)",
            "weighted cross entropy (pos weight 1.5)",
        ]
    )
    assert "cannot be compared" in found.caption
    together = drawn(recipes, Figure(kind="curves", metric="validation_accuracy"))
    assert together.frame["panel"].unique().sort().to_list() == ["adam", "momentum"]
    assert "cannot be compared" not in together.caption


def test_a_sensitivity_of_losses_is_a_line_a_kind(only_losses):
    found = drawn(only_losses, Figure(kind="sensitivity"))
    assert found.frame["color"].n_unique() == 4 and "cannot be compared" in found.caption


def test_no_loss_is_best_of_several_kinds(only_losses):
    results = Results.of(only_losses)
    name, value, sure = answer(results)
    assert (name, value) == ("Kinds of loss are ranked separately", "") and runner_up(results) == ""
    assert sure.count("softmax cross entropy") == 1 and sure.count("weighted cross entropy") == 2
    assert "without an overall best" in cautions(results)[0]


def test_columns_of_losses_say_what_they_compare(recipes):
    results = Results.of(recipes)
    assert results.metric.column == "validation_accuracy"
    said = " ".join(cautions(results))
    assert (
        "4 kinds of loss cannot be compared, so the ranking uses validation accuracy instead of validation loss" in said
    )
    marked = Results.of(recipes_marked(recipes))
    helps = {column.heading: column.help for column in columns(marked, marked.ranked)}
    assert helps["loss at 50"].endswith("compare only rows of the same loss")


def recipes_marked(run):
    """The same run, its study with a marked step."""
    from fallline.store import Run
    from fallline.study import dump_study

    study = run.study.with_({"marks": [50]})
    (run.folder / "study.toml").write_text(dump_study(study))
    return Run(run.folder)


def test_what_early_stopping_ended_has_results_and_is_told(tmp_path):
    run = recipes_run(tmp_path / "run", rates=(0.01,), stopped=(0, 1), predictions=False)
    results = Results.of(run)
    assert results.ranked["diverged"].sum() == 0 and results.ranked["validation_loss_n"].to_list() == [2, 2]
    found = {column.heading: column.texts for column in columns(results, results.ranked)}
    assert sorted(found["stopped early"]) == ["0", "2 at 60"]
    assert "Early stopping ended 1 line before the last step" in drawn(run, Figure(kind="curves")).caption


def test_precision_against_recall_joins_what_differs_in_the_weight_alone(recipes):
    found = drawn(recipes, Figure(kind="precision_recall"))
    assert found.frame.height == 16
    trials = recipes.trials.filter(
        pl.col("loss_kind") == "weighted_cross_entropy(pos_weight=0.5)",
        pl.col("optimizer") == "adam",
        pl.col("learning_rate") == 0.01,
    )
    row = found.frame.filter(pl.col("trial") == "adam, learning rate 0.01, weighted cross entropy, pos weight 0.5")
    assert row["precision"].to_list() == pytest.approx([trials["validation_macro_precision"].mean()])
    assert row["recall_high"].to_list() == pytest.approx([trials["validation_macro_recall"].max()])
    joined = found.frame.drop_nulls("line")
    assert joined.group_by("line").agg(pl.col("weight").sort())["weight"].to_list() == [[0.5, 1.5]] * 4
    assert "differ in pos weight alone" in found.caption


def test_the_budget_is_told_with_its_calculation(tmp_path):
    batches = [
        {"batch_size": 100, "steps": 550},
        {"batch_size": "30 + 10*epoch"},
        {"batch_size": None},
        {"batch_size": 50, "subset": 2000, "subset_from": "random", "steps": 80},
    ]
    run = recipes_run(tmp_path / "run", rates=(0.01,), optimizers=("adam",), batches=batches, predictions=False)
    told = budget_table(budgets(run))
    assert told["in_words"].to_list() == [
        "1 epoch × 55,000 examples / 100 a batch = 550 steps",
        "100 epochs × 55,000 examples in batches of 30 + 10*epoch: 100 steps",
        "100 epochs × 55,000 examples, all of them at every step: 100 steps",
        "2 epochs × 2,000 examples / 50 a batch = 80 steps",
    ]
    assert told["steps_an_epoch"].to_list() == ["550", "1", "1", "40"]
    assert told["subset"].to_list() == ["all", "all", "all", "2,000"] and "overlap" not in told.columns


def test_a_calculation_that_leaves_examples_over_says_so():
    row = {"epochs": 10.0, "train_examples": 55_000, "batch_size": "128", "steps": 4290, "last_batch": "dropped"}
    left = "the 88 remaining examples of an epoch are dropped"
    assert sentence(row) == f"10 epochs × 55,000 examples / 128 a batch = 4297: 4,290 steps; {left}"
    assert sentence({**row, "epochs": 0.5, "steps": 215, "train_examples": 55_040}).startswith("0.5 epochs × 55,040")
    assert sentence({**row, "steps": 4300, "last_batch": "kept"}).endswith("a smaller batch of their own")


def test_names_say_only_what_varies(tmp_path):
    batches = [{"batch_size": size, "order": order} for size in (50, "30 + 10*epoch") for order in ("shuffled", "file")]
    run = recipes_run(
        tmp_path / "run",
        seeds=1,
        rates=(0.001,),
        optimizers=("adam",),
        batches=batches,
        more=({"l2_penalty": None}, {"l2_penalty": 1e-4}),
        predictions=False,
    )
    results = Results.of(run)
    names = {formatting.recipe(row, results.varying) for row in results.ranked.iter_rows(named=True)}
    assert len(names) == 8
    assert "l2 penalty 0.0001, batch 50, shuffled" in names
    assert "l2 penalty off, batch 30 + 10*epoch, in file order" in names
    legend = drawn(run, Figure(kind="curves", color="batch_size")).frame
    assert dict(legend.select("color", "color_place").unique().iter_rows()) == {"50": 0, "30 + 10*epoch": 1}


def test_a_thousand_trials_stay_readable(tmp_path):
    from fallline.report import write_figures, write_report

    run = recipes_run(
        tmp_path / "run",
        seeds=1,
        optimizers=("adam", "momentum", "gradient_descent", "rmsprop", "adagrad"),
        rates=tuple(np.geomspace(1e-4, 0.1, 25)),
        batches=[{"batch_size": size} for size in (10, 20, 50, 100)],
        more=({"l2_penalty": None}, {"l2_penalty": 1e-3}),
        predictions=False,
    )
    assert run.trials.height == 1000
    page = write_report(run)
    text = page.read_text()
    assert len(text.encode()) < 4_000_000
    for svg in write_figures(run, formats=["svg"]):
        drawing = svg.read_text()
        assert drawing.count("<path") + drawing.count("<image") < 1500, svg.name
    curves = pl.read_csv(page.parent / "tables" / "figure-curves.csv")
    lines = curves.filter(pl.col("what") == "line").group_by("panel").agg(pl.col("configuration").n_unique())
    assert lines["configuration"].max() <= 40 and lines.height == 5
    bands = curves.filter(pl.col("what") == "others")
    assert bands.height <= 5 * 80 and set(bands["panel"]) == set(lines["panel"])
    assert "Shown: 60 of 1,000 configurations, the best" in text and "quantile of the other configurations" in text
    assert len(re.findall(r'<tr class="rest"', text)) >= 1000 - 50
    assert pl.read_csv(page.parent / "tables" / "ranked.csv").height == 1000
