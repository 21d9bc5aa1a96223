"""What the numbers of an ablation are about: command, versions, frames, pixels.

Plan and measured runs enter; plain values leave, for the notes below the table.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mim4d.runs.record import read_record
from mim4d.study.ablation.measure import Content
from mim4d.study.ablation.plan import Plan
from mim4d.study.ablation.request import Ablation


@dataclass(frozen=True)
class Facts:
    """What the numbers are about.

    Attributes:
        command: That made them.
        preset: Name.
        steps: Optimiser steps of every run.
        versions: Of the code that trained: this package's, its commit, Python's and torch's.
        machine: That trained.
        truth: What served as truth.
        moving_by: What said what moves.
        num_targets: Frames that were measured.
        num_common: Frames that all rows can evaluate.
        num_full: Frames that `full` can evaluate.
        num_scenes: Held-out scenes with a measured frame.
        stride: Image pixels per evaluated pixel.
        held_out: Whether nothing that was measured was trained on.
        pixels: Smallest and largest number of pixels that counted, over runs.
        moving_pixels: Smallest and largest number of those on what moves.
        flow_points: The same of points whose flow was measured; None without any.
        left_out: Why rows are left out, by name.
    """

    command: str
    preset: str
    steps: int
    versions: tuple[str, ...]
    machine: str
    truth: str
    moving_by: str
    num_targets: int
    num_common: int
    num_full: int
    num_scenes: int
    stride: int
    held_out: bool
    pixels: tuple[int, int]
    moving_pixels: tuple[int, int]
    flow_points: tuple[int, int] | None
    left_out: dict[str, str]


def gather_facts(asked: Ablation, plan: Plan, measured: Mapping[Path, Content]) -> Facts | None:
    """The facts of the runs that are measured, by folder; None if there is none."""
    if not measured:
        return None
    evaluations = [content["evaluation"] for content in measured.values()]
    records = [read_record(folder) for folder in measured]
    first, targets = evaluations[0], plan.targets
    flows = [each["flow"] for each in evaluations if each["flow"] is not None]
    return Facts(
        command=asked.command,
        preset=asked.config.preset,
        steps=asked.config.optim.steps,
        versions=tuple(dict.fromkeys(map(_versions, records))),
        machine=", ".join(dict.fromkeys(record["platform"] for record in records)),
        truth=first["truth"],
        moving_by=first["moving_by"],
        num_targets=len(targets.tokens),
        num_common=targets.num_common,
        num_full=targets.num_full,
        num_scenes=len(first["scenes"]),
        stride=asked.stride,
        held_out=all(each["held_out"] for each in evaluations),
        pixels=_extent(each["rows"]["direct"]["num_pixels"] for each in evaluations),
        moving_pixels=_extent(_moving(each["rows"]["direct"]) for each in evaluations),
        flow_points=_extent(flow["points"] for flow in flows) if flows else None,
        left_out=plan.left_out,
    )


def _versions(record: Mapping[str, Any]) -> str:
    return (
        f"mim4d {record['mim4d']} ({record['commit'] or 'no commit'}), Python {record['python']}, "
        f"torch {record['packages']['torch']}"
    )


def _moving(row: Mapping[str, Any]) -> int:
    moving = row["metric"]["moving"]
    return 0 if moving is None else int(moving["num_pixels"])


def _extent(numbers: Iterable[int]) -> tuple[int, int]:
    found = list(numbers)
    return min(found), max(found)
