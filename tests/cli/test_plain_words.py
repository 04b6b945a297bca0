"""What opens page, terminal and comparison for whoever knows no statistics: the same words, and what to type next."""

from __future__ import annotations

import html
import re
import shlex
import tomllib

import pytest

import fallline
from command_line import cli  # noqa: F401
from fake_run import tiny
from fallline.report import shown, write_report
from fallline.report.comparison import Comparison
from fallline.report.render.escaping import with_command
from fallline.stats.question import compared_by


def rows(values: dict[tuple, list[float | None]], *names: str) -> list[dict]:
    """A row a seed; the keys are the values of the columns ``names``; None is a trial that diverged."""
    return [
        {
            **dict(zip(names, key, strict=True)),
            "seed": seed,
            "validation_accuracy": value,
            "status": "diverged" if value is None else "done",
            "diverged_at": 3 if value is None else None,
        }
        for key, own in values.items()
        for seed, value in enumerate(own)
    ]


HIGH, LOW = [0.9, 0.91, 0.89, 0.9, 0.92, 0.9], [0.7, 0.71, 0.72, 0.7, 0.69, 0.7]
TWO = {"axes": {"optimizer": ["adam", "momentum"]}}


def paragraphs(page: str, kind: str) -> list[str]:
    found = re.findall(rf'<p class="{kind}">(.*?)</p>', page, re.DOTALL)
    return [html.unescape(re.sub(r"<[^>]+>", "", one)) for one in found]


def typed(text: str) -> dict[str, str]:
    """What the command in a sentence sets."""
    words = shlex.split(text[text.index("fallline run ") :].partition(". Only what is new")[0])
    assert "--resume" in words
    return dict(words[place + 1].split("=", 1) for place, word in enumerate(words) if word == "--set")


def test_terminal_page_and_python_open_with_the_same_words(cli, tmp_path):  # noqa: F811
    code, out, _ = cli(
        "run",
        "softmax/optimizers",
        "--preset",
        "quick",
        "--seeds",
        "3",
        "--set",
        "steps=5",
        "--set",
        "axes.optimizer=['adam', 'momentum']",
        "--set",
        "axes.learning_rate=[0.1, 0.01]",
        "--out",
        "run",
    )
    result = fallline.open_run("run")
    page, written = (
        (result.folder / "report" / name).read_text(encoding="utf-8") for name in ("report.html", "report.md")
    )
    title, blank, *opening = out.split("\n")
    lead, sure = paragraphs(page, "first"), paragraphs(page, "sure")
    assert code == 0 and title == result.study.title and blank == "" and len(lead) == 2 and sure
    assert (
        opening[:3] == [*lead, ""] and lead[0].startswith("Use ") and any("random seeds each" in text for text in sure)
    )
    said = str(result.compare()).split("\n")
    compared = cli("compare", "run")[1].split("\n")
    assert compared[: 1 + len(sure)] == said[: 1 + len(sure)] and said[1 : 1 + len(sure)] == sure
    assert str(result).split("\n")[:5] == out.split("\n")[:5]
    figures, whole = result.compare().answer[0], cli("show", "run", "--all")[1]
    assert whole.index(lead[0]) < whole.index(figures) and figures in page and figures not in out
    assert all(text in whole for text in sure)
    assert f"**{lead[0]}**" in written.replace("\\", "")
    assert "Claims of the study: " in whole and "test accuracy difference" in whole


def test_every_column_that_needs_a_word_has_one_in_the_terminal(tmp_path):
    run = tiny(tmp_path / "run", rows({("adam",): HIGH, ("momentum",): LOW}, "optimizer"))
    for text in (str(shown(run, every=True)), str(Comparison.of(run))):
        explained = {name for line in re.findall(r"^  (.*?): ", text, re.M) for name in line.split(", ")}
        assert {"sd", "n", "95 % CI"} <= explained
        assert ", mean" not in text
    _, under = shown(run, every=True).tables[0]
    assert {"verdict", "vs. best", "p"} <= {line.split(":")[0].strip() for line in under}


def test_why_no_winner_is_named_is_said_once_with_what_would_name_one(tmp_path):
    run = tiny(tmp_path / "run", rows({("adam",): HIGH, ("momentum",): LOW}, "optimizer"), **TWO)
    page = write_report(run).read_text(encoding="utf-8")
    assert len(re.findall("[Nn]o winner", html.unescape(page))) == 1 and "winner" not in Comparison.of(run).answer[0]
    assert paragraphs(page, "first")[0].startswith("No winner is named, as the learning rate was 0.1 for all")
    (advice,) = [text for text in paragraphs(page, "sure") if text.startswith("For a winner, ")]
    assert tomllib.loads(f"x = {typed(advice)['axes.learning_rate']}")["x"] == [1, 0.3, 0.1, 0.03, 0.01]


def test_a_reason_that_groups_share_is_said_before_them(tmp_path):
    found = Comparison.of(
        tiny(
            tmp_path / "run",
            rows(
                {(name, size): HIGH if name == "adam" else LOW for name in ("adam", "momentum") for size in (10, 20)},
                "optimizer",
                "batch_size",
            ),
        )
    )
    assert found.use == [
        "No winner is named, as the learning rate was 0.1 for all and tuned for none.",
        "Batch 10: adam is best so far.",
        "Batch 20: adam is best so far.",
    ]
    assert "All 2 others are significantly worse than the first of their group" in found.sure[1]


def test_one_seed_names_nobody_and_says_what_to_type(tmp_path):
    run = tiny(
        tmp_path / "run",
        rows(
            {("adam", 0.1): [0.9], ("adam", 0.01): [0.8], ("momentum", 0.1): [0.7], ("momentum", 0.01): [0.6]},
            "optimizer",
            "learning_rate",
        ),
    )
    found, said = Comparison.of(run), str(shown(run))
    assert found.use == ["Adam at learning rate 0.1 is best so far, but with one seed that may be chance."]
    assert found.answer[0].startswith("Adam at learning rate 0.1 is best so far: ")
    assert "best so far" in said and not re.search(r"\bis best\b(?! so far)|0\.9000 +best(?! so far)", said)
    assert found.sure[-1] == (
        "5 seeds show the variation between seeds, 10 are enough for a claim: fallline run tiny --resume --seeds 5. "
        "Only what is new is trained."
    )


@pytest.mark.parametrize(("best", "side", "wider"), [(0.1, "largest", [10, 1]), (0.001, "smallest", [0.0001, 1e-5])])
def test_a_best_rate_at_the_end_of_what_was_tried_is_told_with_the_wider_study(best, side, wider, tmp_path):
    rates = [0.1, 0.01, 0.001]
    table = rows(
        {
            (name, rate): HIGH if (rate, name) == (best, "adam") else LOW
            for name in ("adam", "momentum")
            for rate in rates
        },
        "optimizer",
        "learning_rate",
    )
    run = tiny(tmp_path / "run", table, axes={"optimizer": ["adam", "momentum"], "learning_rate": rates})
    (text,) = [text for text in Comparison.of(run).sure if text.startswith("Its learning rate is ")]
    assert f"is the {side} that was tried" in text
    assert tomllib.loads(f"x = {typed(text)['axes.learning_rate']}")["x"] == sorted([*rates, *wider], reverse=True)
    middle = rows(
        {
            (name, rate): HIGH if (rate, name) == (0.01, "adam") else LOW
            for name in ("adam", "momentum")
            for rate in rates
        },
        "optimizer",
        "learning_rate",
    )
    assert "Its learning rate" not in " ".join(Comparison.of(tiny(tmp_path / "middle", middle)).sure)


def test_a_list_of_recipes_is_compared_recipe_by_recipe(tmp_path):
    """Compared by the task alone, the best of these would be left out: it shares its batch with none."""
    table = rows({("small", 10): LOW, ("large", 10): LOW, ("large", 20): HIGH}, "task", "batch_size")
    run = tiny(tmp_path / "list", table)
    assert compared_by(run) == ["task", "batch_size"]
    found = Comparison.of(run)
    assert found.arms["task", "batch_size"].row(0) == ("large", 20) and found.compared.alone == ()
    crossed = rows({(task, size): LOW for task in ("small", "large") for size in (10, 20)}, "task", "batch_size")
    assert compared_by(tiny(tmp_path / "grid", crossed)) == ["task"]


def test_where_everything_diverged_every_command_says_so_and_what_to_do(cli, tmp_path):  # noqa: F811
    lost = rows(
        {
            ("adam", 0.1): [None] * 3,
            ("momentum", 0.1): [None] * 3,
            ("adam", 1.0): [None] * 3,
            ("momentum", 1.0): [None] * 3,
        },
        "optimizer",
        "learning_rate",
    )
    tiny(tmp_path / "run", lost, axes={"optimizer": ["adam", "momentum"], "learning_rate": [1.0, 0.1]})
    code, out, _ = cli("show", tmp_path / "run")
    assert code == 0 and out.split("\n")[2].startswith("No usable configuration: every trial diverged")
    assert typed(out.split("\n")[3]) == {"axes.learning_rate": "[1, 0.1, 0.01, 0.001, 0.0001]"}
    assert "All others diverged" not in out
    code, out, error = cli("compare", tmp_path / "run")
    assert code == 2 and not out and "every trial diverged" in error and "no metric" not in error
    assert typed(error) == {"axes.learning_rate": "[1, 0.1, 0.01, 0.001, 0.0001]"}


def test_a_target_that_was_missed_is_no_divergence(tmp_path):
    table = [
        {
            "optimizer": name,
            "batch_size": size,
            "seed": seed,
            "validation_accuracy": 0.9,
            "steps_to_target": step + seed if size == 10 else None,
        }
        for name, step in (("adam", 3), ("momentum", 6))
        for size in (10, 20)
        for seed in range(5)
    ]
    found = Comparison.of(
        tiny(tmp_path / "run", table, target={"metric": "validation_accuracy", "value": 0.8}), metric="steps_to_target"
    )
    assert "Batch 20: no trial reached the target: train for more steps, or set an easier target." in found.use
    assert found.answer[1].startswith("Batch 20: every chosen trial of every arm missed the target or diverged")


def test_a_command_on_the_page_breaks_between_its_words_alone():
    said = with_command(
        "About <9> seeds: fallline run x --set 'a=[1, 2]' --resume --seeds 9. Only what is new is trained."
    )
    assert '<span class="w">--resume</span> <span class="w">--seeds</span>' in said and "&lt;9&gt;" in said
    assert html.unescape(re.sub("<[^>]+>", "", said)).endswith(
        "fallline run x --set 'a=[1, 2]' --resume --seeds 9. Only what is new is trained."
    )
