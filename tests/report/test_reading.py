"""What only reads a run: which modules it imports, how often it computes, writes and waits for the disk."""

import base64
import gzip
import os
import re
import subprocess
import sys
from collections import Counter
from importlib import resources
from types import SimpleNamespace

import pytest
from rich.console import Console

from command_line import cli  # noqa: F401
from fake_run import line_run, softmax_run
from fallline import open_run
from fallline.cli.screens import print_outcome
from fallline.errors import UnknownName
from fallline.report import write_report

HEAVY = ("jax", "optax", "equinox", "scipy.stats", "vl_convert", "altair", "ray")


@pytest.fixture
def run(tmp_path):
    claim = {
        "text": "Adam is better",
        "metric": "validation_accuracy",
        "better": {"optimizer": "adam"},
        "worse": {"optimizer": "momentum"},
    }
    return softmax_run(
        tmp_path / "run", optimizers=("adam", "momentum", "rmsprop"), rates=(0.01, 0.1), steps=50, claims=[claim]
    )


@pytest.mark.parametrize("command", ["show", "report", "compare"])
def test_a_command_that_reads_imports_nothing_that_trains_or_makes_pictures(run, command):
    code = (
        "import sys; from fallline.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    told = subprocess.run([sys.executable, "-c", code, command, str(run.folder)], capture_output=True, text=True)
    assert told.returncode == 0 and told.stderr.strip() == "[]", told.stderr


def test_a_run_of_built_in_nets_imports_no_package_of_nets(tmp_path):
    code = (
        "import sys, fallline; study = fallline.load_study('softmax/optimizers').preset('quick')\n"
        "fallline.run(study.with_({'base': {'steps': 2}, 'seeds': 1}), sys.argv[1])\n"
        "print([name for name in ('equinox', 'flax', 'keras', 'torch', 'altair', 'scipy.stats') "
        "if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code, str(tmp_path / "run")], capture_output=True, text=True)
    assert told.stdout.strip() == "[]", told.stderr


def test_the_report_of_a_line_fit_needs_no_jax_for_its_contours(tmp_path):
    """Its loss is a quadratic of two weights: ellipses that are known."""
    folder = line_run(tmp_path / "line", steps=20).folder
    code = (
        f"import sys, fallline; page = fallline.open_run({str(folder)!r}).report().read_text()\n"
        f"print([name for name in {HEAVY} if name in sys.modules], 'contours of the loss' in page)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert told.stdout.strip() == "[] True", told.stderr


def test_a_report_computes_every_statistic_once(run, monkeypatch):
    """However many sentences, tables and figures ask for the summary, the comparison and the verdicts."""
    counted = Counter()
    for module, name in (("summary", "_ranked"), ("compare", "_groups"), ("claims", "_judged")):
        place = sys.modules[f"fallline.stats.{module}"]
        real = getattr(place, name)
        monkeypatch.setattr(place, name, lambda *args, real=real, name=name: (counted.update([name]), real(*args))[1])
    write_report(open_run(run.folder).records)
    assert counted == {"_ranked": 1, "_groups": 1, "_judged": 1}


def test_what_a_statistic_hands_out_can_be_changed_without_harm(run):
    from fallline.stats import summary, varying
    from fallline.stats.claims import claims

    varying(run).append("nonsense")
    claims(run).clear()
    summary(run).drop_in_place("rank")
    assert "nonsense" not in varying(run) and len(claims(run)) == 1 and "rank" in summary(run).columns


def test_a_report_waits_for_the_disk_only_for_what_cannot_be_made_again(run, monkeypatch):
    """The note that test was read is brought to the disk; page, Markdown and tables are renamed into place."""
    waited, renamed = [], []
    real_sync, real_replace = os.fsync, os.replace
    monkeypatch.setattr(
        os,
        "fsync",
        lambda handle: (
            waited.append(os.readlink(f"/proc/self/fd/{handle}"))
            if os.path.exists("/proc")
            else waited.append(".test_reads.json"),
            real_sync(handle),
        ),
    )
    monkeypatch.setattr(os, "replace", lambda old, new: (renamed.append(str(new)), real_replace(old, new)))
    page = write_report(run)
    assert len(waited) == 1 and ".test_reads.json" in waited[0]
    assert len(renamed) == 1 + sum(1 for path in page.parent.rglob("*") if path.is_file())


def test_a_page_holds_the_script_that_the_package_ships(run):
    shipped = resources.files("fallline.report").joinpath("vega.js.gz").read_bytes()
    held = re.findall(r'<script type="text/plain" id="vega">([^<]*)</script>', write_report(run).read_text())
    assert [base64.b64decode(text) for text in held] == [shipped]


def test_the_script_shipped_is_what_the_pinned_library_bundles():
    """``python scripts/bundle_vega.py`` writes it again."""
    import vl_convert

    if not vl_convert.__version__.startswith("1.9.0"):
        pytest.skip(f"the script shipped was bundled by vl-convert 1.9.0, here is {vl_convert.__version__}")
    shipped = gzip.decompress(resources.files("fallline.report").joinpath("vega.js.gz").read_bytes()).decode()
    assert shipped == vl_convert.javascript_bundle()
    assert "BSD-3-Clause" in resources.files("fallline.report").joinpath("vega.LICENSE").read_text()


def test_figures_are_written_by_name_format_and_folder(run, tmp_path):
    result = open_run(run.folder)
    assert [path.name for path in result.figures("ranks", "curves", formats=["svg"], folder=tmp_path / "own")] == [
        "ranks.svg",
        "curves.svg",
    ]
    assert sorted(path.name for path in (tmp_path / "own").iterdir()) == ["curves.svg", "ranks.svg"]
    with pytest.raises(UnknownName, match=r"no figure is named 'rank' .* did you mean ranks\?"):
        result.figures("rank")
    with pytest.raises(UnknownName, match="no format of a figure is named 'gif'; there are: pdf, png, svg"):
        result.figures(formats=["gif"])


def test_the_command_writes_the_figures_of_a_run(run, cli):  # noqa: F811
    code, out, _ = cli("figures", run.folder, "ranks", "--format", "svg,pdf")
    names = [str(run.paths.report / "figures" / f"ranks.{kind}") for kind in ("svg", "pdf")]
    assert code == 0 and out.splitlines() == names and all(map(os.path.exists, names))
    code, _, err = cli("figures", run.folder, "--format", "gif")
    assert code == 2 and "no format of a figure is named 'gif'" in err


def test_the_page_is_written_though_nobody_reads_the_output(run, monkeypatch):
    def closed(*_):
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("fallline.cli.screens.print_shown", closed)
    with pytest.raises(BrokenPipeError):
        print_outcome(open_run(run.folder), True, Console(stderr=True))
    assert (run.paths.report / "report.html").exists()


def test_the_answer_is_out_before_the_page_is_written(run, monkeypatch):
    order = []
    result = SimpleNamespace(
        records=open_run(run.folder).records, reader="python", report=lambda: order.append("page") or "page.html"
    )
    monkeypatch.setattr("builtins.print", lambda *said, **_: order.append(str(said[0]) if said else ""))
    print_outcome(result, True, Console(stderr=True, quiet=True))
    page = order.index("page")
    assert any("Use" in said or "winner" in said for said in order[:page])
    assert len(order) == page + 2 and "Page: page.html" in order[-1]


@pytest.mark.parametrize("command", ["show", "compare"])
def test_a_terminal_without_a_sign_gets_a_question_mark_and_no_failure(run, command):
    told = subprocess.run(
        [sys.executable, "-m", "fallline", command, str(run.folder)],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )
    assert told.returncode == 0 and b"?" in told.stdout and told.stdout.isascii(), told.stderr
