"""A module of PyTorch as a graph of ATen operators, in training or in evaluation, and what of it is not understood."""
# pyright: reportMissingImports=false
# PyTorch is an extra: where types are checked it may be missing.

from __future__ import annotations

import io
import operator
import re
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fallline.errors import ModelError
from fallline.models.pytorch.registry import arguments, known

NOTHING = {"_assert_scalar", "_assert_tensor_metadata", "_assert_async", "sym_constrain_range_for_size"}
"""Operators that check and give nothing."""


@dataclass(frozen=True)
class Graph:
    """``nodes`` in their order. ``sources`` says of each placeholder what it is: ("parameter", name), ("buffer", name),
    ("constant", name) or ("input", ""); ``mutated`` names the buffers that change, by the node that holds the value
    after; ``output`` is the node of the outputs. It fits batches of the ``sizes`` from the first to the second where
    the ``guards`` hold, as torch writes them.
    """

    nodes: tuple[Any, ...]
    sources: dict[str, tuple[str, str]]
    constants: dict[str, Any]
    mutated: dict[str, str]
    output: str
    sizes: tuple[float, float]
    guards: tuple[str, ...] = ()

    def fits(self, batch: int) -> bool:
        """Whether the graph is that of batches of this size; where forward() asks for it, there is one per answer."""
        return self.sizes[0] <= batch <= self.sizes[1] and all(_holds(guard, batch) for guard in self.guards)


def export(module: Any, example: Any, name: str, training: bool) -> Graph:
    """The graph of ``module`` on batches as ``example``. ModelError where PyTorch cannot export it, or an operator is
    unknown here; all such operators are named at once, each with its line of the user's code.
    """
    import torch

    module.train(training)
    with _quiet(), torch.random.fork_rng(), _no_fast_path():
        try:
            shapes = ({0: torch.export.Dim.AUTO} if example.shape[0] > 1 else None,)
            program = torch.export.export(module, (example,), dynamic_shapes=shapes, strict=False)
            _stop_gradients(program.graph)
            program = program.run_decompositions({})
        except Exception as failure:
            raise ModelError(_refused(failure, name)) from None
    nodes = tuple(program.graph.nodes)
    missing = _missing(program.graph_module)
    if missing:
        raise ModelError(f"model {name} uses what is not known here; write it otherwise:\n" + "\n".join(missing))
    signature = program.graph_signature
    outputs = list(signature.user_outputs)
    if len(outputs) != 1 or not isinstance(outputs[0], str):
        raise ModelError(f"forward() of model {name} must return one tensor, it returns {len(outputs)}")
    value = next(node for node in nodes if node.name in signature.user_inputs).meta["val"]
    return Graph(
        nodes,
        _sources(signature),
        {target: value.detach() for target, value in program.constants.items() if isinstance(value, torch.Tensor)},
        {target: node for node, target in signature.buffers_to_mutate.items()},
        outputs[0],
        _sizes(value.shape[0], program.range_constraints),
        tuple(getattr(program, "_guards_code", ())),
    )


def _sizes(batch: Any, ranges: Any) -> tuple[float, float]:
    """The sizes of a batch that the graph serves: one where export found that forward() is made for it."""
    if isinstance(batch, int) or batch.node.expr.is_number:
        return int(batch), int(batch)
    found = ranges.get(batch.node.expr)
    low, high = (2, float("inf")) if found is None else (float(found.lower), float(found.upper))
    return 1 if low == 2 else low, high  # export takes 0 and 1 for special without asking


def _holds(guard: str, batch: int) -> bool:
    """Whether ``L['x'].size()[0] != 4`` holds for a batch of that size; other guards are taken to hold."""
    found = re.fullmatch(r"L\['\w+'\]\.size\(\)\[0\] (==|!=|<=|>=|<|>) (\d+)", guard)
    return found is None or COMPARED[found[1]](batch, int(found[2]))


COMPARED = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}


def _stop_gradients(graph: Any) -> None:
    """What ``torch.no_grad()`` within forward() gives gets a ``detach``: the block itself is lost with the
    decompositions, and with it that no gradient passes."""
    import torch

    for block in list(graph.nodes):
        if block.op != "call_function" or str(block.target) != GRAD_MODE or block.args[0]:
            continue
        for result in list(block.users):
            with graph.inserting_after(result):
                stopped = graph.call_function(torch.ops.aten.detach.default, (result,))
            stopped.meta = dict(result.meta)
            result.replace_all_uses_with(
                stopped, delete_user_cb=lambda user, own=stopped: user is not own and user.op != "output"
            )


def _sources(signature: Any) -> dict[str, tuple[str, str]]:
    from torch.export.graph_signature import InputKind

    kinds = {
        InputKind.PARAMETER: "parameter",
        InputKind.BUFFER: "buffer",
        InputKind.CONSTANT_TENSOR: "constant",
        InputKind.USER_INPUT: "input",
    }
    return {spec.arg.name: (kinds.get(spec.kind, "input"), spec.target or "") for spec in signature.input_specs}


def _missing(graph_module: Any) -> list[str]:
    """A line for each operator that is not known, or is called in a way that is not."""
    import torch

    lines: dict[str, None] = {}
    for node in graph_module.graph.nodes:
        if node.op == "get_attr" and isinstance(getattr(graph_module, node.target, None), torch.fx.GraphModule):
            lines |= dict.fromkeys(_missing(getattr(graph_module, node.target)))
        if node.op != "call_function":
            continue
        what = _unknown(node)
        if what:
            lines[f"  {what}{_place(node.meta.get('stack_trace') or '')}"] = None
    return list(lines)


def _unknown(node: Any) -> str:
    """What of a node is not known, an empty text where all is."""
    import torch

    target = node.target
    if isinstance(target, torch._ops.HigherOrderOperator):
        return f"torch.{target}"
    if not isinstance(target, torch._ops.OpOverload):
        plain = getattr(target, "__module__", "") in ("_operator", "math", "torch", "builtins")
        return "" if plain or target is operator.getitem else str(target)
    value = node.meta.get("val")
    if isinstance(value, torch.Tensor) and value.is_complex():
        return f"{target} with complex numbers"
    name = target._schema.name.partition("::")[2]
    if name in NOTHING or name in ("sym_size", "sym_numel", "sym_stride"):
        return ""
    function = known(target)
    if function is None:
        return INSTEAD.get(name, str(target))
    try:
        arguments(target, function, node.args, node.kwargs)
    except NotImplementedError as failure:
        return str(failure)
    return ""


INSTEAD = {
    "item": "a number taken out of a tensor (.item(), float(x), int(x)); keep it a tensor",
    "_local_scalar_dense": "a number taken out of a tensor (.item(), float(x), int(x)); keep it a tensor",
    "nonzero": "a shape that depends on values (nonzero, x[mask]); use torch.where",
    "masked_select": "a shape that depends on values (masked_select); use torch.where",
    "unique": "a shape that depends on values (unique)",
}
"""What is said of operators that can never be known here."""

GRAD_MODE = "wrap_with_set_grad_enabled"
"""What ``torch.no_grad()`` inside of forward() becomes."""


def _place(stack: str) -> str:
    """The last line of the user's code in a trace, as ``(file, line 3: x = f(x))``; nothing where there is none."""
    found = re.findall(r'File "([^"]+)", line (\d+), in [^\n]*\n\s*([^\n]*)', stack)
    own = [(path, line, code) for path, line, code in found if _is_the_users(path)]
    return f" ({own[-1][0]}, line {own[-1][1]}: {own[-1][2].strip()})" if own else ""


def _is_the_users(path: str) -> bool:
    """Whether a file belongs neither to PyTorch nor to us nor to another package."""
    import torch

    import fallline

    homes = (Path(package.__file__).parent for package in (torch, fallline))
    place = Path(path)
    return path[:1] != "<" and "site-packages" not in place.parts and not any(home in place.parents for home in homes)


REMEDIES = (
    (
        "_detect_is_causal_mask",
        "finds out from the values of a mask whether it is causal; give is_causal=True or False with the mask",
    ),
    (
        "GuardOnDataDependentSymNode",
        "branches on the values of a tensor; use torch.where, so that both ways are computed",
    ),
    ("data-dependent", "depends on the values of a tensor; use torch.where, so that the shapes stay"),
    (".item()", "takes a number out of a tensor (.item()); keep it a tensor"),
    ("_local_scalar_dense", "takes a number out of a tensor (.item(), float(x), int(x)); keep it a tensor"),
    (".numpy()", "leaves PyTorch (.numpy()); use torch's own functions"),
)


def _refused(failure: Exception, name: str) -> str:
    """One screen of a failure of ``torch.export``, whose own dumps are pages long."""
    text = f"{type(failure).__name__}: {failure}"
    trace = "".join(traceback.format_exception(failure))
    why = next((remedy for sign, remedy in REMEDIES if sign in text or sign in trace), None)
    first = next((line.strip() for line in str(failure).splitlines() if line.strip()), type(failure).__name__)
    why = why or f"cannot be exported: {type(failure).__name__}: {first[:200]}"
    return f"forward() of model {name} {why}{_place(_user_frames(failure) or trace)}"


def _user_frames(failure: BaseException) -> str:
    """The frames of an error that belong to the user's files."""
    frames = traceback.extract_tb(failure.__traceback__)
    own = [frame for frame in frames if _is_the_users(frame.filename)]
    return "".join(traceback.format_list(own))


@contextmanager
def _quiet() -> Iterator[None]:
    """torch's warnings and dumps of graphs are about its own work, and never reach the screen."""
    import logging

    loggers = [logging.getLogger(name) for name in ("torch", "torch.export", "torch._dynamo", "torch.fx")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


@contextmanager
def _no_fast_path() -> Iterator[None]:
    """Without the fused transformer layers that PyTorch takes in evaluation."""
    import torch

    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
