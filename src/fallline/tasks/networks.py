"""Tasks of networks of neurons: a network's text, and the data it learns."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fallline.contracts import Loss, Splits, Task
from fallline.datasets.gaussians import two_gaussians
from fallline.datasets.table import DataTable, read_table
from fallline.errors import DataError, ModelError
from fallline.losses import find_loss
from fallline.metrics import find_metric
from fallline.networks import Network, NeuronModel, neurons
from fallline.tasks.own import from_arrays

GAUSSIANS = "two-gaussians"
EXAMPLES, SEED = 5_000, 0
"""Training examples of the two Gaussian classes, and what they are drawn from."""

METRIC = "binary_accuracy"


def network_task(
    name: str,
    text: str | Sequence[str],
    data: str | Path | Splits = GAUSSIANS,
    target: str = "",
    activation: str = "sigmoid",
    watch: Iterable[str] = (),
    initial_range: Sequence[float] = (0.0, 1.0),
    loss: str | Loss = "squared_error",
    folder: Path | str | None = None,
) -> Task:
    """An ordinary Task of a network written as text, one line per neuron.

    ``data`` is "two-gaussians" (two classes in as many dimensions as the network has inputs), or the path of a CSV file
    with the column ``target``: the network's inputs name columns, which are standardised by the training rows
    (``read_table``), and the path is relative to ``folder``; or your own Splits, inputs [n, inputs] in the order of
    ``model.network.inputs``. ``activation``, ``watch`` and ``initial_range`` are those of ``fallline.neurons``.

    The metric is binary_accuracy where all targets are 0 or 1, unless an output has no activation and may be a logit.
    A CSV file is read here, so the names of its trials depend on its content; the Gaussian classes are drawn when the
    data is loaded. NetworkError for a text that cannot be read, UnknownName for an unknown name, DataError for a table
    that cannot be used, ModelError for anything else that does not fit.

    >>> network_task("mine", "xz = tanh(a*xp + b*xq)").title
    'a network of 2 inputs and 1 neuron on two Gaussian classes'
    """
    if not isinstance(name, str) or not name:
        raise ModelError(f"the name of a network must be a text, got {name!r}")
    if isinstance(watch, str):
        raise ModelError(f"network {name}: watch must be a list of names, got {watch!r}; write watch = [{watch!r}]")
    watched = tuple(watch)
    model = neurons(
        text, activation=activation, name=name, watch=watched, initial_range=_two_numbers(name, initial_range)
    )
    if isinstance(loss, str):
        find_loss(loss, f"network {name}, loss")
    if isinstance(data, str) and data == GAUSSIANS:
        _no_target(name, target, "two-gaussians has a target of its own")
        made, mark = gaussian_task(name, model, loss=loss), [GAUSSIANS, EXAMPLES, SEED]
    else:
        made = _own_task(name, model, data, target, folder, loss)
        mark = [made.fingerprint]
    # Trials are named by this: the network, its data, its initial range, and what is recorded.
    whole = json.dumps([model.text, list(map(float, initial_range)), watched, mark])
    return replace(made, fingerprint=hashlib.sha256(whole.encode()).hexdigest()[:16])


def gaussian_task(name: str, model: NeuronModel, title: str = "", loss: str | Loss = "squared_error") -> Task:
    """The Task of a network on two Gaussian classes in as many dimensions as it has inputs; the same for both sizes.

    ModelError where the network has more than one output.
    """
    network = _network(model)
    _one_output(name, network, "two Gaussian classes")

    def data(size: str, folder: Path | None) -> Splits:
        return two_gaussians(len(network.inputs), EXAMPLES, SEED)

    return Task(
        name,
        model,
        data,
        loss,
        title or f"{_in_words(network)} on two Gaussian classes",
        metrics=_metrics(network, np.array([0.0, 1.0])),
        gives=_gives(network),
        examples=dict.fromkeys(("sample", "full"), EXAMPLES),
    )


def _own_task(
    name: str, model: NeuronModel, data: Any, target: str, folder: Path | str | None, loss: str | Loss
) -> Task:
    """The Task of a network on a table or on Splits; its fingerprint is that of the arrays."""
    network = _network(model)
    if isinstance(data, Splits):
        _no_target(name, target, "Splits hold their targets")
        splits, source = data, "your own data"
    elif isinstance(data, (str, Path)):
        splits = _table(name, network, Path(folder or ".") / Path(data).expanduser(), target)
        words = f" ({splits.words[0]} = 0, {splits.words[1]} = 1)" if splits.words else ""
        source = f"{target}{words} of {Path(data).name}"
    else:
        raise ModelError(
            f'network {name}: data must be "{GAUSSIANS}", the path of a CSV file or fallline.Splits, '
            f"got {type(data).__name__}"
        )
    made = from_arrays(
        name,
        model=model,
        train=splits.train,
        validation=splits.validation,
        test=splits.test,
        loss=loss,
        title=f"{_in_words(network)} on {source}",
    )
    train = made.data("full", None).train
    if train.inputs.shape[1:] != (len(network.inputs),):
        raise ModelError(
            f"network {name}: the data has inputs {train.inputs.shape}, the network needs "
            f"[n, {len(network.inputs)}], a column for each of {_listed(network.inputs)}"
        )
    if train.targets.ndim == 1:
        _one_output(name, network, "the data")
    return replace(made, metrics=_metrics(network, train.targets), gives=_gives(network))


def _table(name: str, network: Network, path: Path, target: str) -> DataTable:
    """The columns that the network's inputs name, and the target."""
    if not isinstance(target, str) or not target:
        raise ModelError(f'network {name}: data from {path.name} needs its column to learn; write target = "COLUMN"')
    if not path.exists():
        raise DataError(
            f'network {name}: there is no file {path}; data must be "{GAUSSIANS}" or the path of a CSV '
            "file, relative to the study"
        )
    try:
        return read_table(path, network.inputs, target)
    except DataError as failure:
        raise DataError(f"network {name}: {failure}") from None


def _metrics(network: Network, targets: np.ndarray) -> dict[str, Any]:
    """The metrics besides the loss, by name."""
    outputs = [neuron for neuron in network.neurons if neuron.name in network.outputs]
    if any(neuron.activation == "identity" for neuron in outputs) or not np.isin(targets, (0, 1)).all():
        return {}
    return {METRIC: find_metric(METRIC)}


def _gives(network: Network) -> str:
    """The kind of its outputs: probabilities of sigmoids, logits of neurons without an activation, else values."""
    kinds = {neuron.activation for neuron in network.neurons if neuron.name in network.outputs}
    return "logits" if "identity" in kinds else "probabilities" if kinds == {"sigmoid"} else "values"


def _network(model: NeuronModel) -> Network:
    assert model.network is not None, "a model of neurons() has its network"
    return model.network


def _one_output(name: str, network: Network, data: str) -> None:
    if len(network.outputs) > 1:
        raise ModelError(
            f"network {name} has {len(network.outputs)} outputs, {_listed(network.outputs)} (neurons that "
            f"no other neuron reads), and {data} has one target an example; let one neuron read the others"
        )


def _no_target(name: str, target: str, why: str) -> None:
    if target:
        raise ModelError(
            f"network {name}: target = {target!r} names a column of a CSV file, and {why}; leave target "
            'out, or write data = "FILE.csv"'
        )


def _two_numbers(name: str, initial_range: Any) -> tuple[float, float]:
    if (
        not isinstance(initial_range, (list, tuple))
        or len(initial_range) != 2
        or not all(isinstance(end, (int, float)) and not isinstance(end, bool) for end in initial_range)
    ):
        raise ModelError(f"network {name}: initial_range must be two numbers, the lower first, got {initial_range!r}")
    return initial_range[0], initial_range[1]


def _in_words(network: Network) -> str:
    counts = [(len(network.inputs), "input"), (len(network.neurons), "neuron")]
    return "a network of " + " and ".join(f"{count:,} {word}{'s' * (count != 1)}" for count, word in counts)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
