"""A convolution as matmuls over frequencies: transform, one small matmul per frequency, inverse transform.

Over the frequencies of an image of height + rows // 2 by width + columns // 2, a zero-padded convolution is one matmul
of inputs x outputs per frequency: for 14x14 pixels and 5x5 taps 512 multiplications in place of 25 x 196. The
transforms are matmuls with constant matrices of cosines and sines, with the speed and the derivative of a matmul;
nothing here calls an FFT. The pixels stay the first axis, so that a transform is one matmul [2 slots, pixels] x
[pixels, batch x channels] and nothing is rearranged.

A real image needs half of the frequencies, each as a cosine and a sine part. Measured from the image's centre, cosines
are even and sines odd under a rotation by 180 degrees, so the inverse transform computes the first half of the pixels
and takes the other from the same sums and differences. It differs from the native convolution by about 5e-7 of the
largest entry.

Source: the convolution theorem; over images and channels: Mathieu, Henaff and LeCun (2013), "Fast training of
convolutional networks through FFTs", which uses FFTs where we use matmuls.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fallline.models.lowerings.pooling import batch_first, places_first, relu_pool


def convolve(x: Any, kernel: Any, padding: str) -> Any:
    return batch_first(_convolve_places(places_first(x), kernel, padding))


def convolve_relu_pool(x: Any, kernel: Any, bias: Any, padding: str) -> Any:
    return batch_first(relu_pool(_convolve_places(places_first(x), kernel, padding), bias))


def _convolve_places(x: Any, kernel: Any, padding: str) -> Any:
    """x [height, width, batch, inputs] -> [height, width, batch, outputs]; VALID is the inside of SAME."""
    height, width, batch, inputs = x.shape
    same = convolve_pixels(x.reshape(height * width, batch, inputs), kernel, (height, width))
    same = same.reshape(height, width, batch, -1)  # pyright: ignore[reportAttributeAccessIssue]
    if padding == "SAME":
        return same
    rows, columns = kernel.shape[:2]
    top, left = (rows - 1) // 2, (columns - 1) // 2
    return same[top : top + height - rows + 1, left : left + width - columns + 1]


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def convolve_pixels(x: Any, kernel: Any, size: tuple[int, int]) -> Any:
    """x [height * width, batch, inputs] -> [height * width, batch, outputs], zero-padded; ``size``: height, width."""
    return _forward(x, kernel, size)[0]


def _forward(x: Any, kernel: Any, size: tuple[int, int]) -> tuple[Any, Any]:
    waves = waves_of(*size, *kernel.shape[:2])
    both = _side_by_side(*_spectrum(waves.analysis, x))
    cosines, sines = (_matmul(both, _factors(of_taps, kernel)) for of_taps in (waves.to_cosine, waves.to_sine))
    return _picture(waves.even, cosines, waves.odd, sines), (both, kernel)


def _backward(size: tuple[int, int], kept: Any, gradient: Any) -> tuple[Any, Any]:
    both, kernel = kept
    waves = waves_of(*size, *kernel.shape[:2])
    spectrum = _spectrum(waves.synthesis, gradient)
    of_kernel = sum(
        _of_factors(of_taps, jax.lax.dot_general(both, half, _OVER_BATCH), kernel)
        for of_taps, half in zip((waves.to_cosine, waves.to_sine), spectrum, strict=True)
    )
    turned = kernel.transpose(0, 1, 3, 2)
    cosines, sines = (
        _matmul(_side_by_side(*spectrum), _factors(of_taps, turned)) for of_taps in (waves.from_cosine, waves.from_sine)
    )
    return _picture(waves.even_analysis, cosines, waves.odd_analysis, sines), of_kernel


convolve_pixels.defvjp(_forward, _backward)
_OVER_BATCH = (((1,), (1,)), ((0,), (0,)))
_OVER_CHANNELS = (((2,), (1,)), ((0,), (0,)))


class Waves(NamedTuple):
    """Constant matrices for a size of image and kernel; a frequency is one slot of two halves, cosine and sine."""

    analysis: Any  # [2 slots, pixels]: cosine halves, then sine halves
    synthesis: Any  # [2 slots, pixels]: the inverse transform, transposed
    even: Any  # [first half of the pixels, slots]: the inverse transform of cosine halves
    odd: Any  # [first half of the pixels without the middle, slots]: of sine halves
    even_analysis: Any  # as even and odd, of the analysis transposed: its derivative
    odd_analysis: Any
    to_cosine: (
        Any  # [2 slots, taps], halves of a slot next to each other: contribution of x's cosine and sine to y's cosine
    )
    to_sine: Any  # the same for y's sine
    from_cosine: Any  # contribution of x's cosine to y's cosine and sine
    from_sine: Any


@lru_cache(maxsize=64)
def waves_of(height: int, width: int, rows: int, columns: int) -> Waves:
    """The matrices, computed in float64 and then rounded.

    The period is the image plus the padding that one side needs: what wraps around from the other side is zero too.
    """
    period = np.array([height + rows // 2, width + columns // 2])
    places = _grid(np.arange(height) - (height - 1) / 2, np.arange(width) - (width - 1) / 2)
    taps = _grid(np.arange(rows) - (rows - 1) // 2, np.arange(columns) - (columns - 1) // 2)
    cosine_of, sine_of = _slots(period, places)
    share = (
        np.array(
            [2.0 if one is not None and one == other else 1.0 for one, other in zip(cosine_of, sine_of, strict=True)]
        )[:, None]
        / period.prod()
    )
    cosines, sines = (_waves(function, of, period, places) for function, of in ((np.cos, cosine_of), (np.sin, sine_of)))
    pairs = [one if one == other else None for one, other in zip(cosine_of, sine_of, strict=True)]
    same, same_sine = (_waves(np.cos, of, period, taps) for of in (cosine_of, sine_of))
    across = _waves(np.sin, pairs, period, taps)
    first, middle = height * width // 2, (height * width + 1) // 2
    matrices = Waves(
        np.concatenate([cosines, sines]),
        np.concatenate([share * cosines, share * sines]),
        (share * cosines)[:, :middle].T,
        (share * sines)[:, :first].T,
        cosines[:, :middle].T,
        sines[:, :first].T,
        _by_slot(same, across),
        _by_slot(-across, same_sine),
        _by_slot(same, -across),
        _by_slot(across, same_sine),
    )
    return Waves(*(np.ascontiguousarray(matrix, np.float32) for matrix in matrices))


def _slots(period: Any, places: Any) -> tuple[list[Any], list[Any]]:
    """The frequency of each slot's cosine half and of its sine half (None where a half is empty).

    One of each pair of opposite frequencies is enough for both. A frequency that is its own opposite has only one half:
    two such share a slot.
    """
    pairs, only_cosine, only_sine = [], [], []
    for frequency in np.ndindex(*period):
        opposite = tuple(int(-one % whole) for one, whole in zip(frequency, period, strict=True))
        if frequency < opposite:
            pairs.append(frequency)
        elif frequency == opposite:
            has_cosine = np.abs(_waves(np.cos, [frequency], period, places)).max() > 0.5
            (only_cosine if has_cosine else only_sine).append(frequency)
    length = max(len(only_cosine), len(only_sine))
    return tuple(pairs + some + [None] * (length - len(some)) for some in (only_cosine, only_sine))


def _waves(function: Any, frequencies: list[Any], period: Any, places: Any) -> Any:
    """``function`` of each frequency's phase at each pixel, [frequencies, pixels]; zero for None."""
    known = np.array([frequency is not None for frequency in frequencies])[:, None]
    turns = np.array([frequency or (0, 0) for frequency in frequencies]) / period
    return known * function(2 * np.pi * turns @ places)


def _grid(rows: Any, columns: Any) -> Any:
    """The coordinates of all pixels, [2, rows x columns]."""
    return np.stack([coordinate.ravel() for coordinate in np.meshgrid(rows, columns, indexing="ij")])


def _by_slot(cosines: Any, sines: Any) -> Any:
    """[slots, taps] twice as [2 slots, taps], the two of a slot next to each other."""
    return np.stack([cosines, sines], 1).reshape(-1, cosines.shape[1])


def _spectrum(matrix: Any, x: Any) -> tuple[Any, Any]:
    """[2 slots, pixels] times x [pixels, batch, channels]: cosine and sine halves, [slots, batch, channels] each."""
    halves = _transform(matrix, x)
    slots = halves.shape[0] // 2
    return halves[:slots], halves[slots:]


def _side_by_side(cosines: Any, sines: Any) -> Any:
    return jnp.concatenate([cosines, sines], 2)


def _matmul(both: Any, factors: Any) -> Any:
    """One matmul per slot: [slots, batch, 2 inputs] times [slots, 2 inputs, outputs]."""
    return jax.lax.dot_general(both, factors, _OVER_CHANNELS)


def _factors(of_taps: Any, kernel: Any) -> Any:
    """[2 slots, taps] times kernel [rows, columns, inputs, outputs] as [slots, 2 inputs, outputs]."""
    taps = kernel.reshape(-1, *kernel.shape[2:])
    return _transform(of_taps, taps).reshape(-1, 2 * kernel.shape[2], kernel.shape[3])


def _of_factors(of_taps: Any, gradient: Any, kernel: Any) -> Any:
    """The derivative of ``_factors``, in the kernel's shape."""
    return _transform(of_taps.T, gradient.reshape(-1, *kernel.shape[2:])).reshape(kernel.shape)


def _picture(even: Any, cosines: Any, odd: Any, sines: Any) -> Any:
    """The image [pixels, batch, channels] of both halves: even + odd, the middle pixel, even - odd reversed."""
    same, opposed = _transform(even, cosines), _transform(odd, sines)
    half = opposed.shape[0]
    return jnp.concatenate([same[:half] + opposed, same[half:], (same[:half] - opposed)[::-1]])


def _transform(matrix: Any, x: Any) -> Any:
    """matrix [m, n] times x [n, ...]."""
    return jax.lax.dot_general(np.ascontiguousarray(matrix), x, (((1,), (0,)), ((), ())))
