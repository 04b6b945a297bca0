"""The three forms of Adam where they differ, SGD+ and momentum where they do not, and the page that says so."""

from __future__ import annotations

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fallline.optimizers import find_optimizer

PAGE = Path(__file__).parents[2] / "docs" / "optimizers.md"
FORMS = ("adam_paper", "adam_inside", "adam")
E8 = 1e-8


def steps(name, gradients, **hyperparameters):
    """The steps of one weight, in float64."""
    with jax.enable_x64(True):
        rule = find_optimizer(name)(**{"learning_rate": 1.0} | hyperparameters)
        state, found = rule.init(jnp.float64(0)), []
        for g in gradients:
            step, state = rule.update(jnp.float64(g), state, jnp.float64(0))
            found.append(float(step))
    return np.array(found)


@pytest.mark.parametrize("g", [1e-2, 1e-4, 1e-6, 1e-8])
def test_the_first_step_of_each_form_is_what_its_equation_gives_by_hand(g):
    """At t = 1 both means are the gradient: M = g, V = g^2, and v = 0.001 g^2 before the correction."""
    by_hand = {
        "adam_paper": g / (g + E8),
        "adam_inside": g / np.sqrt(g**2 + E8),
        "adam": g / (g + E8 / np.sqrt(1 - 0.999)),
    }
    for name, expected in by_hand.items():
        assert -steps(name, [g])[0] == pytest.approx(expected, rel=1e-9)


def test_forms_agree_where_gradients_are_large_and_part_where_they_are_tiny():
    large, tiny = ([steps(name, np.full(5, g)) for name in FORMS] for g in (1.0, 1e-6))
    np.testing.assert_allclose(large[1:], [large[0]] * 2, rtol=1e-6)
    assert (-tiny[0] > 0.98).all() and (-tiny[1] < 0.0101).all()
    assert -tiny[2][0] < 0.8 and (np.diff(-tiny[2]) > 0).all()


def test_the_epsilon_under_the_root_is_the_square_of_the_one_outside_where_gradients_vanish():
    g = np.full(3, 1e-12)
    np.testing.assert_allclose(steps("adam_inside", g, epsilon=1e-16), steps("adam_paper", g, epsilon=1e-8), rtol=1e-3)


def test_the_forms_of_tensorflow_and_the_paper_agree_in_the_end_with_constant_gradients():
    paper, hat = (steps(name, np.full(20_000, 1e-6))[-1] for name in ("adam_paper", "adam"))
    assert hat == pytest.approx(paper, rel=1e-8)


def test_sgd_plus_is_momentum_bit_for_bit():
    gradients = np.random.default_rng(0).normal(size=50)
    for hyperparameters in ({}, {"momentum": 0.5}):
        np.testing.assert_array_equal(
            steps("sgd_plus", gradients, **hyperparameters), steps("momentum", gradients, **hyperparameters)
        )


def test_names_titles_equations_and_sources_tell_the_forms_apart():
    rules = [find_optimizer(name) for name in (*FORMS, "momentum", "sgd_plus")]
    for field in ("name", "title", "equation", "source"):
        assert len({getattr(rule, field) for rule in rules}) == len(rules)


def test_the_pages_table_is_what_its_snippet_prints(capsys):
    text = PAGE.read_text(encoding="utf-8")
    code, printed = re.search(r"```python\n(.*?)```\n+```text\n(.*?)```", text, re.S).groups()
    exec(compile(code, "page", "exec"), {"__name__": "page"})
    assert capsys.readouterr().out == printed
    for name in (*FORMS, "sgd_plus", "momentum"):
        assert f"`{name}`" in text
