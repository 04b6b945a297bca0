"""What a run folder holds, byte for byte: trial names, studies as written back, columns, keys of the JSON files.

Later versions must read the folders of earlier ones, and a trial's name is the hash of its canonical form. A change
here is a change of the store's format: write the new golden file with ``python tests/store/test_golden_records.py``
and say so in CHANGELOG.md.
"""

import json
import sys
from pathlib import Path

import polars as pl
import pytest

import fallline
from fallline.study import builtin_studies, load_study

GOLDEN = Path(__file__).parent / "golden" / "records.json"

RECIPES = """
title = "Recipes"
question = "Which names and columns do recipes get?"
task = "two-gaussians-4-2-1"
metric = "validation_loss"
seeds = 2

[base]
steps = 4
schedule = "exponential"
decay_steps = 2
decay_rate = 0.9
momentum = 0.8

[axes]
optimizer = ["adam", "ftrl", "momentum"]
learning_rate = [0.1, 0.01]
batch_size = [8, 16]
"""


def shape(value):
    """The keys of a JSON value, down to its leaves: the first entry speaks for a list. What is predicted depends on
    whether this device was calibrated."""
    if isinstance(value, dict):
        return {key: shape(below) for key, below in sorted(value.items()) if key != "predicted"}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def schema(folder: Path, part: str) -> dict[str, str]:
    found = {}
    for path in sorted((folder / part).glob("*.parquet")):
        found |= {name: str(dtype) for name, dtype in pl.read_parquet_schema(path).items()}
    return found


def record(folder: Path) -> dict:
    study = fallline.open_run(folder).study
    return {
        "names": sorted(fallline.open_run(folder).records.trials["trial"].to_list()),
        "study.toml": (folder / "study.toml").read_text(),
        "plan.json": shape(json.loads((folder / "plan.json").read_text())),
        "trials": schema(folder, "trials"),
        "curves": schema(folder, "curves"),
        "weights": schema(folder, "weights"),
        "expanded": len(study.trials()),
        "folders": sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name != "report"),
    }


def builtin() -> dict:
    """Every built-in study: how many trials, and the names of the first and the last."""
    found = {}
    for name in builtin_studies():
        trials = load_study(name).trials()
        found[name] = [len(trials), trials[0].name, trials[-1].name]
    return found


def made(folder: Path) -> dict:
    (folder / "recipes.toml").write_text(RECIPES)
    fallline.run("line/optimizers", folder / "line", preset="quick")
    fallline.run(folder / "recipes.toml", folder / "recipes")
    return {name: record(folder / name) for name in ("line", "recipes")} | {"built-in": builtin()}


@pytest.fixture(scope="module")
def now(tmp_path_factory) -> dict:
    """With a cache of its own: where the device was calibrated, the plan holds predicted seconds in place of null."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FALLLINE_CACHE", str(tmp_path_factory.mktemp("cache")))
        return json.loads(json.dumps(made(tmp_path_factory.mktemp("golden"))))


@pytest.mark.parametrize("part", ["line", "recipes", "built-in"])
def test_records_are_as_they_were(now, part):
    assert now[part] == json.loads(GOLDEN.read_text())[part]


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        GOLDEN.write_text(json.dumps(made(Path(folder)), indent=1, sort_keys=True) + "\n")
    print(f"wrote {GOLDEN}", file=sys.stderr)
