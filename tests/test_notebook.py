"""The notebook runs from its first cell to its last, in a kernel as a reader's, and is kept without outputs."""

import json
import re
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[1] / "examples/compare.ipynb"


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """The cells after all were run, or a failure that shows the cell that failed."""
    for module in ("nbclient", "ipykernel", "pandas", "tensorboard"):
        pytest.importorskip(module, reason=f"{module} is not installed: pip install -e '.[dev]'")
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    folder = tmp_path_factory.mktemp("notebook")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        for place in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"):  # nothing of the user's counts
            patch.setenv(place, str(folder / "jupyter"))
        NotebookClient(
            notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
        ).execute()
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shown(cells, part):
    """What the cell shows whose code has ``part`` in it: its kinds of output and its text."""
    (cell,) = [cell for cell in cells if part in cell.source]
    kinds = {kind for output in cell.outputs for kind in output.get("data", {})}
    return kinds, "".join(
        output.get("text", "") or output.get("data", {}).get("text/plain", "") for output in cell.outputs
    )


def test_every_cell_runs_and_none_complains(cells):
    assert all(cell.execution_count for cell in cells)
    complaints = [output.text for cell in cells for output in cell.outputs if output.get("name") == "stderr"]
    assert not complaints


def test_the_cells_show_an_answer_a_verdict_figures_and_frames(cells):
    answer = shown(cells, "print(comparison)")[1]
    assert answer.startswith("Use ") and "5 random seeds" in answer
    assert re.search(r" is (best|best so far \(best in [^)]*\)): ", answer) and "n = 5" in answer
    assert re.search("supported|refuted|undecided", shown(cells, "result.claims(test=True)")[1])
    for figure in ("sensitivity", "curves"):
        assert "image/svg+xml" in shown(cells, f'result.figure("{figure}")')[0]
    table = shown(cells, "agg(")
    assert "text/html" in table[0] and {"adam", "momentum", "gradient_descent"} <= set(table[1].split())
    assert shown(cells, "tensorboard --logdir")[1].startswith("tensorboard --logdir ")


def test_the_notebook_is_kept_without_outputs():
    kept = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    code = [cell for cell in kept["cells"] if cell["cell_type"] == "code"]
    assert len(code) > 5
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert set(kept["metadata"]) == {"kernelspec", "language_info"}, "nothing of the machine it was edited on"
