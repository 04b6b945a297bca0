"""Every sentence of a page's opening, and every figure in a caption, against the tables that lie beside the page.

A real run, small; the sentences are read from the page and its numbers looked for in the CSV files. What a sentence
says is worked out here from the tables, and not by the code that wrote it.
"""

from __future__ import annotations

import html
import json
import re
import shlex

import polars as pl
import pytest

import fallline
from fallline.report import formatting
from fallline.report.rounding import by_width

NUMBER = r"[−+]?\d[\d,]*(?:\.\d+)?(?:e[−+]?\d+)?"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of a small run as texts, its tables, and the run."""
    folder = tmp_path_factory.mktemp("sentences") / "run"
    study = (
        fallline.load_study("softmax/optimizers")
        .preset("quick")
        .with_(
            {
                "seeds": 6,
                "base": {"steps": 60},
                "axes": {
                    "learning_rate": [0.5, 0.1, 0.05, 0.005],
                    "optimizer": ["gradient_descent", "momentum", "adam", "rmsprop", "adadelta"],
                },
            }
        )
    )
    result = fallline.run(study, folder)
    path = result.report()
    text = path.read_text(encoding="utf-8")
    tables = {file.stem: pl.read_csv(file) for file in sorted((path.parent / "tables").glob("*.csv"))}
    return text, tables, result


def said(text: str, kind: str) -> list[str]:
    """The paragraphs of a class, without their markup."""
    found = re.findall(rf'<p class="{kind}">(.*?)</p>', text, re.DOTALL)
    return [html.unescape(re.sub(r"<[^>]+>", "", one)).strip() for one in found]


def value(text: str) -> float:
    return float(text.replace("−", "-").replace(",", ""))


def same(text: str, exact: float) -> bool:
    """Whether a number that is written is the exact one, rounded to the digits that are written."""
    mantissa, _, power = text.replace("−", "-").replace(",", "").partition("e")
    last = 10.0 ** (int(power or 0) - len(mantissa.partition(".")[2]))
    return abs(value(text) - exact) <= 0.5000001 * last


def named(arm: dict) -> str:
    return f"{arm['optimizer'].replace('_', ' ')} at learning rate {arm['learning_rate']:g}"


def beside(tables: dict) -> list[dict]:
    """Each other arm with its pair against the best, best first."""
    arms, best = tables["arms"].to_dicts(), tables["arms"].row(0, named=True)
    pairs = {
        row["second_optimizer"]: row
        for row in tables["pairs"].iter_rows(named=True)
        if row["first_optimizer"] == best["optimizer"]
    }
    return [arm | {"pair": pairs[arm["optimizer"]]} for arm in arms[1:]]


def listed(text: str) -> tuple[list[str], int]:
    """The names of a list in prose, and how many it only counts."""
    found = re.fullmatch(r"(.*?)(?: and (\d+) more)?", text)
    names = re.split(r", | and ", found[1])
    return names, int(found[2] or 0)


def test_the_words_in_large_letters_name_the_arms_of_the_tables(page):
    text, tables, _ = page
    first, second = said(text, "first")
    arms, best = beside(tables), tables["arms"].row(0, named=True)
    share = f"is best so far (best in {100 * best['best_share']:.0f} % of resamples)"
    assert first.startswith(
        f"Use {named(best)}: " if best["verdict"] == "best" else f"No single winner: {named(best)} {share}: "
    )
    assert f"validation loss {best['mean']:.3f}"[:20] in first and f"n = {best['n']})" in first
    worse, good, open_, doubtful = (
        [arm["optimizer"].replace("_", " ") for arm in arms if arm["verdict"] == verdict]
        for verdict in ("worse", "equivalent", "not significant", "worse at tuned settings")
    )
    assert all(arm["verdict"] == "worse" for arm in arms if arm["pair"]["significant"])
    sentences = dict(one.split(": ") for one in re.split(r"(?<=[a-z\d])\. (?=[A-Z])", second.rstrip(".")))
    for expected, what in (
        (good, f"As good (within {formatting.margin(arms[0]['margin'])})"),
        (open_, "Not significantly different"),
        (doubtful, "Worse at the tuned settings only"),
        (worse, "Significantly worse"),
    ):
        if expected and len(expected) == len(arms):
            assert sentences.pop(what) == f"all {len(arms)} others"
        elif expected:
            names, more = listed(sentences.pop(what))
            assert names == expected[: len(names)] and len(names) + more == len(expected)
    assert not sentences and len(worse) + len(good) + len(open_) + len(doubtful) == len(arms) == 4


def test_how_sure_it_is_counts_what_the_tables_hold(page):
    text, tables, result = page
    sure, arms = [one for one in said(text, "sure") if "random seeds each" in one], beside(tables)
    seeds = re.match(r"(\d+) random seeds each\.", sure[0])[1]
    assert int(seeds) == tables["arms"]["n"].unique().item() == result.trials["seed"].n_unique()
    worse = sum(arm["verdict"] == "worse" for arm in arms)
    assert worse == sum(arm["p_best"] <= 0.05 for arm in arms)
    who = re.search(r"\. (.*?) significantly worse; .* below (\d+) %", sure[0])
    expected = {4: "All 4 others are", 0: None, 1: "1 of the 4 others is"}.get(worse, f"{worse} of the 4 others are")
    assert who[1] == expected and int(who[2]) == 5
    assert [row["significant"] for row in tables["pairs"].to_dicts()] == [
        row["p_holm"] <= int(who[2]) / 100 for row in tables["pairs"].to_dicts()
    ]


def test_the_seeds_that_would_settle_it_are_those_of_the_pairs_and_the_command_adds_them(page):
    text, tables, _ = page
    open_ = [arm for arm in beside(tables) if arm["verdict"] in ("not significant", "worse at tuned settings")]
    soon = sorted((arm["seeds_needed"], arm["seeds_most"]) for arm in open_ if (arm["seeds_needed"] or 1000) <= 100)
    lines = [one for one in said(text, "sure") if "seeds would" in one and not one.startswith("Each was trained")]
    assert len(lines) == bool(open_)
    if soon:
        found = re.match(r"About (\d+)(?: to (\d+))? seeds would settle (.*?): ", lines[0])
        least, most = soon[-1]
        assert int(found[1]) == least > tables["arms"]["n"][0] and int(found[2] or found[1]) == most
        assert f"seeds = {most if most <= 100 else least}" in lines[0]
        count = re.match(r"(\d+) of the (\d+) open comparisons", found[3])
        assert (tuple(map(int, count.groups())) if count else (len(open_), len(open_))) == (len(soon), len(open_))
    elif open_:
        assert lines[0].startswith("More than 100 seeds would be needed")


def test_a_best_rate_at_the_end_of_those_tried_is_told_and_no_other(page):
    text, tables, result = page
    best = tables["arms"].row(0, named=True)
    rates = result.trials.filter(pl.col("optimizer") == best["optimizer"])["learning_rate"]
    side = {rates.min(): "smallest", rates.max(): "largest"}.get(best["learning_rate"])
    told = [one for one in said(text, "sure") if one.startswith("Its learning rate is the ")]
    assert len(told) == (side is not None) and all(side in one for one in told)


def test_every_number_of_the_sentence_with_figures_is_in_the_tables(page):
    text, tables, _ = page
    sentence, arms, best = said(text, "next")[0], beside(tables), tables["arms"].row(0, named=True)
    head = re.match(
        rf"(.*?) is (?:best|best so far \(best in .*? of resamples\)): validation \w+ ({NUMBER}) ± ({NUMBER}) "
        rf"\(95 % CI, n = (\d+)\); ",
        sentence,
    )
    assert head[1].lower() == named(best) and same(head[2], best["mean"])
    share = re.search(r"best in (over )?(\d+) % of", sentence)
    assert (share is None) == (best["verdict"] == "best")
    assert share is None or (best["best_share"] > 0.99 if share[1] else same(share[2], 100 * best["best_share"]))
    assert same(head[3], (best["high"] - best["low"]) / 2) and int(head[4]) == best["n"]
    rest = sentence[head.end() :]
    for found in re.finditer(rf"([a-z ]+ at learning rate {NUMBER}) \(p = ({NUMBER}), (.*?)\)", rest):
        arm = max((arm for arm in arms if found[1].endswith(named(arm))), key=lambda arm: len(named(arm)))
        assert same(found[2], arm["p_best"]) and arm["verdict"] in ("not significant", "worse at tuned settings")
        needed, most = arm["seeds_needed"], arm["seeds_most"]
        assert found[3] == (
            "no feasible number of seeds is enough"
            if needed is None
            else f"about {formatting.seeds_range(needed, most)} needed"
        )
    apart = [arm["p_best"] for arm in arms if arm["verdict"] == "worse"]
    last = re.search(rf"(?:the other|all) (\d+)(?: others)? are worse \(p (?:≤ ({NUMBER})|< 0\.0001)", rest)
    if len(apart) > 1:
        assert int(last[1]) == len(apart)
        assert same(last[2], max(apart)) if last[2] else max(apart) < 1e-4


def test_every_figure_in_a_caption_is_counted_in_the_tables(page):
    """What is known of captions is taken out of them; no digit may be left over."""
    text, tables, result = page
    seeds, pairs = result.trials["seed"].n_unique(), tables["pairs"]
    apart = pairs["significant"].sum()
    known = {
        rf"{seeds} random seeds each|(?:over|of|by) {seeds} seeds": True,
        r"95 % CIs?|10 % to 90 % quantile": True,
        r"within (?:10 %|1 %)|of its distance to 1": True,
        rf"Holm's correction over {pairs.height} pairs": True,
        r"and (\d+) more pairs?": lambda count: int(count) <= pairs.height - apart,
    }
    figures = re.findall(r"<figcaption>(.*?)<span", text, re.DOTALL)
    captions = [said(text, "note")[0], *(html.unescape(one) for one in figures)]
    assert len(figures) > 4
    for caption in captions:
        left = caption
        for pattern, holds in known.items():
            for found in re.finditer(pattern, left):
                assert holds is True or holds(*found.groups())
            left = re.sub(pattern, "", left)
        assert not re.search(r"\d", left), caption


def test_the_claims_are_counted_and_figured_as_in_their_table(page):
    text, tables, result = page
    tally = next(one for one in said(text, "note lead") if "hash" in one)
    verdicts = tables["claims"].unique("claim")["verdict"].to_list()
    found = dict(
        (name, int(count)) for count, name in re.findall(r"(\d+) (supported|refuted|undecided|not tested here)", tally)
    )
    assert found == {name: verdicts.count(name) for name in set(verdicts)} and sum(found.values()) == len(verdicts)
    rows = result.claims().drop_nulls("estimate")
    part = tables["claims"].drop_nulls("estimate")
    for row in rows.iter_rows(named=True):
        own = part.filter(pl.col("claim") == row["claim"])
        assert any(row["estimate"] == pytest.approx(estimate) for estimate in own["estimate"])
        half = 0.0 if row["low"] is None else (row["high"] - row["low"]) / 2
        assert row["text"] in html.unescape(text) and by_width(abs(row["estimate"]), half) in text


def test_what_opens_the_page_can_be_asked_for_in_python(page):
    _, tables, result = page
    shown = json.dumps(result.figure("curves-of-the-best").to_dict())
    assert all(
        re.search(rf'"{row["optimizer"]}"|"{row["optimizer"].replace("_", " ")}"', shown)
        for row in tables["arms"].to_dicts()
    )
    rates = {row["optimizer"]: row["learning_rate"] for row in result.tuning().to_dicts()}
    assert rates == {row["optimizer"]: row["learning_rate"] for row in tables["arms"].to_dicts()}
    with pytest.raises(fallline.errors.UnknownName, match="curves-of-the-best"):
        result.figure("curves-of-the-bests")


def test_the_command_of_the_page_is_what_was_typed_with_other_seeds(tmp_path):
    from fake_run import tiny
    from fallline.report.sentences.commands import again

    run = tiny(tmp_path / "run", [{"optimizer": "adam", "seed": 0, "validation_accuracy": 0.9}])
    run.environments[-1]["command"] = "fallline run s --seeds 5 --set 'axes.learning_rate=[1, 2]' --set steps=3"
    assert shlex.split(again(run, {"seeds": 9}).partition(". Only")[0]) == [
        "fallline",
        "run",
        "s",
        "--set",
        "axes.learning_rate=[1, 2]",
        "--set",
        "steps=3",
        "--resume",
        "--seeds",
        "9",
    ]
    assert again(run, {"axes.learning_rate": [3]}).startswith(
        "fallline run s --seeds 5 --set steps=3 --resume --set 'axes.learning_rate=[3]'"
    )
    run.environments[-1]["command"] = "fallline run s --seeds=5 --resume"
    assert again(run, {"seeds": 9}).startswith("fallline run s --resume --seeds 9.")
