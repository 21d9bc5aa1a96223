"""One run of a study: trained or gone on with, then measured; what is whole is kept.

A planned run enters; its folder is an ordinary run folder that `mim4d evaluate` and `predict` know,
with two files beside: `study.npz`, what its answers were worth by scene, and `study.json`, what
they were measured on.
"""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torchmetrics import Metric

from mim4d.build.data import build_dataset
from mim4d.config import Device
from mim4d.data.splits import SceneChoice
from mim4d.evaluation import spread
from mim4d.files import read_json, write_text
from mim4d.runs.loading import load_task
from mim4d.runs.metrics_file import read_metrics
from mim4d.runs.record import config_differences, read_record, read_task_config
from mim4d.study.label_efficiency.evidence import (
    Evidence,
    evidence_of,
    load_evidence,
    save_evidence,
)
from mim4d.study.label_efficiency.plan import PlannedRun
from mim4d.training.devices import choose_accelerator
from mim4d.training.finetune import finetune
from mim4d.training.memory import peak_bytes, reset_peak
from mim4d.training.quiet import at_least
from mim4d.training.train_once import is_finished
from mim4d.training.volume_cache import VolumeCache, has_lasting_volumes

_MEASURED, _EVIDENCE = "study.json", "study.npz"
QUIET = ("mim4d.training", "mim4d.data")
"""What every one of many runs would say again."""


@dataclass(frozen=True)
class Machine:
    """Where and from what runs are made.

    Attributes:
        data: Data set.
        version: Version folder of it.
        device: Where to compute.
        volumes: Folder for the volumes of frozen trunks.
        workers: Loader processes; None decides.
    """

    data: Path
    version: str | None
    device: Device
    volumes: Path
    workers: int | None = None


@dataclass(frozen=True)
class Measured:
    """What a run has come to.

    Attributes:
        evidence: By scene.
        seconds: Of its steps.
        peak_bytes: Largest memory while it was trained, of the process or the device.
    """

    evidence: Evidence
    seconds: float
    peak_bytes: int

    @property
    def score(self) -> float:
        """Percent, every scene counted once."""
        once = np.ones((1, len(self.evidence.scenes)), np.int64)
        return float(self.evidence.scores(once)["all"][0])


def refuse_another_run(run: PlannedRun) -> None:
    """Pass if the folder is free, or holds this very run, finished or not.

    Raises:
        ValueError: If it holds another run; the message names the differences.
    """
    if not (run.folder / "config.json").is_file():
        return
    differences = config_differences(read_task_config(run.folder), run.config)
    record = read_record(run.folder)
    init = None if run.arm.init is None else str(run.arm.init.resolve())
    if record.get("init") != init:
        differences.append(f"init ({record.get('init')} / {init})")
    if sorted(record["training_scenes"]) != sorted(run.scenes):
        differences.append("labelled scenes")
    if differences:
        raise ValueError(
            f"{run.folder}: holds a run of another configuration (there / here): "
            f"{', '.join(differences)}; choose another --out, or remove {run.folder}"
        )


def finish(run: PlannedRun, machine: Machine) -> None:
    """Train what is missing of a run, and measure it, unless that has been done."""
    if read_measured(run) is not None:
        return
    refuse_another_run(run)
    peak = None
    if not is_finished(run.folder):
        reset_peak()
        with at_least(logging.WARNING, *QUIET):
            finetune(
                run.config,
                machine.data,
                run.folder,
                init=run.arm.init,
                init_parts=run.arm.parts,
                volume_cache=machine.volumes if has_lasting_volumes(run.config) else None,
                version=machine.version,
                resume=(run.folder / "config.json").is_file(),
                scenes=SceneChoice(names=run.scenes),
                device=machine.device,
                workers=machine.workers,
                progress=False,
            )
        peak = peak_bytes(choose_accelerator(machine.device))
    save_evidence(run.folder / _EVIDENCE, _measure(run, machine))
    facts = {**_settings(run), "peak_bytes": peak}
    write_text(run.folder / _MEASURED, json.dumps(facts, indent=2) + "\n")


def read_measured(run: PlannedRun) -> Measured | None:
    """What was kept of a run; None if it is not finished, or was not measured like this.

    Raises:
        ValueError: If the folder holds another run.
    """
    path = run.folder / _MEASURED
    if not (is_finished(run.folder) and path.is_file()):
        return None
    facts: dict[str, Any] = read_json(path)
    if any(facts.get(name) != value for name, value in _settings(run).items()):
        return None
    refuse_another_run(run)
    seconds = float(read_metrics(run.folder)["seconds"].sum())
    return Measured(load_evidence(run.folder / _EVIDENCE), seconds, facts["peak_bytes"] or 0)


def _settings(run: PlannedRun) -> dict[str, Any]:
    """What a measurement depends on, beside the run."""
    return {"scenes": sorted(run.judged_on), "clips": run.clips}


@torch.no_grad()
def _measure(run: PlannedRun, machine: Machine) -> Evidence:
    """Ask a finished run about every clip of the scenes that judge it."""
    model, task, config = load_task(run.folder)
    accelerator = choose_accelerator(machine.device)
    model.to(accelerator)
    choice = SceneChoice(names=run.judged_on)
    with at_least(logging.WARNING, *QUIET):
        dataset = build_dataset(config, machine.data, choice, machine.version)
    cache = None
    if has_lasting_volumes(config):
        cache = VolumeCache(machine.volumes, config, machine.data, machine.version)
    metrics: dict[str, Metric] = {}
    for index in spread(len(dataset), run.clips):
        clip = dataset[index].to(accelerator)
        volumes = model.look(clip).volume if cache is None else cache.volumes(model, clip)
        name = dataset.scene_name(index)
        metric = metrics.setdefault(name, task.build_metric().to(accelerator))
        metric.update(task.decode(model.head(volumes)), task.targets(clip))
    return evidence_of(dict(sorted(metrics.items())))
