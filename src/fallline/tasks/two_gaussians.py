"""Two Gaussian classes, by one neuron and by a network 4-2-1: sigmoids, weights initialised uniformly in 0 to 1."""

from __future__ import annotations

from fallline.contracts import Task
from fallline.networks import neurons
from fallline.tasks.networks import gaussian_task

ONE_NEURON_TEXT = "xw = ab*xa + bc*xb + cd*xc + ac*xd"

FOUR_TWO_ONE_TEXT = """
xw = ap*xp + aq*xq + ar*xr + as*xs
xz = bp*xp + bq*xq + br*xr + bs*xs
xo = cp*xw + cq*xz
"""


def _task(name: str, text: str, watch: tuple[str, ...], title: str) -> Task:
    return gaussian_task(name, neurons(text, name=name, watch=watch), f"{title} on two Gaussian classes")


ONE_NEURON = _task("two-gaussians-one-neuron", ONE_NEURON_TEXT, ("ab", "bc"), "one neuron of four inputs")
FOUR_TWO_ONE = _task("two-gaussians-4-2-1", FOUR_TWO_ONE_TEXT, ("cp", "cq"), "a network 4-2-1")
