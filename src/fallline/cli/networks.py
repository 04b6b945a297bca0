"""``fallline network``: show, draw and explain a network written as text."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from fallline.errors import NetworkError, StoreError
from fallline.networks import Network, explain, learnt, neurons, parse, save
from fallline.networks.language import MAX_CHARACTERS

if TYPE_CHECKING:
    from fallline.api import Result

EXAMPLE = "xw = ap*xp + aq*xq; xo = cp*xw"
WIDTH = 100


def show_network(text: str) -> None:
    """Order, layers, names and printed form."""
    network = read_network(text)
    layers = network.layers
    weights, biases = len(network.parameters), len(network.neurons)
    lists = {
        "inputs": network.inputs,
        **{f"layer {place}": tuple(neuron.name for neuron in layer) for place, layer in enumerate(layers, 1)},
        "outputs": network.outputs,
        "order": tuple(neuron.name for neuron in network.ordered),
        "parameters": network.parameters or ("none",),
        "weights": (f"{weights + biases:,}: {_count(weights, 'parameter')} and {_count(biases, 'bias', 'biases')}",),
    }
    room = max(map(len, lists)) + 2
    for name, words in lists.items():
        print(
            textwrap.fill(
                ", ".join(words),
                WIDTH,
                initial_indent=name.ljust(room),
                subsequent_indent=" " * room,
                break_long_words=False,
            )
        )
    print(f"\n{network}")


def draw_network(text: str, out: Path) -> None:
    """The picture of a network in a file."""
    network = read_network(text)
    save(network, out)
    print(out)


def explain_network(
    text: str | None,
    at: str,
    target: str,
    values: str | None,
    seed: int | None,
    folder: Path | None,
    trial: str | None,
    rate: float | None,
) -> None:
    """The passes of one example forward and back, with values that are given, begun from a seed, or of a run."""
    if sum(one is not None for one in (values, seed, folder)) > 1:
        raise NetworkError("the values come from one place; give one of --values, --seed and --run")
    if trial is not None and folder is None:
        raise NetworkError("--trial names a trial of a run; give --run DIR as well")
    if (text is None) == (folder is None):
        raise NetworkError("give either a network, as text or a file, or a run that trained one: --run DIR")
    example, wanted = numbers_of(at, "--at", "xp=1,xq=2"), numbers_of(target, "--target", "1")
    if folder is not None:
        network, numbers, told = _of_run(folder, trial)
    else:
        network = read_network(str(text))
        if values is not None:
            numbers, told = named_numbers(values, "--values", "ap=0.5,bias_xw=0"), ""
        else:
            numbers = _begun(network, seed or 0)
            told = (
                f"The values are drawn uniform in [0, 1) from seed {seed or 0}, as a training with that seed "
                "begins by default."
            )

    explanation = explain(network, example, wanted, numbers, learning_rate=rate)
    print("\n\n".join(filter(None, [told, str(explanation)])))


def read_network(text: str) -> Network:
    """The network of a text, or of the file of that name."""
    path = Path(text)
    try:
        is_file, is_folder = path.is_file(), path.is_dir()
    except (OSError, ValueError):  # too long for a name, or with a zero byte in it: a text
        is_file = is_folder = False
    if is_file:
        try:
            with path.open(encoding="utf-8") as file:
                return parse(file.read(MAX_CHARACTERS + 1))
        except UnicodeDecodeError:
            raise NetworkError(f"{path} is no text in UTF-8; give a file with a network's text") from None
    if is_folder and text.strip():
        raise NetworkError(f"{path} is a folder; give a file with a network's text, or the text itself")
    if text.strip() and "=" not in text and "\n" not in text:
        raise NetworkError(
            f"there is no file {text[:80]}, and it is no text of a network either: it has no =. "
            f'A text is, for instance: "{EXAMPLE}"'
        )
    return parse(text)


def numbers_of(text: str, option: str, example: str) -> dict[str, float] | list[float]:
    """``xp=1,xq=2`` by name, or ``1,2`` in order."""
    pieces = [piece.partition("=") for piece in text.split(",")]
    if any(sign for _, sign, _ in pieces):
        return named_numbers(text, option, example)
    return [_number(name, option, example) for name, _, _ in pieces]


def named_numbers(text: str, option: str, example: str) -> dict[str, float]:
    """``ap=0.5,bias_xw=0`` by name, each name once."""
    found: dict[str, float] = {}
    for piece in filter(str.strip, text.split(",")):
        name, sign, value = map(str.strip, piece.partition("="))
        if not sign or not name:
            raise NetworkError(f"{option} takes names with numbers, as in {example}; got {piece.strip()[:60]!r}")
        if name in found:
            raise NetworkError(f"{option} gives {name[:60]} twice; leave one")
        found[name] = _number(value, option, example)
    return found


def _number(text: str, option: str, example: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise NetworkError(f"{option} takes numbers, as in {example}; got {text.strip()[:60]!r}") from None


def _begun(network: Network, seed: int) -> dict[str, float]:
    """The values with which a training with that seed begins: the same draw from the same stream."""
    from fallline.engine.devices import prepare_jax
    from fallline.training.cohort import WEIGHTS

    jax = prepare_jax()
    return learnt(network, neurons(network).init(jax.random.fold_in(jax.random.key(seed), WEIGHTS)))


def _of_run(folder: Path, trial: str | None) -> tuple[Network, dict[str, float], str]:
    """The network of a trial, what it learnt, and a sentence on which trial it is; the best where none is named."""
    from fallline.api import open_run
    from fallline.study.formatting import exact

    result = open_run(folder)
    texts = result.records.model_texts
    if not texts:
        raise StoreError(f"the run in {folder} trained no network of neurons; give a network and --values instead")
    name, how = (trial, "as named") if trial is not None else _best(result)
    numbers = result.learnt(name)
    trials = result.records.fold_trials
    row = trials.filter(trials["trial"].str.starts_with(name)).row(0, named=True)
    recipe = ", ".join(
        f"{key.replace('_', ' ')} {exact(row[key])}"
        for key in ("task", "optimizer", "learning_rate", "seed")
        if row.get(key) is not None
    )
    return (
        parse(texts[row["task"]]),
        numbers,
        (f"The values are those of trial {row['trial']} after its last step, {how} ({recipe})."),
    )


def _best(result: Result) -> tuple[str, str]:
    """The finished trial that the study's metric puts first, of those of networks, and in which words."""
    import polars as pl

    from fallline.stats import primary
    from fallline.stats.columns import finished

    metric = primary(result.records)
    if metric.within:
        raise StoreError(f"{metric.note} Name a trial: --trial NAME, from the column trial of its trials")
    own = result.records.fold_trials.filter(finished(), pl.col("task").is_in(list(result.records.model_texts)))
    ranked = (
        own.drop_nulls(metric.column)
        .drop_nans(metric.column)
        .sort(metric.column, descending=metric.up, maintain_order=True)
    )
    if ranked.is_empty():
        raise StoreError(f"no trial of a network in {result.folder} has a {metric.label}; name one: --trial NAME")
    value = ranked[metric.column][0]
    return ranked["trial"][0], f"the best of {_count(len(own), 'trial')} by {metric.label}, {value:.5g}"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
