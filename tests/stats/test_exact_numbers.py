"""What is written back into a command or a file is exact, and settings that differ have names that differ."""

import json
import re
import shlex

import pytest

from fake_run import tiny
from fallline.exporting.trials import exported_trials
from fallline.report import formatting
from fallline.report.comparison import Comparison, arm_columns
from fallline.report.figures import drawn, specs
from fallline.report.naming import digits_of
from fallline.report.sentences.commands import again, at_rates, smaller_rates, wider
from fallline.report.terminal import shown
from fallline.stats.filters import select_trials
from fallline.stats.search import searches
from fallline.store import Run
from fallline.study import Study, dump_study, parse_settings
from fallline.study.formatting import exact
from fallline.study.toml import parse_study

RATES = [31.622776601683796, 56.23413251903491]
CLOSE = [0.1, 0.10000001, 0.10000002]


def a_run(folder, rates, **fields):
    made = [
        {"learning_rate": rate, "seed": seed, "validation_accuracy": 0.5 + place / 10 + seed / 100}
        for place, rate in enumerate(rates)
        for seed in range(3)
    ]
    found = tiny(folder, made, base={"optimizer": "adam"}, axes={"learning_rate": rates}, **fields)
    noted = found.paths.environments / "0.json"
    noted.write_text(json.dumps(json.loads(noted.read_text()) | {"command": "fallline run s.toml"}))
    return Run(found.folder)


@pytest.mark.parametrize("number", [*RATES, 0.1, 1e-7, 1 / 3, 1e16, 123456789.125, 5e-324, 2.0])
def test_an_exact_text_reads_back_as_the_same_number(number):
    assert float(exact(number)) == number
    study = Study(name="s", task="line", axes={"learning_rate": [number]})
    assert parse_study(dump_study(study), "s").axes["learning_rate"] == [number]


def test_advised_commands_train_the_same_rates_and_no_others_anew(tmp_path):
    found = a_run(tmp_path / "run", RATES)
    borders = [(None, border) for search in searches(found) for border in search.edges]
    for command in (wider(found, borders), smaller_rates(found), at_rates(found, RATES[:1])):
        written = re.search(r"fallline run .*?(?=\. Only what)", command)
        settings = [word for word in shlex.split(written[0]) if word.startswith("axes.")]
        [rates] = [change["axes"]["learning_rate"] for change in [parse_settings(settings, Study.model_fields)]]
        assert RATES[0] in rates and not {31.6228, 56.2341} & set(rates)
    assert "31.622776601683796" in again(found, {"axes.learning_rate": "[31.622776601683796]"})


def test_settings_that_differ_have_names_that_differ_everywhere(tmp_path):
    found = a_run(tmp_path / "run", CLOSE)
    assert digits_of(found) == {"learning_rate": 8}
    names = ["0.1", "0.10000001", "0.10000002"]
    comparison = Comparison.of(found, "learning_rate")
    column = next(one for one in arm_columns(comparison) if one.heading == "learning rate")
    assert sorted(column.texts) == names
    said = "\n".join([*comparison.use, *comparison.answer, str(shown(found))])
    assert "0.10000002" in said and "learning rate 0.1 " in said
    for name, spec in specs(found).items():
        frame = drawn(found, spec, name).frame
        for label in {"trial", "color", "arm", "right", "up"} & set(frame.columns):
            told = set(frame[label].drop_nulls()) - {""}
            assert len(told) in (0, 1, 3), (name, label, told)
    assert {trial.name for trial in exported_trials(found).values()} == {
        f"learning_rate_{name}-seed_{seed}" for name in names for seed in range(3)
    }


def test_names_stay_as_short_as_they_were_where_they_differ(tmp_path):
    found = a_run(tmp_path / "run", RATES)
    assert digits_of(found) == {}
    assert sorted(
        one
        for column in arm_columns(Comparison.of(found, "learning_rate"))
        if column.heading == "learning rate"
        for one in column.texts
    ) == ["31.6228", "56.2341"]


def test_digits_grow_until_the_texts_differ():
    assert formatting.digits_apart([0.5, None, "all", 3]) == formatting.LEAST
    for values in ([1e-7, 1.0000001e-7], [1 / 3, 1 / 3 + 2**-54], [12345678.0, 12345679.0], [2.0, 2.0 + 2**-51]):
        digits = formatting.digits_apart(values)
        assert len({formatting.setting(one, digits) for one in values}) == len(set(values)) == 2


def test_lists_of_numbers_in_a_recipe_are_kept_exactly(tmp_path):
    from fallline.study.recipe_columns import recipe_columns
    from fallline.study.trial import settings_in_use

    texts = []
    for factor in (1 / 3, 1 / 3 + 2**-54):
        base = {
            "optimizer": "adam",
            "learning_rate": 0.1,
            "steps": 20,
            "batch_size": 2,
            "schedule": "piecewise",
            "boundary_steps": [5],
            "factors": [1.0, factor],
        }
        trials = Study(name="s", task="line", base=base).trials()
        texts.append(recipe_columns(trials[0].recipe, settings_in_use(trials))["factors"])
    assert texts == ["1, 0.3333333333333333", "1, 0.33333333333333337"]
    run = tiny(tmp_path / "run", [{"factors": text, "validation_accuracy": 0.5} for text in texts])
    assert select_trials(run.trials, {"factors": [1.0, 1 / 3]}).height == 1
