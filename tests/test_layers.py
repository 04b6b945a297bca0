"""Imports point down only, and nothing heavy is imported before it is used."""

import ast
import subprocess
import sys
from pathlib import Path

import fallline

HOME = Path(fallline.__file__).parent
LAYERS = [
    {"contracts", "errors", "later", "norms"},
    {"optimizers", "schedules", "losses", "metrics", "batching", "models", "datasets", "regularisation", "stopping"},
    {"networks"},
    {"tasks"},
    {"engine"},
    {"study", "studies"},
    {"store"},
    {"training"},
    {"forecast"},
    {"executors"},
    {"scaling"},
    {"stats"},
    {"report"},
    {"sequential", "exporting"},
    {"api"},
    {"cli"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def imports():
    """(file, part it belongs to, part it imports) of every import of ours, inside functions too."""
    for path in HOME.rglob("*.py"):
        own = path.relative_to(HOME).parts[0].removesuffix(".py")
        if own.startswith("__"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                steps = name.split(".")
                if steps[0] == "fallline" and len(steps) > 1 and steps[1] in LEVEL:
                    yield path.relative_to(HOME), own, steps[1]


def test_every_part_has_a_layer():
    parts = {
        path.name.removesuffix(".py")
        for path in HOME.iterdir()
        if (path.is_dir() or path.suffix == ".py") and not path.name.startswith("__")
    }
    assert parts == set(LEVEL)


def test_imports_point_down_only_and_siblings_do_not_import_each_other():
    wrong = [
        (str(path), other)
        for path, own, other in imports()
        if own != other and LEVEL[other] >= LEVEL[own] and LEVEL[own] > 0
    ]
    assert not wrong


def test_the_scan_sees_imports():
    found = list(imports())
    assert len(found) > 100 and any(own == "study" and other == "tasks" for _, own, other in found)


def test_importing_the_package_and_its_command_line_loads_nothing_heavy():
    code = (
        "import sys, fallline, fallline.cli.app;"
        "heavy = ('jax', 'polars', 'pydantic', 'scipy', 'altair', 'optax', 'numpy');"
        "print([m for m in heavy if m in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
