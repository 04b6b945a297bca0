"""The examples in PyTorch train, and their best nets come back with the outputs that were recorded."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

import fallline
from fallline.errors import DataError

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'fallline[torch]'")

EXAMPLES = Path(__file__).parents[2] / "examples" / "torch"
NETS = {"lenet": "LeNet", "resnet": "SmallResNet", "lstm": "CharLSTM", "transformer": "CharTransformer"}


@pytest.mark.parametrize("name", NETS)
def test_an_example_trains_and_its_net_comes_back(name, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    for module in (*NETS, "nets", "text"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    try:
        study = importlib.import_module(name).study
    except DataError as missing:
        pytest.skip(str(missing))
    nets = importlib.import_module("nets")
    small = study.with_({"seeds": 1, "axes": {"learning_rate": [0.01]}, "base": {"steps": 2}})
    result = fallline.run(small, tmp_path / "run")
    assert set(result.trials["status"]) == {"done"} and result.trials.height == 2
    best = result.trials.sort("validation_loss").row(0, named=True)
    net = result.load_into(getattr(nets, NETS[name])()).eval()
    inputs, targets = study.task.data("sample", None).validation
    if study.task.prepare is not None:
        inputs = np.asarray(study.task.prepare(inputs))
    with torch.no_grad():
        outputs = net(torch.from_numpy(np.array(inputs)))
        loss = torch.nn.functional.cross_entropy(outputs, torch.from_numpy(np.array(targets)).long()).item()
    assert loss == pytest.approx(best["validation_loss"], rel=1e-4)
