"""The fields of a recipe besides its components and their hyperparameters, each declared by one value.

From ``FIELDS`` follow the check of a study, the canonical form that names a trial, the cohorts of a plan and the reason
why they are apart, the columns of the records, ``fallline parts`` and the words of reports.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fallline.batching import (
    ORDERS,
    check_batch_of,
    check_batch_size,
    check_last,
    check_order,
    check_overlap,
    check_subset,
    check_subset_from,
)
from fallline.models.by_name import SIZES
from fallline.models.deep_mlp import ACTIVATIONS
from fallline.study.field_checks import (
    PRECISIONS,
    check_activation,
    check_depth,
    check_epochs,
    check_model,
    check_precision,
    check_steps,
    check_width,
)

if TYPE_CHECKING:
    from fallline.study.trial import Recipe


@dataclass(frozen=True)
class RecipeField:
    """A field of a recipe. ``name`` is its key in a study and its column in the records of trials.

    ``check(value, where)`` returns the value as a recipe keeps it, or raises an error with the law, the value and the
    place. ``default`` is what a recipe has that leaves the field out, as its column says it.

    A field of ``policy`` is that attribute of the recipe's ``BatchPolicy``, one that ``becomes`` another is converted
    into it when the study is expanded (epochs into steps) and is not kept; any other is kept in ``Recipe.settings``,
    unless ``read(recipe)`` says where. A ``budget`` field says how long a trial trains.

    ``canonical`` is its key in the form that names a trial, ``name`` unless given; a point separates a table from its
    key. A field that is not ``always`` there is left out at its default, from the names and from the columns of a study
    that never uses it, so a new field leaves the names of earlier records as they are. Trials that differ in a field
    that ``splits`` are trained by different programs. ``choices`` are the values of a field of words.

    In a sentence a value is said as ``phrase`` ("batch {}"), or as ``phrases`` say it; without either it follows the
    name of the field. ``none`` is the word for None, ``none_phrase`` what a sentence says for it.
    """

    name: str
    check: Callable[[Any, str], Any]
    meaning: str
    default: Any = None
    policy: str = ""
    becomes: str = ""
    read: Callable[[Recipe], Any] | None = None
    budget: bool = False
    canonical: str = ""
    always: bool = False
    splits: bool = True
    choices: tuple[str, ...] = ()
    phrase: str = ""
    phrases: Mapping[str, str] = field(default_factory=dict)
    none: str = ""
    none_phrase: str = ""

    def of(self, recipe: Recipe) -> Any:
        """The field's value in a recipe."""
        if self.read is not None:
            return self.read(recipe)
        return getattr(recipe.batches, self.policy) if self.policy else recipe.setting(self.name)

    @property
    def in_words(self) -> str:
        """Its meaning and its default, for ``fallline parts``."""
        default = ("" if self.name in ARCHITECTURE else self.none) if self.default is None else self.default
        return f"{self.meaning} (default {default})" if default != "" else self.meaning

    def in_use(self, recipe: Recipe) -> bool:
        """Whether the names and columns of trials need it: always, or where it is not the default."""
        return self.always or self.of(recipe) != self.default


FIELDS: tuple[RecipeField, ...] = (
    RecipeField(
        "batch_size",
        check_batch_size,
        "examples a step, all, or a formula of the epoch such as 30 + 10*epoch",
        policy="size",
        canonical="batches.batch_size",
        always=True,
        phrase="batch {}",
        none="all",
        none_phrase="all examples at once",
    ),
    RecipeField(
        "batch_of",
        check_batch_of,
        "whose batch that is: of all workers together, or of each worker",
        default="all",
        becomes="batch_size",
        choices=("all", "worker"),
    ),
    RecipeField(
        "order",
        check_order,
        "the order of the examples in an epoch",
        default="shuffled",
        policy="order",
        canonical="batches.order",
        always=True,
        choices=tuple(ORDERS),
        phrase="{}",
        phrases={"file": "in file order"},
    ),
    RecipeField(
        "overlap",
        check_overlap,
        "the share of a batch that the next one has too, in [0, 1)",
        default=0.0,
        policy="overlap",
        canonical="batches.overlap",
        always=True,
    ),
    RecipeField(
        "subset",
        check_subset,
        "how many training examples are used, or all",
        policy="subset",
        canonical="batches.subset",
        always=True,
        phrase="{} examples",
        none="all",
        none_phrase="all examples",
    ),
    RecipeField(
        "subset_from",
        check_subset_from,
        "which examples a subset has: random ones of the seed, or the first",
        policy="subset_from",
        read=lambda recipe: None if recipe.batches.subset is None else recipe.batches.subset_from,
        canonical="batches.subset_from",
        always=True,
        choices=("random", "first"),
    ),
    RecipeField(
        "last_batch",
        check_last,
        "what becomes of a partial batch at the end of an epoch: dropped, or kept as a smaller one",
        default="dropped",
        policy="last",
        canonical="batches.last",
        always=True,
        choices=("dropped", "kept"),
    ),
    RecipeField(
        "steps",
        check_steps,
        "how many steps a trial trains",
        read=lambda recipe: recipe.steps,
        budget=True,
        always=True,
        phrase="{} steps",
    ),
    RecipeField(
        "epochs",
        check_epochs,
        "the same in passes over the training examples, which need not be whole",
        becomes="steps",
        budget=True,
        phrase="{} epochs",
    ),
    RecipeField(
        "precision",
        check_precision,
        "how matmuls are computed; weights stay float32",
        default="float32",
        always=True,
        choices=PRECISIONS,
    ),
    RecipeField(
        "model", check_model, "the model of data from a file ([data]), by name", choices=tuple(SIZES), phrase="{}"
    ),
    RecipeField(
        "width",
        check_width,
        "units of its layers, or channels of its first convolution",
        phrase="width {}",
        none="none",
        none_phrase="no width",
    ),
    RecipeField(
        "depth",
        check_depth,
        "how many layers it has before the last",
        phrase="depth {}",
        none="none",
        none_phrase="no hidden layer",
    ),
    RecipeField(
        "activation",
        check_activation,
        "the function between its layers",
        choices=ACTIVATIONS,
        phrase="{}",
        none="none",
        none_phrase="no activation",
    ),
)

ARCHITECTURE = ("model", "width", "depth", "activation")
"""The fields that choose the model of a task from a file; any other task has a model of its own."""

KEPT: tuple[RecipeField, ...] = tuple(known for known in FIELDS if not known.becomes)
"""Those that a recipe keeps; the others were converted into them."""

SETTINGS: tuple[RecipeField, ...] = tuple(known for known in KEPT if not known.policy and known.read is None)
"""Those in ``Recipe.settings``."""

FIELD_NAMES: tuple[str, ...] = tuple(known.name for known in FIELDS)
BUDGETS: tuple[str, ...] = tuple(known.name for known in FIELDS if known.budget)

_BY_NAME = {known.name: known for known in FIELDS}


def check_field(name: str, value: Any, where: str) -> Any:
    """``value`` as the field of that name keeps it, or an error with the law, the value and the place."""
    return _BY_NAME[name].check(value, where)


def canonical_fields(recipe: Recipe) -> dict[str, Any]:
    """The fields as a trial's canonical form has them."""
    plain: dict[str, Any] = {}
    for known in KEPT:
        if known.in_use(recipe):
            table, _, key = (known.canonical or known.name).rpartition(".")
            (plain.setdefault(table, {}) if table else plain)[key] = known.of(recipe)
    return plain


def fields_of_a_program(recipe: Recipe) -> tuple[Any, ...]:
    """What recipes must share, besides task and loss, to be trained by one program and one loop."""
    return tuple(known.of(recipe) for known in KEPT if known.splits)
