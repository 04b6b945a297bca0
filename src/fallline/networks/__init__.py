"""Networks of neurons: written as text, one neuron per line; parsed, trained, drawn and explained.

>>> import fallline
>>> network = fallline.networks.parse("xw = ap*xp + aq*xq")
>>> network.parameters
('ap', 'aq')

``neurons`` makes a Model of the text, ``draw`` and ``save`` make its picture, ``explain`` shows the forward and
backward pass of one example.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fallline.networks.meaning import parse
from fallline.networks.model import NeuronModel, learnt, neurons
from fallline.networks.network import ACTIVATIONS, DISPLAYS, Network, Neuron, Term

if TYPE_CHECKING:
    from fallline.networks.backpropagation import explain
    from fallline.networks.drawing import draw, save, svg
    from fallline.networks.explanation import Explanation

__all__ = [
    "ACTIVATIONS",
    "Explanation",
    "Network",
    "Neuron",
    "NeuronModel",
    "Term",
    "draw",
    "explain",
    "learnt",
    "neurons",
    "parse",
    "save",
    "svg",
]

_WHEN_USED = {
    "Explanation": "explanation",
    "draw": "drawing",
    "explain": "backpropagation",
    "save": "drawing",
    "svg": "drawing",
}
"""Name -> module, imported where the name is used: training, and reading a run, draw and explain nothing."""


def __getattr__(name: str) -> Any:
    if name in _WHEN_USED:
        return getattr(import_module(f"fallline.networks.{_WHEN_USED[name]}"), name)
    raise AttributeError(f"module 'fallline.networks' has no attribute {name!r}")


def _picture(network: Network) -> str:
    from fallline.networks.drawing import svg

    return svg(network)


DISPLAYS["image/svg+xml"] = _picture
