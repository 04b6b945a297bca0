"""Every block of code on the pages and every example runs, and every link leads somewhere."""

import html
import importlib.util
import json
import re
import runpy
import shlex
import shutil
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import fallline
from fallline.cli import main
from fallline.executors.options import executor_flags
from fallline.executors.protocol import check_options
from fallline.stats.analysis import Analysis
from fallline.store.launches import new_launch
from fallline.store.paths import RunPaths
from fallline.study import parse_study

ROOT = Path(__file__).parents[1]
PAGES = (
    "index",
    "tutorial",
    "data",
    "recipes",
    "own-model",
    "pytorch",
    "search",
    "words",
    "extending",
    "run-folder",
    "neurons",
    "optimizers",
    "claims",
    "fair",
    "compare",
    "exports",
    "cluster",
    "scaling",
    "forecasts",
)
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)


class Reader:
    """Someone who does what a page says, in an empty folder, block after block."""

    def __init__(self):
        self.names = {"__name__": "page"}
        self.answers = []
        self.more = []
        self.lacks = set()

    def follow(self, page):
        blocks = BLOCK.findall(page)
        assert len(blocks) == page.count("\n```") / 2, "a block is not closed or names no language"
        for language, text in blocks:
            named = re.match(r"# (\S+\.(?:toml|py))\n", text)
            if named:
                Path(named[1]).write_text(text, encoding="utf-8")
            if language != "text" and not (named and language == "python"):
                getattr(self, language)(text)

    def toml(self, text):
        assert parse_study(text, "block", folder=Path.cwd()).task

    def python(self, text):
        self.lacks |= {name for name in ("pandas", "torch") if name in text and importlib.util.find_spec(name) is None}
        if "torch" in self.lacks or ("pandas" in self.lacks and "pandas" in text):
            compile(text, "page", "exec")
        else:
            exec(compile(text, "page", "exec"), self.names)

    def sh(self, text):
        for line in text.splitlines():
            if not line.startswith("python -m pip install"):  # that is what these tests stand on
                self.command(line)

    def command(self, line):
        sys.argv = shlex.split(line)
        assert sys.argv[0] == "fallline"
        if sys.argv[1] == "run":
            sys.argv += self.more
            self.more = ["--no-report"]  # one page a document is enough
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code, line

    def sql(self, text):
        """With DuckDB where it is installed, else with polars over the same files."""
        if importlib.util.find_spec("duckdb"):
            import duckdb

            self.answers.append(duckdb.sql(text).fetchall())
            return
        tables = {}
        for number, found in enumerate(re.findall(r"read_parquet\('(.*?)', union_by_name = true\)", text)):
            files = [pl.read_parquet(path) for path in sorted(Path().glob(found))]
            tables[f"files{number}"] = pl.concat(files, how="diagonal_relaxed")
            text = text.replace(f"read_parquet('{found}', union_by_name = true)", f"files{number}")
        self.answers.append(pl.SQLContext(tables, eager=True).execute(text).rows())


@pytest.fixture
def reader(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", sys.argv)
    shutil.copytree(ROOT / "examples", "examples")
    return Reader()


def page(name):
    return (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")


def test_the_tutorial_does_what_it_says(reader):
    reader.follow(page("tutorial"))
    assert Path("runs/line-optimizers-quick/report/report.html").is_file()
    plan = json.loads(Path("runs/rates/plan.json").read_text())
    trained = [
        sum(len(block["trials"]) for cohort in round_["cohorts"] for block in cohort["blocks"])
        for round_ in plan["rounds"]
    ]
    assert trained == [12, 6], "the extension trained 6 trials, the same study in Python none"
    short = fallline.open_run("runs/short").trials
    assert len(short) == (2 * 2 + 2) * 5 and set(short["beta1"]) == {0.8, 0.9, None} and set(short["steps"]) == {50}
    assert len(fallline.open_run("runs/clipping").trials) == 1 + 2
    told = fallline.open_run("runs/line-optimizers-quick").summary().unique("optimizer", maintain_order=True)
    table = re.search(r"```text\n(.*?)```", page("tutorial"), re.S)[1]
    printed = str(fallline.open_run("runs/line-optimizers-quick"))
    opening, heads = table.split("\n")[:3], table[table.index("\n\n", 60) : table.index("\nadam")].split()
    assert printed.startswith("\n".join(opening)) and printed[: printed.index("\nadam")].split()[-len(heads) :] == heads
    shown = re.findall(r"^([a-z]+) {2,}([\d.]+)  ", table, re.M)
    assert shown == [(row["optimizer"], f"{row['learning_rate']:g}") for row in told.head(3).to_dicts()]


def test_the_page_of_run_folders_describes_them(reader):
    text = page("run-folder")
    reader.more = ["--no-report"]
    reader.follow(text)
    folder = Path("runs/line")
    best = reader.names["best"]
    rows = best.rows(named=True) if isinstance(best, pl.DataFrame) else best.to_dict("records")
    assert [(r["optimizer"], r["learning_rate"]) for r in rows] == [row[:2] for row in reader.answers[0]]
    curves = fallline.open_run(folder).curves.filter(pl.col("step") == 100)
    trials = fallline.open_run(folder).trials.filter(pl.col("learning_rate") == 0.01)
    means = curves.join(trials, on="trial").group_by("optimizer").agg(pl.col("train_loss").mean())
    assert dict(reader.answers[1]) == pytest.approx(dict(means.rows()), rel=1e-5)
    assert len(json.loads((folder / "plan.json").read_text())["rounds"]) == 2
    drawn = set(re.findall(r"^        (\S+)  ", text, re.M))
    of_classes = {"test_reads.json", "predictions/r1-c000-b000.parquet", "answers/NAME.parquet", "mistakes.parquet"}
    of_classes |= {"outputs.parquet"}
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*.*") if "r2" not in path.name} == drawn - {
        "report/"
    } - of_classes | {"environments/001.json"}
    study = fallline.load_study("examples/own_study.toml").with_({"base": {"steps": 4}, "seeds": 1})
    described = set(re.findall(r"`(\w+)`", text))
    patterns = r"(final_train|train|validation|test|best_validation)_\w+"
    hyperparameters = {"beta1", "beta2", "epsilon", "momentum", "clip", "centered", "label_smoothing"}
    result = fallline.run(study, "runs/spirals")
    with_test = result.trials_with_test()  # noted in test_reads.json
    columns = {*with_test.columns, *result.curves.columns} - hyperparameters
    for name in of_classes & drawn:
        assert list(Path("runs/spirals").glob(name.replace("NAME", "*").replace("c000", "c*"))), name
    assert all(name in described or re.fullmatch(patterns, name) for name in columns)
    assert described >= set(result.records.timings.columns) - {"block", "cohort", "device", "started", "lanes", "seeds"}


def test_the_page_of_scaling_does_what_it_says(reader):
    reader.more = ["--no-report"]
    reader.follow(page("scaling"))
    found = reader.names["found"]
    assert found.sentence in html.unescape(Path("runs/softmax-scale/report/scaling.html").read_text(encoding="utf-8"))
    assert set(found.points["repeat"]) == {0, 1} and set(found.axes["scaling"]) == {"strong", "weak", "both"}
    assert parse_study(Path("devices.toml").read_text(encoding="utf-8"), "devices.toml").scale.devices[-1] == "2x4"
    trials = fallline.open_run("runs/workers").trials
    assert set(trials.select("workers", "batch_size").iter_rows()) == {(1, 32), (4, 128)}


def test_the_page_of_exports_does_what_it_says(reader):
    for module in ("tensorboard", "mlflow", "sqlalchemy", "pandas"):
        pytest.importorskip(module, reason=f"{module} is not installed: pip install -e '.[dev]'")
    reader.follow(page("exports"))
    assert [path.name for path in Path("runs/line/exports/mlflow").iterdir()] == ["mlflow.db"]
    assert {path.name for path in Path("tables").iterdir()} == {"trials.parquet", "curves.parquet", "summary.parquet"}
    assert (
        len(reader.names["trials"])
        == reader.names["curves"]["trial"].nunique()
        == len([path for path in Path("runs/line/exports/tensorboard").iterdir() if path.is_dir()])
    )


def test_the_page_of_clusters_does_what_it_says(reader, capsys):
    reader.more = ["--no-report"]
    reader.follow(page("cluster"))
    assert set(fallline.jobs("runs/two").status()["state"]) == {"done"}
    assert len(fallline.open_run("runs/slurm").trials) > 0, "trained by hand"
    assert "#SBATCH --partition=teaching" in capsys.readouterr().out
    assert len(reader.names["result"].trials) == len(fallline.open_run("runs/two").trials)


def test_the_parts_on_the_page_of_extensions_fit_the_contracts(reader, capsys):
    reader.follow(page("extending"))
    parts = reader.names
    study = fallline.Study(
        name="parts",
        task=parts["PARABOLA"],
        metric="final_train_loss",
        base={"batch_size": "all", "steps": 300, "loss": parts["absolute_error"]()},
        axes={"optimizer": [parts["normalized"](epsilon=1e-7), "adam"], "learning_rate": [0.03, 0.01]},
    )
    result = fallline.run(study, "runs/parts")
    assert result.trials["final_train_loss"].max() < 0.3 and set(result.trials["status"]) == {"done"}
    schedule, margin = parts["square_root"](), parts["MARGIN"]
    assert schedule.factor(fallline.contracts.Clock(np.array([0.0, 3000.0]), None, 1, 1), 1000.0).tolist() == [1, 0.5]
    assert margin.function(np.array([[1.0, 3.0]]), np.array([1])).tolist() == [1]
    kind = parts["DIVERGED"]
    frame = kind.data(Analysis.of(result.records), None)
    assert frame["share"].to_list() == [0, 0] and kind.draw(frame, None, None).to_dict()["mark"]["type"] == "bar"
    assert len(parts["CORNERS"].load("sample", None).train.inputs) == 4
    launched = new_launch(RunPaths(Path("runs/parts")), "in_turn", (0, 1), 1, check_options(parts["IN_TURN"], {}))
    seen = parts["IN_TURN"].status(launched.with_ids({"0": 0, "1": 2}))
    assert [one.state for one in seen.values()] == ["done", "failed"] and "work" in parts["IN_TURN"].show(launched)
    assert [flag.name for flag in executor_flags({"in_turn": parts["IN_TURN"].options})] == ["nice"]
    parts["command"](Path("runs/parts"))
    assert capsys.readouterr().out.split()[-1] == "4"
    places = re.findall(r"^\| [\w ]+ \| .*? \| `([\w/.]+)` \|", page("extending").replace("FAMILY/", ""), re.M)
    assert len(places) == 14 and all((ROOT / "src/fallline" / place).exists() for place in places)
    _, table = parts["seed_blocks"](result.records)
    assert [column.texts for column in table.columns] == [["normalized(epsilon=1e-07)", "adam"], ["1", "1"]]
    assert parts["LOSS_SCALE"].check(8, "here") == 8.0 and parts["LOSS_SCALE"].in_words.endswith("(default 1.0)")
    gradient = parts["ELASTIC"].gradient_with(2.0, np.array([1.0, -3.0]), np.zeros(2))
    np.testing.assert_array_equal(gradient, [2.0, -4.0])
    for test in set(re.findall(r"tests/[\w/]+\.py", page("extending"))):
        assert (ROOT / test).is_file()


@pytest.mark.parametrize(
    "name", ["neurons", "compare", "claims", "fair", "optimizers", "forecasts", "pytorch", "search"]
)
def test_the_page_does_what_it_says(reader, name):
    reader.follow(page(name))
    if name == "neurons":
        assert Path("trained.png").stat().st_size > 10_000 and set(reader.names["learnt"]) >= {"cw", "cz", "bias_xo"}
    if name == "compare":
        assert Path("profile.html").is_file() and re.search("is best", reader.names["comparison"].answer[0])


def test_the_examples_run(reader):
    reader.command("fallline run examples/own_study.toml --set steps=20 --set seeds=1 --out runs/own --no-report")
    trials = fallline.open_run("runs/own").trials
    assert len(trials) == 4 * (1 + 1 + 2) and set(trials["status"]) == {"done"}
    runpy.run_path("examples/own_optimizer.py", run_name="__main__")
    assert len(fallline.open_run("runs/clipping").trials) == 4


@pytest.mark.parametrize("name", PAGES)
def test_every_link_and_every_part_that_is_named_is_there(name):
    text = page(name)
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / "docs" / target).exists(), target
    assert all(len(line) < 180 for line in text.splitlines())
    if name in ("index", "words"):
        assert not BLOCK.findall(text)


def test_the_page_of_data_does_what_it_says(reader):
    pytest.importorskip("sklearn")
    reader.more = ["--no-report"]
    reader.follow(page("data"))
    trials = fallline.open_run("runs/orders").trials
    assert set(trials["width"]) == {16, 64} and trials["validation_roc_auc"].is_not_null().all()
    assert (
        Path("predicted.csv").read_text(encoding="utf-8").startswith("order,placed,country,items,value,returned,pred")
    )
    kinds = {column["name"]: column["kind"] for column in decided_columns("runs/orders")}
    assert kinds == {
        "order": "drop",
        "placed": "date",
        "country": "category",
        "items": "category",
        "value": "number",
        "returned": "target",
    }


def decided_columns(folder):
    """What was decided for the columns of the table of a run."""
    (pipeline,) = fallline.open_run(folder).records.pipelines.values()
    return pipeline["columns"]
