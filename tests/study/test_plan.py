"""The plan is a partition of the trials into full grids."""

from hypothesis import given, settings
from hypothesis import strategies as st

from fallline.study import Study
from fallline.study.plan import plan, rebuild

RULES = ["adam", "momentum", "gradient_descent"]


def trials_of(steps, rates, rules, seeds, sizes):
    study = Study(
        name="p",
        task="mnist-softmax",
        base={"learning_rate": 0.1, "steps": 3},
        seeds=seeds,
        axes={"optimizer": rules, "learning_rate": rates, "steps": steps, "batch_size": sizes},
    )
    return study.trials()


grids = st.builds(
    trials_of,
    st.lists(st.integers(1, 9), min_size=1, max_size=2, unique=True),
    st.lists(st.floats(1e-4, 1), min_size=1, max_size=4, unique=True),
    st.lists(st.sampled_from(RULES), min_size=1, max_size=3, unique=True),
    st.integers(1, 3),
    st.lists(st.integers(1, 50), min_size=1, max_size=2, unique=True),
)


@settings(max_examples=60, deadline=None)
@given(trials=grids, most=st.one_of(st.none(), st.integers(1, 5)), data=st.data())
def test_every_trial_is_in_one_cohort_whatever_is_left_to_do(trials, most, data):
    left = [trial for trial in trials if data.draw(st.booleans())]
    cohorts = plan(left, None if most is None else lambda task: most)
    planned = [trial.name for cohort in cohorts for row in cohort.trials for trial in row]
    assert sorted(planned) == sorted(trial.name for trial in left)
    assert len({cohort.name for cohort in cohorts}) == len(cohorts)
    for cohort in cohorts:
        assert most is None or cohort.lanes <= most
        lanes = [recipe for segment in cohort.segments for recipe in segment.recipes]
        assert all([trial.recipe for trial in row] == lanes for row in cohort.trials), "a full grid, lanes in order"
        assert [row[0].seed for row in cohort.trials] == list(cohort.seeds)
        assert all(recipe.optimizer is segment.optimizer for segment in cohort.segments for recipe in segment.recipes)
        assert len({(r.steps, r.batches, r.loss.name) for r in lanes}) == 1
        assert rebuild(cohort.name, cohort.trials) == cohort, "what was written can be planned again as it was"


def test_segments_hold_one_rule_each():
    (cohort,) = plan(trials_of([3], [0.1, 0.2], RULES, 2, [10]))
    assert [segment.optimizer.name for segment in cohort.segments] == RULES
    assert cohort.lanes == 6 and cohort.seeds == (0, 1)


def test_a_cohort_too_wide_is_cut_into_even_parts():
    cohorts = plan(trials_of([3], [0.1, 0.2, 0.3], RULES, 1, [10]), lambda task: 4)
    assert sorted(cohort.lanes for cohort in cohorts) == [3, 3, 3]
