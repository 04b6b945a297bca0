"""Models by name with their sizes, for data from files: ``model = "mlp"``, ``width``, ``depth``, ``activation``."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from fallline.contracts import Model
from fallline.errors import StudyError, UnknownName
from fallline.models.cnn import cnn
from fallline.models.deep_mlp import deep_mlp
from fallline.models.sequences import lstm, transformer

SIZES: dict[str, dict[str, Any]] = {
    "linear": {},
    "mlp": {"width": 64, "depth": 2, "activation": "relu"},
    "cnn": {"width": 16, "depth": 2},
    "lstm": {"width": 64, "depth": 1},
    "transformer": {"width": 64, "depth": 2},
}
"""The sizes that each model takes, with their defaults."""

FITTING = {
    "values": ("mlp", "linear"),
    "images": ("cnn", "mlp", "linear"),
    "text": ("lstm", "transformer", "mlp", "linear"),
}
"""The models of each kind of inputs, the default first."""


def sized_models(
    kind: str, shape: tuple[int, ...], outputs: int, chosen: str = "", vocabulary: int = 0
) -> Callable[..., Model]:
    """``make(model=..., width=..., depth=..., activation=...)`` for inputs of ``shape`` and that ``kind``.

    ``kind`` is "values", "images" or "text"; ``chosen`` is the model where a recipe names none. Sizes that the model
    does not take are ignored; equal sizes give the same object, so that programs are shared. UnknownName for a model
    that does not fit.
    """

    @cache
    def made(model: str, sizes: tuple[tuple[str, Any], ...]) -> Model:
        return _made(model, kind, shape, outputs, vocabulary, dict(sizes))

    def make(model: str | None = None, **sizes: Any) -> Model:
        model = model or default_model(kind, chosen)
        if model not in FITTING[kind]:
            raise UnknownName(f"model for {kind}", model, FITTING[kind], "[data] or model")
        full = {name: sizes.get(name) if sizes.get(name) is not None else d for name, d in SIZES[model].items()}
        return made(model, tuple(full.items()))

    return make


def default_model(kind: str, chosen: str = "") -> str:
    """The model of a task whose recipe names none."""
    return chosen or FITTING[kind][0]


def default_sizes(model: str) -> dict[str, Any]:
    """The sizes that a model takes, with their defaults."""
    return dict(SIZES[model])


def _made(model: str, kind: str, shape: tuple[int, ...], outputs: int, vocabulary: int, sizes: dict[str, Any]) -> Model:
    count = 1
    for size in shape:
        count *= size
    if model == "cnn":
        height, columns, channels = (*shape, 1)[:3]
        if min(height, columns) >> sizes["depth"] < 1:
            raise StudyError(
                f"model cnn with depth {sizes['depth']} halves images of {height} x {columns} pixels to nothing; "
                "write a smaller depth, or a larger size under [data]"
            )
        return cnn(height, columns, channels, outputs, **sizes)
    if model in ("lstm", "transformer"):
        return (lstm if model == "lstm" else transformer)(count, vocabulary, **sizes)
    net = deep_mlp(
        count * (vocabulary or 1),
        sizes.get("width", 1),
        sizes.get("depth", 0),
        outputs,
        sizes.get("activation", "relu"),
    )
    return net if kind != "text" else _of_one_hot(net, vocabulary)


def _of_one_hot(net: Model, vocabulary: int) -> Model:
    """The model on characters as rows of 0 and 1."""

    def apply(weights: Any, characters: Any) -> Any:
        import jax

        assert net.apply is not None
        return net.apply(weights, jax.nn.one_hot(characters, vocabulary))

    return Model(net.name, net.init, apply)
