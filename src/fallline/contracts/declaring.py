"""A component declared by one function: its signature gives the hyperparameters, its docstring says what they do.

    @optimizer
    def gradient_descent(learning_rate: LearningRate = NO_DEFAULT):
        '''Gradient descent.

        Equation::

            x -= lr g

        Args:
            learning_rate: step size

        Source: Cauchy, 1847
        '''
        return optax.sgd(learning_rate)

Type checkers and ``help()`` then see ``gradient_descent(learning_rate: float) -> Optimizer``. A call returns the
declared component with the given hyperparameters fixed; the name shows them, ``gradient_descent(learning_rate=0.1)``,
and a study may write that name.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache, wraps
from types import FunctionType, SimpleNamespace
from typing import Annotated, Any, Concatenate, NamedTuple, ParamSpec, get_args, get_type_hints

from fallline.contracts.fixed import C, with_fixed
from fallline.contracts.hyperparameters import Hyperparameter, flag, fraction, nonnegative, positive
from fallline.contracts.rules import Loss, Optimizer, Schedule
from fallline.errors import UnknownName

P = ParamSpec("P")

NO_DEFAULT: Any = None
"""In the signature of a hyperparameter that a study must give."""

# The laws of hyperparameters, as annotations.
LearningRate = Annotated[float, positive("", None)]
Positive = Annotated[float, positive("", None)]
Nonnegative = Annotated[float, nonnegative("", None)]
Nonpositive = Annotated[float, Hyperparameter("", None, high=0.0)]
Fraction = Annotated[float, fraction("", None)]
"""In [0, 1)."""
OpenFraction = Annotated[float, Hyperparameter("", None, low=0.0, high=1.0, low_open=True, high_open=True)]
ClosedFraction = Annotated[float, Hyperparameter("", None, low=0.0, high=1.0)]
AboveOne = Annotated[float, Hyperparameter("", None, low=1.0, low_open=True)]
Flag = Annotated[bool, flag("", False)]
OptionalPositive = Annotated[float | None, positive("", None, optional=True)]
Nonnegatives = Annotated[Sequence[float], Hyperparameter("", None, low=0.0, many=True)]
OptionalPositives = Annotated[
    Sequence[float] | None, Hyperparameter("", None, low=0.0, low_open=True, optional=True, many=True)
]


def optimizer(function: Callable[P, Any]) -> Callable[P, Optimizer]:
    """Declares the optimizer whose optax transformation ``function(**hyperparameters)`` returns."""
    declared = _Declaration.of(function, leading=0)
    return _public(Optimizer(**declared.common, make=function), function, declared)


def loss(
    takes: str, reduce: str = "mean", shares: bool = False
) -> Callable[[Callable[Concatenate[Any, Any, P], Any]], Callable[P, Loss]]:
    """Declares the loss whose values [batch] ``function(outputs, targets, **hyperparameters)`` returns."""

    def declare(function: Callable[Concatenate[Any, Any, P], Any]) -> Callable[P, Loss]:
        declared = _Declaration.of(function, leading=2)
        part = Loss(**declared.common, function=function, takes=takes, reduce=reduce, shares=shares)
        return _public(part, function, declared)

    return declare


def batch_loss(
    takes: str, sums: Callable[..., Any], of_sums: Callable[..., Any]
) -> Callable[[Callable[Concatenate[Any, Any, Any, P], Any]], Callable[P, Loss]]:
    """Declares the loss of a whole batch, ``function(outputs, targets, counts, **hyperparameters)``, a scalar."""

    def declare(function: Callable[Concatenate[Any, Any, Any, P], Any]) -> Callable[P, Loss]:
        declared = _Declaration.of(function, leading=3)
        part = Loss(**declared.common, function=function, takes=takes, whole=True, sums=sums, of_sums=of_sums)
        return _public(part, function, declared)

    return declare


Check = Callable[[Mapping[str, Any], str], None]


def schedule(check: Check | None = None) -> Callable[[Callable[Concatenate[Any, P], Any]], Callable[P, Schedule]]:
    """Declares the schedule whose factors [n] ``function(clock, **hyperparameters)`` returns."""

    def declare(function: Callable[Concatenate[Any, P], Any]) -> Callable[P, Schedule]:
        declared = _Declaration.of(function, leading=1)
        return _public(Schedule(**declared.common, factor=function, check=check), function, declared)

    return declare


def adaptive_schedule(
    factor: Callable[..., Any], check: Check | None = None
) -> Callable[[Callable[Concatenate[Any, P], float]], Callable[P, Schedule]]:
    """Declares the schedule that follows the validation loss.

    ``function(losses, **hyperparameters)`` returns the factor after these losses, ``factor`` what is known beforehand.
    """

    def declare(function: Callable[Concatenate[Any, P], float]) -> Callable[P, Schedule]:
        declared = _Declaration.of(function, leading=1)
        part = Schedule(**declared.common, factor=factor, watching=function, check=check)
        return _public(part, function, declared)

    return declare


@cache
def declared_components(package: str, kind: type[C]) -> dict[str, C]:
    """The components of that kind that functions in the modules of ``package`` declare, by name."""
    components: dict[str, C] = {}
    for info in pkgutil.iter_modules(importlib.import_module(package).__path__):
        for function in vars(importlib.import_module(f"{package}.{info.name}")).values():
            component = vars(function).get("component") if isinstance(function, FunctionType) else None
            if not isinstance(component, kind):
                continue
            if components.setdefault(component.name, component) is not component:
                raise RuntimeError(f"{component.name!r} is declared twice in {package}")
    return components


def find_component(package: str, kind: type[C], name: str, where: str = "") -> C:
    """The component of that name, or of a name with fixed hyperparameters, ``adam(beta1=0.8)``.

    UnknownName with similar names where there is none.
    """
    known = declared_components(package, kind)
    if name in known:
        return known[name]
    function, fixed = _parsed(name)
    if function not in known or not fixed:
        raise UnknownName(kind.__name__.lower(), name, known, where)
    return with_fixed(known[function], fixed, where)


def _parsed(name: str) -> tuple[str, dict[str, Any]]:
    """``adam(beta1=0.8)`` as ("adam", {"beta1": 0.8}); a name that is no such call as itself and nothing."""
    try:
        call = ast.parse(name, mode="eval").body
        if (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Name)
            and not call.args
            and all(word.arg for word in call.keywords)
        ):
            return call.func.id, {str(word.arg): ast.literal_eval(word.value) for word in call.keywords}
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass
    return name, {}


class _Declaration(NamedTuple):
    """What a function declares: fields that all components share, and the signature of its public form."""

    common: dict[str, Any]
    parameters: tuple[inspect.Parameter, ...]

    @classmethod
    def of(cls, function: Callable[..., Any], leading: int) -> _Declaration:
        """``leading`` parameters come before the hyperparameters: outputs and targets of a loss, the clock."""
        meanings, words = _read(inspect.getdoc(function) or "")
        parameters = list(inspect.signature(function).parameters.values())[leading:]
        hints = _hints(function, [parameter.name for parameter in parameters])
        laws: list[Hyperparameter] = []
        public: list[inspect.Parameter] = []
        for parameter in parameters:
            kind, law = get_args(hints[parameter.name])
            default = float(parameter.default) if law.flag else parameter.default
            meaning = meanings.get(parameter.name, "")
            laws.append(replace(law, name=parameter.name, default=default, meaning=meaning))
            public.append(parameter.replace(annotation=kind, kind=inspect.Parameter.POSITIONAL_OR_KEYWORD))
        name = {"name": function.__name__, "hyperparameters": tuple(laws)}  # type: ignore[attr-defined]
        return cls(name | words, tuple(public))


def _hints(function: Callable[..., Any], names: Sequence[str]) -> dict[str, Any]:
    """The annotations of these parameters. The others may name types that only a type checker imports."""
    inner = inspect.unwrap(function)
    wanted = SimpleNamespace(__annotations__={name: inner.__annotations__[name] for name in names})
    return get_type_hints(wanted, inner.__globals__, include_extras=True)


def _read(docstring: str) -> tuple[dict[str, str], dict[str, str]]:
    """The meaning of each hyperparameter, and title, equation and source."""
    title = docstring.partition("\n")[0].removesuffix(".")
    equation = _section(docstring, r"Equation::\n")
    statements = re.sub(r";\s+", ";  ", " ".join(equation.split()))
    entries = re.split(r"\n(?=\w+: )", inspect.cleandoc(_section(docstring, r"Args:\n")))
    meanings = {name: " ".join(text.split()) for name, _, text in (entry.partition(":") for entry in entries)}
    source = " ".join(_section(docstring, r"Source:").split())
    return meanings, {"title": title, "equation": statements, "source": source}


def _section(docstring: str, heading: str) -> str:
    """The indented text below a heading (of ``Source:``: beside it too), up to the next text that is not indented."""
    match = re.search(rf"^{heading}(.*\n?(?:[ ]+.*\n?|\n)*)", docstring, re.MULTILINE)
    return match[1] if match else ""


def _public(component: C, function: Callable[..., Any], declared: _Declaration) -> Callable[..., C]:
    """The function that users call: it takes the hyperparameters alone and returns the component."""
    signature = inspect.Signature(declared.parameters, return_annotation=type(component))

    @wraps(function)
    def fix(*positional: Any, **named: Any) -> C:
        unknown = {name: value for name, value in named.items() if name not in signature.parameters}
        bound = signature.bind_partial(*positional, **{name: named[name] for name in named if name not in unknown})
        return with_fixed(
            component, bound.arguments | unknown
        )  # which names the hyperparameters similar to unknown ones

    kinds = {parameter.name: parameter.annotation for parameter in declared.parameters}
    fix.__annotations__ = kinds | {"return": type(component)}
    fix.__dict__ |= {"__signature__": signature, "component": component}
    return fix
