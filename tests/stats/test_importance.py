"""The importance of hyperparameters, on functions whose importances are known."""

import numpy as np
import pytest

from fallline.stats.importance import LEAST, importance


def cube(count, dimensions, seed=0):
    return np.random.default_rng(seed).random((count, dimensions))


def test_the_number_that_decides_alone_has_almost_all():
    units = cube(400, 3)
    found = importance(units, -np.abs(units[:, 0] - 0.3))
    assert found.share.sum() == pytest.approx(1) and found.share[0] > 0.85
    assert found.low[0] > max(found.high[1:])


def test_a_larger_effect_is_more_important_and_equal_ones_are_alike():
    units = cube(800, 3, seed=1)
    found = importance(units, 3 * units[:, 0] + units[:, 1])
    assert found.share[0] > found.share[1] > found.share[2] >= 0
    equal = importance(units, units[:, 0] + units[:, 1])
    assert equal.low[0] < equal.share[1] < equal.high[0]


def test_settings_that_crowd_where_a_sampler_went_do_not_make_a_number_important():
    """Half of the settings near 0.9 in the second number, which changes nothing."""
    units = cube(600, 2, seed=2)
    units[::2, 1] = 0.9 + 0.05 * units[::2, 1]
    found = importance(units, -np.abs(units[:, 0] - 0.5))
    assert found.share[0] > 0.8


def test_diverged_settings_count_as_the_worst_and_too_few_say_nothing():
    units = cube(200, 2, seed=3)
    values = np.where(units[:, 0] > 0.5, -np.inf, 0.1 * units[:, 1])
    found = importance(units, values)
    assert found.share[0] > found.high[1] * 0.2 and np.isfinite(found.share).all()
    assert importance(units[: LEAST - 1], values[: LEAST - 1]) is None
    assert importance(units[:, :0], values) is None


def test_the_same_settings_say_the_same():
    units = cube(50, 2, seed=4)
    first, second = (importance(units, units[:, 0]) for _ in range(2))
    np.testing.assert_array_equal(first.low, second.low)
