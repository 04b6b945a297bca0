"""Operators that are computed as one: convolution, relu and pooling; and the parts that Dropout2d is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fallline.models.pytorch.noise import Noise
from fallline.models.pytorch.operators.convolution import conv_relu_pool, each_dimension
from fallline.models.pytorch.operators.random import channel_dropout

Fusion = Callable[[Callable[[Any], Any], Noise], Any]
"""Gives the value of a node from ``value``, which gives that of an argument, and the noise of its place."""

CONVOLUTION = (None, 1, 0, 1, 1)
"""The defaults of bias, stride, padding, dilation and groups."""


def fused(nodes: tuple[Any, ...]) -> tuple[dict[str, Fusion], set[str]]:
    """What computes several nodes at once, by the name of the last, and the names of those before it."""
    found: dict[str, Fusion] = {}
    skipped: set[str] = set()
    for node in nodes:
        before = _convolution_before(node) or _mask_before(node)
        if before:
            found[node.name], gone = before
            skipped |= gone
    return found, skipped


def _convolution_before(pool: Any) -> tuple[Fusion, set[str]] | None:
    """Where a pooling of 2 x 2 follows relu and a convolution, and nothing else reads between: as one operation they
    take a third of the time on a CPU (benchmarks/convolutions.py)."""
    if not str(pool.target).startswith("aten.max_pool2d."):
        return None
    relu = pool.args[0]
    if not str(relu.target).startswith("aten.relu.") or len(relu.users) != 1:
        return None
    conv = relu.args[0]
    if str(conv.target) != "aten.conv2d.default" or len(conv.users) != 1 or not _is_plain(pool, conv):
        return None
    padding = _with_defaults(conv.args[2:], CONVOLUTION)[2]
    parts = _with_defaults(conv.args[:3], (None, None, None))
    return lambda value, noise: conv_relu_pool(*map(value, parts), padding), {relu.name, conv.name}


def _is_plain(pool: Any, conv: Any) -> bool:
    """Whether the pooling is of 2 x 2 at stride 2, the convolution of stride 1 with at most half its kernel around."""
    kernel, stride, padding, dilation, ceil_mode = _with_defaults(pool.args[1:], (None, [], 0, 1, False))
    if list(kernel) not in ([2, 2], [2]) or list(stride) not in ([], [2, 2], [2]) or ceil_mode:
        return False
    if set(each_dimension(padding, 2)) != {0} or set(each_dimension(dilation, 2)) != {1}:
        return False
    _, stride, padding, dilation, groups = _with_defaults(conv.args[2:], CONVOLUTION)
    sizes = conv.args[1].meta["val"].shape[2:]
    fits = all(2 * pad <= size - 1 for pad, size in zip(each_dimension(padding, 2), sizes, strict=True))
    return groups == 1 and {*each_dimension(stride, 2)} == {1} and {*each_dimension(dilation, 2)} == {1} and fits


def _with_defaults(args: tuple[Any, ...], defaults: tuple[Any, ...]) -> tuple[Any, ...]:
    return (*args, *defaults[len(args) :])


def _mask_before(division: Any) -> tuple[Fusion, set[str]] | None:
    """Of Dropout2d, which ends in the graph as a mask of channels, drawn with the share that is kept and divided by
    it: the two as one, so that the rate can be the lane's."""
    if not str(division.target).startswith("aten.div."):
        return None
    drawn, kept = division.args[:2]
    if str(getattr(drawn, "target", "")) != "aten.bernoulli.p" or drawn.args[1] != kept or len(drawn.users) != 1:
        return None
    return lambda value, noise: channel_dropout(value(drawn.args[0]), 1 - kept, noise), {drawn.name}
