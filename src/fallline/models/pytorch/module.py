"""A module that is made again for each seed, its graphs in training and in evaluation, and its pass in JAX."""
# pyright: reportMissingImports=false
# PyTorch is an extra: where types are checked it may be missing.

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fallline.errors import ModelError, but_an_interrupt
from fallline.models.pytorch.checking import check_agreement, check_made, check_state
from fallline.models.pytorch.export import Graph, export
from fallline.models.pytorch.interpret import as_array, run
from fallline.models.pytorch.noise import Noise

FROZEN = "frozen "
"""Begins the names, in a model's state, of parameters that are not trained and differ from seed to seed."""

Place = tuple[str, str]
"""A parameter or buffer: its kind and its name."""


class TorchModule:
    """What ``make()`` gives, as the functions of a Model. It is exported on batches like ``example``, or where there is
    none on random ones of the shape that comes."""

    def __init__(self, make: Callable[[], Any], example: Any, name: str):
        self._make, self.name = make, name
        self._example = None if example is None else np.asarray(example)
        self._graphs: dict[tuple[Any, ...], list[Graph]] = {}
        self._lock = threading.RLock()  # programs may be traced side by side

    def made(self, seed: int) -> Any:
        """The module of a seed of PyTorch's; ModelError where ``make`` fails or gives another thing."""
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            try:
                module = self._make()
            except BaseException as failure:
                but_an_interrupt(failure)
                first = (str(failure).strip().splitlines() or [""])[0]
                raise ModelError(f"make() of model {self.name} fails: {type(failure).__name__}: {first}") from failure
        check_made(module, self.name)
        return module

    @cached_property
    def skeleton(self) -> Any:
        """The module of seed 0, whose structure is that of every seed."""
        first, second = self.made(0), self.made(1)
        if first is second:
            raise ModelError(
                f"make() of model {self.name} gives the same module again; it must make a new one each time, since "
                "each seed begins with weights of its own"
            )
        mine, other = dict(_frozen(first)), dict(_frozen(second))
        self._varying = tuple(place for place, value in mine.items() if not np.array_equal(value, other[place]))
        return first

    @cached_property
    def holders(self) -> dict[Place, str]:
        """Of each parameter and buffer the name that holds it: of one that several names share the first."""
        first: dict[int, str] = {}
        parts = (("parameter", self.skeleton.named_parameters), ("buffer", self.skeleton.named_buffers))
        return {
            (kind, name): first.setdefault(id(tensor), name)
            for kind, named in parts
            for name, tensor in named(remove_duplicate=False)
        }

    @cached_property
    def moving(self) -> frozenset[str]:
        """The buffers of the state: those that a pass in training changes; all without an example, which would tell."""
        if self._example is None:
            return frozenset(name for name, _ in self.skeleton.named_buffers())
        return frozenset(self.holders["buffer", name] for name in self._graph(self._example, True).mutated)

    def dropout_rates(self) -> list[float]:
        """The rates above 0 of what drops: of the graph where there is an example, else of the layers."""
        if self._example is not None:
            return list(_rates(self._graph(self._example, True)))
        layers = [layer for layer in self.skeleton.modules() if isinstance(getattr(layer, "p", None), float)]
        inner = [getattr(layer, "dropout", None) for layer in self.skeleton.modules()]
        rates = [layer.p for layer in layers] + [rate for rate in inner if isinstance(rate, (int, float))]
        return [float(rate) for rate in rates if rate > 0]

    def init(self, key: Any) -> dict[str, Any]:
        """The trainable parameters of a seed by name."""
        module = self._of(key)
        return {name: as_array(value) for name, value in module.named_parameters() if value.requires_grad}

    def state(self, key: Any) -> dict[str, Any]:
        """The buffers that may change, and the frozen parameters that each seed has of its own."""
        module = self._of(key)
        frozen = dict(_frozen(module))
        moving = {name: as_array(value) for name, value in module.named_buffers() if name in self.moving}
        return moving | {f"{FROZEN}{name}": jnp.asarray(frozen[kind, name]) for kind, name in self._varying}

    def forward(
        self,
        weights: Mapping[str, Any],
        state: Mapping[str, Any],
        inputs: Any,
        key: Any,
        hyperparameters: Mapping[str, Any],
    ) -> tuple[Any, Any]:
        """Outputs and state after a batch; without a key an evaluation, which leaves the state."""
        graph = self._graph(inputs, training=key is not None)
        noise = Noise(key, hyperparameters.get("dropout_rate"))
        outputs, changed = run(graph, self.arrays(weights, state), inputs, noise)
        if key is None:
            return outputs, state
        after = {self.holders["buffer", name]: value for name, value in changed.items()}
        return outputs, {name: after.get(name, value) for name, value in state.items()}

    def arrays(self, weights: Mapping[str, Any], state: Mapping[str, Any]) -> dict[Place, Any]:
        """Every parameter and buffer by each of its names."""
        return {place: self._array(place[0], name, weights, state) for place, name in self.holders.items()}

    def state_dict(self, weights: Mapping[str, Any], state: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """The arrays of ``torch.nn.Module.state_dict()``, by its names and in its types, of a trained trial."""
        arrays = {name: value for (_, name), value in self.arrays(weights, state).items()}
        return {
            name: np.asarray(arrays[name]).astype(str(tensor.dtype).removeprefix("torch."))
            for name, tensor in self.skeleton.state_dict().items()
        }

    def _array(self, kind: str, name: str, weights: Mapping[str, Any], state: Mapping[str, Any]) -> Any:
        if kind == "parameter" and name in weights:
            return weights[name]
        known = state.get(name if kind == "buffer" else f"{FROZEN}{name}")
        return self._constants[kind, name] if known is None else known

    @cached_property
    def _constants(self) -> dict[Place, Any]:
        """What every seed has alike and nothing changes."""
        found = dict(_frozen(self.skeleton))
        found |= {("buffer", name): value.detach().cpu().numpy() for name, value in self.skeleton.named_buffers()}
        return found

    def _of(self, key: Any) -> Any:
        _ = self.skeleton
        return self.made(int(jax.random.bits(key)))

    def _graph(self, inputs: Any, training: bool) -> Graph:
        """The graph for batches of that shape; where forward() is made for certain sizes, one for each."""
        kind = (inputs.shape[1:], np.dtype(inputs.dtype).kind, training)
        with self._lock:
            graphs = self._graphs.setdefault(kind, [])
            for known in graphs:
                if known.fits(inputs.shape[0]):
                    return known
            example = self._batch(inputs)
            module = self.made(0)
            check_state(module, example, self.name, training)
            graph = export(module, example, self.name, training)
            graphs.append(graph)
            if not training:
                with jax.ensure_compile_time_eval(), jax.default_matmul_precision("highest"):
                    check_agreement(graph, module, self._arrays_of(module), example, self.name)
            return graph

    def _arrays_of(self, module: Any) -> dict[Place, Any]:
        parameters, buffers = (
            dict(named(remove_duplicate=False)) for named in (module.named_parameters, module.named_buffers)
        )
        return {("parameter", name): as_array(value) for name, value in parameters.items()} | {
            ("buffer", name): as_array(value) for name, value in buffers.items()
        }

    def _batch(self, inputs: Any) -> Any:
        """A batch as a tensor: the example where its shape is that of the inputs, else random numbers."""
        import torch

        if self._example is not None and self._example.shape[1:] == inputs.shape[1:]:
            rows = self._example
        else:
            draw, shape = np.random.default_rng(0), (max(inputs.shape[0], 2), *inputs.shape[1:])
            rows = draw.normal(size=shape) if np.dtype(inputs.dtype).kind == "f" else np.zeros(shape, np.int64)
        floating = rows.dtype.kind == "f"
        return torch.as_tensor(np.array(rows), dtype=torch.get_default_dtype() if floating else torch.int64)


def _frozen(module: Any) -> Iterator[tuple[Place, Any]]:
    """The parameters that are not trained, by their place."""
    for name, value in module.named_parameters():
        if not value.requires_grad:
            yield ("parameter", name), value.detach().cpu().numpy()


DROPPING = {"dropout": 1, "native_dropout": 1, "feature_dropout": 1, "alpha_dropout": 1}
"""Operators that drop, and the place of their rate among the arguments."""


def _rates(graph: Graph) -> Iterator[float]:
    """The rates above 0 with which the graph drops."""
    for node in graph.nodes:
        name = str(node.target).removeprefix("aten.").partition(".")[0]
        if name in DROPPING and node.args[1] > 0:
            yield float(node.args[1])
        if name in ("lstm", "gru", "rnn_tanh", "rnn_relu") and node.args[5] > 0 and node.args[4] > 1:
            yield float(node.args[5])
        if name == "scaled_dot_product_attention" and len(node.args) > 4 and node.args[4] > 0:
            yield float(node.args[4])
