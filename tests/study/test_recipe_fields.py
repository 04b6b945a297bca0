"""A recipe field is declared once: every use of it follows from that value."""

import sys
from dataclasses import replace

import pytest

from fallline import Study
from fallline.contracts import positive
from fallline.errors import FalllineError
from fallline.models.by_name import sized_models
from fallline.report import formatting
from fallline.stats.columns import POLICY, RECIPE
from fallline.study import recipe_fields, trial
from fallline.study.plan import plan
from fallline.study.recipe_columns import recipe_columns
from fallline.study.recipe_fields import ARCHITECTURE, FIELDS, KEPT, RecipeField
from fallline.tasks import find_task
from fallline.training.cohort_reasons import reasons

BASE = {"optimizer": "adam", "learning_rate": 0.1, "batch_size": 2, "steps": 3, "subset": 3}
CHANGED = {
    "batch_size": 3,
    "order": "with_replacement",
    "overlap": 0.5,
    "subset": 4,
    "subset_from": "first",
    "last_batch": "kept",
    "steps": 4,
    "precision": "bfloat16",
    "model": "linear",
    "width": 16,
    "depth": 2,
    "activation": "tanh",
}
"""Another value of each field than that of ``BASE``."""

SIZED = {"model": "mlp", "width": 8, "depth": 1, "activation": "relu"}
"""A first value of the fields that choose a model, for a task whose model can be chosen."""


def study(base=None, **axes):
    task = replace(find_task("line"), name="sized", models=sized_models("values", (1,), 1), pipeline={"model": "mlp"})
    sized = any(name in ARCHITECTURE for name in axes)
    return Study(name="fields", task=task if sized else "line", base=BASE | (base or {}), axes=axes)


def test_each_field_that_is_kept_is_examined_here():
    assert set(CHANGED) == {field.name for field in KEPT}


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_a_wrong_value_is_an_error_with_its_place(field):
    assert field.meaning
    with pytest.raises(FalllineError, match=rf"fields, base\.{field.name}"):
        study({field.name: -1.5}).trials()


@pytest.mark.parametrize("field", KEPT, ids=lambda field: field.name)
def test_a_field_names_trials_has_a_column_and_splits_cohorts(field):
    values = [(BASE | SIZED).get(field.name, field.default), CHANGED[field.name]]
    trials = study(**{field.name: ["random" if value is None else value for value in values]}).trials()
    assert len({one.name for one in trials}) == 2
    columns = [recipe_columns(one.recipe, trial.settings_in_use(trials))[field.name] for one in trials]
    assert len(set(columns)) == 2 and field.name in RECIPE and (field.name in POLICY) == bool(field.policy)
    cohorts = plan(trials)
    assert len(cohorts) == (2 if field.splits else 1)
    if field.splits:
        assert all(field.name.replace("_", " ") in reason for reason in reasons(cohorts))
    assert all(formatting.setting_of(field.name, value) for value in columns)


def test_a_size_that_a_model_does_not_take_makes_no_second_recipe_and_a_task_of_its_own_model_refuses_it():
    trials = study(model=["linear", "mlp"], width=[8, 16]).trials()
    assert [(one.recipe.setting("model"), one.recipe.setting("width")) for one in trials] == [
        ("linear", None),
        ("mlp", 8),
        ("mlp", 16),
    ]
    given, left_out = (study(base, model=["mlp"]).trials() for base in ({"width": 64, "activation": "relu"}, {}))
    assert [one.name for one in given] == [one.name for one in left_out], "a default that is written is the same trial"
    with pytest.raises(FalllineError, match=r"width = 8 chooses the model of data from a file.*task line has a model"):
        study({"width": 8}).trials()


def test_a_subset_that_is_not_taken_makes_no_second_recipe():
    trials = study({"subset": "all"}, subset_from=["random", "first"]).trials()
    assert len(trials) == 1


def test_a_new_field_leaves_the_names_and_columns_of_earlier_trials_as_they_are(monkeypatch):
    before = [one.name for one in study().trials()]
    declare(RecipeField("loss_scale", positive("loss_scale", 1.0).check, "scales the loss", default=1.0), monkeypatch)
    again, scaled = study().trials(), study({"loss_scale": 8}).trials()
    assert [one.name for one in again] == before
    assert "loss_scale" not in trial.settings_in_use(again)
    assert scaled[0].canonical["loss_scale"] == 8.0 and scaled[0].name not in before
    assert recipe_columns(scaled[0].recipe, trial.settings_in_use(scaled))["loss_scale"] == 8.0
    with pytest.raises(FalllineError, match=r"loss_scale must be > 0, got -1 \(fields, base\.loss_scale\)"):
        study({"loss_scale": -1}).trials()


def declare(field, monkeypatch):
    """Add a field to ``FIELDS`` as if it were written there."""
    from fallline.study import budget, components, expand, recipes, table_checks

    columns = sys.modules["fallline.study.recipe_columns"]
    names = ("FIELDS", "KEPT", "SETTINGS", "FIELD_NAMES")
    added = {name: (*getattr(recipe_fields, name), field.name if name == "FIELD_NAMES" else field) for name in names}
    for name, values in added.items():
        for module in (recipe_fields, trial, budget, components, expand, recipes, table_checks, columns):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, values)
    monkeypatch.setitem(recipe_fields._BY_NAME, field.name, field)
