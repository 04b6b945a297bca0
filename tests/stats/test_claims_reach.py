"""Claims say what they test: numbers of the built-in ones, what a budget cannot show, the pair that decides."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import fallline
from fake_run import tiny
from fallline.report.sections.claims import claim_blocks, lines
from fallline.stats.budget_limits import undertrained
from fallline.stats.claim_budget import ClaimBudget
from fallline.stats.claims import REFUTED, SUPPORTED, UNTESTED, Verdict, claims, region_of
from fallline.stats.evidence import weigh
from fallline.study import Claim, builtin_studies, load_study
from on_page import on_page

NOISE = [0.001, -0.002, 0.0015, 0.0, -0.001, 0.002]
CLAIMS = [
    pytest.param(study, place, claim, id=f"{study}-{place + 1}")
    for study in builtin_studies()
    for place, claim in enumerate(load_study(study).claims)
]


# The built-in claims


def spellings(value: float) -> list[str]:
    """How a sentence may write a number."""
    found = [
        f"{value:g}",
        f"{value:,.10g}",
        f"{value:.10f}".rstrip("0").rstrip("."),
        f"{100 * value:.6g} %",
        f"{100 * value:.6g} points",
    ]
    exponent = re.sub(r"e([+-])0*", r"e\1", f"{value:.0e}").replace("e+", "e")
    words = {0.005: "half a point", 0.01: "a point", 0.02: "two points", math.log(10): "ln 10"}
    return [*found, exponent, *(text for number, text in words.items() if number == value)]


@pytest.mark.parametrize(("study", "place", "claim"), CLAIMS)
def test_every_number_of_a_builtin_claim_is_in_its_sentence(study, place, claim):
    hyperparameters = [claim.above, claim.near, claim.below, claim.margin or None, claim.step, claim.min_steps]
    for number in [one for one in hyperparameters if one is not None]:
        before = number - 1 if claim.below == number and claim.metric.endswith("_step") else number
        assert any(re.search(rf"(?<![\d.]){re.escape(text)}(?![\d])", claim.text) for text in spellings(before)), (
            number,
            claim.text,
        )


@pytest.mark.parametrize(("study", "place", "claim"), CLAIMS)
def test_what_is_to_be_reached_is_held_from_below_alone(study, place, claim):
    if re.search(r"\breach(es)?\b", claim.text) and claim.arm is not None:
        assert claim.above is not None or claim.below is not None, claim.text


def test_a_loss_a_hair_below_that_of_guessing_is_below_it():
    (claim,) = (claim for claim in load_study("softmax/optimizers").claims if "ln 10" in claim.text)
    assert 2.3024 < claim.below == math.log(10) < float(np.float32(math.log(10))), "at the start nothing is below"


def test_a_value_that_does_not_move_is_not_below_its_start():
    (claim,) = (claim for claim in load_study("line/learning-rates").claims if claim.metric == "b")
    assert claim.below < float(np.float32(-0.3))


# What a budget cannot show


def judged(folder: Path, rows: list[dict[str, Any]], curves: pl.DataFrame | None = None, **claim: Any) -> Verdict:
    return claims(tiny(folder / "run", rows, curves, claims=[{"text": "it is so", **claim}]))[0]


def best_steps(at: list[int], steps: int) -> list[dict[str, Any]]:
    return [
        {
            "optimizer": "adam",
            "seed": seed,
            "validation_loss": 0.3 + NOISE[seed],
            "best_validation_loss": 0.3,
            "best_validation_loss_step": step,
            "steps": steps,
        }
        for seed, step in enumerate(at)
    ]


@pytest.mark.parametrize(
    ("steps", "bound", "expected"),
    [
        (60, {"below": 226}, UNTESTED),
        (225, {"below": 226}, UNTESTED),
        (500, {"below": 226}, SUPPORTED),
        (60, {"above": 60}, UNTESTED),
        (60, {"above": 59}, REFUTED),
        (70, {"near": 50, "margin": 20}, UNTESTED),
        (71, {"near": 50, "margin": 20}, SUPPORTED),
    ],
)
def test_a_bound_on_steps_beyond_the_run_is_not_tested(tmp_path, steps, bound, expected):
    rows = best_steps([48, 50, 52, 49, 51, 50], steps)
    verdict = judged(tmp_path, rows, arm={}, metric="best_validation_loss_step", **bound)
    assert verdict.verdict == expected
    if expected == UNTESTED:
        assert verdict.note.endswith(f"is beyond the {steps} steps that this run trains") and not verdict.parts


def test_a_miss_of_a_target_says_nothing_of_steps_that_were_not_trained(tmp_path):
    rows = [row | {"steps_to_target": None} for row in best_steps([1] * 6, 60)]
    assert judged(tmp_path, rows, arm={}, metric="steps_to_target", below=100).verdict == UNTESTED


def test_a_step_that_one_arm_does_not_come_to_is_not_tested(tmp_path):
    rows = [
        {"optimizer": name, "seed": seed, "validation_accuracy": 0.9, "steps": steps}
        for name, steps in (("adam", 500), ("momentum", 200))
        for seed in range(6)
    ]
    curves = pl.DataFrame(
        {"trial": [f"{place:016x}" for place in range(6)], "step": [300] * 6, "train_loss": [1.0 + x for x in NOISE]}
    )
    whole = judged(tmp_path / "a", rows, curves, arm={}, metric="train_loss", step=300, above=0.5)
    assert (whole.verdict, whole.note) == (UNTESTED, "it is about step 300, and this run ends after step 200")
    one = judged(tmp_path / "b", rows, curves, arm={"optimizer": "adam"}, metric="train_loss", step=300, above=0.5)
    assert one.verdict == SUPPORTED
    least = judged(tmp_path / "c", rows, arm={"optimizer": "momentum"}, above=0.5, min_steps=201)
    assert (least.verdict, least.note) == (UNTESTED, "it is about 201 steps, and this run ends after 200")


FULL, SHORT = (
    ClaimBudget(1, (500, 500), (55_000, 55_000), ("full",)),
    ClaimBudget(1, (60, 60), (4_000, 4_000), ("sample",)),
)


@pytest.mark.parametrize(
    ("bound", "value", "short"),
    [
        ({"above": 0.915}, 0.88, True),
        ({"above": 0.915}, 0.93, False),
        ({"below": 0.915}, 0.88, True),
        ({"below": 0.915}, 0.93, False),
        ({"near": 0.99, "margin": 0.002}, 0.97, True),
        ({"near": 0.99, "margin": 0.002}, 0.991, False),
        ({"near": 0.99, "margin": 0.002}, 0.999, False),
        ({"above": 0.915}, -math.inf, False),
    ],
)
def test_a_value_that_falls_short_after_less_training_is_not_tested(bound, value, short):
    claim = Claim(text="t", arm={}, metric="test_accuracy", **bound)
    region = region_of(claim, up=True)
    deciding = weigh(np.array([value] * 6), region, True, 1.0)

    def why(budget: tuple[ClaimBudget, ClaimBudget] | None) -> str:
        return undertrained(claim, "test_accuracy", region, True, deciding, budget, {})

    assert bool(why((FULL, SHORT))) == short
    assert why(None) == why((SHORT, FULL)) == "", "as much training or more"
    if short:
        assert "60 steps in place of 500 and 4,000 training examples in place of 55,000" in why((FULL, SHORT))


def test_a_loss_falls_short_upwards():
    claim = Claim(text="t", arm={}, metric="validation_loss", below=2.0)
    region = region_of(claim, up=False)
    for value, short in ((2.2, True), (1.9, False)):
        evidence = weigh(np.array([value] * 3), region, True, 1.0)
        assert bool(undertrained(claim, "validation_loss", region, False, evidence, (FULL, SHORT), {})) == short


def test_a_preset_that_trains_less_judges_no_published_value_from_below(tmp_path):
    study = load_study("line/optimizers").with_(
        {
            "claims": [
                {
                    "text": "lower than 1e-9",
                    "arm": {"optimizer": "gradient_descent", "learning_rate": 0.01},
                    "below": 1e-9,
                },
                {
                    "text": "lower than 100",
                    "arm": {"optimizer": "gradient_descent", "learning_rate": 0.01},
                    "below": 100.0,
                },
            ]
        }
    )
    short, reached = claims(fallline.run(study.with_({"base": {"steps": 5}}), tmp_path / "run").records)
    assert short.verdict == UNTESTED and "5 steps in place of 2,500" in short.note and reached.verdict == SUPPORTED


# The pair that decides


def test_the_figures_of_a_claim_are_those_of_the_pair_that_decides_which_is_named(tmp_path):
    rows = [
        {"optimizer": name, "learning_rate": rate, "seed": seed, "validation_accuracy": value + scale * noise}
        for scale, name, own in ((1, "adam", (0.92, 0.95)), (2, "momentum", (0.9, 0.8)), (3, "ftrl", (0.94, 0.7)))
        for rate, value in zip((0.1, 0.01), own, strict=True)
        for seed, noise in enumerate(NOISE)
    ]
    run = tiny(
        tmp_path / "run",
        rows,
        claims=[
            {"text": "adam is best", "better": {"optimizer": "adam"}, "worse": "others"},
            {"text": "over 0.85", "arm": {"optimizer": "adam"}, "above": 0.85},
        ],
    )
    refuted, holds = claims(run)
    part = refuted.parts[refuted.deciding]
    assert (part.first["optimizer"], part.second["optimizer"], part.within) == ("adam", "ftrl", {"learning_rate": 0.1})
    _, first, second = lines(run)[:3]
    assert "(adam minus ftrl, within learning rate 0.1: validation accuracy difference −0.0205, 95 % −0.0237" in first
    assert refuted.verdict == REFUTED and first.endswith("; the worst of 4 comparisons)")
    assert "(adam, learning rate 0.1: validation accuracy 0.920" in second
    assert second.endswith("the closest of 2 comparisons)") and holds.verdict == SUPPORTED


def test_a_figure_is_not_rounded_to_the_bound_that_it_passes(tmp_path):
    rows = [{"optimizer": "adam", "seed": seed, "validation_loss": 2.3016 + x / 100} for seed, x in enumerate(NOISE)]
    run = tiny(
        tmp_path / "run",
        rows,
        claims=[{"text": "below guessing", "arm": {}, "metric": "validation_loss", "below": math.log(10)}],
    )
    page = on_page(claim_blocks(run, claims(run)))
    assert "validation loss 2.301602, 95 % 2.301586 to 2.301619," in lines(run)[1]
    assert "to be below 2.302585092994046" in page
