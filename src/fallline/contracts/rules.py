"""What changes weights (optimizer, schedule) and what is measured of them (loss, metric)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from fallline.contracts.arrays import in_float32, single
from fallline.contracts.hyperparameters import Hyperparameter, check_hyperparameters, positive
from fallline.errors import StudyError

GOALS = ("min", "max")

TAKES = ("outputs", "values", "logits", "probabilities")
GIVES = ("logits", "probabilities", "values")


@dataclass(frozen=True)
class Optimizer:
    """An update rule: a function from hyperparameters to an optax ``GradientTransformation``.

    ``make(**hyperparameters)`` is called inside the traced program with the lane's values as float32 scalars, so it
    must not branch on them in Python. ``equation`` is plain text in the symbols of the source.
    """

    name: str
    make: Callable[..., Any]
    hyperparameters: tuple[Hyperparameter, ...]
    title: str = ""
    equation: str = ""
    source: str = ""

    @classmethod
    def plug(cls, name: str, make: Callable[..., Any], **defaults: float) -> Optimizer:
        """Your own optax optimizer, its hyperparameters declared by their defaults.

        >>> import optax
        >>> mine = Optimizer.plug("mine", optax.lion, learning_rate=1e-4, b1=0.9)
        """
        hyperparameters = tuple(
            positive(n, d) if n == "learning_rate" else Hyperparameter(n, d) for n, d in defaults.items()
        )
        return cls(name, make, hyperparameters, title=name)

    def __call__(self, **hyperparameters: float) -> Any:
        """The transformation with ``hyperparameters`` checked and defaults filled in."""
        return self.make(**check_hyperparameters("optimizer", self.name, self.hyperparameters, hyperparameters))

    # A rule has optax's two functions, and so goes where optax takes a GradientTransformation.

    @property
    def init(self) -> Callable[[Any], Any]:
        """``init(weights)`` returns the state before the first step, as optax's does."""
        return self().init

    @property
    def update(self) -> Callable[..., tuple[Any, Any]]:
        """``update(gradients, state, weights)`` returns the step to add to the weights, and the state after it."""
        return self().update

    def __iter__(self) -> Iterator[Any]:
        return iter(self())


class Clock(NamedTuple):
    """The position of some steps in the budget: steps and epochs before each (float64 [n]), and the totals."""

    steps: Any
    epochs: Any
    total_steps: float
    total_epochs: float


@dataclass(frozen=True)
class Schedule:
    """How the learning rate changes: ``factor(clock, **hyperparameters)`` returns its factor at each step,
    float64 [n].

    It runs on the host in numpy, so it may branch. A schedule that follows the validation loss has ``watching(values,
    **hyperparameters)``: the factor after the losses of all evaluations so far, float64 [evaluations].
    ``check(hyperparameters, where)`` raises where values that are each lawful do not fit together.
    """

    name: str
    factor: Callable[..., Any]
    hyperparameters: tuple[Hyperparameter, ...] = ()
    watching: Callable[..., float] | None = None
    title: str = ""
    equation: str = ""
    source: str = ""
    check: Callable[[Mapping[str, Any], str], None] | None = None

    def __call__(self, total_steps: int, steps_per_epoch: float = 1.0) -> Any:
        """What multiplies the learning rate at each step of a budget, float64 [total_steps]; defaults filled in.

        1 at every step for a schedule that follows the validation loss. HyperparameterError or StudyError where a
        hyperparameter is missing or two do not fit together.
        """
        import numpy as np

        full = check_hyperparameters("schedule", self.name, self.hyperparameters, {})
        if self.check is not None:
            self.check(full, self.name)
        steps = np.arange(total_steps, dtype=np.float64)
        return self.factor(Clock(steps, steps / steps_per_epoch, total_steps, total_steps / steps_per_epoch), **full)


@dataclass(frozen=True)
class Loss:
    """``function(outputs, targets, **hyperparameters)`` returns one value per example, shape [batch].

    ``outputs`` [batch, ...] come from the model, ``targets`` [batch] or [batch, ...] from the data. The value of a
    batch is the mean over its examples, or their sum where ``reduce`` is "sum". A loss of a ``whole`` batch has no
    value per example: ``function(outputs, targets, counts, **hyperparameters)`` returns that of the batch, where
    ``counts`` [batch] is 1 for examples that count and 0 for those that pad the batch. A split that is evaluated in
    batches gets one value: ``sums(outputs, targets, counts, **hyperparameters)`` returns a tree of arrays that are
    added over batches, and ``of_sums(sums, **hyperparameters)`` the value. A loss without them takes a split in one
    batch.

    It ``takes`` "logits", "probabilities" (the softmax of a model's logits, the sigmoid of a single one), "values" on
    the scale of the targets, or "outputs", whatever the model returns. The targets of a ``shares`` loss are in [0, 1].
    """

    name: str
    function: Callable[..., Any]
    hyperparameters: tuple[Hyperparameter, ...] = ()
    reduce: str = "mean"
    takes: str = "outputs"
    whole: bool = False
    sums: Callable[..., Any] | None = None
    of_sums: Callable[..., Any] | None = None
    shares: bool = False
    title: str = ""
    equation: str = ""
    source: str = ""

    def __call__(self, outputs: Any, targets: Any, counts: Any = None, **hyperparameters: Any) -> Any:
        """The scalar value of a batch, over the examples that count."""
        if self.whole:
            return in_float32(self.function(outputs, targets, counts, **hyperparameters))
        values = in_float32(self.function(outputs, targets, **hyperparameters))
        if counts is not None:
            import jax.numpy as jnp

            total = jnp.where(counts > 0, values, 0).sum()
            return total if self.reduce == "sum" else total / counts.sum()
        return values.sum() if self.reduce == "sum" else values.mean()

    def per_example(self, outputs: Any, targets: Any, *counts: Any) -> Any:
        """The values [batch] before they are reduced, of arrays of JAX or numpy; of a ``whole`` loss its scalar."""
        import jax.numpy as jnp

        arrays = [jnp.asarray(array) for array in (outputs, targets, *counts)]  # pyright: ignore[reportUnknownMemberType]
        return self.function(*arrays)


@dataclass(frozen=True)
class Metric:
    """``function(outputs, targets)`` returns one value per example, shape [batch]; its mean is reported.

    ``goal`` says whether less ("min") or more ("max") is better. Well-known names need none: ``accuracy``, ``auc``,
    ``rmse`` and all that end in ``loss`` or ``error``. A metric that ``cuts`` also takes ``cut``: the output above
    which a binary prediction is positive, which depends on what the model returns. One that ``takes`` "probabilities"
    gets the softmax of a model's logits (the sigmoid of a single one). A metric of a ``whole`` split has no value per
    example: ``function`` gets the float64 arrays of all its examples on the host and returns one number, nan where it
    is undefined. It is computed for held-out splits only.

    >>> margin = Metric("margin", lambda outputs, targets: outputs.max(-1) - outputs.mean(-1), goal="max")
    """

    name: str
    function: Callable[..., Any]
    title: str = ""
    goal: str = ""
    cuts: bool = False
    takes: str = "outputs"
    whole: bool = False

    def __post_init__(self) -> None:
        if self.goal not in ("", *GOALS):
            raise StudyError(f'metric {self.name}: goal must be "min" (less is better) or "max", got {self.goal!r}')

    def __call__(self, outputs: Any, targets: Any) -> Any:
        """The values of a batch, [batch], at the default cut of the function where it cuts."""
        return self.function(outputs, targets)

    def at(self, cut: float, gives: str = "logits") -> Callable[[Any, Any], Any]:
        """The function of targets and of the outputs of a model that ``gives`` logits, say, with the cut bound; equal
        metrics at equal cuts give equal functions."""
        function = MetricAt(self.function, cut) if self.cuts else self.function
        return OfProbabilities(function) if self.takes == "probabilities" and gives == "logits" else function


@dataclass(frozen=True)
class MetricAt:
    """A metric's function with its cut bound."""

    function: Callable[..., Any]
    cut: float

    def __call__(self, outputs: Any, targets: Any) -> Any:
        return self.function(outputs, targets, cut=self.cut)


@dataclass(frozen=True)
class OfProbabilities:
    """A metric's function of probabilities, for a model that gives logits."""

    function: Callable[..., Any]

    def __call__(self, outputs: Any, targets: Any) -> Any:
        return self.function(_probabilities(outputs), targets)


def _probabilities(logits: Any) -> Any:
    """The softmax of logits [batch, classes], the sigmoid of a single one, in their own float type."""
    import numpy as np

    xp: Any = np
    if not isinstance(logits, np.ndarray):
        import jax.numpy as xp
    if single(logits):
        return 0.5 * (1 + xp.tanh(logits / 2))
    exponentials = xp.exp(logits - logits.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)
