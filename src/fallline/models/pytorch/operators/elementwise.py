"""Operators that work on each element alone: arithmetic, functions, activations, comparisons."""

from __future__ import annotations

import operator as python
from typing import Any

import jax
import jax.numpy as jnp

from fallline.models.pytorch.registry import operator

UNARY = {
    "abs": jnp.abs,
    "acos": jnp.arccos,
    "acosh": jnp.arccosh,
    "asin": jnp.arcsin,
    "asinh": jnp.arcsinh,
    "atan": jnp.arctan,
    "atanh": jnp.arctanh,
    "bitwise_not": jnp.bitwise_not,
    "ceil": jnp.ceil,
    "cos": jnp.cos,
    "cosh": jnp.cosh,
    "deg2rad": jnp.deg2rad,
    "digamma": jax.scipy.special.digamma,
    "erf": jax.scipy.special.erf,
    "erfc": jax.scipy.special.erfc,
    "erfinv": jax.scipy.special.erfinv,
    "exp": jnp.exp,
    "exp2": jnp.exp2,
    "expm1": jnp.expm1,
    "floor": jnp.floor,
    "frac": lambda x: x - jnp.trunc(x),
    "isfinite": jnp.isfinite,
    "isinf": jnp.isinf,
    "isnan": jnp.isnan,
    "lgamma": jax.scipy.special.gammaln,
    "log": jnp.log,
    "log10": jnp.log10,
    "log1p": jnp.log1p,
    "log2": jnp.log2,
    "logical_not": jnp.logical_not,
    "mish": lambda x: x * jnp.tanh(jax.nn.softplus(x)),
    "neg": jnp.negative,
    "positive": lambda x: x,
    "rad2deg": jnp.rad2deg,
    "reciprocal": lambda x: 1 / x,
    "relu": jax.nn.relu,
    "relu6": lambda x: _clamped(x, 0, 6),
    "rsqrt": jax.lax.rsqrt,
    "selu": jax.nn.selu,
    "sgn": jnp.sign,
    "sigmoid": jax.nn.sigmoid,
    "sign": jnp.sign,
    "silu": jax.nn.silu,
    "sin": jnp.sin,
    "sinc": jnp.sinc,
    "sinh": jnp.sinh,
    "sqrt": jnp.sqrt,
    "square": jnp.square,
    "tan": jnp.tan,
    "tanh": jnp.tanh,
    "trunc": jnp.trunc,
}
"""Functions of one tensor, whose argument is ``self``."""

BINARY = {
    "atan2": jnp.arctan2,
    "bitwise_and": jnp.bitwise_and,
    "bitwise_or": jnp.bitwise_or,
    "bitwise_xor": jnp.bitwise_xor,
    "copysign": jnp.copysign,
    "eq": python.eq,
    "floor_divide": jnp.floor_divide,
    "fmax": jnp.fmax,
    "fmin": jnp.fmin,
    "fmod": jnp.fmod,
    "ge": python.ge,
    "gt": python.gt,
    "hypot": jnp.hypot,
    "le": python.le,
    "logaddexp": jnp.logaddexp,
    "logical_and": jnp.logical_and,
    "logical_or": jnp.logical_or,
    "logical_xor": jnp.logical_xor,
    "lt": python.lt,
    "maximum": jnp.maximum,
    "minimum": jnp.minimum,
    "mul": python.mul,
    "multiply": python.mul,
    "ne": python.ne,
    "remainder": jnp.remainder,
    "xlogy": jax.scipy.special.xlogy,
}
"""Functions of two tensors or numbers, whose arguments are ``self`` and ``other``."""

for _name, _function in UNARY.items():
    operator(_name)(lambda self, function=_function: function(self))
for _name, _function in BINARY.items():
    operator(_name)(lambda self, other, function=_function: function(self, other))


@operator("add")
def add(self: Any, other: Any, alpha: Any = 1) -> Any:
    return self + (other if alpha == 1 else alpha * other)


@operator("sub", "subtract")
def sub(self: Any, other: Any, alpha: Any = 1) -> Any:
    return self - (other if alpha == 1 else alpha * other)


@operator("rsub")
def rsub(self: Any, other: Any, alpha: Any = 1) -> Any:
    return other - (self if alpha == 1 else alpha * self)


@operator("div", "divide", "true_divide")
def div(self: Any, other: Any, rounding_mode: str | None = None) -> Any:
    if rounding_mode == "floor":
        return jnp.floor_divide(self, other)
    return jnp.trunc(self / other) if rounding_mode == "trunc" else self / other


@operator("pow")
def pow(self: Any, exponent: Any) -> Any:
    return self**exponent


@operator("addcmul")
def addcmul(self: Any, tensor1: Any, tensor2: Any, value: Any = 1) -> Any:
    return self + value * tensor1 * tensor2


@operator("addcdiv")
def addcdiv(self: Any, tensor1: Any, tensor2: Any, value: Any = 1) -> Any:
    return self + value * tensor1 / tensor2


@operator("lerp")
def lerp(self: Any, end: Any, weight: Any) -> Any:
    return self + weight * (end - self)


@operator("round")
def round(self: Any, decimals: int = 0) -> Any:
    return jnp.round(self, decimals)


@operator("where.self", "where.ScalarSelf", "where.ScalarOther", "where.Scalar")
def where(condition: Any, self: Any, other: Any) -> Any:
    return jnp.where(condition, self, other)


@operator("masked_fill")
def masked_fill(self: Any, mask: Any, value: Any) -> Any:
    return jnp.where(mask, value, self)


@operator("nan_to_num")
def nan_to_num(self: Any, nan: Any = None, posinf: Any = None, neginf: Any = None) -> Any:
    return jnp.nan_to_num(self, nan=nan or 0.0, posinf=posinf, neginf=neginf)


def _clamped(x: Any, least: Any, most: Any) -> Any:
    """x within its bounds; at a bound the gradient is 1, as PyTorch has it."""
    if least is not None:
        x = jnp.where(x < least, least, x)
    return x if most is None else jnp.where(x > most, most, x)


@operator("clamp", "clip")
def clamp(self: Any, min: Any = None, max: Any = None) -> Any:
    return _clamped(self, min, max)


@operator("clamp_min")
def clamp_min(self: Any, min: Any) -> Any:
    return _clamped(self, min, None)


@operator("clamp_max")
def clamp_max(self: Any, max: Any) -> Any:
    return _clamped(self, None, max)


@operator("gelu")
def gelu(self: Any, approximate: str = "none") -> Any:
    return jax.nn.gelu(self, approximate=approximate == "tanh")


@operator("elu")
def elu(self: Any, alpha: Any = 1.0, scale: Any = 1.0, input_scale: Any = 1.0) -> Any:
    below = jnp.where(self > 0, 0.0, self)  # so that the branch not taken has no infinite gradient
    return scale * jnp.where(self > 0, self, alpha * jnp.expm1(input_scale * below))


@operator("celu")
def celu(self: Any, alpha: Any = 1.0) -> Any:
    return jax.nn.celu(self, alpha)


@operator("leaky_relu")
def leaky_relu(self: Any, negative_slope: Any = 0.01) -> Any:
    return jnp.where(self > 0, self, negative_slope * self)


@operator("prelu")
def prelu(self: Any, weight: Any) -> Any:
    slopes = weight.reshape((1, -1) + (1,) * (self.ndim - 2)) if weight.size > 1 and self.ndim > 1 else weight
    return jnp.where(self > 0, self, slopes * self)


@operator("softplus")
def softplus(self: Any, beta: Any = 1.0, threshold: Any = 20.0) -> Any:
    large = self * beta > threshold
    return jnp.where(large, self, jax.nn.softplus(jnp.where(large, 0.0, self * beta)) / beta)


@operator("log_sigmoid")
def log_sigmoid(self: Any) -> Any:
    return jax.nn.log_sigmoid(self)


@operator("hardtanh")
def hardtanh(self: Any, min_val: Any = -1.0, max_val: Any = 1.0) -> Any:
    # At a bound the gradient is 0, other than clamp's.
    return jnp.where(self <= min_val, min_val, jnp.where(self >= max_val, max_val, self))


@operator("hardsigmoid")
def hardsigmoid(self: Any) -> Any:
    return jnp.where(self <= -3, 0.0, jnp.where(self >= 3, 1.0, self / 6 + 0.5))


@operator("hardswish")
def hardswish(self: Any) -> Any:
    return jnp.where(self <= -3, 0.0, jnp.where(self >= 3, self, self * (self / 6 + 0.5)))


@operator("hardshrink")
def hardshrink(self: Any, lambd: Any = 0.5) -> Any:
    return jnp.where((self >= -lambd) & (self <= lambd), 0.0, self)


@operator("softshrink")
def softshrink(self: Any, lambd: Any = 0.5) -> Any:
    return jnp.where(self > lambd, self - lambd, jnp.where(self < -lambd, self + lambd, 0.0))


@operator("threshold")
def threshold(self: Any, threshold: Any, value: Any) -> Any:
    return jnp.where(self > threshold, self, value)


@operator("glu")
def glu(self: Any, dim: int = -1) -> Any:
    return jax.nn.glu(self, dim)


@operator("logit")
def logit(self: Any, eps: float | None = None) -> Any:
    x = self if eps is None else _clamped(self, eps, 1 - eps)
    return jnp.log(x / (1 - x))


@operator("rrelu")
def rrelu(self: Any, lower: float = 0.125, upper: float = 1 / 3, training: bool = False) -> Any:
    if training:
        raise NotImplementedError("aten.rrelu in training, which draws its slopes; use leaky_relu or prelu")
    return leaky_relu(self, (lower + upper) / 2)
