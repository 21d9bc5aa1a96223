"""The notebooks are stored with small outputs that hold nothing of the machine they ran on.

That they run is tested in test_world_to_report.py, on the world and the run that are there.
"""

import re
import runpy
from typing import Any

import nbformat
import pytest

from tests.conftest import ROOT

SCRIPT = runpy.run_path(str(ROOT / "scripts" / "run_notebooks.py"))


@pytest.mark.parametrize("path", SCRIPT["NOTEBOOKS"], ids=lambda path: path.stem)
def test_stored_outputs(path: Any) -> None:
    text = path.read_text()
    assert len(text) < 400_000
    assert not re.search(r'"(/home/|/root/|/tmp/|/work/|/usr/)', text)
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert sum("image/jpeg" in output.get("data", {}) for output in outputs) >= 2
    assert all(output.get("name", "stdout") == "stdout" for output in outputs)
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))  # from top to bottom, in one go
