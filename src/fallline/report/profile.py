"""Performance profiles of several runs: sentences, tables, a figure and a page."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import polars as pl

from fallline.errors import StudyError
from fallline.report import formatting
from fallline.report import vega as alt
from fallline.report.document import Bullets, Document, Drawing, Group, Paragraph, Section, sections
from fallline.report.export import SCALE, without_pointer
from fallline.report.figures import draw as common
from fallline.report.render import html
from fallline.report.style import WIDTH, Theme, theme
from fallline.report.tables import frame_table
from fallline.stats import label
from fallline.stats.profiles import SHARE, WIDEST, Key, Problem, Profiles
from fallline.store.files import write_derived

SUFFIXES = (".html", ".svg", ".png")
MOST_NAMED = 6
BAND, FEW_ARMS = 0.16, 4
"""The opacity of a band, for up to so many arms; with more it is halved."""

READING = (
    "A problem is one task of one run. Each arm stands at the numbers that are best on validation, and its cost is the "
    "median over seeds of the steps to the target; a miss is infinite and stays in. The ratio is the cost over the "
    "least cost of that problem. The profile at r is the share of problems solved within r times the least cost "
    "(Dolan and Moré, 2002); the score is its mean height between 1 and 4 (Dahl et al., 2023). Bands and intervals are "
    "95 %, by bootstrap over the seeds of each problem: they say what other seeds would give on these problems, not "
    "what other problems would."
)


def name_of(found: Profiles, key: Key) -> str:
    """The name of an arm."""
    rows = [dict(zip(found.by, arm, strict=True)) for arm in found.arms]
    settings = dict(zip(found.by, key, strict=True))
    return formatting.recipe(settings, settings, formatting.digits_in(rows)) or "all trials"


def answer(found: Profiles) -> list[str]:
    """What to use, then the fastest arm and the next one with figures, one sentence each."""
    table = found.table()
    if table["reached"].max() == 0:
        return ["No arm reached a target on any problem: train for more steps, or set an easier target."]
    said = [_plain(found, table)]
    for row in table.head(2).iter_rows(named=True):
        key = tuple(row[name] for name in found.by)
        head = "Next" if len(said) > 1 else "Fastest overall"
        mean = row["geometric_mean"]
        took = (
            f"on average (geometric) {formatting.number(mean, 3)} times the fewest steps"
            if math.isfinite(mean)
            else f"{row['problems'] - row['reached']} of {row['problems']} problems not solved"
        )
        said.append(
            f"{head}: {name_of(found, key)}, first in {row['first']} of "
            f"{formatting.plural(row['problems'], 'problem')}, {took} (score {_score(row)})."
        )
    return said


def _plain(found: Profiles, table: pl.DataFrame) -> str:
    """What to use; arms that tie with the first are named too."""
    same = ("score", "geometric_mean", "first")
    rows = [row for row in table.to_dicts() if all(row[name] == table[name][0] for name in same)]
    names = [name_of(found, tuple(row[name] for name in found.by)) for row in rows]
    missed = rows[0]["problems"] - rows[0]["reached"]
    but = (
        f", though {'it' if len(rows) == 1 else 'each'} did not reach the target of {formatting.count(missed)}"
        if missed
        else ""
    )
    seen = formatting.plural(len(found.problems), "problem")
    return (
        f"To reach a target in few steps, use {' or '.join(formatting.listed(names, 3).rsplit(' and ', 1))}{but} "
        f"({seen} evaluated; a problem is a task of one run)."
    )


def notes(found: Profiles) -> list[str]:
    """Caveats of the profiles, one sentence each."""
    told = []
    if len(found.problems) < 3:
        count = formatting.plural(len(found.problems), "problem")
        told.append(f"{count} only: with so few a profile adds nothing to the steps themselves.")
    if found.left_out:
        names = [name_of(found, key) for key in found.left_out]
        told.append(f"Left out, since they are not in every problem: {formatting.listed(names, MOST_NAMED)}.")
    after = [place_of(found, problem) for problem in found.problems if problem.goal.set_after]
    if after:
        told.append(
            f"No target was set in {formatting.listed(after, MOST_NAMED)}; it was set afterwards, "
            f"{100 * SHARE:.0f} % of the way from the first value to the best mean final one. Set targets "
            f"before the run to avoid bias."
        )
    nobody = [
        place_of(found, problem)
        for problem, row in zip(found.problems, found.steps, strict=True)
        if all(math.isinf(cost) for cost in row)
    ]
    if nobody:
        told.append(
            f"No arm reached the target of {formatting.listed(nobody, MOST_NAMED)}; this counts against all equally."
        )
    looks = [
        f"{place_of(found, problem)} every {formatting.plural(problem.every, 'step')}"
        for problem in found.problems
        if problem.every and problem.every > 1
    ]
    if looks:
        told.append(f"Steps are known to within the interval of evaluation: {formatting.listed(looks, MOST_NAMED)}.")
    if any(reach.n == 1 for problem in found.problems for reach in problem.arms.values()):
        told.append("Some arms have one seed only.")
    if found.step_draws is None:
        told.append("With one seed per problem there are no confidence bands.")
    if found.seconds is None:
        told.append("Times are not ranked: trials that share a program have no separate time.")
    return told


def place_of(found: Profiles, problem: Problem) -> str:
    """The name of a problem: its run and the settings its arms share."""
    digits = formatting.digits_in(one.within for one in found.problems)
    return f"{problem.run} ({formatting.recipe(problem.within, problem.within, digits)})"


def arm_table(found: Profiles, seconds: bool = False) -> pl.DataFrame:
    """One row per arm, the best score first, by steps or by seconds."""
    table = found.table(found.seconds if seconds else None)
    rows = []
    for row in table.iter_rows(named=True):
        line = {
            "arm": name_of(found, tuple(row[name] for name in found.by)),
            "score": _score(row),
            "first in": f"{row['first']} of {row['problems']}",
            "within twice the fewest": f"{100 * row['within_2']:.0f} %",
            "within 4 times": f"{100 * row['within_4']:.0f} %",
            "reached": f"{row['reached']} of {row['problems']}",
            "geometric mean of ratios": formatting.number(row["geometric_mean"], 3),
        }
        if 0 < row["common"] < row["problems"]:
            line[f"where all reached it ({row['common']})"] = formatting.number(row["common_geometric_mean"], 3)
        rows.append(line)
    return pl.DataFrame(rows)


def _score(row: dict[str, Any]) -> str:
    """The score with its interval: "0.83 (0.61 to 0.97)"."""
    if row["score_low"] is None:
        return f"{row['score']:.2f}"
    return f"{row['score']:.2f} ({row['score_low']:.2f} to {row['score_high']:.2f})"


def problem_table(found: Profiles) -> pl.DataFrame:
    """One row per (problem, arm): the target, the median steps, the seeds that reached it, the ratio, the settings;
    the seconds where they are known.
    """
    rows, digits = (
        [],
        formatting.digits_in(reach.settings for problem in found.problems for reach in problem.arms.values()),
    )
    for problem, ratios in zip(found.problems, found.ratios, strict=True):
        for place, key in sorted(enumerate(found.arms), key=lambda item: (ratios[item[0]], repr(item[1]))):
            reach = problem.arms[key]
            rows.append(
                {
                    "problem": place_of(found, problem),
                    "target": _goal(problem),
                    "arm": name_of(found, key),
                    "steps to target": formatting.number(reach.steps)
                    if math.isinf(reach.steps)
                    else formatting.count(reach.steps),
                    "ratio": formatting.number(ratios[place], 3),
                    "seeds that reached it": f"{reach.reached} of {reach.n}",
                    "seconds alone": formatting.number(reach.seconds, 3),
                    "at": formatting.recipe(reach.settings, reach.settings, digits) or formatting.MISSING,
                }
            )
    told = pl.DataFrame(rows)
    return told if found.seconds is not None else told.drop("seconds alone")


def _goal(problem: Problem) -> str:
    sign = "≥" if problem.goal.up else "≤"
    return f"{label(problem.goal.metric)} {sign} {formatting.number(problem.goal.value)}"


def chart(found: Profiles) -> Any:
    """The profiles as step functions of the ratio, up to 4, on a logarithmic axis."""
    table = found.table()
    order = [name_of(found, tuple(row[name] for name in found.by)) for row in table.iter_rows(named=True)]
    curves = found.curves()
    names = [name_of(found, key) for key in curves.select(found.by).iter_rows()]
    curves = curves.select("ratio", "share", "low", "high").with_columns(color=pl.Series(names, dtype=pl.String))
    curves = curves.with_columns(
        color_place=pl.col("color").replace_strict({name: n for n, name in enumerate(order)}, return_dtype=pl.Int64)
    )
    column = found.by[0] if len(found.by) == 1 else "arm"
    look = Theme.of(sorted(key[0] for key in found.arms) if column == "optimizer" else [])
    x = alt.X(
        "ratio:Q",
        title="times the fewest steps, log scale",
        scale=alt.Scale(type="log", domain=[1, WIDEST], nice=False),
        axis=alt.Axis(values=[1, 1.5, 2, 3, 4]),
    )
    y = alt.Y(
        "share:Q",
        title="share of problems solved",
        scale=alt.Scale(domain=[0, 1], nice=False),
        axis=alt.Axis(format=".0%", tickCount=5),
    )
    lines = alt.Chart(common.held(curves)).mark_line(interpolate="step-after", strokeWidth=2, clip=False)
    colors = common.colors(curves, column, look, alt.Legend(orient="right"))
    picture = lines.encode(x=x, y=y, tooltip=["color:N", "ratio:Q", "share:Q"], **colors)
    if curves["low"].null_count() < curves.height:
        area = alt.Chart(common.held(curves)).mark_area(
            interpolate="step-after", strokeWidth=0, line=False, opacity=BAND if len(order) <= FEW_ARMS else BAND / 2
        )
        picture = alt.layer(
            area.encode(x=x, y=alt.Y("low:Q", title=y["title"], scale=y["scale"]), y2="high:Q", color=colors["color"]),
            picture,
        )
    return picture.properties(width=WIDTH - 220, height=320, config=theme())


def svg(found: Profiles) -> str:
    """The figure as SVG text."""
    import vl_convert

    return vl_convert.vegalite_to_svg(without_pointer(chart(found).to_dict()))


def write(found: Profiles, path: str | Path) -> Path:
    """Write the profiles as a page (.html) or as a figure (.svg, .png); StudyError for another suffix."""
    path = Path(path)
    if path.suffix == ".html":
        write_derived(path, html.page(_document(found)))
    elif path.suffix == ".svg":
        write_derived(path, svg(found))
    elif path.suffix == ".png":
        import vl_convert

        write_derived(path, vl_convert.svg_to_png(svg(found), scale=SCALE))
    else:
        raise StudyError(f"a profile is written as one of {', '.join(SUFFIXES)}, got {path.name!r}")
    return path


def _document(found: Profiles) -> Document:
    times = [frame_table(arm_table(found, seconds=True))] if found.seconds is not None else []
    first, *others = answer(found)
    return Document(
        "profiles",
        "Which arm reaches the target in the fewest steps",
        sections(
            Section(
                "answer",
                "Answer",
                [
                    Group([Paragraph(first, "first"), *map(Paragraph, others)], "answer"),
                    frame_table(arm_table(found)),
                    Bullets(notes(found)),
                ],
                bare=True,
            ),
            Section("profiles", "Profiles", [Drawing(svg(found), READING)]),
            Section("seconds", "By seconds", times),
            Section("problems", "Problems", [frame_table(problem_table(found))]),
        ),
        about="fallline profile of several runs.",
    )
