"""The page as a reader meets it: its contents, its safety, and what a browser makes of it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import polars as pl
import pytest

from fake_recipes import LOSSES, recipes_run
from fake_run import hyperparameters_run, line_run, softmax_run
from fallline.report import write_report

BATCHES = ({"batch_size": 100}, {"batch_size": "9 + epoch"})
EVIL = '<script>alert(1)</script><img src=x onerror=alert(2)> & "quotes"'


class Page(HTMLParser):
    """The tags, ids, links, figure sizes and the text outside scripts of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.tags, self.ids, self.links, self.words, self.sizes, self._inside = [], [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.append(tag)
        self._inside.append(tag)
        self.ids += [found["id"]] if "id" in found else []
        if tag in ("svg", "canvas") and found.get("class") == "marks":
            self.sizes.append((float(found["width"]), float(found["height"])))
        self.links += [found[key] for key in ("src", "href") if key in found]

    def handle_endtag(self, tag):
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data):
        if not {"script", "style"} & set(self._inside):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Four reports: the line fit with one seed, the softmax study with five, numbers one at a time, recipes."""
    home = tmp_path_factory.mktemp("pages")
    said = [
        {"where": {"optimizer": "adam"}, "at": {"learning_rate": 0.01}, "metric": "validation_accuracy", "value": 0.92},
        {
            "where": {"optimizer": "adadelta"},
            "at": {"learning_rate": 0.5},
            "metric": "validation_accuracy",
            "value": 0.84,
        },
        {"where": {"optimizer": "lion"}, "metric": "validation_accuracy", "value": 0.9},
    ]
    runs = {
        "line": line_run(home / "line"),
        "softmax": softmax_run(home / "softmax", reported=said),
        "numbers": hyperparameters_run(home / "numbers"),
        "recipes": recipes_run(home / "recipes", losses=LOSSES, batches=BATCHES),
    }
    return {name: write_report(run) for name, run in runs.items()}


def test_the_contents_come_in_the_promised_order(pages):
    page = Page(pages["softmax"].read_text())
    promised = [
        "results",
        "pictures",
        "figure-sensitivity",
        "figure-curves-of-the-best",
        "figure-ranks",
        "caveats",
        "all",
        "reported",
        "figures",
        "ran",
        "study",
        "read",
    ]
    assert [name for name in page.ids if name in promised] == promised
    words = page.text
    places = [
        words.index(part)
        for part in (
            "Nine optimizers on a softmax layer",
            "Which optimizer classifies",
            "is best so far (best in ",
            "not significant",
            "against the learning rate",
            "each at its best setting",
            "Mean rank over seeds",
            "Fixed, not tuned",
            "81 configurations, ranked",
            "Differences above 0.02",
            "compile 1.42 s",
            "[axes]",
            "validation set",
        )
    ]
    assert places == sorted(places)


def test_the_answer_gives_mean_interval_and_seeds(pages):
    words = Page(pages["softmax"].read_text()).text
    assert re.search(
        r"Gradient descent at learning rate 0\.5 is best so far \(best in (?:over )?\d\d % of resamples\): "
        r"validation accuracy 0\.9\d{3} ± 0\.\d+ "
        r"\(95 % CI, n = 5\); ",
        words,
    )
    assert "adadelta, learning rate 0.5, validation accuracy (0.8400 published" in words
    assert "Published, but without a value in this run: 1." in words


def test_one_seed_is_said_and_has_no_interval(pages):
    words = Page(pages["line"].read_text()).text
    assert "(one seed)" in words and "One seed: no confidence interval" in words and "nan" not in words.lower().split()


def test_the_page_needs_no_network_and_is_small(pages):
    for path in pages.values():
        page = Page(path.read_text())
        assert path.stat().st_size < 3_000_000
        assert all(link.startswith(("#", "figures/", "tables/")) for link in page.links)
        assert all((path.parent / link).is_file() for link in page.links if not link.startswith("#"))
        assert "default-src 'none'; script-src" in path.read_text()


def test_text_from_studies_and_data_is_escaped(tmp_path):
    fields = {
        "question": EVIL,
        "title": EVIL,
        "about": EVIL,
        "source": EVIL,
        "reported": [{"where": {"optimizer": EVIL}, "metric": "validation_accuracy", "value": 0.5, "text": EVIL}],
    }
    small = {"seeds": 1, "optimizers": ("adam",), "rates": (0.01, 0.1), "steps": 50}
    calm = softmax_run(tmp_path / "calm", **small, reported=[{**fields["reported"][0], "where": {}, "text": ""}])
    wild = softmax_run(tmp_path / "wild", **small, **fields, extra={"optimizer": EVIL, "loss": EVIL})
    tame, page = (Page(write_report(run).read_text()) for run in (calm, wild))
    assert page.tags.count("script") == tame.tags.count("script")
    assert "img" not in page.tags
    assert page.text.count("<script>alert(1)</script>") >= 5


def test_the_page_of_recipes_tells_budgets_kinds_of_loss_and_mistakes(pages):
    text = pages["recipes"].read_text()
    page = Page(text)
    assert "budget" in page.ids
    assert "100 epochs × 55,000 examples in batches of 9 + epoch: 100 steps" in page.text
    assert "4 kinds of loss cannot be compared, so the ranking uses validation accuracy" in page.text
    assert {"figure-confusion", "figure-mistakes", "figure-stopping", "figure-precision_recall"} <= set(page.ids)
    assert len(re.findall(r"data:image/png;base64,", text)) <= 48


def test_long_tables_show_the_top_and_fold_the_rest(pages):
    text = pages["softmax"].read_text()
    assert len(re.findall(r'<tr class="rest"', text)) == (81 - 50) + (36 - 20)  # configurations and pairs
    assert "All 81 configurations, ranked" in text


def test_a_large_run_becomes_a_page_that_can_be_opened(tmp_path):
    rates = tuple(10 ** (-place / 60) for place in range(1, 301))
    run = softmax_run(
        tmp_path / "run", seeds=1, optimizers=("adam", "momentum", "adagrad", "ftrl"), rates=rates, steps=50
    )
    page = write_report(run)
    assert run.trials.height == 1200
    assert page.stat().st_size < 3_000_000
    assert pl.read_csv(page.parent / "tables" / "ranked.csv").height == 1200


def test_an_incomplete_run_says_so(tmp_path):
    run = softmax_run(tmp_path / "run", seeds=1, optimizers=("adam",), rates=(0.01, 0.1), steps=50)
    plan = {"rounds": [{"cohorts": [{"name": "c", "blocks": [{"name": "c0-b0"}, {"name": "c0-b1"}]}]}]}
    run.paths.plan.write_text(json.dumps(plan))
    assert (
        "The run is not finished: 1 of its 2 blocks of trials is not trained yet"
        in Page(write_report(run).read_text()).text
    )


def browser() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not found:
        pytest.skip("no Chromium on the PATH: the page is not opened")
    return found


def opened(page, folder, *more: str) -> tuple[Page, str, str]:
    """The page after its scripts ran: parsed, as text, and what the browser logged."""
    options = ["gpu", "quic", "background-networking", "component-update", "sync"]
    command = [browser(), "--headless", "--no-sandbox", "--no-first-run", f"--user-data-dir={folder}"]
    command += [f"--disable-{option}" for option in options]
    command += ["--enable-logging=stderr", "--virtual-time-budget=20000", "--dump-dom", *more, page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    return Page(done.stdout), done.stdout, done.stderr


@pytest.mark.parametrize("name", ["line", "softmax", "numbers", "recipes"])
def test_a_browser_draws_every_figure_without_an_error(pages, name, tmp_path):
    page, text, log = opened(pages[name], tmp_path)
    assert "CONSOLE" not in log
    assert 'data-ready="yes"' in text
    drawn = re.findall(r'<div class="plot" data-drawn="yes">', text)
    assert len(drawn) == page.tags.count("figure") > 0
    assert len(page.sizes) == len(drawn)
    assert all(300 < width < 1100 and height > 100 for width, height in page.sizes)


def test_a_click_saves_a_figure_as_svg_and_png_in_light_colours(pages, tmp_path):
    """In the dark page too; the PNG has twice the pixels of the SVG, and neither has what only a pointer can show."""
    clicks = """<script>(async () => {
      const saved = {}, wait = () => new Promise((resume) => { setTimeout(resume, 20); });
      HTMLAnchorElement.prototype.click = function () { saved[this.download] = this.href; };
      while (!document.documentElement.dataset.ready) await wait();
      for (const button of document.querySelectorAll("#figure-curves-of-the-best .files button")) button.click();
      while (Object.keys(saved).length < 2) await wait();
      const svg = await (await fetch(saved["curves-of-the-best.svg"])).text();
      const picture = await createImageBitmap(await (await fetch(saved["curves-of-the-best.png"])).blob());
      document.body.dataset.saved = JSON.stringify([svg.length, svg.includes('fill="#ffffff"'), picture.width,
        Number(svg.match(/width="([0-9.]+)"/)[1]), svg.includes('opacity="0"')]);
    })();</script></body>"""
    page = tmp_path / "saved.html"
    before, _, after = pages["softmax"].read_text().rpartition("</body>")
    whole = before + clicks + after
    page.write_text(whole.replace("img-src data: blob:", "img-src data: blob:; connect-src data: blob:"))
    _, text, log = opened(page, tmp_path / "profile", "--blink-settings=preferredColorScheme=0")
    assert "CONSOLE" not in log
    saved = re.search(r'data-saved="([^"]*)"', text)[1].replace("&quot;", '"')
    length, light, pixels, width, hidden = json.loads(saved)
    assert length > 5000 and light and not hidden and pixels == pytest.approx(2 * width, abs=2)


def test_a_dark_screen_gets_a_dark_page_and_dark_figures(pages, tmp_path):
    _, text, log = opened(pages["numbers"], tmp_path, "--blink-settings=preferredColorScheme=0")
    assert "CONSOLE" not in log
    assert "background-color: rgb(22, 24, 28)" in text  # the dark paper
    assert ">light</button>" in text


def test_clicks_unfold_sort_and_darken(pages, tmp_path):
    clicks = """<script>addEventListener("load", () => {
      const folded = document.querySelector("#all details:last-of-type table"), wrap = folded.closest(".scroll");
      wrap.nextElementSibling.click();
      const mean = [...folded.tHead.rows[0].cells].findIndex((cell) => cell.textContent === "validation accuracy");
      folded.tHead.rows[0].cells[mean].click();
      const shown = [...folded.tBodies[0].rows].filter((row) => getComputedStyle(row).display !== "none");
      const values = shown.map((row) => row.cells[mean].dataset.v ?? "none");
      document.getElementById("theme").click();
      document.body.dataset.seen = JSON.stringify([document.documentElement.dataset.theme, values]);
    });</script></body>"""
    page = tmp_path / "clicked.html"
    before, _, after = pages["softmax"].read_text().rpartition("</body>")
    page.write_text(before + clicks + after)
    _, text, log = opened(page, tmp_path / "profile")
    assert "CONSOLE" not in log
    theme, values = json.loads(re.search(r'data-seen="([^"]*)"', text)[1].replace("&quot;", '"'))
    hyperparameters = [float(value) for value in values if value != "none"]
    assert theme == "dark" and len(values) == 81
    assert hyperparameters == sorted(hyperparameters) and set(values[len(hyperparameters) :]) == {"none"}


MEASURE = """<script>(async () => {
  while (!document.documentElement.dataset.ready) await new Promise((resume) => { setTimeout(resume, 20); });
  const room = document.documentElement.clientWidth, right = (part) => part.getBoundingClientRect().right;
  const pictures = [...document.querySelectorAll(".plot svg.marks, .plot canvas.marks")];
  const natural = pictures.map((one) => parseFloat(one.style.width) || Number(one.getAttribute("width")));
  const verdicts = [...document.querySelectorAll("#results td.verdict")];
  parent.postMessage(JSON.stringify({ room, natural, across: document.documentElement.scrollWidth,
    pictures: pictures.map(right), scaled: pictures.map((one, i) => one.getBoundingClientRect().width / natural[i]),
    verdicts: verdicts.map((cell) => [cell.textContent, right(cell)]) }), "*");
})();</script></body>"""

FRAME = """<body><script>addEventListener("message", ({ data }) => { document.body.dataset.seen = data; });</script>
<iframe src="narrow.html" style="width:390px;height:3000px;border:0"></iframe></body>"""


@pytest.mark.parametrize("name", ["line", "softmax", "numbers", "recipes"])
def test_on_a_phone_every_figure_fits_and_the_verdict_is_seen(pages, name, tmp_path):
    """390 pixels, as an iframe: a headless window is wider. Only what is placed in pixels is scaled much."""
    before, _, after = pages[name].read_text().rpartition("</body>")
    (tmp_path / "narrow.html").write_text(before + MEASURE + after)
    (tmp_path / "frame.html").write_text(FRAME)
    _, text, log = opened(tmp_path / "frame.html", tmp_path / "profile")
    assert "CONSOLE" not in log
    seen = json.loads(re.search(r'data-seen="([^"]*)"', text)[1].replace("&quot;", '"'))
    assert seen["room"] <= 390 and seen["across"] <= seen["room"]
    assert seen["pictures"] and all(edge <= seen["room"] for edge in seen["pictures"])
    small = [width for width, scale in zip(seen["natural"], seen["scaled"], strict=True) if scale < 0.8]
    assert len(small) <= (1 if name == "recipes" else 0), "the pictures of mistakes alone"
    if name == "softmax":
        assert seen["verdicts"][0][0] == "best so far" and all(0 < edge <= seen["room"] for _, edge in seen["verdicts"])
