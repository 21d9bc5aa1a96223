"""Draw the rooms of the package from the import contracts: `draw_rooms.py OUT.png`.

Layers are those of the contract `rooms` in pyproject.toml; what is said in each box stands here.
"""

import sys
import tomllib
from pathlib import Path

import matplotlib

matplotlib.use("agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

ROOT = Path(__file__).resolve().parents[1]
SAYS = {
    "cli": "commands, their options, the demo",
    "study": "ablation, benches",
    "viz": "pictures and reports",
    "exchange": "official checkpoints, exports",
    "check": "what is wrong with a data set",
    "evaluation": "a run beside its baselines",
    "training": "the loop, resume, optimiser",
    "runs": "a run folder, read and written",
    "build": "configuration to parts",
    "pretraining": "the paper's figure, losses",
    "tasks": "heads on the volume",
    "temporal": "frames to frame",
    "rendering": "volume to pictures",
    "models": "images to volumes",
    "metrics": "answers to numbers",
    "data": "files to Clip",
    "importing": "drives of any rig to files",
    "geometry": "frames, cameras, grids",
    "tensors": "records, pixels",
}
BESIDE = {
    "config": "options and presets; no\ntorch. Read from build\nup, and by the losses",
    "world": "the embedded world:\nknows none of them;\nmade by cli",
    "writing": "the layout of data sets:\nshared by world and\nimporting",
}
FILL, EDGE, ROOM_H, GAP = "#e8eef7", "#33507a", 0.74, 0.26


def layers() -> list[list[str]]:
    """Rooms of each height, top first, without the marks of the contract."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = project["tool"]["importlinter"]["contracts"]
    rooms = next(contract for contract in contracts if contract["id"] == "rooms")
    return [[name.strip(" ()") for name in layer.split("|")] for layer in rooms["layers"]]


def box(axes: Axes, left: float, top: float, width: float, height: float, name: str) -> None:
    """A room: its name, and below it what it is for."""
    patch = FancyBboxPatch(
        (left, top - height), width, height, boxstyle="round,pad=0,rounding_size=0.08",
        facecolor=FILL, edgecolor=EDGE,
    )  # fmt: skip
    axes.add_patch(patch)
    middle = left + width / 2
    axes.text(middle, top - 0.22, name, ha="center", va="center", weight="bold", size=11)
    says = SAYS.get(name, BESIDE.get(name, ""))
    axes.text(middle, top - 0.36, says, ha="center", va="top", size=8)


def main(out: str) -> None:
    """Draw the picture."""
    rows = layers()
    height = len(rows) * (ROOM_H + GAP)
    figure, axes = plt.subplots(figsize=(11.5, 0.72 * height))
    for number, rooms in enumerate(rows):
        top = height - number * (ROOM_H + GAP)
        width = (9.0 - GAP * (len(rooms) - 1)) / len(rooms)
        for place, name in enumerate(rooms):
            box(axes, 2.4 + place * (width + GAP), top, width, ROOM_H, name)
        if number:
            axes.annotate(
                "", (6.9, top), (6.9, top + GAP), arrowprops={"arrowstyle": "->", "color": EDGE}
            )
    box(axes, 0.0, height, 2.1, 1.5, "config")
    box(axes, 11.7, height, 2.1, 1.5, "world")
    box(axes, 11.7, height - 2.0, 2.1, 1.5, "writing")
    axes.set(xlim=(-0.1, 13.9), ylim=(0.1, height + 0.1))
    axes.axis("off")
    figure.savefig(out, dpi=110, bbox_inches="tight")


if __name__ == "__main__":
    main(sys.argv[1])
