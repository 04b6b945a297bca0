"""Quantiles, tails and tests against scipy.stats, which they stand for."""

import numpy as np
import pytest
from scipy import stats

from fallline.stats import distributions as ours

COUNTS = (2, 3, 5, 8, 13, 14, 15, 20, 33)


@pytest.mark.parametrize("freedom", [1, 2, 4, 9, 29, 99, 5000])
def test_students_t_is_that_of_scipy_to_the_last_digit(freedom):
    for share in (0.5, 0.8, 0.975, 1 - 0.05 / 36 / 2, 1e-4):
        assert ours.t_quantile(share, freedom) == stats.t.ppf(share, freedom)
    for value in (-3.0, 0.0, 0.3, 2.0, 40.0):
        assert ours.t_above(value, freedom) == stats.t.sf(value, freedom)
    centres = np.array([0.0, 0.3, 2.0, 8.0])
    assert ours.noncentral_t_below(2.1, freedom, centres).tolist() == stats.nct.cdf(2.1, freedom, centres).tolist()
    assert ours.normal_below(centres).tolist() == stats.norm.cdf(centres).tolist()


@pytest.mark.parametrize("of", [1, 2, 5, 6, 20, 79, 1000, 10_000])
def test_binomial_tails_are_those_of_scipy(of):
    for count in {0, 1, of // 3, of // 2, of - 1, of, of + 1}:
        assert ours.even_binomial_from(count, of) == pytest.approx(stats.binom.sf(count - 1, of, 0.5), rel=1e-12)
        chances = np.array([0.0, 0.1, 0.5, 0.77, 1.0])
        expected = stats.binom.cdf(count, of, chances)
        assert ours.binomial_at_most(count, of, chances) == pytest.approx(expected, rel=1e-12)
    for share in (0.0001, 0.025, 0.05 / 7, 0.8, 0.975):
        assert ours.even_binomial_quantile(share, of) == stats.binom.ppf(share, of, 0.5)
    assert ours.binomial_at_most(-1, of, 0.5) == 0 and ours.binomial_at_most(0, 0, 0.5) == 1


@pytest.mark.parametrize("n", COUNTS)
def test_flipped_signs_give_the_p_values_of_scipy(n):
    """Every flip up to 14 values, beyond that scipy's own draws: ties, zeros and one-sided samples among them."""
    draws = np.random.default_rng(n)
    samples = np.round(draws.normal(size=(7, n)), 1)
    samples[0], samples[1], samples[2] = np.abs(samples[0]), 1.0, draws.normal(size=n)
    expected = stats.permutation_test(
        (samples,),
        lambda x, axis: x.mean(axis),
        permutation_type="samples",
        axis=-1,
        vectorized=True,
        batch=512,
        n_resamples=2**14,
        rng=np.random.default_rng(0),
    ).pvalue
    assert ours.sign_flip_p(samples, 2**14).tolist() == expected.tolist()


def test_many_samples_are_flipped_in_pieces(monkeypatch):
    samples = np.random.default_rng(1).normal(size=(50, 6))
    whole = ours.sign_flip_p(samples, 2**14)
    monkeypatch.setattr(ours, "HELD", 2**6 * 7)
    assert ours.sign_flip_p(samples, 2**14).tolist() == whole.tolist()


@pytest.mark.parametrize("n", [*COUNTS, 50, 51, 100])
def test_signed_ranks_give_the_p_values_of_wilcoxon(n):
    samples = np.random.default_rng(n).normal(0.3, size=(5, n))
    ranks = np.stack([np.sign(one) * ours.average_ranks(np.abs(one)) for one in samples])
    assert ours.signed_rank_p(ranks).tolist() == stats.wilcoxon(samples, axis=-1).pvalue.tolist()


def test_equal_values_share_their_rank():
    values = np.array([3.0, -np.inf, 1.0, 3.0, 1.0, np.inf])
    assert ours.average_ranks(values).tolist() == stats.rankdata(values).tolist() == [4.5, 1, 2.5, 4.5, 2.5, 6]
