"""Executes the array annotations of our functions in tests: shapes, types and trees are checked at every call.

Runs import no jaxtyping: modules name it under ``TYPE_CHECKING`` alone, so that their annotations are text. Here that
text is evaluated, and every function of the modules below is wrapped when it is imported.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable
from functools import wraps
from importlib.machinery import PathFinder, SourceFileLoader
from typing import Any, get_args, get_origin

import jaxtyping
from jaxtyping import AbstractArray, PyTree, jaxtyped

PACKAGES = ("fallline.losses", "fallline.models", "fallline.optimizers")
NAMES = {name: getattr(jaxtyping, name) for name in ("Float", "Int", "PyTree", "Shaped")} | {"Array": Any}
"""What annotations mean here. An array may be numpy's: tests pass them, and JAX takes them."""


def install() -> None:
    """Wraps the functions of ``PACKAGES``, none of which may be imported yet."""
    early = [name for name in sys.modules if name.startswith(PACKAGES)]
    assert not early, f"imported before their annotations could be executed: {early}"
    sys.meta_path.insert(0, _Finder())


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` that checks its arguments and its result; itself where it has no array annotations."""
    names = dict(vars(sys.modules[function.__module__])) | NAMES
    kinds = {name: kind for name, text in function.__annotations__.items() if (kind := _kind(text, names)) is not None}
    if not kinds:
        return function
    signature = inspect.signature(function)

    @wraps(function)
    def check(*args: Any, **kwargs: Any) -> Any:
        with jaxtyped("context"):  # sizes by name are those of this call
            for name, value in signature.bind(*args, **kwargs).arguments.items():
                _check(function, name, value, kinds.get(name))
            result = function(*args, **kwargs)
            _check(function, "return", result, kinds.get("return"))
            return result

    return check


def _check(function: Callable[..., Any], name: str, value: Any, kind: Any) -> None:
    if kind is None:
        return
    if get_origin(kind) is tuple:
        for place, (part, inner) in enumerate(zip(value, get_args(kind), strict=True)):
            _check(function, f"{name}[{place}]", part, _array_kind(inner))
    elif not isinstance(value, kind):
        import jax

        shapes = jax.tree.map(lambda leaf: (getattr(leaf, "shape", leaf), getattr(leaf, "dtype", type(leaf))), value)
        raise TypeError(f"{function.__module__}.{function.__qualname__}: {name} must be {kind}, got {shapes}")


def _kind(text: Any, names: dict[str, Any]) -> Any:
    """The type that an annotation names, if it is one of arrays; None for any other."""
    try:
        return _array_kind(eval(text, names) if isinstance(text, str) else text)
    except NameError:  # names types that are imported for type checkers alone
        return None


def _array_kind(kind: Any) -> Any:
    if get_origin(kind) is tuple:
        return kind if any(_array_kind(inner) is not None for inner in get_args(kind)) else None
    is_array = inspect.isclass(kind) and issubclass(kind, AbstractArray)
    is_tree = inspect.isclass(kind) and kind is not PyTree and issubclass(kind, PyTree)
    return kind if is_array or is_tree else None


class _Finder(PathFinder):
    @classmethod
    def find_spec(cls, fullname: str, path: Any = None, target: Any = None) -> Any:
        if not fullname.startswith(PACKAGES):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


class _Loader(SourceFileLoader):
    def get_code(self, fullname: str) -> Any:
        """The code with every function wrapped; compiled each time, so that no other process finds it in a cache."""
        path = self.get_filename(fullname)
        tree = ast.parse(self.get_data(path), path)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                node.decorator_list.append(
                    ast.copy_location(ast.parse("__import__('array_annotations').checked", mode="eval").body, node)
                )
        return compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True)
