"""Whether what was exported is the module: what cannot be trained here, and where a result first differs."""
# pyright: reportMissingImports=false
# PyTorch is an extra: where types are checked it may be missing.

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fallline.errors import ModelError
from fallline.models.pytorch.export import Graph, _no_fast_path, _place, _quiet
from fallline.models.pytorch.interpret import run
from fallline.models.pytorch.noise import Noise

TOLERANCE = 1e-4
"""How far an output may be from PyTorch's, relative to the largest: sums in another order differ by some 1e-6."""


def check_made(module: Any, name: str) -> None:
    """ModelError where ``module`` is no module with weights that exist and are real numbers."""
    import torch

    if not isinstance(module, torch.nn.Module):
        raise ModelError(f"make() of model {name} must give a torch.nn.Module, got {type(module).__name__}")
    for parameter, value in (*module.named_parameters(), *module.named_buffers()):
        if isinstance(value, (torch.nn.parameter.UninitializedParameter, torch.nn.parameter.UninitializedBuffer)):
            raise ModelError(
                f"{parameter} of model {name} has no shape yet (a lazy layer); give the layer its sizes, or call the "
                "module on a batch in make()"
            )
        if value.is_complex() or value.is_quantized or value.layout != torch.strided:
            raise ModelError(
                f"{parameter} of model {name} is complex, quantised or sparse; only real, dense tensors train"
            )
    if not any(value.requires_grad for value in module.parameters()):
        raise ModelError(f"model {name} has no parameter that requires a gradient: there is nothing to train")


GRADIENT_TOLERANCE = 0.05
"""How far the gradient may be, relative to its norm: in float32 a ReLU near 0 may choose the other side, which is up to
2e-2; a path that stops in PyTorch alone is far more."""


def check_state(module: Any, example: Any, name: str, training: bool) -> None:
    """ModelError where a plain pass changes what ``torch.export`` would freeze: attributes that are no buffers."""
    import torch

    module.train(training)
    before = _attributes(module)
    kept = {key: value.clone() for key, value in module.state_dict().items()}
    with torch.no_grad(), torch.random.fork_rng(devices=[]), _quiet():
        try:
            module(example)
        except Exception as failure:
            first = (str(failure).strip().splitlines() or [""])[0]
            raise ModelError(
                f"forward() of model {name} fails on a batch of shape {tuple(example.shape)}: "
                f"{type(failure).__name__}: {first[:300]}"
            ) from None
    changed = sorted(key for key, value in _attributes(module).items() if before.get(key, _ABSENT) != value)
    module.load_state_dict(kept)
    if changed:
        raise ModelError(
            f"forward() of model {name} changes {', '.join(changed[:5])}, which export would freeze at its first "
            "value; keep it in a buffer: self.register_buffer(...)"
        )


_ABSENT = object()


def _attributes(module: Any) -> dict[str, Any]:
    """The plain values that its modules hold: numbers, texts, flags, and the lengths of lists."""
    found: dict[str, Any] = {}
    for path, part in module.named_modules():
        for key, value in vars(part).items():
            place = f"{path}.{key}" if path else key
            if isinstance(value, (bool, int, float, str, type(None))):
                found[place] = value
            elif isinstance(value, (list, tuple, dict, set)) and not key.startswith("_"):
                found[place] = len(value)
    return found


def check_agreement(graph: Graph, module: Any, arrays: Mapping[Any, Any], example: Any, name: str) -> None:
    """ModelError where the outputs of an evaluation are not PyTorch's; it names the first operator that differs."""
    import torch

    module.eval()
    with torch.no_grad(), torch.random.fork_rng(devices=[]), _no_fast_path(), _quiet():
        expected = module(example)
    outputs, _ = run(graph, arrays, jnp.asarray(example.numpy()), Noise(None))
    if _differ(outputs, expected) <= TOLERANCE:
        _check_gradient(graph, module, arrays, example, name)
        return
    raise ModelError(
        f"model {name} gives other outputs here than in PyTorch: they differ by {_differ(outputs, expected):.2g} of "
        f"the largest{_first_difference(graph, module, arrays, example)}. Please report it"
    )


def _check_gradient(graph: Graph, module: Any, arrays: Mapping[Any, Any], example: Any, name: str) -> None:
    """ModelError where the gradient of an evaluation is not PyTorch's: where it passes what stops it there."""
    import torch

    places = {name: ("parameter", name) for name, value in module.named_parameters() if value.requires_grad}
    tied = {place: first for first, own in _names(module).items() for place in own}

    def objective(weights: Mapping[str, Any]) -> Any:
        own = {place: weights[tied[place]] if place in tied else value for place, value in arrays.items()}
        return jnp.sin(run(graph, own, jnp.asarray(example.numpy()), Noise(None))[0]).mean()

    ours = jax.grad(objective)({name: arrays[place] for name, place in places.items()})
    with torch.random.fork_rng(devices=[]), _no_fast_path(), _quiet(), torch.enable_grad():
        module.zero_grad()
        torch.sin(module(example)).mean().backward()
    size, error, worst = 0.0, 0.0, ("", 0.0)
    for parameter in places:
        value = module.get_parameter(parameter).grad
        theirs = np.zeros(ours[parameter].shape) if value is None else value.cpu().numpy().astype(np.float64)
        own = float(((np.asarray(ours[parameter], np.float64) - theirs) ** 2).sum())
        size, error, worst = size + float((theirs**2).sum()), error + own, max(worst, (parameter, own), key=_second)
    module.zero_grad()
    if not error <= GRADIENT_TOLERANCE**2 * max(size, 1e-12):
        raise ModelError(
            f"model {name} has other gradients here than in PyTorch, most of all of {worst[0]}; where forward() stops "
            "a gradient, write x.detach(). Please report it if it does not"
        )


def _second(pair: tuple[str, float]) -> float:
    return pair[1]


def _names(module: Any) -> dict[str, list[tuple[str, str]]]:
    """The places of each trainable parameter by its first name: of one that several names share there are several."""
    first: dict[int, str] = {}
    found: dict[str, list[tuple[str, str]]] = {}
    for name, value in module.named_parameters(remove_duplicate=False):
        if value.requires_grad:
            found.setdefault(first.setdefault(id(value), name), []).append(("parameter", name))
    return found


def _differ(ours: Any, theirs: Any) -> float:
    """The largest difference relative to the largest size; infinite where shapes or what is finite differ."""
    mine, other = np.asarray(ours, np.float64), theirs.detach().cpu().to(dtype=theirs.dtype).numpy().astype(np.float64)
    if mine.shape != other.shape or not np.array_equal(np.isfinite(mine), np.isfinite(other)):
        return float("inf")
    finite = np.isfinite(other)
    if not finite.any():
        return 0.0
    return float(np.abs(mine[finite] - other[finite]).max() / max(np.abs(other[finite]).max(), 1e-6))


def _first_difference(graph: Graph, module: Any, arrays: Mapping[Any, Any], example: Any) -> str:
    """`` first in OPERATOR (file, line)``; nothing where no single operator does."""
    import torch

    ours: dict[str, Any] = {}
    run(graph, arrays, jnp.asarray(example.numpy()), Noise(None), ours)
    given = {
        **dict(module.named_parameters(remove_duplicate=False)),
        **dict(module.named_buffers(remove_duplicate=False)),
    }
    found: list[str] = []

    class Following(torch.fx.Interpreter):
        def run_node(self, n: Any) -> Any:
            value = super().run_node(n)
            mine = ours.get(n.name)
            if not found and isinstance(value, torch.Tensor) and mine is not None and _differ(mine, value) > TOLERANCE:
                found.append(f", first in {n.target}{_place(n.meta.get('stack_trace') or '')}")
            return value

    owner = graph.nodes[0].graph.owning_module
    inputs = [
        example if kind == "input" else graph.constants[name] if kind == "constant" else given[name]
        for kind, name in (graph.sources[node.name] for node in graph.nodes if node.op == "placeholder")
    ]
    with torch.no_grad():
        Following(owner).run(*inputs)
    return found[0] if found else ""
