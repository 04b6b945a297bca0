"""Every operator of ATen that is known here, with its options, against PyTorch: values and gradients in float64."""

from __future__ import annotations

import zlib

import jax
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'fallline[torch]'")

from fallline.models.pytorch.interpret import typed  # noqa: E402
from fallline.models.pytorch.noise import Noise  # noqa: E402
from fallline.models.pytorch.registry import arguments, known, name_of, operators, takes  # noqa: E402

DRAWN = {
    *(
        "alpha_dropout",
        "bernoulli",
        "bernoulli.p",
        "dropout",
        "native_dropout",
        "normal_functional",
        "rand",
        "rand_like",
    ),
    *("randn", "randn_like", "empty", "empty_like", "new_empty"),
}
"""What draws, or gives what was in memory: its moments are tested below."""


class Shape(tuple):
    """Stands for a random tensor of that shape: ``kind`` "f" normal, "p" above 0.1, "u" in 0.05 to 0.95, "b" truth
    values, "i" whole numbers below 4."""

    kind: str

    def __new__(cls, kind, *sizes):
        made = super().__new__(cls, sizes)
        made.kind = kind
        return made

    def draw(self, rng):
        if self.kind == "f":
            return torch.from_numpy(rng.normal(size=self))
        if self.kind == "b":
            return torch.from_numpy(rng.random(self) < 0.5)
        if self.kind == "i":
            return torch.from_numpy(rng.integers(0, 4, self))
        low, high = (0.1, 2.0) if self.kind == "p" else (0.05, 0.95)
        return torch.from_numpy(rng.uniform(low, high, self))


def f(*sizes):
    return Shape("f", *sizes)


def p(*sizes):
    return Shape("p", *sizes)


def u(*sizes):
    return Shape("u", *sizes)


def b(*sizes):
    return Shape("b", *sizes)


def i(*sizes):
    return Shape("i", *sizes)


CASES: list[tuple[str, tuple, dict]] = []


def case(name, *args, **kwargs):
    CASES.append((name, args, kwargs))


for _name in [
    "abs",
    "asinh",
    "atan",
    "ceil",
    "cos",
    "cosh",
    "deg2rad",
    "erf",
    "erfc",
    "exp",
    "exp2",
    "expm1",
    "floor",
    "frac",
    "isfinite",
    "isinf",
    "isnan",
    "mish",
    "neg",
    "positive",
    "rad2deg",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "sign",
    "silu",
    "sin",
    "sinc",
    "sinh",
    "square",
    "tan",
    "tanh",
    "trunc",
    "log_sigmoid",
    "hardsigmoid",
    "hardswish",
    "hardshrink",
    "softshrink",
    "gelu",
    "elu",
    "celu",
    "leaky_relu",
    "softplus",
    "hardtanh",
    "glu",
    "detach",
    "clone",
    "lift_fresh",
    "lift_fresh_copy",
    "contiguous",
    "round",
    "sort",
    "argsort",
    "argmax",
    "argmin",
    "zeros_like",
    "ones_like",
    "rrelu",
]:
    case(_name, f(4, 6))
case("sgn", i(4))
case("detach_copy", i(4))
for _name in ["digamma", "lgamma", "log", "log10", "log1p", "log2", "reciprocal", "rsqrt", "sqrt"]:
    case(_name, p(4, 6))
for _name in ["acos", "asin", "atanh", "erfinv", "logit"]:
    case(_name, u(4, 6))
case("acosh", torch.linspace(1.1, 4.0, 6, dtype=torch.float64))
case("bitwise_not", i(5))
case("logical_not", b(5))
for _name in [
    "add",
    "sub",
    "subtract",
    "mul",
    "multiply",
    "div",
    "divide",
    "true_divide",
    "maximum",
    "minimum",
    "fmax",
    "fmin",
    "atan2",
    "hypot",
    "logaddexp",
]:
    case(
        f"{_name}.Tensor"
        if _name not in ("maximum", "minimum", "fmax", "fmin", "atan2", "hypot", "logaddexp")
        else _name,
        f(4, 3),
        f(3),
    )
for _name in ["eq", "ne", "lt", "le", "gt", "ge"]:
    case(f"{_name}.Tensor", i(4, 3), i(3))
    case(f"{_name}.Scalar", i(4, 3), 2)
for _name in ["bitwise_and", "bitwise_or", "bitwise_xor"]:
    case(f"{_name}.Tensor", i(4), i(4))
for _name in ["logical_and", "logical_or", "logical_xor"]:
    case(_name, b(4), b(4))
case("add.Tensor", f(3), f(3), alpha=2)
case("add.Tensor", i(3), f(3))
case("add.Scalar", i(3), 2)
case("sub.Tensor", f(3), f(3), alpha=0.5)
case("rsub.Scalar", f(3), 1.5)
case("rsub.Tensor", f(3), f(3), alpha=3)
case("div.Tensor_mode", f(6), p(6), rounding_mode="floor")
case("div.Tensor_mode", f(6), p(6), rounding_mode="trunc")
case("div.Tensor", i(6), 2)
case("floor_divide", i(6), 2)
case("fmod.Tensor", f(6), p(6))
case("remainder.Tensor", f(6), p(6))
case("remainder.Scalar", f(6), 0.7)
case("copysign.Tensor", f(6), f(6))
case("xlogy.Tensor", u(6), p(6))
case("pow.Tensor_Scalar", p(5), 2.5)
case("pow.Tensor_Scalar", f(5), 3)
case("pow.Tensor_Tensor", p(5), f(5))
case("pow.Scalar", 2.0, f(5))
case("addcmul", f(4), f(4), f(4), value=0.5)
case("addcdiv", f(4), f(4), p(4), value=-2.0)
case("lerp.Scalar", f(4), f(4), 0.3)
case("lerp.Tensor", f(4), f(4), u(4))
case("round.decimals", f(6), decimals=2)
case("where.self", b(4), f(4), f(4))
case("where.Scalar", b(4), 1.0, 0.0)
case("where.ScalarSelf", b(4), 1.0, f(4))
case("where.ScalarOther", b(4), f(4), 0.0)
case("masked_fill.Scalar", f(3, 4), b(4), -1.0)
case("masked_fill.Tensor", f(3, 4), b(4), torch.tensor(2.0, dtype=torch.float64))
case("nan_to_num", torch.tensor([1.0, float("nan"), float("inf"), -float("inf")], dtype=torch.float64), 0.5, 9.0, -9.0)
case("clamp", f(20), -0.5, 0.5)
case("clamp", torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64), -1.0, 1.0)
case("clamp.Tensor", f(6), f(6))
case("clip", f(20), None, 0.3)
case("clamp_min", f(20), 0.1)
case("clamp_max", f(20), 0.1)
case("gelu", f(6), approximate="tanh")
case("elu", f(6), 0.7, 1.1, 0.9)
case("celu", f(6), 0.6)
case("leaky_relu", f(6), 0.2)
case("prelu", f(2, 3, 4), f(3))
case("prelu", f(2, 3), f(1))
case("softplus", 30 * torch.linspace(-1, 1, 9, dtype=torch.float64), 2.0, 10.0)
case("hardtanh", f(9), -0.4, 0.6)
case("hardtanh", torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64))
case("hardswish", torch.tensor([-3.0, -1.0, 3.0, 4.0], dtype=torch.float64))
case("hardshrink", f(9), 0.3)
case("softshrink", f(9), 0.3)
case("threshold", f(9), 0.1, 7.0)
case("glu", f(4, 6), 0)
case("logit", torch.linspace(0, 1, 7, dtype=torch.float64), 0.1)
case("linear", f(5, 3), f(4, 3), f(4))
case("linear", f(2, 5, 3), f(4, 3), f(4))
case("linear", f(5, 3), f(4, 3))
case("matmul", f(2, 3, 4), f(4, 5))
case("mm", f(3, 4), f(4, 5))
case("bmm", f(2, 3, 4), f(2, 4, 5))
case("mv", f(3, 4), f(4))
case("dot", f(4), f(4))
case("addmm", f(5), f(3, 4), f(4, 5), beta=0.5, alpha=2)
case("baddbmm", f(2, 3, 5), f(2, 3, 4), f(2, 4, 5), beta=0.5, alpha=2)
case("addbmm", f(3, 5), f(2, 3, 4), f(2, 4, 5), beta=0.5, alpha=2)
case("addmv", f(3), f(3, 4), f(4), beta=0.5, alpha=2)
case("outer", f(3), f(4))
case("ger", f(3), f(4))
case("einsum", "bij,bjk->bik", [f(2, 3, 4), f(2, 4, 5)])
case("bilinear", f(5, 3), f(5, 4), f(2, 3, 4), f(2))
case("_trilinear", f(5, 3), f(2, 3, 4), f(5, 4), [1, 3], [0], [1, 2], [2, 3])
case("view", f(4, 6), [2, -1])
for _name in ("reshape", "_unsafe_view", "_reshape_alias"):
    case(_name, f(4, 6), *([2, 12], [12, 1]) if _name == "_reshape_alias" else ([2, 12],))
case("view_as", f(4, 6), f(6, 4))
case("reshape_as", f(4, 6), f(6, 4))
case("flatten.using_ints", f(2, 3, 4, 5), 1, 2)
case("flatten.using_ints", torch.tensor(1.0, dtype=torch.float64))
case("unflatten.int", f(2, 6), 1, [2, 3])
case("squeeze", f(1, 3, 1))
case("squeeze.dim", f(1, 3, 1), -1)
case("squeeze.dims", f(1, 3, 1), [0, 1])
case("unsqueeze", f(3), -1)
case("transpose.int", f(2, 3, 4), 0, -1)
case("swapaxes", f(2, 3, 4), 0, -1)
case("swapdims", f(2, 3, 4), 0, -1)
case("t", f(2, 3))
case("numpy_T", f(2, 3))
case("mT", f(4, 2, 3))
case("adjoint", f(4, 2, 3))
case("permute", f(2, 3, 4), [2, 0, 1])
case("movedim.int", f(2, 3, 4), 0, 2)
case("movedim.intlist", f(2, 3, 4), [0, 1], [2, 0])
case("moveaxis.int", f(2, 3, 4), 0, 2)
case("expand", f(3, 1), [2, -1, 4])
case("expand_as", f(3, 1), f(2, 3, 4))
case("broadcast_to", f(3, 1), [2, 3, 4])
case("broadcast_tensors", [f(3, 1), f(4)])
case("repeat", f(2, 3), [2, 1, 2])
case("tile", f(2, 3), [2])
case("repeat_interleave.self_int", f(2, 3), 2, 1)
for _name in ("cat", "concat", "concatenate"):
    case(_name, [f(2, 3), f(2, 1)], 1)
case("stack", [f(2, 3), f(2, 3)], 1)
case("split.Tensor", f(5, 2), 2)
case("split.sizes", f(5, 2), [2, 3])
case("split_with_sizes", f(2, 5), [1, 1, 3], 1)
case("chunk", f(7, 2), 3)
case("unbind.int", f(3, 2), 1)
case("slice.Tensor", f(7, 2), 0, 1, -1, 2)
case("slice.Tensor", f(7, 2), 1, 0, 2**63 - 1)
case("narrow", f(7, 2), 0, 2, 3)
case("select.int", f(3, 4), 1, -1)
case("slice_scatter", f(5, 2), f(2, 2), 0, 1, 3)
case("select_scatter", f(5, 2), f(2), 0, 3)
case("flip", f(3, 4), [0, 1])
case("roll", f(3, 4), [1, -2], [0, 1])
case("roll", f(3, 4), [5])
case("tril", f(4, 4), -1)
case("triu", f(4, 4), 1)
case("diagonal", f(4, 5), 1)
case("constant_pad_nd", f(3, 4), [1, 2, -1, 0], 7.0)
case("pad", f(2, 3, 4), [1, 2], "reflect")
case("pad", f(2, 3, 4), [1, 2], "replicate")
case("pad", f(2, 3, 4), [1, 2], "circular")
case("pad", f(2, 3, 4), [1, 2, 0, 1])
for _kind in ("reflection", "replication"):
    case(f"{_kind}_pad1d", f(2, 3, 5), [1, 2])
    case(f"{_kind}_pad2d", f(2, 3, 5, 5), [1, 2, 0, 1])
    case(f"{_kind}_pad3d", f(2, 3, 4, 4, 4), [1, 2, 0, 1, 1, 1])
case("pixel_shuffle", f(2, 8, 3, 3), 2)
case("pixel_unshuffle", f(2, 2, 4, 6), 2)
case("channel_shuffle", f(2, 6, 3), 3)
case("to.dtype", f(3), torch.float32)
case("_to_copy", f(3), dtype=torch.int64)
case("type_as", i(3), torch.zeros(1))
case("copy", i(3, 4), i(4))
case("unfold", f(3, 9), 1, 4, 2)
case("embedding", f(5, 3), i(2, 4))
case("embedding", f(5, 3), i(2, 4), 2)
case("index.Tensor", f(5, 4, 3), [None, i(2, 1), i(2)])
case("index_put", f(5, 4), [i(3)], f(4), True)
case("index_put", f(5, 4), [torch.tensor([1, 3])], f(2, 4))
case("index_select", f(5, 4), 1, i(3))
case("gather", f(4, 5), 1, i(4, 3))
case("scatter.src", f(4, 5), 1, torch.tensor([[0, 2], [1, 4]]), f(2, 2))
case("scatter.value", f(4, 5), 0, torch.tensor([[0, 2], [1, 3]]), 2.0)
case("scatter_add", f(4, 5), 1, i(4, 3), f(4, 3))
case("one_hot", i(5), 6)
case("argmax", f(4, 5), 1, True)
case("argmin", f(4, 5), 0)
case("sort", f(4, 5), 0, True)
case("topk", f(4, 5), 2)
case("topk", f(4, 5), 2, 0, False)
case("cumsum", f(4, 5), 1)
case("cumprod", f(4, 5), 0)
case("bucketize.Tensor", f(6), torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64))
case("zeros", [2, 3], dtype=torch.float32)
case("new_zeros", f(2), [3])
case("ones", [2, 3])
case("new_ones", f(2), [3])
case("full", [2, 3], 1.5)
case("new_full", f(2), [3], 2)
case("full_like", f(2), 2.5)
case("fill.Scalar", f(2), 2.5)
case("fill.Tensor", f(2), torch.tensor(2.5, dtype=torch.float64))
case("scalar_tensor", 2.5)
case("arange", 5)
case("arange.start", 2, 7)
case("arange.start_step", 1.0, 2.0, 0.25)
case("linspace", 0.0, 1.0, 5)
case("eye", 3)
case("eye.m", 3, 4)
for _name, _dims in (("sum", "sum.dim_IntList"), ("mean", "mean.dim")):
    case(_name, f(3, 4))
    case(_dims, f(3, 4), [0], True)
    case(_dims, f(3, 4), [0, 1])
case("sum", b(5))
case("prod", p(5))
case("prod.dim_int", p(3, 4), 1)
for _name in ("amax", "amin"):
    case(_name, f(3, 4), [1])
    case(_name, f(3, 4), [], True)
for _name in ("any", "all"):
    case(_name, b(4))
    case(f"{_name}.dim", b(3, 4), 1)
    case(f"{_name}.dims", b(3, 4), [0, 1])
for _name in ("max", "min"):
    case(_name, f(3, 4))
    case(f"{_name}.other", f(4), f(4))
    case(f"{_name}.dim", f(3, 4), 1)
    case(f"{_name}.dim", i(3, 4), 0, True)
for _name in ("var", "std", "var_mean"):
    case(_name, f(3, 4))
    case(f"{_name}.dim", f(3, 4), [1], False)
    case(f"{_name}.correction", f(3, 4), [0], correction=2, keepdim=True)
case("logsumexp", f(3, 4), [1])
case("softmax.int", f(3, 4), -1)
case("_softmax", f(3, 4), 0, False)
case("log_softmax.int", f(3, 4), -1)
case("_log_softmax", f(3, 4), 0, False)
for _order in (2, 1, 3, float("inf")):
    case("linalg_vector_norm", f(3, 4), _order, [1], True)
case("linalg_vector_norm", torch.zeros(3, dtype=torch.float64))
case("norm.ScalarOpt_dim", f(3, 4), None, [1])
case("norm.Scalar", f(3, 4), 2)
_stats = (f(3), f(3), torch.arange(3.0, dtype=torch.float64), torch.arange(1.0, 4.0, dtype=torch.float64))
case("_native_batch_norm_legit_functional", f(4, 3, 5), *_stats, True, 0.1, 1e-5)
case("_native_batch_norm_legit_functional", f(4, 3), *_stats, True, 0.3, 1e-3)
case("_native_batch_norm_legit_no_training", f(4, 3, 5), *_stats, 0.1, 1e-5)
case("_native_batch_norm_legit.no_stats", f(4, 3, 5), f(3), f(3), True, 0.1, 1e-5)
case("native_batch_norm", f(4, 3, 5), *_stats, False, 0.1, 1e-5)
case("batch_norm", f(4, 3, 5), *_stats, False, 0.1, 1e-5, True)
case("batch_norm", f(4, 3, 5), None, None, None, None, True, 0.1, 1e-5, True)
case("layer_norm", f(4, 3, 5), [3, 5], f(3, 5), f(3, 5), 1e-3)
case("layer_norm", f(4, 3, 5), [5])
case("native_layer_norm", f(4, 5), [5], f(5), f(5), 1e-5)
case("rms_norm", f(4, 5), [5], f(5), 1e-4)
case("group_norm", f(2, 6, 4), 3, f(6), f(6), 1e-4)
case("native_group_norm", f(2, 6, 4), f(6), f(6), 2, 6, 4, 3, 1e-5)
case("instance_norm", f(2, 3, 6), f(3), f(3), None, None, True, 0.1, 1e-5, True)
case("instance_norm", f(2, 3, 6), *_stats, False, 0.1, 1e-5, True)
case("conv1d", f(2, 4, 9), f(6, 2, 3), f(6), [2], [1], [2], 2)
case("conv1d.padding", f(2, 4, 9), f(6, 4, 4), f(6), [1], "same")
case("conv2d", f(2, 3, 9, 8), f(4, 3, 3, 2), f(4), [2, 1], [1, 0])
case("conv2d", f(2, 3, 7, 6), f(4, 3, 3, 3), f(4), [1], [1])
case("conv2d", f(2, 3, 7, 6), f(4, 3, 5, 3), None, [1], [1, 0])
case("conv2d", f(2, 4, 7, 6), f(4, 1, 3, 3), None, [1], [1], [1], 4)
case("conv2d.padding", f(2, 3, 7, 6), f(4, 3, 2, 3), None, [1, 1], "valid")
case("conv3d", f(1, 2, 4, 4, 4), f(3, 2, 2, 2, 2), f(3))
case("conv3d.padding", f(1, 2, 4, 4, 4), f(3, 2, 3, 3, 3), f(3), [1], "same")
case("conv_transpose1d", f(2, 4, 5), f(4, 3, 3), f(6), [2], [1], [1], 2, [1])
case("conv_transpose2d.input", f(2, 4, 5, 4), f(4, 3, 3, 2), f(3), [2, 3], [1, 0], [1, 2], 1, [2, 1])
case("conv_transpose3d.input", f(1, 2, 3, 3, 3), f(2, 2, 2, 2, 2))
case("convolution", f(2, 3, 9), f(4, 3, 3), f(4), [2], [1], [1], False, [0], 1)
case("convolution", f(2, 4, 5), f(4, 3, 3), None, [2], [1], [1], True, [1], 1)
case("max_pool1d", f(2, 3, 9), [3], [2], [1], [1], True)
case("max_pool2d", f(2, 3, 9, 8), [2])
case("max_pool2d", f(2, 3, 9, 8), [3, 2], [2, 3], [1, 0], [1, 2], True)
case("max_pool2d", torch.ones(1, 1, 4, 4, dtype=torch.float64), [2, 2])
case("max_pool3d", f(1, 2, 4, 4, 4), [2])
case("avg_pool1d", f(2, 3, 9), [3], [2], [1], True, False)
case("avg_pool2d", f(2, 3, 9, 8), [3, 2], [2, 2], [1, 1], True, True)
case("avg_pool2d", f(2, 3, 9, 8), [3, 2], [2, 2], [1, 1], False, False)
case("avg_pool2d", f(2, 3, 9, 8), [2], [], [0], False, True, 3)
case("avg_pool3d", f(1, 2, 4, 4, 4), [2])
for _dims in (1, 2, 3):
    case(f"adaptive_avg_pool{_dims}d", f(2, 3, *(7, 6, 5)[:_dims]), [3, 2, 5][:_dims])
    case(f"adaptive_max_pool{_dims}d", f(2, 3, *(7, 6, 5)[:_dims]), [3, 2, 5][:_dims])
    case(f"max_pool{_dims}d_with_indices", f(2, 3, *(6, 6, 4)[:_dims]), [2])
case("_adaptive_avg_pool2d", f(2, 3, 4, 4), [2, 2])
case("upsample_nearest1d", f(2, 3, 5), [8])
case("upsample_nearest1d.vec", f(2, 3, 5), None, [1.6])
case("upsample_nearest2d", f(2, 3, 5, 4), [3, 7])
case("upsample_nearest2d.vec", f(2, 3, 5, 4), None, [2.0, 2.0])
case("upsample_linear1d", f(2, 3, 5), [8], True)
case("upsample_linear1d.vec", f(2, 3, 5), [8], False, None)
case("upsample_bilinear2d", f(2, 3, 5, 4), [7, 3], False)
case("upsample_bilinear2d.vec", f(2, 3, 5, 4), None, True, [2.0, 2.0])
case("scaled_dot_product_attention", f(2, 3, 4, 5), f(2, 3, 6, 5), f(2, 3, 6, 7))
case("scaled_dot_product_attention", f(2, 4, 5), f(2, 4, 5), f(2, 4, 5), None, 0.0, True)
case("scaled_dot_product_attention", f(2, 4, 5), f(2, 4, 5), f(2, 4, 5), torch.eye(4, dtype=torch.bool), scale=0.3)
case("scaled_dot_product_attention", f(2, 4, 5), f(2, 4, 5), f(2, 4, 5), f(4, 4))
case("scaled_dot_product_attention", f(2, 4, 6, 5), f(2, 2, 6, 5), f(2, 2, 6, 5), enable_gqa=True)


def _recurrent(gates, layers, ways, biases=True, inputs=3, size=4):
    params = []
    for layer in range(layers):
        for _ in range(ways):
            wide = inputs if layer == 0 else size * ways
            params += [f(gates * size, wide), f(gates * size, size)]
            params += [f(gates * size), f(gates * size)] if biases else []
    return params


for _layers, _ways, _biases in ((1, 1, True), (2, 2, True), (1, 2, False)):
    _state = f(_layers * _ways, 2, 4)
    _options = (_biases, _layers, 0.0, False, _ways == 2)
    case("lstm.input", f(5, 2, 3), [_state, _state], _recurrent(4, _layers, _ways, _biases), *_options, False)
    case("lstm.input", f(2, 5, 3), [_state, _state], _recurrent(4, _layers, _ways, _biases), *_options, True)
    case("gru.input", f(2, 5, 3), _state, _recurrent(3, _layers, _ways, _biases), *_options, True)
    for _name in ("rnn_tanh.input", "rnn_relu.input"):
        case(_name, f(5, 2, 3), _state, _recurrent(1, _layers, _ways, _biases), *_options, False)


def overload(name):
    base, _, kind = name.partition(".")
    packet = getattr(torch.ops.aten, base)
    return getattr(packet, kind or ("default" if "default" in packet.overloads() else packet.overloads()[0]))


def filled(part, draw):
    if isinstance(part, Shape):
        return draw(part)
    if isinstance(part, list):
        return [filled(each, draw) for each in part]
    return part


def tensors(part):
    if isinstance(part, torch.Tensor):
        return [part]
    return [each for one in part for each in tensors(one)] if isinstance(part, (list, tuple)) else []


def with_arrays(part, arrays):
    if isinstance(part, torch.Tensor):
        return next(arrays)
    return type(part)(with_arrays(each, arrays) for each in part) if isinstance(part, (list, tuple)) else part


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize(("name", "args", "kwargs"), CASES, ids=[f"{name}-{n}" for n, (name, *_) in enumerate(CASES)])
def test_values_and_gradients_are_those_of_pytorch(name, args, kwargs):
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    constants = {id(each) for each in tensors(list(args))}  # written out in the case: no gradient is asked for
    args = [filled(part, lambda shape: shape.draw(rng)) for part in args]
    target = overload(name)
    function = known(target)
    given = tensors(args)
    moves = [each.is_floating_point() and id(each) not in constants for each in given]
    leaves = [each.detach().clone().requires_grad_(move) for each, move in zip(given, moves, strict=True)]
    expected = target(*with_arrays(args, iter(leaves)), **kwargs)

    def ours(*arrays):
        named = arguments(target, function, tuple(with_arrays(args, iter(arrays))), kwargs)
        if "noise" in takes(function):
            named["noise"] = Noise(None)
        results = typed(function(**named), expected)
        return seen(name, results)

    arrays = [np.asarray(each.numpy()) for each in given]
    floats = [place for place, move in enumerate(moves) if move]

    def of_floats(*values):
        mixed = list(arrays)
        for place, value in zip(floats, values, strict=True):
            mixed[place] = value
        return ours(*mixed)

    results, back = jax.vjp(of_floats, *(arrays[place] for place in floats))
    wanted = seen(name, expected)
    for mine, theirs in zip(results, wanted, strict=True):
        assert mine.shape == tuple(theirs.shape) and str(mine.dtype) == str(theirs.dtype).removeprefix("torch.")
        np.testing.assert_allclose(mine, theirs.detach().numpy(), rtol=1e-6, atol=1e-7)
    followed = [each for each in wanted if each.requires_grad]
    if not followed:
        return
    directions = [torch.from_numpy(rng.normal(size=each.shape)) for each in followed]
    theirs = torch.autograd.grad(followed, [leaves[place] for place in floats], directions, allow_unused=True)
    given_back = iter(directions)
    cotangents = [
        np.asarray(next(given_back).numpy(), each.dtype) if each_theirs.requires_grad else tangent_zero(each)
        for each, each_theirs in zip(results, wanted, strict=True)
    ]
    for mine, other in zip(back(cotangents), theirs, strict=True):
        other = np.zeros(mine.shape) if other is None else other.numpy()
        np.testing.assert_allclose(mine, other, rtol=1e-6, atol=1e-7)


def listed(results):
    return list(results) if isinstance(results, (list, tuple)) else [results]


def seen(name, expected):
    """The results that are compared: of a pooling with places and what serves PyTorch's gradients the first."""
    results = listed(expected)
    if name.endswith("with_indices") or name.startswith(("adaptive_max", "native_group")):
        return results[:1]
    if name.startswith(("_native_batch_norm_legit_no", "_native_batch_norm_legit.no", "native_batch_norm")):
        return results[:1]
    return [results[0], *results[3:]] if name == "_native_batch_norm_legit_functional" else results


def tangent_zero(array):
    if np.issubdtype(array.dtype, np.floating):
        return np.zeros(array.shape, array.dtype)
    return np.zeros(array.shape, jax.dtypes.float0)


def test_every_operator_has_a_case():
    tried = {name_of(overload(name)) for name, *_ in CASES}
    assert set(operators()) - tried - DRAWN == set()


def test_what_draws_has_the_moments_that_it_should_have():
    noise, many = Noise(jax.random.key(0)), np.ones((400, 500))

    def given(name, *args, **kwargs):
        target = overload(name)
        found = known(target)(**arguments(target, known(target), args, kwargs), noise=noise)
        return np.asarray(listed(found)[0], np.float64)

    for name, args, mean, deviation in (
        ("dropout", (many, 0.2, True), 1, 0.5),
        ("native_dropout", (many, 0.2, True), 1, 0.5),
        ("rand", ([400, 500],), 0.5, 12**-0.5),
        ("rand_like", (many,), 0.5, 12**-0.5),
        ("randn", ([400, 500],), 0, 1),
        ("randn_like", (many,), 0, 1),
        ("bernoulli", (many * 0.3,), 0.3, 0.21**0.5),
        ("bernoulli.p", (many, 0.3), 0.3, 0.21**0.5),
        ("normal_functional", (many, 2.0, 3.0), 2, 3),
    ):
        values = given(name, *args)
        assert values.mean() == pytest.approx(mean, abs=0.05) and values.std() == pytest.approx(deviation, rel=0.02), (
            name
        )
    kept = given("alpha_dropout", np.random.default_rng(0).normal(size=(400, 500)), 0.2, True)
    assert kept.mean() == pytest.approx(0, abs=0.02) and kept.std() == pytest.approx(1, rel=0.02)
    for name in ("dropout", "alpha_dropout"):
        target = overload(name)
        same = known(target)(**arguments(target, known(target), (many, 0.5, False), {}), noise=noise)
        np.testing.assert_array_equal(same, many)
