"""The last activation of a model, from its traced operations: softmax, sigmoid, or neither."""

from __future__ import annotations

from typing import Any

PASSED = {"reshape", "squeeze", "convert_element_type", "transpose", "broadcast_in_dim", "copy", "expand_dims", "rev"}
"""Operations that change no value."""


def ends_in(traced: Any) -> str:
    """ "softmax", "sigmoid" or "" for the first output of a jaxpr. Other outputs that are probabilities are not
    found."""
    step = _made_by(traced, traced.outvars[0])
    if step is None:
        return ""
    inner, last = step
    if last.primitive.name == "logistic":
        return "sigmoid"
    above = _made_by(inner, last.invars[0]) if last.primitive.name == "div" else None
    return "softmax" if above is not None and above[1].primitive.name == "exp" else ""


def _made_by(traced: Any, var: Any) -> tuple[Any, Any] | None:
    """The operation that computes ``var``, and the jaxpr that contains it; None for an input or a constant."""
    step = next((step for step in traced.eqns if any(out is var for out in step.outvars)), None)
    if step is None:
        return None
    if step.primitive.name in PASSED:
        return _made_by(traced, step.invars[0])
    inside = step.params.get("jaxpr") or step.params.get("call_jaxpr")
    if inside is None:
        return traced, step
    inside = getattr(inside, "jaxpr", inside)
    place = next(place for place, out in enumerate(step.outvars) if out is var)
    return _made_by(inside, inside.outvars[place]) if place < len(inside.outvars) else None
