"""Products of matrices, and layers that are one."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from fallline.models.layers import Dense
from fallline.models.pytorch.registry import operator


@operator("linear")
def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    if bias is not None and input.ndim == 2:
        return Dense(weight, bias)(input)
    product = input @ weight.T
    return product if bias is None else product + bias


@operator("matmul", "mm", "bmm", "mv", "dot")
def matmul(self: Any, other: Any = None, mat2: Any = None, vec: Any = None, tensor: Any = None) -> Any:
    return jnp.matmul(self, next(each for each in (other, mat2, vec, tensor) if each is not None))


@operator("addmm")
def addmm(self: Any, mat1: Any, mat2: Any, beta: Any = 1, alpha: Any = 1) -> Any:
    return beta * self + alpha * (mat1 @ mat2)


@operator("baddbmm")
def baddbmm(self: Any, batch1: Any, batch2: Any, beta: Any = 1, alpha: Any = 1) -> Any:
    return beta * self + alpha * (batch1 @ batch2)


@operator("addbmm")
def addbmm(self: Any, batch1: Any, batch2: Any, beta: Any = 1, alpha: Any = 1) -> Any:
    return beta * self + alpha * jnp.einsum("bij,bjk->ik", batch1, batch2)


@operator("addmv")
def addmv(self: Any, mat: Any, vec: Any, beta: Any = 1, alpha: Any = 1) -> Any:
    return beta * self + alpha * (mat @ vec)


@operator("outer", "ger")
def outer(self: Any, vec2: Any) -> Any:
    return jnp.outer(self, vec2)


@operator("einsum")
def einsum(equation: str, tensors: list[Any]) -> Any:
    return jnp.einsum(equation, *tensors)


@operator("bilinear")
def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    product = jnp.einsum("...i,oij,...j->...o", input1, weight, input2)
    return product if bias is None else product + bias


@operator("_trilinear")
def trilinear(
    i1: Any, i2: Any, i3: Any, expand1: list[int], expand2: list[int], expand3: list[int], sumdim: list[int]
) -> Any:
    """What ``bilinear`` is made of: a product of three tensors with added dimensions, summed over some."""
    first, second, third = (jnp.expand_dims(t, tuple(e)) for t, e in ((i1, expand1), (i2, expand2), (i3, expand3)))
    return (first * second * third).sum(tuple(sumdim))
