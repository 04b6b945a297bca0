"""Lowerings of a convolution: each agrees with a written sum and with XLA's own, in value and in both gradients."""

from __future__ import annotations

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fallline.errors import ModelError
from fallline.models.lowerings import LOWERINGS, best_lowering, convolve, convolve_relu_pool

OTHERS = sorted(set(LOWERINGS) - {"native"})
CASES = (  # batch, height, width, inputs, outputs, rows, columns, padding
    (3, 14, 14, 4, 5, 5, 5, "SAME"),
    (1, 7, 9, 3, 2, 5, 5, "SAME"),
    (1, 5, 5, 2, 2, 1, 3, "SAME"),
    (1, 6, 7, 2, 3, 4, 2, "SAME"),
    (2, 3, 2, 2, 2, 5, 5, "SAME"),
    (2, 12, 11, 1, 3, 5, 5, "VALID"),
    (1, 7, 6, 2, 2, 4, 2, "VALID"),
)
POOLED = ((3, 14, 14, 1, 5, 5, 5, "SAME"), (1, 7, 9, 3, 2, 3, 2, "SAME"), (2, 12, 11, 2, 3, 5, 5, "VALID"))


def example(size, seed=0):
    batch, height, width, inputs, outputs, rows, columns = size[:7]
    random = np.random.default_rng(seed)
    shapes = (batch, height, width, inputs), (rows, columns, inputs, outputs), (outputs,)
    return tuple(jnp.asarray(random.normal(size=shape), jnp.float32) for shape in shapes)


def apart(ours, theirs):
    """The greatest difference as a share of the greatest entry."""
    return float(np.abs(np.asarray(ours) - theirs).max() / np.abs(theirs).max())


@cache
def value_and_gradients(function, lowering, case):
    """What ``function`` gives and the gradients of a weighted sum of it."""
    arguments = example(case)[: 3 if function is convolve_relu_pool else 2]

    def both(*arguments):
        value, pullback = jax.vjp(lambda *a: function(*a, lowering, case[7]), *arguments)
        return value, *pullback(jnp.cos(jnp.arange(value.size, dtype=jnp.float32)).reshape(value.shape))

    return [np.asarray(one) for one in jax.jit(both)(*arguments)]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("lowering", OTHERS)
def test_a_lowering_agrees_with_the_native_convolution_and_its_gradients(lowering, case):
    ours, theirs = (value_and_gradients(convolve, name, case) for name in (lowering, "native"))
    assert max(apart(one, other) for one, other in zip(ours, theirs, strict=True)) < 1e-5


@pytest.mark.parametrize("case", POOLED)
@pytest.mark.parametrize("lowering", OTHERS)
def test_convolution_relu_and_pooling_agree_with_the_native_three(lowering, case):
    ours, theirs = (value_and_gradients(convolve_relu_pool, name, case) for name in (lowering, "native"))
    assert max(apart(one, other) for one, other in zip(ours, theirs, strict=True)) < 1e-5


@pytest.mark.parametrize("lowering", sorted(LOWERINGS))
def test_a_convolution_is_the_sum_over_taps_as_written(lowering):
    x, kernel, _ = (np.asarray(one, np.float64) for one in example((2, 5, 6, 2, 3, 3, 5)))
    around = np.pad(x, ((0, 0), (1, 1), (2, 2), (0, 0)))
    written = np.zeros((2, 5, 6, 3))
    for row in range(5):
        for column in range(6):
            window = around[:, row : row + 3, column : column + 5]
            written[:, row, column] = np.einsum("brci,rcio->bo", window, kernel)
    assert apart(jax.jit(convolve, static_argnums=2)(jnp.float32(x), jnp.float32(kernel), lowering), written) < 1e-5


@pytest.mark.parametrize("lowering", sorted(set(LOWERINGS) - {"frequencies"}))  # rounding makes its pixels unequal
def test_equal_pixels_give_their_gradient_to_the_first(lowering):
    x = jnp.ones((1, 4, 4, 1))
    kernel = jnp.zeros((3, 3, 1, 1)).at[1, 1].set(1.0)
    of_x = jax.jit(jax.grad(lambda x: convolve_relu_pool(x, kernel, jnp.ones(1), lowering).sum()))(x)
    first = np.zeros((4, 4))
    first[::2, ::2] = 1
    assert np.allclose(of_x[0, :, :, 0], first, atol=1e-6)


@pytest.mark.parametrize("lowering", sorted(LOWERINGS))
def test_what_relu_cuts_has_no_gradient(lowering):
    x, kernel, _ = example((2, 6, 6, 1, 3, 3, 3))
    gradients = jax.grad(lambda *a: convolve_relu_pool(*a, lowering).sum(), (0, 1, 2))
    assert all(not np.any(one) for one in jax.jit(gradients)(x, kernel, jnp.full(3, -1e6)))


@pytest.mark.parametrize("lowering", OTHERS)
def test_vmap_over_kernels_gives_each_lane_its_own_convolution(lowering):
    x, kernel, bias = example((2, 6, 6, 1, 3, 5, 5))
    kernels = jnp.stack([kernel, 2 * kernel, -kernel])
    together = jax.jit(jax.vmap(lambda k: convolve_relu_pool(x, k, bias, lowering)))(kernels)
    alone = [convolve_relu_pool(x, k, bias, "native") for k in kernels]
    assert max(apart(ours, np.asarray(one)) for ours, one in zip(together, alone, strict=True)) < 1e-5


def test_the_best_guess_is_native_on_a_gpu_and_one_of_the_lowerings_on_a_cpu():
    assert best_lowering(50, (14, 14, 32), (5, 5, 32, 64), "gpu") == "native"
    assert best_lowering(50, (28, 28, 1), (5, 5, 1, 32), "cpu") == "phases"
    assert best_lowering(50, (28, 28, 1), (5, 5, 1, 32), "cpu", pooled=False) == "patches"
    assert best_lowering(50, (14, 14, 32), (5, 5, 32, 64), "cpu") == "frequencies"
    assert best_lowering(50, (224, 224, 64), (3, 3, 64, 64), "cpu") == "native"
    assert best_lowering(50, (14, 14, 64), (1, 1, 64, 64), "cpu") == "native"


def test_an_unknown_lowering_padding_or_shape_is_told():
    x, kernel, _ = example(CASES[0])
    with pytest.raises(ModelError, match="lowering must be one of"):
        convolve(x, kernel, "fft")
    with pytest.raises(ModelError, match="padding must be"):
        convolve(x, kernel, "native", "FULL")
    with pytest.raises(ModelError, match="equal inputs"):
        convolve(x, kernel[:, :, 1:])
