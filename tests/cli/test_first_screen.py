"""What a first command ends in: an answer in two lines, its table, where the page is, what to type next."""

import numpy as np
import pytest

from command_line import cli  # noqa: F401
from fake_run import tiny
from fallline.report.terminal import shown
from fallline.study import builtin_studies, load_study
from fallline.training.arrays import load_arrays
from fallline.training.preregistration import has_chance

RATES = "axes.learning_rate=[0.1, 0.01]"


def test_a_run_prints_the_answer_its_table_its_page_and_what_to_type_next_and_nothing_else(cli):  # noqa: F811
    code, out, _ = cli(
        "run",
        "softmax/optimizers",
        "--preset",
        "quick",
        "--seeds",
        "5",
        "--set",
        "steps=5",
        "--set",
        "axes.optimizer=['adam', 'momentum']",
        "--set",
        RATES,
        "--out",
        "run",
    )
    lines = out.rstrip("\n").split("\n")
    blank = [place for place, line in enumerate(lines) if not line.strip()]
    assert code == 0 and blank[0] == 1 and len(blank) == 3, out
    answer, table, after = (lines[a + 1 : b] for a, b in zip(blank, [*blank[1:], len(lines)], strict=True))
    assert 1 <= len(answer) <= 2 and "95 % CI, n = 5" in answer[0]
    assert sum(line.startswith(("adam ", "momentum ")) for line in table) == 2
    assert table[-1] == "Each optimizer at its best setting by validation loss (lower is better). Mean over 5 seeds."
    assert [line.partition(":")[0] for line in after if not line.startswith("Next")] == ["Page", "Everything"]
    assert after[0].endswith("report.html") and after[-1].endswith("fallline show run --all")
    again = cli("show", "run")[1]
    assert again.rstrip("\n").split("\n")[: blank[2]] == lines[: blank[2]]
    whole = cli("show", "run", "--all")[1]
    assert "Claims of the study" in whole and "  sd: " in whole and "All configurations by validation loss" in whole


@pytest.mark.parametrize(("gap", "begins"), [(0.1, "Use adam: "), (0.0, "No single winner: ")])
def test_where_there_is_no_winner_the_answer_begins_with_that(gap, begins, tmp_path):
    noise = np.random.default_rng(0).normal(0, 0.01, 8)
    values = {"adam": gap + noise, "momentum": noise[::-1] - 0.001}
    run = tiny(
        tmp_path / "run",
        [
            {"optimizer": name, "seed": seed, "learning_rate": None, "validation_accuracy": 0.8 + value}
            for name, own in values.items()
            for seed, value in enumerate(own)
        ],
    )
    first, *others = shown(run).before[2:]
    assert first.startswith(begins) and len(others) == 1
    assert others[0].startswith("Significantly worse: " if gap else ("Not significantly different: ", "Equivalent"))


@pytest.mark.parametrize("name", builtin_studies())
def test_a_quick_preset_has_the_seeds_that_an_answer_needs(name):
    study = load_study(name).preset("quick")
    assert study.seeds >= 5 or not has_chance(study.trials(), lambda task: load_arrays(task, study.data_size, None))
