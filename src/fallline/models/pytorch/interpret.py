"""Computing a graph of ATen operators with JAX."""
# pyright: reportMissingImports=false
# PyTorch is an extra: where types are checked it may be missing.

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fallline.models.pytorch.export import NOTHING, Graph
from fallline.models.pytorch.fusing import fused
from fallline.models.pytorch.noise import Noise
from fallline.models.pytorch.registry import arguments, known, takes


def run(
    graph: Graph, arrays: Mapping[tuple[str, str], Any], inputs: Any, noise: Noise, values: dict[str, Any] | None = None
) -> tuple[Any, dict[str, Any]]:
    """Outputs of a batch, and the buffers that changed by name. ``arrays`` are parameters and buffers, by
    ("parameter" or "buffer", name). With ``values`` what each node gives is kept there."""
    values = {} if values is None else values
    fusions, skipped = fused(graph.nodes)
    for place, node in enumerate(graph.nodes):
        if node.op == "placeholder":
            kind, name = graph.sources[node.name]
            if kind == "input":
                values[node.name] = inputs
            else:
                values[node.name] = as_array(graph.constants[name]) if kind == "constant" else arrays[kind, name]
        elif node.op == "call_function" and node.name not in skipped:
            fusion = fusions.get(node.name)
            if fusion is None:
                values[node.name] = _computed(node, values, noise, place)
            else:
                values[node.name] = fusion(lambda part: filled(part, values), noise.at(place))
    return values[graph.output], {name: values[node] for name, node in graph.mutated.items()}


def as_array(tensor: Any) -> Any:
    """A tensor as an array; of float64 and int64 JAX's own, unless it is set to 64 bits."""
    return jnp.asarray(tensor.detach().cpu().numpy())


def _computed(node: Any, values: Mapping[str, Any], noise: Noise, place: int) -> Any:
    import torch

    target = node.target
    args, kwargs = (filled(part, values) for part in (node.args, node.kwargs))
    if not isinstance(target, torch._ops.OpOverload):
        return args[0][args[1]] if target is operator.getitem else target(*args, **kwargs)
    name = target._schema.name.partition("::")[2]
    if name in NOTHING:
        return None
    if name == "sym_size":
        return args[0].shape[args[1]]
    if name == "sym_numel":
        return args[0].size
    function = known(target)
    assert function is not None, target
    found = arguments(target, function, args, kwargs)
    if "noise" in takes(function):
        found["noise"] = noise.at(place)
    return typed(function(**found), node.meta.get("val"))


def filled(part: Any, values: Mapping[str, Any]) -> Any:
    """Arguments with the values of the nodes that they name."""
    import torch

    if isinstance(part, torch.fx.Node):
        return values[part.name]
    if isinstance(part, (list, tuple)):
        return [filled(each, values) for each in part]
    if isinstance(part, dict):
        return {name: filled(each, values) for name, each in part.items()}
    return part


def typed(result: Any, expected: Any) -> Any:
    """A result in the type that PyTorch gives it."""
    if isinstance(expected, (list, tuple)):
        return [typed(each, known) for each, known in zip(result, expected, strict=False)]
    if expected is None or not hasattr(expected, "dtype"):
        return result
    dtype = jax.dtypes.canonicalize_dtype(np.dtype(str(expected.dtype).removeprefix("torch.")))
    return jnp.asarray(result).astype(dtype)
