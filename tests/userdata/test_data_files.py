"""[data] of a study: folders of images, texts, arrays; models by name; metrics of a whole split in a run."""

from __future__ import annotations

from pathlib import Path

import jax
import numpy as np
import pytest

import fallline
from fallline.errors import DataError, StudyError, UnknownName
from fallline.metrics import find_metric
from fallline.models.by_name import FITTING, SIZES, sized_models
from fallline.study.resolve import resolve_task
from fallline.userdata import DataSpec, file_task

RNG = np.random.default_rng(5)
BASE = {"optimizer": "adam", "learning_rate": 0.01, "batch_size": 16, "steps": 30}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """pics/ with two classes of images, book.txt, classes.npz and numbers.npz."""
    home = tmp_path_factory.mktemp("files")
    (home / "book.txt").write_text("the cat sat on the mat. " * 40, encoding="utf-8")
    x = RNG.normal(size=(120, 3))
    np.savez(home / "classes.npz", inputs=x * 50 + 7, targets=(x[:, 0] > 0).astype(np.int64))
    np.savez(home / "numbers.npz", inputs=x, targets=1000 + 50 * x[:, :1])
    return home


@pytest.fixture(scope="module")
def pictures(folder) -> Path:
    image = pytest.importorskip("PIL.Image")
    for bright, name in ((40, "dark"), (200, "light")):
        (folder / "pics" / name).mkdir(parents=True)
        for number in range(20):
            pixels = RNG.integers(0, 40, (9, 12, 3)).astype(np.uint8) + bright
            image.fromarray(pixels).save(folder / "pics" / name / f"{number}.png")
    return folder


def study(folder, metric, data, **rest):
    return fallline.Study(name="files", metric=metric, data=data, base=BASE, folder=folder, **rest)


def test_a_folder_of_images_trains_a_convnet_on_bytes(pictures, tmp_path):
    pytest.importorskip("sklearn")
    task = file_task("pics", DataSpec(images="pics", size=8), pictures)
    splits = task.data("full", None)
    assert splits.train.inputs.shape == (28, 8, 8, 3) and splits.train.inputs.dtype == np.uint8
    assert task.classes == ("dark", "light") and task.model.name.startswith("cnn-8x8x3")
    run = fallline.run(
        study(pictures, "validation_accuracy", {"images": "pics", "size": 8}, axes={"model": ["cnn", "linear"]}),
        tmp_path / "run",
    )
    assert run.trials["validation_accuracy"].to_list() == [1.0, 1.0]


def test_folders_named_after_splits_give_the_split(pictures, tmp_path):
    import shutil

    for part in ("train", "test"):
        shutil.copytree(pictures / "pics", tmp_path / "cut" / part)
    splits = file_task("cut", DataSpec(images="cut", size=4, grey=True), tmp_path).data("full", None)
    assert len(splits.train.inputs) == len(splits.test.inputs) == 40 and splits.validation is None
    assert splits.train.inputs.shape[1:] == (4, 4)


def test_a_text_becomes_windows_that_do_not_cross_splits(folder):
    task = file_task("book", DataSpec(text="book.txt", context=5), folder)
    splits = task.data("full", None)
    text = (folder / "book.txt").read_text()
    characters = sorted(set(text))
    inputs, targets = splits.train
    assert "".join(characters[code] for code in inputs[3]) == text[3:8] and characters[targets[3]] == text[8]
    assert len(inputs) + len(splits.validation.inputs) + len(splits.test.inputs) == len(text) - 3 * 5


def test_sequence_models_learn_a_text_and_perplexity_is_the_exponential_of_the_loss(folder, tmp_path):
    run = fallline.run(
        study(
            folder,
            "best_validation_perplexity",
            {"text": "book.txt", "context": 8},
            axes={"model": ["lstm", "transformer"], "width": [16]},
        ),
        tmp_path / "run",
    )
    trials = run.trials
    np.testing.assert_allclose(trials["validation_perplexity"], np.exp(trials["validation_loss"]), rtol=1e-5)
    assert trials["best_validation_perplexity"].max() < 0.8 * len(set((folder / "book.txt").read_text()))


def test_arrays_of_a_file_are_standardised_and_predict_numbers_in_their_units(folder, tmp_path):
    pytest.importorskip("sklearn")
    run = fallline.run(study(folder, "validation_r2", {"npz": "numbers.npz"}), tmp_path / "run")
    assert run.trials["validation_r2"][0] > -1 and "validation_rmse" in run.trials.columns
    classes = file_task("classes", DataSpec(npz="classes.npz"), folder)
    inputs = classes.data("full", None).train.inputs
    np.testing.assert_allclose(inputs.mean(0), 0, atol=1e-5)
    assert classes.classes == ("0", "1")


@pytest.mark.parametrize("kind", FITTING)
def test_every_model_of_a_kind_gives_an_output_per_class_and_equal_sizes_are_the_same_model(kind):
    shape, vocabulary = {"values": ((7,), 0), "images": ((8, 8, 3), 0), "text": ((6,), 4)}[kind]
    inputs = np.zeros((2, *shape), np.int32 if kind == "text" else np.float32)
    for name in FITTING[kind]:
        make = sized_models(kind, shape, 4, vocabulary=vocabulary)
        model = make(model=name)
        assert model is make(model=name, **SIZES[name]) and model is make(model=name, width=SIZES[name].get("width"))
        outputs = jax.eval_shape(lambda m=model: m.apply(m.init(jax.random.key(0)), inputs))
        assert outputs.shape == (2, 4), name
    with pytest.raises(UnknownName, match=f"no model for {kind} is named 'forest'"):
        make(model="forest")


def test_a_deeper_net_has_the_layers_it_is_asked_for():
    weights = sized_models("values", (3,), 2)(width=5, depth=3).init(jax.random.key(0))
    assert [layer.weights.shape for layer in weights.hidden] == [(5, 3), (5, 5), (5, 5)]
    assert weights.output.weights.shape == (2, 5)


def test_an_image_that_pools_away_is_refused():
    with pytest.raises(StudyError, match="depth 4 halves images of 8 x 8 pixels to nothing"):
        sized_models("images", (8, 8), 2)(depth=4)


def test_metrics_of_a_whole_split_in_a_run_are_those_of_its_outputs(tmp_path):
    """On MNIST's sample, whose 1,000 examples are evaluated in batches, against the confusion of the predictions."""
    names = ["balanced_accuracy", "weighted_f1", "roc_auc", "expected_calibration_error", "log_loss"]
    asked = fallline.Study(
        name="whole",
        task="mnist-softmax",
        metric="best_validation_balanced_accuracy",
        metrics=names,
        base={"optimizer": "adam", "batch_size": 50, "steps": 20},
        axes={"learning_rate": [0.01, 0.03]},
        seeds=2,
    )
    run = fallline.run(asked, tmp_path / "run")
    predictions = run.records.predictions.collect()
    answers = run.records.answers
    labels = np.array(answers.filter(answers["split"] == "validation")["labels"][0])
    for row in run.trials.iter_rows(named=True):
        own = predictions.filter((predictions["trial"] == row["trial"]) & (predictions["split"] == "validation"))
        one_hot = np.eye(10)[np.array(own["predicted"][0])]
        for name in ("balanced_accuracy", "weighted_f1"):
            wanted = find_metric(name).function(one_hot, labels)
            assert row[f"validation_{name}"] == pytest.approx(wanted, rel=1e-9)
        assert 0.8 < row["validation_roc_auc"] <= 1 and row["validation_log_loss"] == pytest.approx(
            row["validation_loss"], rel=1e-4
        )
    assert not [name for name in run.curves.columns if name.startswith("train_") and "roc" in name]


def test_the_task_of_a_file_is_one_object_until_the_file_changes(folder, tmp_path):
    path = tmp_path / "t.txt"
    path.write_text("ab " * 100)
    asked = study(tmp_path, "validation_loss", {"text": "t.txt", "context": 3})
    first = resolve_task(asked.task, asked, "")
    assert resolve_task(asked.task, asked, "") is first
    path.write_text("ba " * 200)
    assert resolve_task(asked.task, asked, "").fingerprint != first.fingerprint


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"text": "none.txt"}, r"there is no file .*none.txt \(\[data\], text"),
        ({"text": "boook.txt"}, "did you mean book.txt"),
        ({"text": "book.txt", "context": 500}, "has .* characters, and each example needs 501"),
        ({"npz": "book.txt"}, "cannot be read as .npz"),
        ({"images": "book.txt"}, "is a file; .* names a folder with one folder per class"),
        ({"images": "."}, "holds images of 0 classes"),
        ({"csv": "."}, "is a folder"),
        ({"parquet": "book.txt", "target": ("t",)}, "cannot be read as parquet"),
    ],
)
def test_a_file_of_another_kind_is_refused_in_one_sentence(folder, data, message):
    with pytest.raises(DataError, match=message) as refused:
        file_task("t", DataSpec(**data), folder)
    assert len(str(refused.value)) < 500


def test_a_name_of_a_built_in_task_is_refused(folder):
    with pytest.raises(StudyError, match="named 'line' as a built-in task is"):
        study(folder, "validation_loss", {"text": "book.txt"}, task="line").trials()
