"""``fallline watch``: a page on this machine that follows a run; it reads the run folder and nothing else."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import Path
from typing import Any

import polars as pl

from fallline.api.runs import page_of, run_state
from fallline.errors import FalllineError, StoreError
from fallline.stats import label, primary
from fallline.stats.columns import configurations, finished, recipe_columns
from fallline.store.paths import RunPaths
from fallline.store.run import Run

SHOWN = 8
"""Settings whose curves are drawn: the best so far."""

MOST_POINTS = 200
"""Points of a curve that the page gets."""

HOSTS = ("127.0.0.1", "localhost")


def watch(folder: str | Path, port: int = 0, on_start: Callable[[str], None] | None = None) -> None:
    """Serve the page of the run in ``folder`` on 127.0.0.1 until interrupted; ``on_start`` is called with its address.

    While the run trains the page shows its progress, the best settings so far and their curves, as blocks of trials are
    finished; when it has ended, its report. A port of 0 is a free one. StoreError where there is no such folder.
    """
    server = watching(folder, port)
    if on_start is not None:
        on_start(f"http://127.0.0.1:{server.server_port}/")
    with server:
        server.serve_forever()


def watching(folder: str | Path, port: int = 0) -> ThreadingHTTPServer:
    """The server of ``watch``, not yet serving."""
    folder = Path(folder)
    if not folder.is_dir():
        raise StoreError(f"there is no folder {folder}; start the run first: fallline run NAME --out {folder}")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("Host", "").partition(":")[0] not in HOSTS:  # a name of another site may lead here
                self.send_error(403)
                return
            answer = {"/": _page, "/state.json": _state_json, "/report": _report}.get(self.path)
            if answer is None:
                self.send_error(404)
                return
            kind, content = answer(folder)
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Cache-Control", "no-store")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Requests are not printed."""

    try:
        return ThreadingHTTPServer(("127.0.0.1", port), Handler)
    except OSError as failure:
        raise StoreError(f"port {port} cannot be used ({failure.strerror}); leave --port out for a free one") from None


def watched_state(folder: Path) -> dict[str, Any]:
    """What the page shows of a run, as plain values: state, counts, time left, the best settings and their curves."""
    run = Run(folder)
    try:
        state, study = run_state(run), run.study
        done, planned = len(run.blocks), len(run.planned)
        trials = run.trials
    except FalllineError as failure:  # the plan is just being written, or the folder is damaged
        return {"state": "waiting", "problem": str(failure)[:500], "settings": []}
    elapsed = time.time() - RunPaths(folder).plan.stat().st_mtime
    left = elapsed * (planned - done) / done if done and state == "training" else None
    found = {
        "state": state,
        "name": study.title or study.name,
        "question": study.question,
        "blocks": done,
        "planned": planned,
        "trials": trials.height,
        "seconds_left": left,
        "settings": [],
    }
    return found if trials.is_empty() else found | _best(run)


def _best(run: Run) -> dict[str, Any]:
    """The best settings so far, and their curves: means over the seeds."""
    view = primary(run)
    trials = configurations(run).filter(finished() & pl.col(view.column).is_not_null())
    if trials.is_empty():
        return {}
    names = [name for name in recipe_columns(trials) if trials[name].n_unique() > 1]
    means = (
        trials.group_by("configuration", *names, maintain_order=True)
        .agg(pl.col(view.column).mean().alias("mean"), pl.len().alias("seeds"))
        .sort("mean", descending=view.up)
        .head(SHOWN)
    )
    return {
        "metric": label(view.column),
        "settings": [
            {
                "setting": ", ".join(f"{name.replace('_', ' ')} {row[name]}" for name in names) or "the only setting",
                "mean": row["mean"],
                "seeds": row["seeds"],
                "curve": _curve(run, trials.filter(pl.col("configuration") == row["configuration"])["trial"], view),
            }
            for row in means.iter_rows(named=True)
        ],
    }


def _curve(run: Run, trials: pl.Series, view: Any) -> list[list[float]]:
    """(step, mean over seeds) of the curve that the metric was read from."""
    column = str(view.name.curve)
    if column not in run.curves.collect_schema():
        return []
    rows = (
        run.curves.filter(pl.col("trial").is_in(trials.to_list()) & pl.col(column).is_not_null())
        .group_by("step")
        .agg(pl.col(column).mean())
        .sort("step")
        .collect()
    )
    return [list(row) for row in rows.gather_every(max(1, -(-rows.height // MOST_POINTS))).iter_rows()]


def _page(folder: Path) -> tuple[str, bytes]:
    page = resources.files("fallline.report").joinpath("watch.html").read_bytes()
    return "text/html; charset=utf-8", page


def _state_json(folder: Path) -> tuple[str, bytes]:
    return "application/json", json.dumps(watched_state(folder), allow_nan=False).encode()


def _report(folder: Path) -> tuple[str, bytes]:
    return "text/html; charset=utf-8", page_of(folder).read_bytes()
