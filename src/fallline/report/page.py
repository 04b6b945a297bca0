"""The report of a run: one page that needs no network, its figures and tables beside it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from fallline.report import words
from fallline.report.answer import answer, cautions, runner_up
from fallline.report.export import write_figure, write_table
from fallline.report.html import Markup, details, join, script_json, tag
from fallline.report.kinds import Drawn, drawn, specs
from fallline.report.kinds.draw import plain
from fallline.report.machine import what_ran
from fallline.report.results import Results, constants
from fallline.report.style import Look, night, theme, variables
from fallline.report.tables import MOST_SHOWN, far_off, frame_table, ranked, reported_table
from fallline.stats import label, reported
from fallline.stats.summary import FEW_SEEDS
from fallline.store import Run
from fallline.store.files import write_text
from fallline.study import dump_study

POLICY = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:"
"""The page may load nothing: what it needs it holds."""


def write_report(run: Run, path: str | Path | None = None) -> Path:
    """Write the report of ``run`` and return the page's path, by default ``report/report.html`` in the run folder.

    Beside the page: ``figures/NAME.svg`` and ``.png`` (light theme, twice the size), ``tables/NAME.csv`` with the
    ranked configurations, the best of each optimizer, the reported figures, the times and the data of every figure.
    Raises StoreError where the run holds no finished trial or the folder cannot be written.
    """
    page = Path(path) if path is not None else run.layout.report / "report.html"
    results = Results.of(run)
    pictures = [drawn(run, spec, name) for name, spec in specs(run).items()]
    beside = reported(run)
    tables = {"ranked": results.ranked, "best": results.best, "reported": _flat(beside), "times": run.timings}
    for name, frame in tables.items():
        if not frame.is_empty():
            write_table(page.parent / "tables" / f"{name}.csv", frame)
    for picture in pictures:
        write_table(page.parent / "tables" / f"figure-{picture.name}.csv", picture.frame)
        write_figure(page.parent / "figures", picture)
    write_text(page, _page(results, pictures, beside))
    return page


def _flat(beside: Any) -> Any:
    said = [words.where(row["where"], row["at"]) for row in beside.iter_rows(named=True)]
    return beside.drop("where", "at").insert_column(0, type(beside.to_series(0))("trials", said, dtype=str))


def _page(results: Results, pictures: list[Drawn], beside: Any) -> str:
    study = results.run.study
    look = Look.of(results.run.trials["optimizer"].unique(maintain_order=True).to_list())
    sections = [
        ("results", "Results", _results(results, look)),
        ("reported", "Reported and ours", _beside(results, beside)),
        ("figures", "Figures", _figures(pictures)),
        ("ran", "What ran", what_ran(results.run)),
        ("study", "The study", _study(results)),
        ("read", "How to read this", _reading(results)),
    ]
    sections = [section for section in sections if section[2]]
    title = study.title or study.name
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("style", Markup(variables() + _template("template.css"))),
        tag("script", Markup("document.documentElement.classList.add('js')")),
    )
    bar = tag(
        "header",
        tag(
            "div",
            tag("span", study.name, cls="name"),
            tag("nav", [tag("a", heading, href=f"#{key}") for key, heading, _ in sections]),
            tag("button", "dark", id="theme", type="button", title="light or dark"),
        ),
        cls="bar",
    )
    body = [
        tag("section", tag("h2", heading) if key != "results" else None, content, id=key)
        for key, heading, content in sections
    ]
    main = tag(
        "main",
        tag("h1", title),
        tag("p", study.question, cls="question") if study.question else None,
        body,
        tag("footer", f"fallline report of {study.name}. Figures and tables lie beside this page as SVG, PNG and CSV."),
    )
    scripts = [
        script_json({"light": theme(), "dark": theme(dark=True)}, id="themes"),
        tag("script", Markup(_bundle())),
        tag("script", Markup(_template("template.js"))),
    ]
    return "<!doctype html>\n" + tag("html", head, tag("body", bar, main, scripts), lang="en") + "\n"


def _results(results: Results, look: Look) -> Markup:
    """The answer and the ranked tables."""
    name, value, sure = answer(results)
    first = join("Best: ", tag("b", name), f": {value}.") if value else tag("b", f"{name}.")
    after = runner_up(results)
    said = tag(
        "div",
        tag("p", first, cls="first"),
        tag("p", sure),
        tag("p", after, cls="next") if after else None,
        cls="answer",
    )
    warned = [tag("li", text) for text in cautions(results)]
    foot = join(tag("p", _caption(results), cls="note"), tag("ul", warned, cls="cautions") if warned else None)
    if not results.by_optimizer:
        return join(said, ranked(results, results.ranked, look, 12), foot)
    heading = f"All {words.count(results.ranked.height)} configurations, ranked"
    all_rows = details(heading, ranked(results, results.ranked, look, MOST_SHOWN))
    return join(said, ranked(results, results.best, look, 16), foot, all_rows)


def _caption(results: Results) -> str:
    metric = results.metric
    better = "higher is better" if metric.up else "lower is better"
    chosen = (
        f"Each optimizer at its best setting by {metric.label}" if results.by_optimizer else f"Ranked by {metric.label}"
    )
    chosen += ", each kind of loss by itself" if metric.within else ""
    seeds = "One seed" if results.seeds == 1 else f"Mean over {words.plural(results.seeds, 'seed')}"
    fixed = constants(results)
    return f"{chosen} ({better}). {seeds}." + (f" The same for all: {fixed}." if fixed else "")


def _beside(results: Results, beside: Any) -> Markup | None:
    if beside.is_empty():
        return None
    source = results.run.study.source
    return join(
        tag("p", f"Source: {source}", cls="note lead") if source else None,
        reported_table(results, beside),
        tag("p", far_off(results, beside), cls="note"),
    )


def _figures(pictures: Iterable[Drawn]) -> Markup:
    return join([_figure(picture) for picture in pictures])


def _figure(picture: Drawn) -> Markup:
    chart = {key: value for key, value in plain(picture.chart).items() if key not in ("config", "datasets", "$schema")}
    stored = plain(picture.chart).get("datasets", {})
    held = {
        "chart": chart,
        "rows": {name: packed(rows) for name, rows in stored.items()},
        "night": night(str(chart)),
        "renderer": "canvas" if stored else "svg",
    }
    files = join(
        [
            join(" ", tag("a", kind, href=where))
            for kind, where in (
                ("SVG", f"figures/{picture.name}.svg"),
                ("PNG", f"figures/{picture.name}.png"),
                ("CSV", f"tables/figure-{picture.name}.csv"),
            )
        ]
    )
    return tag(
        "figure",
        tag("h3", picture.title),
        tag("figcaption", picture.caption, tag("span", files, cls="files")),
        tag("div", tag("div"), cls="plot"),
        script_json(held, cls="chart"),
        frame_table(picture.table) if picture.table is not None else None,
        id=f"figure-{picture.name}",
    )


def packed(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Rows as columns; a column of words as a list of the different ones and a place in it a row."""
    names = list(rows[0]) if rows else []
    found: dict[str, Any] = {}
    for name in names:
        values = [row[name] for row in rows]
        if any(isinstance(value, str) for value in values):
            different = {value: place for place, value in enumerate(dict.fromkeys(v for v in values if v is not None))}
            found[name] = {"words": list(different), "places": [different.get(value, -1) for value in values]}
        else:
            found[name] = values
    return {"length": len(rows), "columns": found}


def _study(results: Results) -> Markup:
    study = results.run.study
    about = tag("p", study.about) if study.about else None
    return join(about, details("The study as it was run (TOML)", tag("pre", dump_study(study))))


def _reading(results: Results) -> Markup:
    """Split, seeds, spread; how to use the figures."""
    metric, seeds = results.metric.column, results.seeds
    split = {
        "validation": "The ranking uses the validation split, which no trial trains on.",
        "test": "The ranking uses the test split.",
        "final": "The ranking uses the loss on the training data after the last step.",
    }.get(metric.partition("_")[0], f"The ranking uses {label(metric)}.")
    if metric.startswith("validation_") and any(name.startswith("test_") for name in results.ranked.columns):
        split += " The test split was read for the configurations chosen, and chooses nothing."
    if seeds == 1:
        spread = (
            "One seed was run, so nothing here has an interval: run more seeds before you believe a small difference."
        )
    else:
        spread = (
            "Every configuration saw the same initial weights and batches for a seed, so comparisons are paired. "
            "sd is over seeds; the interval is that of the mean (95 %, Student's t)."
        )
        if seeds < FEW_SEEDS:
            spread += f" Fewer than {FEW_SEEDS} seeds say little about spread."
    return tag(
        "div",
        *(
            tag("p", text)
            for text in (
                split,
                spread,
                "The best of many is a little lucky: its value is chosen and shown on the same numbers.",
                "A trial diverged when its loss stopped being finite. It has no results, and its curve ends there.",
                *(["A trial that early stopping ended has the results of the step at which it ended."]
                  if "stopped" in results.ranked.columns else []),
                "In the figures: point at a line for its values, click a name in a legend to single it out, drag to "
                "move, hold Shift and turn the wheel to zoom, double-click to go back. "
                "A click on a table's heading sorts it.",
            )
        ),
        cls="read",
    )


@cache
def _template(name: str) -> str:
    return resources.files("fallline.report").joinpath(name).read_text(encoding="utf-8")


@cache
def _bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, from the library that also draws the PNG files."""
    import vl_convert

    return vl_convert.javascript_bundle().replace("</script", "<\\/script").replace("<!--", "<\\!--")
