"""Names in a study's tables: what no one knows is an error, what this preset leaves out is not tested here."""

from __future__ import annotations

from typing import Any

import pytest

import fallline
from command_line import cli  # noqa: F401
from fallline.errors import FalllineError, NetworkError, UnknownName
from fallline.study import Study, builtin_studies, load_study, parse_study
from fallline.training.context import TrainingContext

OWN = """
import fallline
from fallline.optimizers import find_optimizer
mine = fallline.Optimizer.plug("mine", find_optimizer("gradient_descent").make, learning_rate=0.1)
"""


def line(**tables: Any) -> Study:
    return Study(
        **(
            {
                "name": "s",
                "task": "line",
                "metric": "final_train_loss",
                "base": {"optimizer": "gradient_descent", "batch_size": "all", "order": "file", "steps": 3},
                "axes": {"learning_rate": [0.01, 0.001]},
            }
            | tables
        )
    )


def claim(**claims: Any) -> dict[str, Any]:
    return {"claims": [{"text": "t", **claims}]}


WRONG = {
    "claim": (claim(better={"optimizer": "adm"}, worse="others"), "adam", "claims, 1 of 1, better.optimizer"),
    "claim's where": (claim(arm={}, above=1, where={"optimizer": "adm"}), "adam", "where.optimizer"),
    "claim's loss": (claim(arm={"loss": "hubr"}, above=1), "huber", "arm.loss"),
    "claim's setting": (claim(arm={"learnin_rate": 1}, above=1), "learning_rate", "arm"),
    "claim's metric": (claim(arm={}, above=1, metric="final_train_lss"), "final_train_loss", "metric"),
    "claim's order": (claim(equal=[{"order": "fil"}, {"order": "shuffled"}], margin=1), "file", "equal.order"),
    "claim's data": (claim(arm={"data": "ful"}, above=1), "full", "arm.data"),
    "claim's tune": (claim(arm={}, above=1, tune=["learning_rat"]), "learning_rate", "tune"),
    "goals": ({"goals": {"final_train_los": "min"}}, "final_train_loss", "s, goals"),
    "reported where": (
        {"reported": [{"where": {"optimizer": "adm"}, "metric": "final_train_loss"}]},
        "adam",
        "reported, 1 of 1, where.optimizer",
    ),
    "reported at": (
        {"reported": [{"where": {}, "at": {"learning_rat": 1}, "metric": "final_train_loss"}]},
        "learning_rate",
        "at",
    ),
    "reported metric": ({"reported": [{"where": {}, "metric": "final_train_los"}]}, "final_train_loss", "metric"),
    "figure where": ({"figures": [{"kind": "curves", "where": {"optimizer": "adm"}}]}, "adam", "where.optimizer"),
    "figure color": ({"figures": [{"kind": "curves", "color": "optimzer"}]}, "optimizer", "color"),
    "figure panel": ({"figures": [{"kind": "curves", "panel": "learning_rat"}]}, "learning_rate", "panel"),
    "figure metric": ({"figures": [{"kind": "curves", "metric": "train_los"}]}, "train_loss", "metric"),
    "figure of": ({"figures": [{"kind": "path", "of": ["W", "bb"]}]}, "'bb'", "of"),
    "preset base": ({"presets": {"quick": {"base": {"optimizer": "adm"}}}}, "adam", "s, presets.quick, base.optimizer"),
    "preset setting": ({"presets": {"quick": {"base": {"stps": 4}}}}, "steps", "s, presets.quick, base.stps"),
    "preset axes": ({"presets": {"quick": {"axes": {"optimizer": ["adam", "adm"]}}}}, "adam", "optimizer, value 2"),
    "preset points": ({"presets": {"quick": {"points": [{"optimizer": "adm"}]}}}, "adam", "points, 1 of 1"),
    "preset field": ({"presets": {"quick": {"sedes": 4}}}, "seeds", "presets.quick"),
    "preset claim": ({"presets": {"quick": claim(arm={"optimizer": "adm"}, above=1)}}, "adam", "presets.quick, claims"),
    "preset goals": (
        {"presets": {"quick": {"goals": {"final_train_los": "min"}}}},
        "final_train_loss",
        "presets.quick, goals",
    ),
    "points": ({"axes": {}, "points": [{"optimizer": "adm", "learning_rate": 0.1}]}, "adam", "points, 1 of 1"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_misspelt_name_is_an_error_with_the_nearest_and_the_place(wrong):
    tables, near, place = WRONG[wrong]
    with pytest.raises(FalllineError) as told:
        setup = TrainingContext(line(**tables), None)
        setup.check()
    assert near in str(told.value) and place in str(told.value)


def test_a_value_that_no_part_takes_is_an_error_and_one_that_is_absent_is_not():
    with pytest.raises(FalllineError, match=r"got 'fast' \(s, claims, 1 of 1, arm.learning_rate\)"):
        TrainingContext(line(**claim(arm={"learning_rate": "fast"}, above=1)), None).check()
    for arm in (
        {"learning_rate": 5.0},
        {"optimizer": "adam", "beta1": 0.9},
        {"warmup_steps": "off"},
        {"subset": "all"},
        {"batch_size": "30 + 10*epoch"},
        {"data": "full"},
        {"epochs": 13.6},
    ):
        TrainingContext(line(**claim(arm=arm, above=1)), None).check()


def test_a_figure_of_a_preset_is_checked_too():
    with pytest.raises(UnknownName, match=r"no figure is named 'curvs' \(s, presets.quick, figures, 1 of 1\); did you"):
        fallline.run(line(presets={"quick": {"figures": [{"kind": "curvs"}]}}), "never-made")


def test_an_own_part_that_only_another_preset_names_is_known(tmp_path):
    (tmp_path / "own.py").write_text(OWN, encoding="utf-8")
    study = line(
        folder=tmp_path,
        **claim(better={"optimizer": "mine"}, worse={"optimizer": "gradient_descent"}),
        presets={"other": {"base": {"optimizer": "own.py:mine"}}},
    )
    TrainingContext(study, None).check()
    result = fallline.run(study, tmp_path / "run")
    assert result.claims()["verdict"].to_list() == ["not tested here"]


def test_what_a_preset_needs_beside_names_is_told_when_it_is_run(tmp_path):
    (tmp_path / "own.py").write_text("import no_such_package", encoding="utf-8")
    TrainingContext(line(folder=tmp_path, presets={"other": {"base": {"optimizer": "own.py:mine"}}}), None).check()


@pytest.mark.parametrize("name", builtin_studies())
def test_every_name_in_the_builtin_studies_is_known(name):
    study = load_study(name)
    for preset in ("full", *study.presets):
        TrainingContext(study.preset(preset), None).check()


def test_a_misspelling_ends_with_exit_code_2_and_leaves_no_folder(tmp_path, cli):  # noqa: F811
    study = tmp_path / "s.toml"
    study.write_text(
        'task = "line"\nmetric = "final_train_loss"\n[base]\noptimizer = "adam"\nlearning_rate = 0.1\n'
        'batch_size = "all"\nsteps = 3\n[goals]\naccurcy = "max"\n',
        encoding="utf-8",
    )
    for command in ("run", "plan"):
        more = ["--out", tmp_path / "run"] if command == "run" else []
        code, _, err = cli(command, study, *more)
        assert code == 2 and "no metric is named 'accurcy' (s, goals)" in err
    assert not (tmp_path / "run").exists()


# Networks


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"text": "xw = ap*xp + + aq*"}, r"network spare: .*line 1"),
        ({"text": "xw = ap*xp", "watch": ["aq"]}, r"'aq' \(network spare, watch\)"),
        ({"text": "xw = ap*xp", "loss": "squared_eror"}, r"network spare, loss"),
        ({"text": "xw = ap*xp", "initial_range": (1.0, 0.0)}, r"network spare: initial_range"),
    ],
)
def test_a_network_is_read_though_no_task_uses_it(table, message):
    with pytest.raises(FalllineError, match=message):
        line(networks={"spare": table})


def test_a_broken_network_text_in_a_file_is_an_error_with_its_place():
    text = 'task = "line"\n[networks.spare]\ntext = "xw = ap*xp +"\n'
    with pytest.raises(NetworkError, match="network spare"):
        parse_study(text, "s.toml")
