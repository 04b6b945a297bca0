"""``fallline network``: show, draw and explain, end to end, and what they say of what cannot be read."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import fallline
from fallline.networks import explain, neurons, parse

TEXT = "xw = ap*xp + aq*xq; xo = tanh(cp*xw)"
VALUES = {"ap": 0.5, "aq": 0.2, "cp": 1.5, "bias_xw": 0.1, "bias_xo": 0.0}
SAID = ",".join(f"{name}={value}" for name, value in VALUES.items())


def squeezed(text):
    return [" ".join(line.split()) for line in text.splitlines()]


def test_show_prints_order_layers_names_and_a_text_that_reads_back(cli):
    code, out, error = cli("network", "show", "xo = cp*xw + cq*xz; xw = ap*xp + aq*xq; xz = bp*xp")
    assert (code, error) == (0, "")
    lines = squeezed(out)
    assert {
        "inputs xp, xq",
        "layer 1 xw, xz",
        "layer 2 xo",
        "outputs xo",
        "parameters cp, cq, ap, aq, bp",
        "weights 8: 5 parameters and 3 biases",
    } <= set(lines)
    order = next(line for line in lines if line.startswith("order ")).removeprefix("order ").split(", ")
    assert order == [neuron.name for neuron in parse("xo = cp*xw + cq*xz; xw = ap*xp + aq*xq; xz = bp*xp").ordered]
    printed = out.partition("\n\n")[2]
    assert parse(printed) == parse("xo = cp*xw + cq*xz; xw = ap*xp + aq*xq; xz = bp*xp")


def test_a_file_and_its_text_say_the_same(cli):
    Path("net.txt").write_text(TEXT.replace(";", "\n"))
    assert cli("network", "show", "net.txt") == cli("network", "show", TEXT)
    rest = ("--at", "1,2", "--target", "1", "--values", SAID)
    assert cli("network", "explain", "net.txt", *rest) == cli("network", "explain", TEXT, *rest)


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_draw_writes_a_picture(cli, suffix):
    code, out, error = cli("network", "draw", TEXT, "--out", f"net.{suffix}")
    assert (code, out, error) == (0, f"net.{suffix}\n", "")
    begin = Path(f"net.{suffix}").read_bytes()[:300]
    assert b"<svg" in begin if suffix == "svg" else begin.startswith(b"\x89PNG")


def test_explain_prints_what_the_function_gives(cli):
    told = explain(parse(TEXT), {"xp": 1, "xq": -2}, 1, VALUES, learning_rate=0.1)
    code, out, error = cli(
        "network", "explain", TEXT, "--at", "xp=1, xq=-2", "--target", "1", "--values", SAID, "--rate", "0.1"
    )
    assert (code, out, error) == (0, f"{told}\n", "")
    in_order = cli("network", "explain", TEXT, "--at", "1,-2", "--target", "xo=1", "--values", SAID, "--rate", "0.1")
    assert in_order[1] == out


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Two rates and two seeds of a network, trained for three steps."""
    random = np.random.default_rng(0)
    inputs = random.normal(size=(64, 2)).astype(np.float32)
    mine = fallline.from_arrays(
        "mine",
        model=neurons(TEXT, watch=("aq", "bias_xo")),
        loss="squared_error",
        train=(inputs, (inputs[:, 0] > 0).astype(np.float32)),
    )
    study = fallline.Study(
        name="mine",
        task=mine,
        metric="final_train_loss",
        seeds=[3, 7],
        base={"optimizer": "adam", "batch_size": 8, "steps": 3},
        axes={"learning_rate": [0.1, 0.001]},
    )
    return fallline.run(study, tmp_path_factory.mktemp("networks") / "run")


def test_without_values_they_begin_as_a_training_with_that_seed_begins(cli, run):
    trial = run.trials.filter(pl.col("seed") == 7)["trial"][0]
    first = run.curves.filter(pl.col("trial") == trial, pl.col("step") == 0).row(0, named=True)
    code, out, _ = cli("network", "explain", TEXT, "--at", "1,2", "--target", "1", "--seed", "7")
    assert code == 0 and out.startswith("The values are drawn uniform in [0, 1) from seed 7, as a training with that")
    values = {line.split()[0]: line.split()[-1] for line in out.splitlines() if line.startswith(("aq ", "bias_xo "))}
    assert values == {"aq": f"{first['aq']:.5g}", "bias_xo": f"{first['bias_xo']:.5g}"}
    by_default = cli("network", "explain", TEXT, "--at", "1,2", "--target", "1")
    assert by_default == cli("network", "explain", TEXT, "--at", "1,2", "--target", "1", "--seed", "0") != (0, out, "")


def test_a_run_gives_what_its_best_trial_learnt_or_the_one_that_is_named(cli, run):
    ranked = run.trials.sort("final_train_loss")["trial"].to_list()
    best, other, last = ranked[0], ranked[1], ranked[-1]
    for trial, options in ((best, ()), (last, ("--trial", last)), (other, ("--trial", other[:9]))):
        code, out, error = cli("network", "explain", "--run", run.folder, *options, "--at", "1,2", "--target", "1")
        told = explain(parse(TEXT), [1, 2], 1, run.learnt(trial))
        sentence, _, tables = out.partition("\n\n")
        assert (code, error, tables) == (0, "", f"{told}\n")
        assert trial in sentence and ("the best of 4 trials by final training loss" in sentence) == (not options)
    code, _, error = cli("network", "explain", "--run", run.folder, "--trial", "zz", "--at", "1,2", "--target", "1")
    assert code == 2 and "has no trial whose name begins with 'zz'" in error


WRONG = [
    (("show", "xw = ap*xp + "), "line 1, column 14"),
    (("show", "missing.txt"), "there is no file missing.txt, and it is no text of a network either"),
    (("show", "."), ". is a folder; give a file"),
    (("show", "x" * 5000), "there is no file xxx"),
    (("show", ""), "the network is empty"),
    (("show", "bytes.txt"), "bytes.txt is no text in UTF-8"),
    (("explain", TEXT, "--at", "xp=1", "--target", "1"), "must hold a number for each of xp, xq; xq is missing"),
    (("explain", TEXT, "--at", "xp=1,xq", "--target", "1"), "--at takes names with numbers, as in xp=1,xq=2; got 'xq'"),
    (("explain", TEXT, "--at", "xp=1,xp=2", "--target", "1"), "--at gives xp twice"),
    (("explain", TEXT, "--at", "1,two", "--target", "1"), "--at takes numbers, as in xp=1,xq=2; got 'two'"),
    (("explain", TEXT, "--at", "1,2", "--target", "nan"), "xo of target must be finite"),
    (("explain", TEXT, "--at", "1,2", "--target", "1", "--values", "ap=1"), "aq, cp, bias_xw, bias_xo are missing"),
    (("explain", TEXT, "--at", "1,2", "--target", "1", "--values", "0.5"), "--values takes names with numbers"),
    (("explain", TEXT, "--at", "1,2", "--target", "1", "--values", SAID, "--seed", "1"), "give one of --values"),
    (("explain", TEXT, "--at", "1,2", "--target", "1", "--trial", "a"), "give --run DIR as well"),
    (("explain", TEXT, "--at", "1,2", "--target", "1", "--run", "run"), "give either a network"),
    (("explain", "--at", "1,2", "--target", "1"), "give either a network"),
    (("explain", TEXT, "--at", "1,2", "--target", "1", "--rate", "0"), "learning_rate must be larger than 0"),
    (("explain", "--at", "1,2", "--target", "1", "--run", "nowhere"), "nowhere is not a run folder"),
    (("draw", TEXT, "--out", "no/where/net.svg"), "no/where"),
]


@pytest.mark.parametrize(("command", "words"), WRONG)
def test_what_is_wrong_is_one_screen_and_exit_code_2(cli, command, words):
    Path("bytes.txt").write_bytes(b"xw = \xff\xfe")
    code, out, error = cli("network", *command)
    assert (code, out) == (2, "") and words in error and error.startswith("fallline: ")
    assert len(error.splitlines()) <= 6 and len(error) < 700


def test_a_run_without_a_network_is_said(cli):
    cli("run", "try.toml", "--out", "run", "--no-report")
    code, _, error = cli("network", "explain", "--run", "run", "--at", "1", "--target", "1")
    assert code == 2 and "the run in run trained no network of neurons" in error
