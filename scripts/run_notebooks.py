"""Run the notebooks and store them with small outputs: `run_notebooks.py [RUN DATA]`.

By default on what `make demo` leaves. Pictures are stored as JPEG and warnings are left out, so
that the files stay small and hold nothing of the machine.
"""

import base64
import io
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
_TIMEOUT_S = 1800


def run_notebook(
    path: Path, run: Path | None = None, data: Path | None = None
) -> nbformat.NotebookNode:
    """A notebook with the outputs of its cells, run in its own folder.

    Args:
        path: Of the notebook.
        run: Run folder in the place of that in the cell tagged `parameters`.
        data: Data set in the place of that in the same cell.

    Raises:
        CellExecutionError: If a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    (parameters,) = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", ())]
    written = parameters.source
    if run is not None:
        parameters.source = f"RUN, DATA = {str(run)!r}, {str(data)!r}"
    NotebookClient(
        notebook,
        timeout=_TIMEOUT_S,
        record_timing=False,
        resources={"metadata": {"path": str(path.parent)}},
    ).execute()
    parameters.source = written
    return notebook


def shrink(notebook: nbformat.NotebookNode) -> None:
    """Leave of the outputs what a reader wants: printed text, and pictures as JPEG."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]
            for output in cell.outputs:
                if "image/png" in output.get("data", {}):
                    output.data = {"image/jpeg": _as_jpeg(output.data["image/png"])}
                    output.metadata = {}
    notebook.metadata.pop("widgets", None)
    notebook.metadata["language_info"] = {"name": "python"}


def _as_jpeg(png: str) -> str:
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(base64.b64decode(png))) as picture:
        picture.convert("RGB").save(buffer, "JPEG", quality=85, optimize=True)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def main(run: Path | None = None, data: Path | None = None) -> None:
    """Run all of them and store them again."""
    for path in NOTEBOOKS:
        notebook = run_notebook(path, run, data)
        shrink(notebook)
        nbformat.write(notebook, path)
        print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
