"""The study: one object whether TOML or Python, axes that cross or zip, numbers that go where they belong."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fallline.errors import FalllineError, HyperparameterError, StudyError, UnknownName
from fallline.study import Study, builtin_studies, dump_study, load_study, parse_settings, parse_study

BASE = {"optimizer": "adam", "steps": 10, "batch_size": "all", "learning_rate": 0.01}


def study(**changes):
    values = {"name": "try", "task": "line", "base": dict(BASE)} | changes
    return Study(**values)


def hyperparameters(trials, name):
    return [trial.recipe.hyperparameters.flat.get(name) for trial in trials]


def test_axes_cross():
    trials = study(axes={"learning_rate": [0.1, 0.2], "beta1": [0.8, 0.9, 0.95]}, seeds=2).trials()
    assert len(trials) == 2 * 3 * 2
    assert len({(*trial.recipe.hyperparameters, trial.seed) for trial in trials}) == 12


def test_zipped_axes_move_together():
    trials = study(zip=[{"learning_rate": [0.1, 0.2], "steps": [5, 7]}]).trials()
    assert hyperparameters(trials, "learning_rate") == [0.1, 0.2] and [trial.recipe.steps for trial in trials] == [5, 7]


def test_a_zip_group_crosses_with_the_axes():
    trials = study(axes={"beta1": [0.8, 0.9]}, zip=[{"learning_rate": [0.1, 0.2], "steps": [5, 7]}]).trials()
    assert len(trials) == 4


def test_numbers_belong_to_one_optimizer():
    trials = study(
        axes={
            "optimizer": ["adam", "momentum"],
            "learning_rate": [0.1],
            "adam": {"beta1": [0.8, 0.9]},
            "momentum": {"learning_rate": [0.01, 0.02, 0.03]},
        }
    ).trials()
    by_rule = {name: [t for t in trials if t.recipe.optimizer.name == name] for name in ("adam", "momentum")}
    assert hyperparameters(by_rule["adam"], "beta1") == [0.8, 0.9] and hyperparameters(
        by_rule["adam"], "learning_rate"
    ) == [0.1, 0.1]
    assert hyperparameters(by_rule["momentum"], "learning_rate") == [0.01, 0.02, 0.03]


def test_an_axis_of_a_number_leaves_rules_alone_that_do_not_take_it():
    trials = study(axes={"optimizer": ["adam", "gradient_descent"], "beta1": [0.8, 0.9]}).trials()
    assert [trial.recipe.optimizer.name for trial in trials] == ["adam", "adam", "gradient_descent"]


def test_one_at_a_time_moves_each_number_from_the_base():
    trials = study(design="one_at_a_time", axes={"learning_rate": [0.1, 0.2], "beta1": [0.8]}).trials()
    assert sorted(zip(hyperparameters(trials, "learning_rate"), hyperparameters(trials, "beta1"), strict=True)) == [
        (0.01, 0.8),
        (0.01, 0.9),
        (0.1, 0.9),
        (0.2, 0.9),
    ]


def test_points_are_trials_of_their_own_and_equal_trials_are_one():
    points = [{"learning_rate": 0.5}, {"learning_rate": 0.1}]
    trials = study(axes={"learning_rate": [0.1, 0.01]}, points=points).trials()
    assert hyperparameters(trials, "learning_rate") == [0.1, 0.01, 0.5]


def test_the_base_of_one_optimizer_is_laid_over_the_base():
    trials = study(base=BASE | {"adam": {"epsilon": 1e-3}}).trials()
    assert hyperparameters(trials, "epsilon") == [1e-3]


def test_toml_and_python_are_the_same_study():
    text = """
        name = "try"
        task = "line"
        seeds = 2
        [base]
        optimizer = "adam"
        steps = 10
        batch_size = "all"
        learning_rate = 0.01
        [axes]
        learning_rate = [0.1, 1e-2]
        [axes.adam]
        beta1 = [0.8]
    """
    written = parse_study(text, "try.toml")
    made = study(seeds=2, axes={"learning_rate": [0.1, 1e-2], "adam": {"beta1": [0.8]}})
    assert written.hash == made.hash
    assert [t.name for t in written.trials()] == [t.name for t in made.trials()]


def test_a_trials_name_hangs_on_all_that_it_is_and_nothing_else():
    one = study(title="a", question="b").trials()[0]
    assert one.name == study(seeds=3, axes={"learning_rate": [0.01, 0.5]}).trials()[0].name
    others = [
        study(base=BASE | {"learning_rate": 0.02}),
        study(base=BASE | {"steps": 11}),
        study(seeds=[1]),
        study(base=BASE | {"optimizer": "nadam"}),
        study(evaluate_every=5),
        study(base=BASE | {"order": "file"}),
    ]
    assert len({one.name, *(other.trials()[0].name for other in others)}) == 7


def test_a_preset_changes_tables_key_by_key():
    whole = study(axes={"learning_rate": [0.1, 0.2]}, presets={"quick": {"base": {"steps": 3}, "seeds": 2}})
    quick = whole.preset("quick")
    assert {trial.recipe.steps for trial in quick.trials()} == {3} and len(quick.trials()) == 4
    assert whole.preset("full") is whole


def test_settings_reach_fields_tables_and_base():
    changes = parse_settings(
        ["steps=500", "seeds=3", "axes.learning_rate=[0.1, 1e-3]", "optimizer=lion", "base.adam.beta1=0.5"],
        Study.model_fields,
    )
    assert changes == {
        "base": {"steps": 500, "optimizer": "lion", "adam": {"beta1": 0.5}},
        "seeds": 3,
        "axes": {"learning_rate": [0.1, 1e-3]},
    }


@pytest.mark.parametrize(
    "wrong, part",
    [
        (dict(axes={"momentun": [0.9]}), "no field or hyperparameter of a recipe of this study is named 'momentun'"),
        (
            dict(axes={"optimizer": ["momentum"], "momentum": [0.5, 0.9, 1.0]}),
            "momentum must lie in [0, 1), got 1.0 (try, axes.momentum, value 3 of 3)",
        ),
        (dict(axes={"learning_rate": []}), "an axis is a list of at least one value, got [] (try, axes.learning_rate)"),
        (dict(axes={"learning_rate": 0.1}), "an axis is a list"),
        (dict(base=BASE | {"learning_rate": 0}), "learning_rate must be > 0, got 0 (try, base.learning_rate)"),
        (dict(base=BASE | {"learning_rate": float("nan")}), "learning_rate must be > 0, got nan"),
        (dict(base={"optimizer": "momentum", "steps": 3}), "momentum needs learning_rate, which has no default"),
        (dict(base={"optimizer": "adam"}), "steps is missing"),
        (dict(base=BASE | {"steps": 0}), "steps must be a whole number >= 1, got 0"),
        (dict(base={"steps": 3}), "no optimizer is chosen"),
        (dict(base=BASE | {"optimizer": "adm"}), "did you mean adam"),
        (dict(task="lines"), "did you mean line"),
        (dict(base=BASE | {"order": "random"}), "no order of batches is named 'random'"),
        (dict(zip=[{"learning_rate": [0.1], "steps": [1, 2]}]), "need equal lengths: learning_rate has 1, steps has 2"),
        (dict(axes={"momentum": {"momentum": [0.5]}}), "no optimizer of this study is named 'momentum'"),
        (dict(points=[{"optimizer": "momentum", "beta1": 0.9}]), "beta1 is a hyperparameter of optimizer adam"),
        (dict(base=BASE | {"batch_size": 2.5}), 'batch_size must be a whole number >= 1 or "all", got 2.5'),
    ],
)
def test_what_is_wrong_is_named_with_its_law_and_place(wrong, part):
    with pytest.raises((StudyError, HyperparameterError, UnknownName)) as told:
        study(**wrong).trials()
    assert part in str(told.value)


def test_too_many_trials_are_refused_before_they_are_made():
    rates = [1e-3 * (i + 1) for i in range(700)]
    with pytest.raises(StudyError, match="more than 200,000 recipes"):
        study(axes={"learning_rate": rates, "epsilon": rates}).trials()


@pytest.mark.parametrize("name", sorted(builtin_studies()))
def test_every_built_in_study_expands_in_every_preset_and_reads_back_from_toml(name):
    built_in = load_study(name)
    reported = built_in.reported or built_in.scale.reported
    assert built_in.question and built_in.title and reported and "quick" in built_in.presets
    for preset in ("full", "quick"):
        chosen = built_in.preset(preset)
        again = parse_study(dump_study(chosen), name)
        assert again.hash == chosen.hash
        assert [t.name for t in again.trials()] == [t.name for t in chosen.trials()]


values = st.one_of(st.integers(-5, 5), st.floats(allow_nan=True), st.text(max_size=5), st.booleans(), st.none())
tables = st.dictionaries(
    st.sampled_from(["optimizer", "learning_rate", "beta1", "steps", "adam", "x"]),
    st.one_of(values, st.lists(values, max_size=3), st.dictionaries(st.text(max_size=5), values, max_size=2)),
    max_size=4,
)


@settings(max_examples=150, deadline=None)
@given(base=tables, axes=tables, points=st.lists(tables, max_size=2), seeds=values)
def test_any_tables_give_trials_or_an_error_of_ours(base, axes, points, seeds):
    try:
        trials = Study(name="any", task="line", base=BASE | base, axes=axes, points=points, seeds=seeds).trials()
    except FalllineError as told:
        assert len(str(told).splitlines()) < 20
    else:
        assert len({trial.name for trial in trials}) == len(trials) > 0


@settings(max_examples=50, deadline=None)
@given(
    rates=st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=4, unique=True), seeds=st.integers(1, 3), data=st.data()
)
def test_the_order_of_axes_and_values_names_no_trial_otherwise(rates, seeds, data):
    shuffled = data.draw(st.permutations(rates))
    one = study(axes={"learning_rate": rates, "beta1": [0.5, 0.9]}, seeds=seeds)
    two = study(axes={"beta1": [0.9, 0.5], "learning_rate": shuffled}, seeds=seeds)
    assert {trial.name for trial in one.trials()} == {trial.name for trial in two.trials()}
