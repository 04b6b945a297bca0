"""[data] of a study: a table becomes a task, with every decision shown, fitted on the training rows alone."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import fallline
from command_line import cli  # noqa: F401
from fallline.errors import DataError, FalllineError, StudyError, UnknownName
from fallline.stats.columns import varying
from fallline.study import dump_study, parse_study
from fallline.userdata import DataSpec, file_task
from fallline.userdata.encoding import ColumnEncoding, encode
from fallline.userdata.tables import prepare_table
from fallline.userdata.targets import TargetEncoding

sklearn = pytest.importorskip("sklearn")

ROWS = 240


def customers(seed=0):
    """Rows of customers: an identifier, a date, words, numbers, missing cells, and whether they left."""
    rng = random.Random(seed)
    for number in range(ROWS):
        plan, complaints = rng.choice(["basic", "plus", "pro"]), min(int(rng.expovariate(1)), 4)
        gone = rng.random() < 1 / (1 + 2.718 ** -(1.5 * complaints - 2 + (plan == "basic")))
        yield {
            "customer": f"C{number:04d}",
            "joined": f"{rng.randint(2019, 2024)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}",
            "plan": plan,
            "age": "" if rng.random() < 0.1 else str(rng.randint(18, 80)),
            "spend": "NA" if rng.random() < 0.05 else f"{rng.gauss(20, 8):.2f}",
            "complaints": str(complaints),
            "country": "FR",
            "churned": "yes" if gone else "no",
        }


def write_csv(path: Path, rows) -> Path:
    rows = list(rows)
    lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def spec(path, target="churned", **rest):
    return DataSpec(csv=str(path), target=(target,), **rest)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return write_csv(tmp_path_factory.mktemp("table") / "churn.csv", customers())


@pytest.fixture(scope="module")
def prepared(table):
    return prepare_table(spec(table), None)


STUDY = """
metric = "best_validation_roc_auc"
seeds = 2
[data]
csv = "churn.csv"
target = "churned"
[base]
optimizer = "adam"
batch_size = 32
epochs = 3
[axes]
learning_rate = [0.03]
model = ["linear", "mlp"]
width = [8, 16]
"""


@pytest.fixture(scope="module")
def result(table, tmp_path_factory):
    study = table.with_name("study.toml")
    study.write_text(STUDY)
    return fallline.run(study, tmp_path_factory.mktemp("run") / "churn")


def test_each_column_is_decided_with_a_reason(prepared):
    kinds = {decision.name: decision.kind for decision in prepared.decisions}
    assert kinds == {
        "customer": "drop",
        "joined": "date",
        "plan": "category",
        "age": "number",
        "spend": "number",
        "complaints": "category",
        "country": "drop",
        "churned": "target",
    }
    assert all(decision.why for decision in prepared.decisions)
    by_name = {decision.name: decision for decision in prepared.decisions}
    assert by_name["age"].missing > 0 and by_name["joined"].format == "%Y-%m-%d"


def test_a_decision_is_overruled_by_the_study(table):
    columns = {"complaints": "number", "plan": "drop", "customer": "category"}
    decided = prepare_table(spec(table, columns=columns), None)
    kinds = {decision.name: (decision.kind, decision.given) for decision in decided.decisions}
    assert all(kinds[name] == (kind, True) for name, kind in columns.items())


def test_encodings_are_those_of_scikit_learn_fitted_on_the_training_rows(prepared):
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    frame = prepared.table.frame.select(
        pl.col("age", "spend").cast(pl.Float64).fill_null(float("nan")), pl.col("plan", "complaints")
    )
    columns = {name: frame[name].to_numpy() for name in frame.columns}
    rows = prepared.rows["train"]
    numbers = np.stack([columns["age"], columns["spend"]], axis=1)
    words = np.stack([columns["plan"], columns["complaints"]], axis=1).astype(object)
    both = np.concatenate([numbers.astype(object), words], axis=1)
    pipeline = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), [0, 1]),
            ("words", OneHotEncoder(sparse_output=False), [2, 3]),
        ]
    ).fit(both[rows])
    wanted = pipeline.transform(both)
    names = [name for name in prepared.inputs if name in ("age", "spend") or name.startswith(("plan=", "complaints="))]
    got = encode(prepared.table.frame, prepared.encodings)[:, [prepared.inputs.index(name) for name in names]]
    order = [names.index(name) for name in ("age", "spend", *(n for n in names if "=" in n))]
    np.testing.assert_allclose(got[:, order], wanted.astype(float), rtol=1e-5, atol=1e-6)


def test_rows_that_are_held_out_change_no_encoding(tmp_path, prepared):
    rows = list(customers())
    for place in (*prepared.rows["test"], *prepared.rows["validation"]):
        rows[place] |= {"age": "1000", "spend": "-99999", "plan": rows[place]["plan"]}
    changed = prepare_table(spec(write_csv(tmp_path / "churn.csv", rows)), None)
    assert changed.encodings == prepared.encodings
    assert not np.array_equal(changed.splits.test.inputs, prepared.splits.test.inputs)
    np.testing.assert_array_equal(changed.splits.train.inputs, prepared.splits.train.inputs)


def test_unknown_and_rare_levels_share_an_input_and_missing_ones_have_one():
    cells = pl.Series("c", ["a", None, "new", "b"])
    known = ColumnEncoding("c", "category", levels=("(missing)", "a"), other=True)
    np.testing.assert_array_equal(known.encode(cells), [[0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 0, 1]])
    without = ColumnEncoding("c", "category", levels=("a", "b"))
    np.testing.assert_array_equal(without.encode(cells), [[1, 0], [0, 0], [0, 0], [0, 1]])
    assert ColumnEncoding.of(json.loads(json.dumps(known.as_dict()))) == known


def test_a_date_is_a_day_and_a_place_in_the_week():
    dates = pl.Series("d", ["2024-01-01", "2024-01-08", "2024-01-02", None])
    encoding = ColumnEncoding("d", "date", "%Y-%m-%d", fill=0.0, flags=True)
    rows = encoding.encode(dates)
    assert rows.shape == (4, 6) and len(encoding.inputs) == 6
    assert rows[1, 0] - rows[0, 0] == 7 and rows[2, 0] - rows[0, 0] == 1
    np.testing.assert_allclose(rows[0, 3:5], rows[1, 3:5], atol=1e-4)  # both Mondays
    assert list(rows[:, 5]) == [0, 0, 0, 1]


def test_splits_are_disjoint_and_stratified(prepared):
    every = np.concatenate(list(prepared.rows.values()))
    assert sorted(every) == list(range(ROWS)) and list(prepared.rows) == ["train", "validation", "test"]
    shares = [split.targets.mean() for split in vars(prepared.splits).values()]
    assert max(shares) - min(shares) < 0.03


def test_a_split_by_time_tests_on_the_last_rows(table):
    by_time = prepare_table(spec(table, split="time", by="joined"), None)
    dates = by_time.table.frame["joined"].to_numpy()
    first, second, third = (dates[by_time.rows[name]] for name in ("train", "validation", "test"))
    assert max(first) <= min(second) and max(second) <= min(third)


def test_a_split_by_group_keeps_every_group_together(tmp_path):
    rows = [row | {"country": f"G{place % 20}"} for place, row in enumerate(customers())]
    grouped = prepare_table(spec(write_csv(tmp_path / "t.csv", rows), split="group", by="country"), None)
    groups = [set(grouped.table.frame["country"].to_numpy()[part]) for part in grouped.rows.values()]
    assert sum(map(len, groups)) == 20 and len(set.union(*groups)) == 20
    assert {d.name: d.kind for d in grouped.decisions}["country"] == "split"


def test_a_given_split_is_taken_as_it_is(tmp_path):
    words = ["train", "Train", "valid", "test"]
    rows = [row | {"country": words[place % 4]} for place, row in enumerate(customers())]
    given = prepare_table(spec(write_csv(tmp_path / "t.csv", rows), split="given", by="country"), None)
    assert {name: len(part) for name, part in given.rows.items()} == {"train": 120, "validation": 60, "test": 60}


def test_numbers_are_standardised_and_errors_are_in_their_units(tmp_path):
    rows = [{"x": f"{x}", "w": "ab"[x % 2], "price": f"{1000 + 50 * x}"} for x in range(200)]
    task = file_task("price", spec(write_csv(tmp_path / "t.csv", rows), "price"))
    targets = task.data("full", None).train.targets
    assert targets.shape == (140, 1) and abs(targets.mean()) < 1e-5 and abs(targets.std() - 1) < 1e-5
    target = TargetEncoding.of(task.pipeline["target"])
    rmse = task.in_units(task.metrics["rmse"].at(0.0))
    outputs = (targets + 100 / np.array(target.scale)).astype(np.float64)
    assert rmse(outputs, targets.astype(np.float64)) == pytest.approx(100, rel=1e-6)


def test_several_numbers_are_predicted_together():
    task = file_task("body", DataSpec(table="linnerud", target=("Weight", "Pulse")))
    assert task.data("full", None).train.targets.shape[1] == 2 and len(task.pipeline["target"]["scale"]) == 2


def test_balanced_class_weights_are_those_of_scikit_learn_and_leave_the_sum_of_weights(table):
    task = file_task("churn", spec(table, class_weights="balanced"))
    labels = task.data("full", None).train.targets
    weights = np.array(task.loss.function.weights)
    assert weights[labels].sum() == pytest.approx(len(labels))
    logits = np.zeros((4, 2), np.float32)
    np.testing.assert_allclose(task.loss.function(logits, labels[:4]), np.log(2) * weights[labels[:4]], rtol=1e-6)


def test_trials_are_named_by_the_content_of_the_file_and_not_by_its_place(table, tmp_path):
    def names(folder, rows):
        write_csv(folder / "churn.csv", rows)
        return {trial.name for trial in parse_study(STUDY, "study", folder).trials()}

    first, second = tmp_path / "a", tmp_path / "b"
    first.mkdir(), second.mkdir()
    same = names(first, customers())
    assert names(second, customers()) == same
    assert not names(second, customers(seed=1)) & same


@pytest.mark.parametrize("kind", ["tsv", "parquet", "gz"])
def test_other_files_of_the_same_rows_give_the_same_arrays(kind, tmp_path, prepared):
    import gzip

    frame = pl.DataFrame(list(customers()))
    path = tmp_path / f"t.{kind}"
    if kind == "parquet":
        frame.with_columns(pl.col("joined").str.to_date(), pl.col("complaints").cast(pl.Int64)).write_parquet(path)
    elif kind == "tsv":
        frame.write_csv(path, separator="\t")
    else:
        path.write_bytes(gzip.compress(frame.write_csv().encode()))
    other = prepare_table(DataSpec(**{"csv" if kind == "gz" else kind: str(path)}, target=("churned",)), None)
    np.testing.assert_array_equal(other.splits.train.inputs, prepared.splits.train.inputs)


def test_a_study_of_a_file_trains_and_keeps_what_was_decided(result):
    trials = result.trials
    assert len(trials) == 2 * 3, "a linear model has one recipe whatever the widths"
    assert set(trials["model"]) == {"linear", "mlp"} and set(trials["width"].drop_nulls()) == {8, 16}
    assert set(varying(result.records)) == {"model", "width"}, "two models have other sizes: that is no choice"
    for name in ("accuracy", "balanced_accuracy", "roc_auc", "average_precision", "macro_f1", "log_loss"):
        assert trials[f"validation_{name}"].is_not_null().all(), name
    assert trials["best_validation_roc_auc"].max() > 0.6
    (pipeline,) = result.records.pipelines.values()
    assert pipeline["file"] == "churn.csv" and len(pipeline["columns"]) == 8
    page = result.report().read_text(encoding="utf-8")
    assert "missing cells get the median and a flag" in page and "dates, read as" in page
    assert not fallline.verify(result.folder).wrong


def test_predictions_on_new_rows_are_those_of_the_run(result, table, prepared, tmp_path):
    labels = result.records.answers.filter(pl.col("split") == "validation")
    assert labels["classes"][0].to_list() == ["no", "yes"]
    row = result.trials.row(0, named=True)
    new = fallline.predict(result.folder, table, row["trial"])
    chosen = new["prediction"].to_numpy()[prepared.rows["validation"]]
    right = (chosen == new["churned"].to_numpy()[prepared.rows["validation"]]).mean()
    assert right == pytest.approx(row["validation_accuracy"], abs=1e-6)
    np.testing.assert_allclose(new["probability no"] + new["probability yes"], 1, rtol=1e-9)
    without = pl.read_csv(table, infer_schema=False).drop("churned").head(3)
    assert fallline.predict(result.folder, without)["prediction"].is_in(["no", "yes"]).all()
    with pytest.raises(DataError, match="has no column 'plan', which the model was trained on"):
        fallline.predict(result.folder, without.drop("plan"))


def test_scikit_learn_is_imported_only_where_a_table_is_read(result, table):
    code = (
        "import sys, fallline, fallline.cli.app\n"
        "fallline.load_study('softmax/optimizers').trials()\n"
        "fallline.load_study(sys.argv[2])\n"
        "run = fallline.open_run(sys.argv[1])\n"
        "run.report(), run.compare(), fallline.predict(sys.argv[1], sys.argv[2].replace('study.toml', 'churn.csv'))\n"
        "print('sklearn' in sys.modules)\n"
        "fallline.load_study(sys.argv[2]).trials()\n"
        "print('sklearn' in sys.modules)"
    )
    arguments = [sys.executable, "-c", code, str(result.folder), str(table.with_name("study.toml"))]
    told = subprocess.run(arguments, capture_output=True, text=True)
    assert told.stdout.split() == ["False", "True"], told.stderr


def test_jobs_in_another_folder_find_the_file(table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = fallline.load_study(table.with_name("study.toml")).with_(
        {"axes": {"model": ["linear"]}, "seeds": 1, "base": {"epochs": 1}}
    )
    jobs = fallline.run(study, "run", executor="local")
    assert len(jobs.trials) == 1 and jobs.records.pipelines
    nowhere = parse_study(dump_study(study), "nowhere")
    with pytest.raises(FalllineError):
        fallline.run(nowhere, "other", executor="local")


@pytest.mark.parametrize(
    ("name", "target", "metric", "least"),
    [
        ("breast-cancer", "target", "best_validation_roc_auc", 0.95),
        ("iris", "target", "best_validation_accuracy", 0.8),
        ("wine", "target", "best_validation_balanced_accuracy", 0.85),
        ("digits", "target", "best_validation_macro_f1", 0.85),
        ("diabetes", "target", "best_validation_r2", 0.2),
    ],
)
def test_the_tables_of_scikit_learn_are_learnt(name, target, metric, least, tmp_path):
    study = fallline.Study(
        name="classic",
        data={"table": name, "target": target},
        metric=metric,
        base={"optimizer": "adam", "learning_rate": 0.01, "batch_size": 16, "epochs": 12, "width": 32},
    )
    assert fallline.run(study, tmp_path / "run").trials[metric][0] > least


HEADER = "x,y\n"
NUMBERS = "".join(f"{n * 0.5},{'ab'[n % 2]}\n" for n in range(60))


@pytest.mark.parametrize(
    ("content", "more", "message"),
    [
        (b"", {}, "is empty; a table has a line with the names"),
        (b"x,y\n", {}, "has a header and no rows"),
        ("x,y\ncafé,1\n".encode("latin-1"), {}, "is not UTF-8 text"),
        ((HEADER + NUMBERS).encode(), {"target": ()}, "names no target, the column to predict.*has x, y"),
        ((HEADER + NUMBERS).encode(), {"target": ("z",)}, "no column of t.csv is named 'z'.*there are: x, y"),
        ((HEADER + NUMBERS.replace("ab"[1], "a")).encode().replace(b",b", b",a"), {}, "has one value, 'a'"),
        ((HEADER + NUMBERS + "3,c\n").encode(), {}, "class 'c' has 1 row, and each of the 3 splits needs one"),
        (
            (HEADER + NUMBERS.replace("\n8.5,", "\nunknown,")).encode(),
            {},
            r"line 19, column x: 'unknown' is no finite number",
        ),
        ((HEADER + NUMBERS).encode(), {"model": "mpl"}, "no model for values is named 'mpl'.*did you mean mlp"),
        ((HEADER + NUMBERS).encode(), {"columns": {"x": "date"}}, "'0.0' is no date in a known format"),
        (("y,w\n" + NUMBERS).encode(), {"split": "stratified"}, "and the target is a number"),
        ((HEADER + NUMBERS).encode(), {"split": "time"}, 'needs the column that decides it: by = "..."'),
        ((HEADER + NUMBERS).encode(), {"columns": {"x": "drop"}}, "no column is left to learn from"),
        (("x,y\n" + "".join(f"{n},name{n}\n" for n in range(60))).encode(), {}, "too many to be classes"),
        ((HEADER + "1,a\n2,b\n").encode(), {}, "too few for validation = 0.15 and test = 0.15"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_sentence_with_the_place_and_the_remedy(content, more, message, tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises((DataError, UnknownName), match=message) as refused:
        file_task("t", DataSpec(**({"csv": str(path), "target": ("y",)} | more)))
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 600


def test_all_columns_with_errors_are_named_at_once(tmp_path):
    path = tmp_path / "t.csv"
    rows = "".join(f"{'no' if n == 3 else n},{'none' if n == 5 else n},{'ab'[n % 2]}\n" for n in range(60))
    path.write_text("p,q,y\n" + rows)
    with pytest.raises(DataError, match=r"table t\.csv cannot be used") as refused:
        file_task("t", spec(path, "y", columns={"z": "drop"}))
    assert all(part in str(refused.value) for part in ("'z'", "line 5, column p", "line 7, column q"))
    study = fallline.Study(name="s", data={"csv": str(path), "target": "y"}, base={"optimizer": "adam", "steps": 1})
    assert len(fallline.check_study(study).problems) == 2


def test_what_a_table_holds_is_never_read_as_toml(tmp_path):
    path = tmp_path / "t.csv"
    rows = "".join(f'{n * 0.5},"{"a" if n % 2 else chr(10) + "[base]" + chr(27)}"\n' for n in range(60))
    path.write_text('"x = 1 # ",y\n' + rows)
    text = fallline.new_study(path, "y")
    assert "\x1b" not in text and parse_study(text, "t").seeds == 5


def test_cells_that_mean_missing_are_named_and_separators_are_found(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text((HEADER + NUMBERS.replace("\n8.5,", "\nunknown,")).replace(",", ";"))
    column = prepare_table(spec(path, "y", missing=("unknown",)), None).decisions[0]
    assert (column.kind, column.missing) == ("number", 1)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"target": "y"}, "names none of them"),
        ({"csv": "a", "text": "b"}, "names csv and text"),
        ({"csv": "a", "targt": "y"}, r"no field of a \[data\] is named 'targt' \(data\); did you mean target"),
        ({"csv": "a", "target": "y", "validation": 0.6, "test": 0.5}, "shares that leave some for training"),
        ({"text": "a", "target": "y"}, "text has none"),
        ({"csv": "a", "split": "tme"}, "data.split: Input should be"),
    ],
)
def test_a_wrong_table_data_is_an_error_of_the_study(data, message):
    with pytest.raises(StudyError, match=message):
        fallline.Study(name="s", data=data)


def test_a_study_of_a_file_is_written_and_read_back():
    study = parse_study(STUDY, "study")
    again = parse_study(dump_study(study), "study")
    assert again.hash == study.hash and again.data == study.data and study.task == "churn"
    assert study.with_({"data": {"class_weights": "balanced"}}).data.csv == "churn.csv"
