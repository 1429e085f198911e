"""An example, run as a notebook."""

import os
import re
from pathlib import Path

import pytest

pytest.importorskip("ipykernel", reason="needs ipykernel")
nbclient = pytest.importorskip("nbclient", reason="needs nbclient")
nbformat = pytest.importorskip("nbformat", reason="needs nbformat")

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "plot_3_augmentation.py"
FIT = """
from sklearn_kpd import KeypointRegressor
regressor = KeypointRegressor(network="cnn", network__filters=(4, 4), epochs=2, random_state=0)
regressor.fit(X, y);
"""


def cells(script):
    return [part for part in re.split(r"^# %%$", script, flags=re.MULTILINE) if part.strip()]


def outputs(cell):
    return {kind: data for out in cell.outputs for kind, data in out.get("data", {}).items()}


@pytest.mark.slow
def test_an_example_runs_as_a_notebook(monkeypatch):
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    )
    monkeypatch.delenv("MPLBACKEND", raising=False)
    sources = cells(EXAMPLE.read_text(encoding="utf-8"))
    added = ["AugmentTransformer(rotation=15).fit_transform(X, y)", FIT]
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in [*sources, *added]]
    )
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    streams = [out for cell in notebook.cells for out in cell.outputs if "text" in out]
    assert [out.text for out in streams if out.name == "stderr"] == []
    *shown, carried, fitted = notebook.cells
    assert any("image/png" in outputs(cell) for cell in shown)
    assert outputs(carried)["text/html"].count("<img ") == 6
    # lines that stay, not those that the bar writes over
    assert sum(out.text.count("\n") for out in fitted.outputs) <= 2 * 2
