"""The report on paper: its opening can be checked against its table, and Markdown and LaTeX say what the page says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import unicodedata

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fake_recipes import LOSSES, recipes_run
from fake_run import hyperparameters_run, line_run, softmax_run, tiny
from fallline.report import write_figures, write_report
from fallline.report.figures import specs
from fallline.report.headline import Opening
from fallline.report.leading_figures import leading
from fallline.report.render import latex, markdown
from fallline.report.results import Results
from fallline.store import open_run
from fallline.study import dump_study

EVIL = r"""100 % of a_b & c#1 {x} $y$ ~z ^w \input{/etc/passwd} <b>q</b> | [l](u) `c` *e* "s" 'r' -- −0.5 ± 2 ≤ ∞ é"""
CLAIM = {
    "better": {"optimizer": "gradient_descent"},
    "worse": {"optimizer": "adam"},
    "tune": ["learning_rate"],
    "metric": "validation_accuracy",
}
ANSWER = re.compile(
    r"^(?P<arm>.*?) is (?P<verb>best so far|best)(?: \(best in .*? of resamples\))?: "
    r"validation accuracy (?P<mean>[\d.]+) ± (?P<half>[\d.]+) "
    r"\(95 % CI, n = (?P<n>\d+)\)"
)


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Folders of reports, and the runs they are of."""
    home = tmp_path_factory.mktemp("written")
    said = [{"where": {"optimizer": "adam"}, "metric": "validation_accuracy", "value": 0.92}]
    evil = {
        "title": EVIL,
        "question": EVIL,
        "about": EVIL,
        "source": EVIL,
        "claims": [
            {
                "text": EVIL,
                "metric": "validation_accuracy",
                "better": {"learning_rate": 0.01},
                "worse": {"learning_rate": 0.1},
            }
        ],
        "reported": [{"where": {"optimizer": EVIL}, "metric": "validation_accuracy", "value": 0.5}],
    }
    runs = {
        "softmax": softmax_run(home / "softmax", reported=said, claims=[{"text": "SGD beats Adam", **CLAIM}]),
        "fixed": softmax_run(home / "fixed", rates=(0.01,), steps=100),
        "evil": softmax_run(
            home / "evil", seeds=2, optimizers=("adam",), rates=(0.01, 0.1), steps=50, extra={"loss": EVIL}, **evil
        ),
        "line": line_run(home / "line", steps=100),
        "numbers": hyperparameters_run(home / "numbers"),
        "recipes": recipes_run(home / "recipes", losses=LOSSES),
    }
    return {name: (run, write_report(run).parent) for name, run in runs.items()}


NAMES = ("softmax", "fixed", "evil", "line", "numbers", "recipes")


# The opening


def test_the_answer_is_the_table_in_a_sentence(reports):
    run, folder = reports["softmax"]
    text = Opening.of(Results.of(run)).answers[0]
    arms, pairs = (pl.read_csv(folder / "tables" / f"{name}.csv") for name in ("arms", "pairs"))
    found, best = ANSWER.match(text), arms.row(0, named=True)
    assert found["arm"] == "Gradient descent at learning rate 0.5"
    assert (best["optimizer"], best["learning_rate"]) == ("gradient_descent", 0.5)
    assert float(found["mean"]) == pytest.approx(best["mean"], abs=5e-5)
    assert float(found["half"]) == pytest.approx((best["high"] - best["low"]) / 2, abs=5e-5)
    assert int(found["n"]) == best["n"] == 5
    beside = {
        row["second_optimizer"].replace("_", " "): row
        for row in pairs.iter_rows(named=True)
        if row["first_optimizer"] == "gradient_descent"
    }
    assert len(beside) == 8
    others = {row["optimizer"].replace("_", " "): row for row in arms.iter_rows(named=True)}
    parts = {
        verdict: [row for row in others.values() if row["verdict"] == verdict]
        for verdict in ("worse", "equivalent", "not significant", "worse at tuned settings")
    }
    assert all(row["significant"] <= (others[name]["verdict"] == "worse") for name, row in beside.items())
    endings = {
        "equivalent": ("p_as_good", r"(is|are) equivalent within"),
        "not significant": ("p_best", r"\) (is|are) not significantly worse"),
        "worse at tuned settings": ("p_best", "(is|are) worse at the tuned settings only"),
    }
    for verdict, (figure, ending) in endings.items():
        part = next((one for one in text.split("; ") if re.search(ending, one)), "")
        named = re.findall(r"(?:^|, | and )([a-z ]+?) at learning rate [\d.]+ \(p = ([\d.]+)", part)
        for name, p in named:
            assert others[name]["verdict"] == verdict and float(p) == pytest.approx(others[name][figure], rel=0.1)
        more = re.search(r"and (\d+) more are ", part)
        assert len(named) + (int(more[1]) if more else 0) == len(parts[verdict])
    count, most = re.search(r"the other (\d+) are worse \(p ≤ ([\d.]+)", text).groups()
    assert int(count) == len(parts["worse"]) and sum(map(len, parts.values())) == 8 and parts["not significant"]
    assert float(most) == pytest.approx(max(row["p_best"] for row in parts["worse"]), rel=0.1)


def test_the_tables_mean_is_that_of_the_trials(reports):
    run, folder = reports["softmax"]
    arms = pl.read_csv(folder / "tables" / "arms.csv").filter("one_choice")
    assert arms.height >= 5
    for row in arms.iter_rows(named=True):
        own = _of(run, row)
        values = own["validation_accuracy"].to_numpy()
        assert row["mean"] == pytest.approx(values.mean()) and row["sd"] == pytest.approx(np.std(values, ddof=1))


def test_the_tables_columns_to_the_best_are_those_of_the_pairs(reports):
    run, folder = reports["softmax"]
    columns = {column.heading: column for column in Opening.of(Results.of(run)).columns}
    pairs = pl.read_csv(folder / "tables" / "pairs.csv").filter(pl.col("first_optimizer") == "gradient_descent")
    by_name = dict(zip(columns["optimizer"].values, range(9), strict=True))
    arms = {row["optimizer"]: row for row in pl.read_csv(folder / "tables" / "arms.csv").iter_rows(named=True)}
    assert columns["verdict"].texts[0] == "best so far" and columns["vs. best"].values[0] is None
    for row in pairs.iter_rows(named=True):
        place = by_name[row["second_optimizer"]]
        assert columns["vs. best"].values[place] == pytest.approx(-row["difference"])
        own = arms[row["second_optimizer"]]
        assert columns["p"].values[place] == pytest.approx(own["p_best"])
        assert own["p_best"] <= min(1.0, 8 * row["p"] / 2) * 1.0001 and own["p_best"] <= row["p_holm"] * 1.0001
        assert columns["verdict"].texts[place] == own["verdict"]
        assert (own["verdict"] == "worse") == (own["p_best"] <= 0.05)


def test_test_metrics_of_the_table_are_of_the_setting_chosen_on_validation(reports):
    run, folder = reports["softmax"]
    arms = pl.read_csv(folder / "tables" / "arms.csv")
    column = next(column for column in Opening.of(Results.of(run)).columns if column.heading == "test accuracy")
    for place, row in enumerate(arms.iter_rows(named=True)):
        own = _of(run, row)
        assert column.values[place] == pytest.approx(own["test_accuracy"].mean())
        assert column.texts[place].startswith(f"{own['test_accuracy'].mean():.4f}"[:5])


def _of(run, row) -> pl.DataFrame:
    """The trials of an arm's chosen setting."""
    same = [pl.col(name) == row[name] for name in ("optimizer", "learning_rate")]
    return run.trials.filter(*same)


@pytest.mark.parametrize(
    ("rates", "told"),
    [
        (
            {"adam": (0.1,), "momentum": (0.1,)},
            "No winner is named, as the learning rate was 0.1 for all and tuned for none; adam",
        ),
        ({"adam": (0.1,), "momentum": (0.01,)}, "No winner is named, as no learning rate was tuned; adam"),
        (
            {"adam": (0.1, 0.2), "momentum": (0.01,)},
            "No winner is named, as momentum ran at one learning rate only; adam",
        ),
        ({"adam": (0.1, 0.2), "momentum": (0.01, 0.1)}, "Use adam at learning rate 0.1: "),
        ({"adam": (0.1, 0.2), "momentum": (None,)}, "Use adam at learning rate 0.1: "),
    ],
)
def test_no_winner_is_named_where_a_learning_rate_was_not_tuned(rates, told, tmp_path):
    run = tiny(
        tmp_path / "run",
        [
            {
                "optimizer": name,
                "learning_rate": rate,
                "seed": seed,
                "validation_accuracy": (0.9 if name == "adam" else 0.7) - (rate or 0) / 10 + (seed * 7 % 5) / 100,
            }
            for name, values in rates.items()
            for rate in values
            for seed in range(6)
        ],
    )
    opening = Opening.of(Results.of(run))
    verdicts = next(column for column in opening.columns if column.heading == "verdict").texts
    held = told.startswith("No winner")
    assert opening.lead[0].startswith(told) and (" is best so far" in opening.lead[0]) == held
    assert verdicts[0] == ("best so far" if held else "best")
    assert re.match(r".* is best so far(?: \(best in [^:]*)?:" if held else ".* is best:", opening.answers[0])
    assert "o winner" not in opening.answers[0], "the reason is said once"


def test_a_rate_that_is_itself_compared_needs_no_tuning(tmp_path):
    rows = [
        {"learning_rate": rate, "seed": seed, "validation_accuracy": 0.9 - rate + seed / 1000 * rate}
        for rate in (0.1, 0.2, 0.3)
        for seed in range(4)
    ]
    opening = Opening.of(Results.of(tiny(tmp_path / "run", rows)))
    assert opening.answers[0].startswith("Learning rate 0.1 is best")


def test_an_arm_that_diverged_everywhere_is_called_so(tmp_path):
    rows = [
        {
            "learning_rate": rate,
            "seed": seed,
            "status": "diverged" if rate == 0.3 else "done",
            "diverged_at": 3 if rate == 0.3 else None,
            "validation_accuracy": None if rate == 0.3 else 0.9 - rate + seed / 1000 * rate,
        }
        for rate in (0.1, 0.2, 0.3)
        for seed in range(4)
    ]
    opening = Opening.of(Results.of(tiny(tmp_path / "run", rows)))
    columns = {column.heading: column.texts for column in opening.columns}
    assert opening.answers[0].endswith("; learning rate 0.3 diverged at every seed.")
    assert dict(zip(columns["learning rate"], columns["verdict"], strict=True))["0.3"] == "diverged"


def test_one_configuration_has_an_opening_too(tmp_path):
    opening = Opening.of(Results.of(tiny(tmp_path / "run", [{"validation_accuracy": 0.9}])))
    assert opening.comparison is None and opening.columns
    assert opening.answers == ["Best: the only configuration of this study: validation accuracy 0.9000."]
    assert opening.beside == ["One seed: no confidence interval, so small differences may be chance."]


def test_too_many_arms_are_not_tested_but_ranked(tmp_path):
    rows = [
        {"learning_rate": 1 / place, "seed": seed, "validation_accuracy": 0.9 - place / 1000 + seed * (place % 7) / 1e4}
        for place in range(1, 61)
        for seed in range(2)
    ]
    opening = Opening.of(Results.of(tiny(tmp_path / "run", rows)))
    assert opening.comparison is None
    assert opening.answers[0].startswith("Best: learning rate 1") and "over 2 paired seeds" in opening.beside[-1]


def test_too_many_arms_at_one_learning_rate_have_no_winner_either(tmp_path):
    rows = [
        {"beta1": place / 100, "seed": seed, "validation_accuracy": 0.9 - place / 1000 + seed * (place % 7) / 1e4}
        for place in range(1, 61)
        for seed in range(2)
    ]
    opening = Opening.of(Results.of(tiny(tmp_path / "run", rows)))
    assert opening.comparison is None
    assert opening.answers[0].startswith(
        "No winner is named, as the learning rate was 0.1 for all and tuned for none; "
        "best so far: beta1 0.01: validation accuracy 0.8991."
    )


def test_many_groups_share_the_opening(tmp_path):
    rows = [
        {
            "task": f"t{task}",
            "optimizer": name,
            "learning_rate": rate,
            "seed": seed,
            "validation_accuracy": 0.5 + task / 100 + (name == "adam") / 10 + rate + seed / 100,
        }
        for task in range(9)
        for name in ("adam", "momentum")
        for rate in (0.1, 0.2)
        for seed in range(2)
    ]
    opening = Opening.of(Results.of(tiny(tmp_path / "run", rows)))
    assert len(opening.answers) == 4 and opening.beside == ["The table has 5 more."]
    assert len(opening.columns[0].texts) == 18


def test_the_caveats_tell_fixed_numbers_and_borders_once(reports):
    said = Opening.of(Results.of(reports["softmax"][0])).caveats
    assert len(said) == len(set(said))
    assert any("Fixed for all trials: softmax cross entropy, batch 100" in text for text in said)
    assert any(text.startswith("Fixed, not tuned:") and "momentum (momentum 0.9)" in text for text in said)
    line = Opening.of(Results.of(reports["line"][0])).caveats
    assert any(text.startswith("Best at an edge of the searched learning rates: ") for text in line)


def test_the_order_of_trials_changes_nothing(reports, tmp_path):
    run, folder = reports["softmax"]
    shutil.copytree(folder.parent, tmp_path / "run")
    for path in (tmp_path / "run" / "trials").glob("*.parquet"):
        rows = pl.read_parquet(path)
        first = pl.arange(rows.height, eager=True).shuffle(seed=3)
        # the order of the optimizers is that in which they ran, and decides only how they are drawn
        rows[first].write_parquet(path)
    one, other = (Opening.of(Results.of(each)) for each in (run, open_run(tmp_path / "run")))
    assert one.answers == other.answers
    assert [column.texts for column in one.columns] == [column.texts for column in other.columns]


# The figures


def test_the_figures_that_open_are_the_rate_the_curves_and_the_ranks(reports):
    assert list(_leading(reports, "softmax")) == ["sensitivity", "curves-of-the-best", "ranks"]
    assert list(_leading(reports, "line")) == ["sensitivity", "curves-of-the-best"]  # one seed ranks nothing
    assert list(_leading(reports, "fixed")) == ["curves", "ranks"]  # one rate: nothing to be sensitive to
    assert list(_leading(reports, "numbers")) == []


def test_the_curves_that_open_are_of_the_settings_chosen(reports):
    run, folder = reports["softmax"]
    arms = pl.read_csv(folder / "tables" / "arms.csv")
    drawn = pl.read_csv(folder / "tables" / "figure-curves-of-the-best.csv")
    best = Results.of(run).ranked.filter(pl.col("configuration").is_in(drawn["configuration"].unique().implode()))
    chosen = [sorted(frame.select("optimizer", "learning_rate").rows()) for frame in (best, arms)]
    assert chosen[0] == chosen[1]
    assert (drawn["seeds"] == 5).all() and drawn["low"].null_count() == 0


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_is_written_as_svg_pdf_and_png(reports, name, tmp_path):
    folder, run = tmp_path, reports[name][0]
    names = {path.stem.removeprefix("figure-") for path in (reports[name][1] / "tables").glob("figure-*.csv")}
    assert {path.stem for path in write_figures(run, folder=folder)} == names
    svg, pdf, png = ({path.stem for path in folder.glob(f"*.{kind}")} for kind in ("svg", "pdf", "png"))
    assert svg and svg == pdf == png
    for path in folder.glob("*.pdf"):
        pdf, svg = path.read_bytes(), path.with_suffix(".svg").read_text()
        width, height = (float(re.search(rf'{side}="([\d.]+)"', svg)[1]) for side in ("width", "height"))
        box = [float(value) for value in re.search(rb"/MediaBox\s*\[([^\]]*)\]", pdf)[1].split()]
        assert pdf.startswith(b"%PDF-") and pdf.rstrip().endswith(b"%%EOF") and pdf.count(b"/MediaBox") == 1
        assert (box[2] - box[0]) / (box[3] - box[1]) == pytest.approx(width / height, rel=0.02)


def _leading(reports, name):
    run = reports[name][0]
    return leading(Opening.of(Results.of(run)), specs(run))


# Markdown, read back by a CommonMark reader


@pytest.mark.parametrize("name", NAMES)
def test_markdown_tables_read_back_as_the_tables_of_the_page(reports, name):
    run, folder = reports[name]
    found = _read_markdown((folder / "report.md").read_text())
    opening = Opening.of(Results.of(run))
    assert found["tables"]
    for grid in found["tables"]:
        assert len({len(row) for row in grid}) == 1
    first = found["tables"][0]
    assert first[0] == [column.heading for column in opening.columns]
    assert first[1:] == [list(map(_plain, row)) for row in zip(*(c.texts[:40] for c in opening.columns), strict=True)]


@pytest.mark.parametrize("name", NAMES)
def test_markdown_opens_with_the_answer_and_keeps_every_text_as_it_is(reports, name):
    run, folder = reports[name]
    found, study = _read_markdown((folder / "report.md").read_text()), run.study
    opening = Opening.of(Results.of(run))
    paragraphs = [text for text in found["paragraphs"] if text]
    first = 1 if study.question else 0
    assert found["headings"][0] == _plain(study.title or study.name)
    assert paragraphs[:first] == ([_plain(study.question)] if study.question else [])
    said = [*opening.lead, *opening.sure, *opening.figures]
    assert paragraphs[first : first + len(said)] == [_plain(text) for text in said]
    assert all(_plain(text) in found["paragraphs"] for text in opening.caveats)
    assert found["fences"] == [f"{dump_study(study).rstrip()}\n"]
    assert not found["html"] and not found["links"]
    assert not found["images"], "no picture was drawn, so none is linked"
    assert "`fallline figures DIR`" in (folder / "report.md").read_text()


def test_markdown_links_the_pictures_that_are_there_and_no_older_than_the_records(tmp_path):
    run = softmax_run(tmp_path / "run", rates=(0.01, 0.1), steps=50, optimizers=("adam", "momentum"))
    folder = run.paths.report
    write_figures(run, ["curves", "curves-of-the-best"], ["svg"])
    links = _read_markdown(write_report(run).with_suffix(".md").read_text())["images"]
    assert sorted(links) == ["figures/curves-of-the-best.svg", "figures/curves.svg"]
    assert all((folder / link).is_file() for link in links)
    os.utime(folder / "figures" / "curves-of-the-best.svg", (0, 0))
    assert _read_markdown(write_report(run).with_suffix(".md").read_text())["images"] == ["figures/curves.svg"]


@given(st.text(max_size=40))
def test_any_text_is_itself_in_markdown(text):
    found = _read_markdown(f"{markdown.escaped(text)}\n\n| a |\n| --- |\n| {markdown.escaped(text)} |\n")
    assert found["tables"][-1][1:] == [[_plain(text)]]
    assert (found["paragraphs"][0] if _plain(text) else "") == _plain(text)
    assert not found["html"] and not found["links"] and not found["headings"] and not found["fences"]
    assert len(found["tables"]) == 1


def _plain(text: str) -> str:
    """A text as one line: what cannot be printed is a space."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def _read_markdown(text: str) -> dict[str, list]:
    """Headings, paragraphs outside tables, cells, images, links, HTML and code, as markdown-it reads them."""
    reader = pytest.importorskip("markdown_it").MarkdownIt("commonmark").enable("table")
    found = {key: [] for key in ("headings", "paragraphs", "tables", "images", "links", "html", "fences")}
    inside = ""
    for token in reader.parse(text):
        if token.type == "table_open":
            found["tables"].append([])
        elif token.type == "tr_open":
            found["tables"][-1].append([])
        elif token.type.endswith("_open"):
            inside = token.type.removesuffix("_open")
        elif token.type == "inline":
            said = "".join(
                child.content if child.type in ("text", "text_special", "code_inline") else ""
                for child in token.children
            )
            found["images"] += [child.attrs["src"] for child in token.children if child.type == "image"]
            found["links"] += [child.attrs["href"] for child in token.children if child.type == "link_open"]
            found["html"] += [child.content for child in token.children if child.type.startswith("html")]
            if inside in ("th", "td"):
                found["tables"][-1][-1].append(said)
            else:
                found["headings" if inside == "heading" else "paragraphs"].append(said)
        elif token.type == "fence":
            found["fences"].append(token.content)
        elif token.type.startswith(("html", "code")):
            found["html"].append(token.content)
    return found


# LaTeX, read by a small reader of its own


@pytest.mark.parametrize("name", NAMES)
def test_latex_tables_are_whole(reports, name):
    _, folder = reports[name]
    files = sorted(folder.glob("tables/*.tex"))
    assert "answer.tex" in {path.name for path in files}
    labels = []
    for path in files:
        text = path.read_text()
        kinds, rows, caption = _read_latex(text)
        assert rows and {len(row) for row in rows} == {len(kinds)}
        assert [text.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [1, 1, 1]
        assert caption and "siunitx" not in text
        labels += re.findall(r"\\label\{([^}]*)\}", text)
    assert len(set(labels)) == len(labels) == len(files)
    assert all(re.fullmatch(r"tab:[a-z0-9-]+", one) for one in labels)


@pytest.mark.parametrize("name", ("softmax", "evil", "line"))
def test_the_answer_in_latex_reads_back_as_the_table_of_the_page(reports, name):
    run, folder = reports[name]
    opening = Opening.of(Results.of(run))
    _, rows, caption = _read_latex((folder / "tables" / "answer.tex").read_text())
    assert rows[0] == [_typeset(column.heading) for column in opening.columns]
    assert rows[1:] == [list(map(_typeset, row)) for row in zip(*(c.texts[:40] for c in opening.columns), strict=True)]
    assert caption == _typeset(" ".join([*opening.answers, *opening.beside, opening.caption]))


def test_hostile_text_of_a_study_stays_text_in_latex(reports):
    _, folder = reports["evil"]
    _, rows, _ = _read_latex((folder / "tables" / "claims.tex").read_text())
    assert _typeset(EVIL) in rows[1]
    assert "\\input" not in "".join(path.read_text() for path in folder.glob("tables/*.tex"))
    _, _, caption = _read_latex((folder / "tables" / "reported.tex").read_text())
    assert _typeset(EVIL) in caption


@given(st.text(max_size=40))
def test_any_text_is_itself_in_latex(text):
    said = latex.escaped(text)
    assert _without_latex(said) == _typeset(text)
    assert "\n" not in said


@given(st.text(alphabet="-–*[]\\{}$&#_%~^'\"` ab", max_size=30))
def test_signs_of_latex_are_themselves(text):
    assert _without_latex(latex.escaped(text)) == _typeset(text)


def test_a_table_of_letters_that_pdflatex_lacks_says_so(tmp_path):
    rows = [
        {"optimizer": name, "learning_rate": rate, "validation_accuracy": 0.5 + rate}
        for name in ("adam", "优化器")
        for rate in (0.1, 0.2)
    ]
    folder = write_report(tiny(tmp_path / "run", rows)).parent
    assert "needs XeLaTeX or LuaLaTeX" in (folder / "tables" / "answer.tex").read_text().split("\n")[0]


def test_a_long_table_says_how_many_rows_it_leaves_to_the_csv(reports):
    _, folder = reports["softmax"]
    _, rows, caption = _read_latex((folder / "tables" / "ranked.tex").read_text())
    assert len(rows) == 41 and caption.endswith("The first 40 of 81 rows.")
    assert pl.read_csv(folder / "tables" / "ranked.csv").height == 81


def test_pdflatex_sets_every_table(reports, tmp_path):
    if not shutil.which("pdflatex"):
        pytest.skip("no pdflatex on the PATH: the tables are not compiled")
    text = [r"\documentclass{article}\usepackage{booktabs,graphicx}\begin{document}"]
    for place, (_, folder) in enumerate(reports.values()):
        for path in sorted(folder.glob("tables/*.tex")):
            shutil.copy(path, tmp_path / f"{place}-{path.name}")
            text.append(rf"\input{{{place}-{path.name}}}\clearpage")
    (tmp_path / "all.tex").write_text("\n".join([*text, r"\end{document}"]))
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "all.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout[-2000:]


SAID = {"textbackslash": "\\", "textasciitilde": "~", "textasciicircum": "^", "ldots": "…"}
MATHS = {
    "-": "−",
    r"\pm": "±",
    r"\times": "×",
    r"\cdot": "·",
    r"\leq": "≤",
    r"\geq": "≥",
    r"\approx": "≈",
    r"\neq": "≠",
    r"\infty": "∞",
    r"\to": "→",
    r"\surd": "√",
    r"\in": "∈",
    "^2": "²",
    "^3": "³",
    r"^\circ": "°",
    r"\mu": "µ",
    "<": "<",
    ">": ">",
    "|": "|",
}
TOKEN = re.compile(
    r"\\(?P<word>[A-Za-z]+)(?:\{\})?|\\(?P<sign>[%&#_${}])|\$(?P<maths>[^$]*)\$|(?P<brace>[{}])|"
    r"(?P<plain>[^\\%&#_$^~{}]|~)"
)


def _tokens(text: str):
    """The text as LaTeX reads it; a sign that would be read as a command is an error."""
    place = 0
    while place < len(text):
        found = TOKEN.match(text, place)
        assert found, f"LaTeX would read {text[place]!r} in {text!r}"
        yield found
        place = found.end()


def _without_latex(text: str) -> str:
    """What LaTeX prints, quotes and dashes as it joins them."""
    said, depth = [], 0
    for found in _tokens(text):
        if found["brace"]:
            depth += 1 if found["brace"] == "{" else -1
            assert depth >= 0
            said.append("\0")  # a brace keeps the signs beside it from joining
        elif found["word"]:
            said.append(SAID[found["word"]])
        elif found["maths"] is not None:
            said.append(MATHS.get(found["maths"]) or _greek(found["maths"]))
        else:
            said.append(found["sign"] or found["plain"].replace("~", "\u00a0"))
    assert depth == 0
    joined = "".join(said)
    for signs, one in (("---", "—"), ("--", "–"), ("``", "“"), ("''", "”")):
        joined = joined.replace(signs, one)
    return _one_kind(joined.replace("\0", ""))


def _greek(command: str) -> str:
    name = command.removeprefix("\\").removeprefix("var")
    case = "CAPITAL" if name[0].isupper() else "SMALL"
    return unicodedata.lookup(f"GREEK {case} LETTER {name.upper().replace('LAMBDA', 'LAMDA')}")


def _typeset(text: str) -> str:
    """A text as paper shows it: one line, its quotes and marks of one kind."""
    line = "".join(
        sign if sign.isprintable() or sign == "\u00a0" else " " for sign in unicodedata.normalize("NFC", text)
    )
    return _one_kind(re.sub(" +", " ", line).strip(" "))


def _one_kind(text: str) -> str:
    """Signs that a table sets alike are one: quotes, ticks, crosses."""
    for one, other in (('"', "”"), ("`", "‘"), ("'", "’"), ("✓", "√"), ("✗", "×")):
        text = text.replace(one, other)
    return text


def _read_latex(text: str) -> tuple[list[str], list[list[str]], str]:
    """The column types, the rows of a tabular and the caption."""
    lines = [line for line in text.split("\n") if not line.startswith("%")]
    body = "\n".join(lines)
    assert body.count(r"\begin{") == body.count(r"\end{") == 2
    kinds = re.search(r"\\begin\{tabular\}\{@\{\}(.*)@\{\}\}", body)[1]
    caption = re.search(r"\\caption\{(.*)\}\n", body)[1]
    start = lines.index(r"\toprule")
    inner = [line for line in lines[start + 1 : lines.index(r"\bottomrule")] if line != r"\midrule"]
    assert all(line.endswith(r" \\") for line in inner)
    rows = [_cells(line.removesuffix(r" \\")) for line in inner]
    return (
        re.findall(r"[lr]|p\{[^}]*\}", kinds),
        [[_without_latex(cell.strip(" ")) for cell in row] for row in rows],
        _without_latex(caption),
    )


def _cells(row: str) -> list[str]:
    """A row parted at each & that is not escaped."""
    return re.split(r"(?<!\\)&", row)
