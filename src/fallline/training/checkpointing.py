"""Saving a block to its checkpoint between two chunks, and loading it again."""

from __future__ import annotations

import numpy as np

from fallline.engine.lanes import State
from fallline.engine.program import Program
from fallline.engine.training import Records, TrainingInputs
from fallline.store.checkpoint import Checkpoints, Unusable


def save(checkpoints: Checkpoints, state: State, records: Records) -> None:
    """Write the state and all records so far."""
    import jax

    leaves = [_plain(np.asarray(leaf)) for leaf in jax.device_get(jax.tree.leaves(state))]
    series = {f"curves:{name}": np.concatenate(chunks) for name, chunks in records.curves.items()}
    series["tail:loss"] = records.tail
    series |= {f"held_out:{name}": np.stack(values) for name, values in records.held_out.items()}
    notes = {
        "steps": records.steps,
        "evaluated": records.evaluated,
        "seconds": records.seconds,
        "steady_steps": records.steady_steps,
    }
    checkpoints.save(leaves, series, notes)


def load(checkpoints: Checkpoints, program: Program, work: TrainingInputs) -> tuple[State, Records] | None:
    """State and records as they were saved, None where none were; Unusable where they do not fit this program."""
    import jax

    saved = checkpoints.load()
    if saved is None:
        return None
    leaves, series, notes = saved
    shapes = jax.eval_shape(program.start_state, work.weights, work.model_state, work.hyperparameters)
    wanted, tree = jax.tree.flatten(shapes)
    known = [_as_wanted(leaf, shape.dtype) for leaf, shape in zip(leaves, wanted, strict=False)]
    leaves = known + leaves[len(wanted) :]
    if [(leaf.shape, leaf.dtype) for leaf in leaves] != [(leaf.shape, leaf.dtype) for leaf in wanted]:
        raise Unusable("is of another program")
    records = Records(
        steps=notes["steps"], evaluated=notes["evaluated"], seconds=notes["seconds"], steady_steps=notes["steady_steps"]
    )
    for name, values in series.items():
        kind, _, metric = name.partition(":")
        if kind == "tail":
            records.tail = values
        elif kind == "curves":
            records.curves[metric] = [values]
        else:
            records.held_out[metric] = list(values)
    return program.row.put(jax.tree.unflatten(tree, leaves)), records


def _plain(leaf: np.ndarray) -> np.ndarray:
    """The array; of a type that numpy's files do not support (bfloat16) its bits."""
    return leaf.view(f"u{leaf.dtype.itemsize}") if leaf.dtype.kind == "V" else leaf


def _as_wanted(leaf: np.ndarray, wanted: np.dtype) -> np.ndarray:
    """The inverse of ``_plain``."""
    return leaf.view(wanted) if wanted.kind == "V" and leaf.dtype == f"u{wanted.itemsize}" else leaf


def keep(checkpoints: Checkpoints, state: State, records: Records) -> None:
    """Save where a checkpoint is due."""
    if checkpoints.due:
        save(checkpoints, state, records)
