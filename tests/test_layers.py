"""Imports point down only and never in a circle, a name means one thing, and nothing heavy is imported before use."""

import ast
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import fallline

HOME = Path(fallline.__file__).parent
LAYERS = [
    {"errors", "later"},
    {"contracts", "norms"},
    {"optimizers", "schedules", "losses", "metrics", "batching", "models", "datasets", "regularisation", "stopping"},
    {"networks"},
    {"tasks", "userdata"},
    {"engine"},
    {"study", "studies"},
    {"store"},
    {"training"},
    {"forecast"},
    {"executors"},
    {"scaling"},
    {"stats"},
    {"search"},
    {"report"},
    {"sequential", "exporting"},
    {"api"},
    {"cli"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


class WithoutTypeChecking(ast.NodeTransformer):
    """Leaves out what only a type checker imports."""

    def visit_If(self, node: ast.If) -> ast.AST:
        if "TYPE_CHECKING" in ast.unparse(node.test):
            node.body = [ast.Pass()]
        return self.generic_visit(node)


def modules(home: Path) -> dict[str, Path]:
    """Every file of the package ``home``, by its dotted name."""
    found = {}
    for path in home.rglob("*.py"):
        parts = (home.name, *path.relative_to(home).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(home: Path) -> dict[str, set[str]]:
    """Of each file the files of the same package that it imports, inside functions too."""
    files = modules(home)
    found: dict[str, set[str]] = {}
    for name, path in files.items():
        targets = set()
        for node in ast.walk(WithoutTypeChecking().visit(ast.parse(path.read_text(encoding="utf-8")))):
            if isinstance(node, ast.Import):
                targets |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                package = name if path.name == "__init__.py" else name.rpartition(".")[0]
                for _ in range(node.level - 1):
                    package = package.rpartition(".")[0]
                source = ".".join(filter(None, [package if node.level else "", node.module]))
                for alias in node.names:
                    inner = f"{source}.{alias.name}"
                    targets.add(inner if inner in files else source)
        found[name] = (targets & files.keys()) - {name}
    return found


def circles(edges: dict[str, set[str]]) -> list[set[str]]:
    """The sets of two files or more that all reach each other (the strongly connected components; Tarjan 1972)."""
    index: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(name: str) -> None:
        index[name] = lowest[name] = len(index)
        stack.append(name)
        for target in edges[name]:
            if target not in index:
                visit(target)
                lowest[name] = min(lowest[name], lowest[target])
            elif target in stack:
                lowest[name] = min(lowest[name], index[target])
        if lowest[name] == index[name]:
            component = set()
            while name not in component:
                component.add(stack.pop())
            if len(component) > 1:
                found.append(component)

    for name in edges:
        if name not in index:
            visit(name)
    return found


def shortest(edges: dict[str, set[str]], component: set[str]) -> list[str]:
    """The shortest way from a file of a circle back to it."""
    ways = []
    for start in component:
        reached, ahead = {start: [start]}, [start]
        while ahead:
            name = ahead.pop(0)
            if start in edges[name]:
                ways.append([*reached[name], start])
                break
            for target in sorted(edges[name] & component - reached.keys()):
                reached[target] = [*reached[name], target]
                ahead.append(target)
    return min(ways, key=lambda way: (len(way), way))


def public_classes(home: Path) -> Iterator[tuple[str, str]]:
    """(name, module) of every public class at the top of a file."""
    for module, path in modules(home).items():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield node.name, module


def part_of(module: str) -> str:
    """The part of the package that a module belongs to; "" of the package's own files."""
    part = module.split(".")[1] if "." in module else ""
    return "" if part.startswith("__") else part


@pytest.fixture(scope="module")
def edges() -> dict[str, set[str]]:
    return imports(HOME)


def test_every_part_has_a_layer():
    assert {part_of(module) for module in modules(HOME)} - {""} == set(LEVEL)


def test_imports_point_down_only_and_siblings_do_not_import_each_other(edges):
    wrong = [
        f"{module} imports {target}"
        for module, targets in edges.items()
        for target in sorted(targets)
        if part_of(module) != part_of(target)
        and part_of(module)
        and (not part_of(target) or LEVEL[part_of(target)] >= LEVEL[part_of(module)])
        and target != "fallline"  # its version
    ]
    assert not wrong, "\n".join(wrong)


def test_no_files_import_each_other_in_a_circle(edges):
    found = [f"{len(circle)} files, with {' -> '.join(shortest(edges, circle))}" for circle in circles(edges)]
    assert not found, "\n".join(found)


def test_no_public_class_name_has_two_meanings():
    homes = defaultdict(list)
    for name, module in public_classes(HOME):
        homes[name].append(module)
    assert not {name: where for name, where in homes.items() if len(where) > 1}


def test_the_scan_sees_imports_in_functions_in_packages_and_not_those_for_type_checkers(tmp_path):
    home = tmp_path / "house"
    (home / "room").mkdir(parents=True)
    for name, text in {
        "__init__.py": "",
        "a.py": "def f():\n    from house.room import b\nclass One: ...",
        "room/__init__.py": "from .b import f",
        "room/b.py": "import house.a\nfrom house.c import One",
        "c.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from house.a import f\nclass One: ...",
        "d.py": "class _One: ...",
    }.items():
        (home / name).write_text(text)
    seen = imports(home)
    assert seen["house.a"] == {"house.room.b"} and seen["house.c"] == set()
    assert seen["house.room"] == {"house.room.b"} and seen["house.room.b"] == {"house.a", "house.c"}
    assert circles(seen) == [{"house.a", "house.room.b"}]
    assert shortest(seen, {"house.a", "house.room.b"}) == ["house.a", "house.room.b", "house.a"]
    assert sorted(public_classes(home)) == [("One", "house.a"), ("One", "house.c")]


def test_importing_the_package_and_its_command_line_loads_nothing_heavy():
    code = (
        "import sys, fallline, fallline.cli.app;"
        "heavy = ('jax', 'polars', 'pydantic', 'scipy', 'altair', 'optax', 'numpy');"
        "print([m for m in heavy if m in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
