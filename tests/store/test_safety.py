"""Safe by default: what is read cannot run, what is large is refused, names stay inside, nothing is on the network."""

import ast
import json
import os
import re
import subprocess
import sys
import tracemalloc
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup

import fallline
from fake_run import softmax_run
from fallline.api import default_folder
from fallline.errors import FalllineError, StoreError, StudyError, printable
from fallline.report import write_figures, write_report
from fallline.report.document import (
    Bullets,
    Code,
    Column,
    Document,
    Facts,
    Folded,
    Group,
    Heading,
    Paragraph,
    Section,
    Table,
)
from fallline.report.formatting import number_expression
from fallline.report.render import html
from fallline.report.render.escaping import script_json
from fallline.store.files import MAX_TEXT_BYTES
from fallline.store.paths import RunPaths
from fallline.store.resolved import read_plan, read_study
from faulty import small_blocks, study

HOME = Path(fallline.__file__).parent
RUNS_WHAT_IT_READS = {
    "pickle",
    "cPickle",
    "_pickle",
    "dill",
    "cloudpickle",
    "joblib",
    "marshal",
    "shelve",
    "yaml",
    "jsonpickle",
    "code",
    "codeop",
}
LOADS = {"eval", "exec", "compile", "__import__", "execfile"}
LISTENS = {"socketserver", "http.server", "xmlrpc.server", "wsgiref", "asyncio"}


def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def called(node):
    """``a.b`` of a call ``a.b(...)``."""
    return ast.unparse(node.func)


SOURCES = sorted(HOME.rglob("*.py"))


def test_nothing_that_is_read_can_run():
    """No pickle or what stands on one, no eval, one server; of the user's files only what a study names is imported."""
    wrong = []
    for path in SOURCES:
        for node in ast.walk(tree_of(path)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []
            wrong += [
                (path.name, name)
                for name in names
                if name.split(".")[0] in RUNS_WHAT_IT_READS | LISTENS or name in LISTENS
            ]
            if isinstance(node, ast.Call):
                call = called(node)
                words = {word.arg: ast.unparse(word.value) for word in node.keywords}
                if call in LOADS or call.endswith((".read_pickle", ".to_pickle", ".loads_pickle", ".import_pickle")):
                    wrong.append((path.name, call))
                if call in ("np.load", "numpy.load", "jnp.load") and words.get("allow_pickle") != "False":
                    wrong.append((path.name, ast.unparse(node)))
                if words.get("shell") not in (None, "False") or call in ("os.system", "os.popen"):
                    wrong.append((path.name, ast.unparse(node)))
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle" and ast.unparse(node.value) != "False":
                wrong.append((path.name, "allow_pickle"))
    assert wrong == [("watching.py", "http.server")], "the page that follows a run, which listens on this machine alone"
    (watching,) = (path.read_text() for path in SOURCES if path.name == "watching.py")
    assert watching.count("ThreadingHTTPServer((") == watching.count('ThreadingHTTPServer(("127.0.0.1"') == 1
    assert len(SOURCES) > 100 and sum("np.load(" in path.read_text() for path in SOURCES) >= 2, "the scan sees them"


def test_modules_of_the_users_are_imported_where_a_study_names_them_and_nowhere_else():
    found = {
        path.relative_to(HOME).as_posix()
        for path in SOURCES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and called(node).endswith((".exec_module", "import_module"))
    }
    assert "study/user_files.py" in found
    users = {path for path in found if "exec_module" in (HOME / path).read_text()}
    assert users == {"study/user_files.py"}


GUARDED = """
import os, sys
from pathlib import Path

heard = []


def hear(event, arguments):
    if event in ("socket.bind", "socket.connect", "socket.getaddrinfo", "socket.sendto") or event.startswith("pickle."):
        heard.append((event, str(arguments)[:200]))


sys.addaudithook(hear)
import fallline
from faulty import study, TASK
from fallline.store.writing import RunWriter

real = RunWriter.write_block
RunWriter.write_block = lambda *parts: (_ for _ in ()).throw(KeyboardInterrupt)
try:
    fallline.run(study(seeds=1), "run")
except KeyboardInterrupt:
    pass
assert list(Path("run/checkpoints").glob("*"))
RunWriter.write_block = real
fallline.run(study(seeds=1), "run", resume=True)
assert fallline.verify("run")
fallline.open_run("run").report()
print(heard)
"""


def test_a_run_its_resumption_and_its_report_touch_neither_the_network_nor_a_pickle(tmp_path, compile_cache):
    env = os.environ | {"FALLLINE_CHECKPOINT_SECONDS": "0", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    told = subprocess.run(
        [sys.executable, "-c", GUARDED], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300
    )
    assert told.returncode == 0, told.stderr
    assert told.stdout.strip() == "[]"


def peak(read, *arguments):
    """The error, and the most memory that it took to find out."""
    tracemalloc.start()
    try:
        with pytest.raises(StoreError) as found:
            read(*arguments)
        return str(found.value), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name, read", [("study.toml", read_study), ("plan.json", read_plan)])
def test_a_file_of_many_gigabytes_is_refused_before_it_is_read(tmp_path, name, read):
    path = tmp_path / name
    with path.open("wb") as file:
        file.truncate(8 * 10**9)  # zeros that take no room
    error, memory = peak(read, path)
    assert f"more than {MAX_TEXT_BYTES:,} bytes" in error and memory < 4 * MAX_TEXT_BYTES
    if name == "plan.json":
        assert "remove it and run the study again" in error


DEEP = 200_000
HOSTILE_PLANS = {
    "deep": ("[" * DEEP + "]" * DEEP).encode(),
    "deep in a block": b'{"rounds": [{"cohorts": [{"name": "c", "blocks": ' + b"[" * DEEP + b"]" * DEEP + b"}]}]}",
    "a digit of a million places": b'{"format": ' + b"9" * 10**6 + b', "rounds": []}',
    "no text": b"\xff\xfe\x00",
    "a name that leads out": json.dumps(
        {"rounds": [{"cohorts": [{"name": "c", "blocks": [{"name": "../../up", "seeds": [0], "trials": ["0" * 16]}]}]}]}
    ).encode(),
    "a name with the end of a line": json.dumps(
        {"rounds": [{"cohorts": [{"name": "c", "blocks": [{"name": "b\n", "seeds": [0], "trials": ["0" * 16]}]}]}]}
    ).encode(),
    "a cohort that leads out": json.dumps({"rounds": [{"cohorts": [{"name": "/etc", "blocks": []}]}]}).encode(),
    "a huge count": json.dumps(
        {"rounds": [{"cohorts": [{"name": "c", "layout": {"workers": 10**12}, "blocks": []}]}]}
    ).encode(),
    "a seed below 0": json.dumps(
        {"rounds": [{"cohorts": [{"name": "c", "blocks": [{"name": "b", "seeds": [-1], "trials": ["0" * 16]}]}]}]}
    ).encode(),
    "trials that are no names": json.dumps(
        {"rounds": [{"cohorts": [{"name": "c", "blocks": [{"name": "b", "seeds": [0], "trials": ["../x"]}]}]}]}
    ).encode(),
    "not as many trials for each seed": json.dumps(
        {"rounds": [{"cohorts": [{"name": "c", "blocks": [{"name": "b", "seeds": [0, 1], "trials": ["0" * 16]}]}]}]}
    ).encode(),
}


@pytest.mark.parametrize("case", HOSTILE_PLANS)
def test_a_hostile_plan_is_refused_with_a_sentence(tmp_path, case):
    path = RunPaths(tmp_path).plan
    path.write_bytes(HOSTILE_PLANS[case])
    with pytest.raises(StoreError) as found:
        read_plan(path)
    assert len(str(found.value)) < 600 and "remove it and run the study again" in str(found.value)
    assert not fallline.verify(tmp_path)


NAMES = st.text(st.sampled_from("ab./\\~\0 -_%$\n\u202e:é"), min_size=1, max_size=12) | st.sampled_from(
    ["..", "../x", "/etc/passwd", "a/../../b", "a/b/c", "a//b", "~/x", "a/..", ".hidden", "con\n", "x" * 101]
)


@settings(max_examples=150, deadline=None)
@given(name=NAMES, preset=NAMES)
def test_no_name_of_a_study_or_preset_leads_out_of_the_output_folder(name, preset):
    base = {"task": "line", "base": {"optimizer": "adam", "steps": 3, "batch_size": "all", "learning_rate": 0.1}}
    try:
        made = fallline.Study(name=name, presets={preset: {"seeds": 2}}, **base)
    except StudyError as failure:
        assert len(str(failure)) < 1000
        made = fallline.Study(name="safe", **base)
    runs = Path("runs").resolve()
    for used in (None, *made.presets):
        folder = default_folder(made, used)
        assert folder.resolve().parent == runs and folder.name not in ("", ".", "..")


def test_a_link_in_a_run_folder_does_not_lead_its_files_elsewhere(tmp_path, monkeypatch):
    small_blocks(monkeypatch)
    outside = tmp_path / "outside"
    for name in ("trials", "report", "checkpoints"):
        run = tmp_path / f"run-{name}"
        run.mkdir()
        outside.mkdir(exist_ok=True)
        (run / name).symlink_to(outside)
        with pytest.raises(StoreError, match=f"{name} is a link that leads out of the run folder, to {outside}; put"):
            fallline.run(study(seeds=1), run)
        assert not list(outside.iterdir())
    assert any(finding.path == "checkpoints" for finding in _verified_with_link(tmp_path))


def _verified_with_link(home):
    run = home / "run-checkpoints"
    (run / "trials").mkdir(exist_ok=True)
    return fallline.verify(run).findings


def test_a_lock_or_record_that_is_a_link_is_replaced_and_what_it_leads_to_is_left_alone(tmp_path, monkeypatch):
    small_blocks(monkeypatch)
    precious = tmp_path / "precious"
    precious.write_text("mine")
    run = tmp_path / "run"
    fallline.run(study(seeds=1), run)
    (run / "mistakes.parquet").unlink()
    (run / "mistakes.parquet").symlink_to(precious)
    (run / "environments/001.json").symlink_to(precious)
    (run / "environments/001.json").unlink()
    fallline.run(study(seeds=2), run)
    assert precious.read_text() == "mine" and not (run / "mistakes.parquet").is_symlink()


@pytest.mark.parametrize("text", ["\x1b]0;owned\x07", "\x9b31m", "a\0b", "\x08" * 3])
@pytest.mark.parametrize("field", ["title", "question", "about", "source"])
def test_text_that_a_terminal_would_obey_is_refused(field, text):
    with pytest.raises(StudyError, match=f"{field}: holds a control character") as found:
        study(**{field: text})
    assert text not in str(found.value)
    assert study(**{field: "two\nlines\tand a tab"})


class Structure(HTMLParser):
    """Elements with their attributes, and texts, as a browser sees them."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.texts, self.script = [], [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, name, attributes):
        self.elements.append((name, tuple(attributes)))

    def handle_data(self, text):
        self.texts.append(text)


EVIL = st.text(max_size=40) | st.lists(
    st.sampled_from(
        [
            "<",
            ">",
            "&",
            '"',
            "'",
            "</script>",
            "<script>",
            "<!--",
            "-->",
            "]]>",
            "onload=",
            "javascript:",
            "\\",
            "\n",
            "`",
            "${",
            "{{",
            "&lt;",
            "\u2028",
            "<svg/onload=alert(1)>",
            "<img src=x>",
            "=",
            "/",
        ]
    ),
    max_size=8,
).map("".join)


def seen(text):
    """A browser takes \\r\\n and \\r for \\n."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def with_blocks(text):
    """A document with ``text`` in every place of every kind of block."""
    column = Column(text, [text], [text], help=text, below=Column.of_texts(text, [text]), tones=[text])
    blocks = [
        Paragraph(text),
        Heading(text, anchor=text),
        Bullets([text]),
        Facts([(text, text)]),
        Code(text),
        Group([Paragraph(text, "first")], "answer"),
        Folded(text, [Paragraph(text, "note")]),
        Table([column]),
    ]
    return Document(text, text, [Section(text, text, blocks)], text, text)


PLACES = 19
"""How often such a page shows the text: as much as ``with_blocks`` has of it, and where attributes do not hold it."""


@settings(max_examples=100, deadline=None)
@given(text=EVIL.filter(lambda text: text.strip() and "\0" not in text and "fallline run " not in text))
def test_no_text_becomes_an_element_or_an_attribute(text):
    page, harmless = Structure(html.page(with_blocks(text))), Structure(html.page(with_blocks("x")))
    assert [name for name, _ in page.elements] == [name for name, _ in harmless.elements]
    known = {key for _, pairs in harmless.elements for key, _ in pairs}
    assert {key for _, pairs in page.elements for key, _ in pairs} <= known
    assert harmless.texts.count("x") == PLACES
    assert [seen(each) for each in page.texts].count(seen(printable(text))) >= PLACES


@settings(max_examples=300, deadline=None)
@given(
    value=st.recursive(
        EVIL | st.none() | st.booleans() | st.integers(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(EVIL, inner, max_size=3),
        max_leaves=6,
    )
)
def test_data_for_a_script_cannot_end_it_and_comes_back_as_it_was(value):
    inside = script_json(value)
    assert isinstance(inside, Markup)
    assert not set("<>&\u2028\u2029") & set(inside)
    assert json.loads(inside) == json.loads(json.dumps(value))


@settings(max_examples=200, deadline=None)
@given(field=EVIL)
def test_the_name_of_a_field_stays_a_text_in_an_expression(field):
    """In a language whose texts are JavaScript's: the quotes are balanced, and what is in them is the name."""
    told = number_expression(field)
    held = re.match(r"datum\['((?:[^'\\\n\r]|\\.)*)'\]", told)
    means = {"\\\\": "\\", "\\'": "'", "\\n": "\n", "\\r": "\r"}
    assert held and re.sub(r"\\.", lambda sign: means[sign[0]], held[1]) == field


PAYLOAD = """</script><script>alert(1)</script><img src=x onerror=alert(2)>"' onmouseover='alert(3) --><svg/onload=x>"""
FIGURES = [{"kind": "curves", "title": PAYLOAD}, {"kind": "sensitivity", "title": PAYLOAD}]


def hostile_run(folder, text):
    """A made-up run in which everything that is a study's or data's own word is ``text``."""
    run = softmax_run(
        folder,
        seeds=2,
        optimizers=("adam",),
        rates=(0.01, 0.1),
        steps=50,
        title=text,
        question=text,
        about=text,
        source=text,
        figures=[{**figure, "title": text} for figure in FIGURES],
        claims=[
            {
                "text": text,
                "metric": "validation_accuracy",
                "better": {"learning_rate": 0.01},
                "worse": {"learning_rate": 0.1},
            }
        ],
        extra={"optimizer": text, "loss": text, "task": text, "order": text, "data": text},
    )
    for path in folder.glob("environments/*.json"):
        path.write_text(
            json.dumps(
                {
                    key: text if isinstance(value, str) and key != "started" else value
                    for key, value in json.loads(path.read_text()).items()
                }
            )
        )
    for path in folder.glob("timings/*.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"device": text}))
    for path in folder.glob("trials/*.parquet"):
        frame = pl.read_parquet(path)
        frame.with_columns(pl.lit(1.5).alias(text)).write_parquet(path)
    return run


def test_a_page_of_hostile_words_has_the_elements_of_a_page_of_plain_ones(tmp_path):
    plain = write_report(hostile_run(tmp_path / "plain", ("plain word " * 20)[: len(PAYLOAD)]))
    evil = hostile_run(tmp_path / "hostile", PAYLOAD)
    hostile = write_report(evil)
    calm, wild = (Structure(page.read_text()) for page in (plain, hostile))
    kinds = [[(name, [key for key, _ in attributes]) for name, attributes in page.elements] for page in (calm, wild)]
    assert kinds[0] == kinds[1]
    assert sum(PAYLOAD in text for text in wild.texts) >= 8, "and the words are there to be read"
    drawn = write_figures(evil, formats=["svg"])
    assert drawn
    for svg in drawn:
        drawing = ElementTree.fromstring(svg.read_text())
        names = {element.tag.rpartition("}")[2] for element in drawing.iter()}
        assert not names & {"script", "img", "foreignObject"}
        assert not any(key.startswith("on") for element in drawing.iter() for key in element.attrib)


@pytest.mark.parametrize("task", ["evil.py:TASK", "{folder}/evil.py:TASK", "evil:TASK"])
def test_reading_somebody_elses_run_runs_nothing_of_theirs(tmp_path, monkeypatch, task):
    """The Python file that a study names is loaded to train it, never to look at what was trained."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    marker = tmp_path / "it-ran"
    for place in (tmp_path, tmp_path / "run"):
        place.mkdir(exist_ok=True)
        (place / "evil.py").write_text(f"open({str(marker)!r}, 'w').close()")
    task = task.format(folder=tmp_path / "run")
    run = softmax_run(
        tmp_path / "run",
        seeds=2,
        optimizers=("adam",),
        rates=(0.01, 0.1),
        steps=50,
        task=task,
        figures=[{"kind": "path", "of": ["W", "b"]}],
        extra={"task": task},
    )
    for path in run.folder.glob("curves/*.parquet"):
        pl.read_parquet(path).with_columns(W=pl.col("train_loss"), b=1 - pl.col("train_loss")).write_parquet(path)
    result = fallline.open_run(run.folder)
    write_report(result.records)
    print(result.compare("learning_rate"), result.summary(), result.verify())
    result.export("csv", tmp_path / "csv")
    assert not marker.exists()
    with pytest.raises(StudyError, match="must hold a fallline"):
        result.study.trials()
    assert marker.exists(), "the file would have shown itself"


def test_a_text_is_never_taken_for_an_error_of_ours(tmp_path):
    """A folder of somebody else's, full of rubbish, gives sentences and no tracebacks."""
    for folder in ("trials", "curves", "timings", "environments", "answers", "checkpoints"):
        (tmp_path / folder).mkdir()
        for name in ("x.parquet", "x.json", "x.npz"):
            (tmp_path / folder / name).write_bytes(PAYLOAD.encode())
    for name in ("study.toml", "plan.json", "claims.json", "looks.json", "models.json", "mistakes.parquet"):
        (tmp_path / name).write_bytes(PAYLOAD.encode())
    assert not fallline.verify(tmp_path)
    with pytest.raises(FalllineError):
        fallline.open_run(tmp_path)
