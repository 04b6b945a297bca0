"""Networks of neurons: a network written as text, a line a neuron; read, ordered, trained, drawn and explained."""

from __future__ import annotations

from fallline.networks.meaning import parse
from fallline.networks.model import NeuronModel, learnt, neurons
from fallline.networks.network import ACTIVATIONS, Network, Neuron, Term

__all__ = ["ACTIVATIONS", "Network", "Neuron", "NeuronModel", "Term", "learnt", "neurons", "parse"]
