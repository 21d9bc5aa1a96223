"""What the clips of a run hold, looked at before its first step: enough to learn from?

A run whose clips hold no images, or no LiDAR where distances are to be learned from it, ends like
any other, with a worthless encoder. So some clips, spread evenly over all, are looked at: how many
of their images are there (from the tables, without reading), and for a few that are read what a
step would have to compare. Nothing, or next to nothing, is refused; little is a warning.
"""

import logging
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from mim4d.data.nuscenes import NuscenesDataset
from mim4d.errors import DataError
from mim4d.training.sampling import spread_evenly
from mim4d.training.step_module import StepModule

logger = logging.getLogger(__name__)

PLANNED_CLIPS, READ_CLIPS = 200, 6
NEXT_TO_NOTHING, LITTLE = 0.05, 0.5
"""Shares of images that are there."""
LATE_SHARE = 0.3
"""Images this share of an interval off their frames, all in one direction: a clock is off."""
FEW_POINTS = 100
FEW_TARGETS = 0.01
"""Share of rays whose distance is known."""
LITTLE_VISIBLE = 0.1


@dataclass(frozen=True)
class Census:
    """What some clips of a run hold.

    Attributes:
        clips: How many were looked at.
        cameras: Channels.
        images: Share of the images that are there, `t n`, over frames that are there.
        late: Median time from a frame to its image of each camera, in intervals between frames;
            NaN where there is none.
        points: LiDAR points of each frame of the clips that were read; None without LiDAR.
        step: Shares by name that a step of the clips that were read found (see
            `StepModule.census`).
    """

    clips: int
    cameras: tuple[str, ...]
    images: NDArray[np.float64]
    late: NDArray[np.float64]
    points: NDArray[np.int64] | None
    step: dict[str, float]


def take_census(module: StepModule, dataset: NuscenesDataset, num_clips: int) -> Census:
    """Look at some of the first `num_clips` clips of a data set."""
    planned = spread_evenly(num_clips, PLANNED_CLIPS)
    images, late = _planned(dataset, planned)
    points: list[int] = []
    steps: list[dict[str, float]] = []
    for index in spread_evenly(num_clips, READ_CLIPS):
        clip = dataset[index]
        present = clip.frame_present[0]
        points += clip.valid_points[0][present].sum(dim=1).tolist()
        with torch.no_grad():
            steps.append(module.census(clip))
    names = steps[0]
    step = {name: float(np.mean([found[name] for found in steps])) for name in names}
    counted = None if dataset.lidar is None else np.array(points, np.int64)
    return Census(len(planned), dataset.cameras, images, late, counted, step)


def _planned(
    dataset: NuscenesDataset, indices: list[int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Share of images that are there by frame and camera, and how late each camera's are."""
    times_us = dataset.tables.column("sample_data", "timestamp_us")
    plans = [dataset.plan(index) for index in indices]
    frames = np.stack([plan.anchors >= 0 for plan in plans])
    rows = np.stack([plan.images for plan in plans])
    there = (rows >= 0) & frames[..., None]
    share = there.sum(axis=0) / np.maximum(frames.sum(axis=0), 1)[:, None]
    frame_times = np.stack([plan.times_us for plan in plans])
    delay = np.where(there, times_us[np.maximum(rows, 0)] - frame_times[..., None], np.nan)
    steps = np.diff(frame_times, axis=1)
    interval = float(np.median(steps)) if steps.size else np.inf
    late = np.full(rows.shape[-1], np.nan)
    for camera in np.flatnonzero(there.any(axis=(0, 1))):
        late[camera] = np.nanmedian(delay[..., camera]) / interval
    return share, late


def judge(census: Census, where: str) -> list[str]:
    """Warnings about a census.

    Args:
        census: Of the clips.
        where: The data set, for messages.

    Raises:
        DataError: If there is nothing, or next to nothing, to learn from.
    """
    looked = f"{where}: {census.clips} clips were looked at"
    warnings = _judge_images(census, looked)
    if census.points is not None:
        warnings += _judge_points(census, looked)
    for name, (least, few, what, cause) in _STEP_RULES.items():
        share = census.step.get(name, 1.0)
        if share <= least:
            raise DataError(f"{looked}: {what} {share:.2%}; {cause}")
        if share < few:
            warnings.append(f"{looked}: {what} {share:.2%}; {cause}")
    return warnings


def _judge_images(census: Census, looked: str) -> list[str]:
    by_camera, total = census.images.mean(axis=0), float(census.images.mean())
    shares = ", ".join(
        f"{name} {share:.0%}" for name, share in zip(census.cameras, by_camera, strict=True)
    )
    cause = (
        "images belong to the frame within half an interval of their own time, and clips of "
        "keyframes want is_key_frame: look at the cameras' clocks and flags with `mim4d check`"
    )
    if total <= NEXT_TO_NOTHING:
        raise DataError(f"{looked}: {total:.0%} of their images are there ({shares}); {cause}")
    warnings = []
    absent = [n for n, s in zip(census.cameras, by_camera, strict=True) if s <= NEXT_TO_NOTHING]
    if absent:
        warnings.append(
            f"{looked}: hardly an image of {', '.join(absent)} is there ({shares}); {cause}"
        )
    elif total < LITTLE:
        warnings.append(f"{looked}: {total:.0%} of their images are there ({shares}); {cause}")
    late = np.abs(census.late) > LATE_SHARE
    if late.any():
        off = ", ".join(np.array(census.cameras)[late].tolist())
        warnings.append(
            f"{looked}: images of {off} lie {np.median(census.late[late]):+.2f} intervals from "
            "their frames: is a clock off?"
        )
    return warnings


def _judge_points(census: Census, looked: str) -> list[str]:
    assert census.points is not None
    usual = int(np.median(census.points)) if len(census.points) else 0
    if not census.points.any() and census.step.get("measured_rays", 1.0) == 0:
        raise DataError(
            f"{looked}: no frame has a usable LiDAR point, though distances are to be learned from "
            "them; look at the sweeps with `mim4d check`, or train without LiDAR (--clip.lidar "
            "None and the loss weights that it names)"
        )
    if usual < FEW_POINTS:
        return [f"{looked}: a frame has {usual} usable LiDAR points (median)"]
    return []


_LIDAR_CAUSE = (
    "does the LiDAR see what the cameras see? Its mount, poses and times may be wrong "
    "(`mim4d check`)"
)
_STEP_RULES = {
    "rays": (
        0.0,
        0.2,
        "rays that can teach anything:",
        "images may be absent, hidden by masks (--clip.body-masks, --clip.sky-masks), or the grid "
        "may lie elsewhere than what the cameras see",
    ),
    "measured_rays": (0.0, FEW_TARGETS, "rays with a distance from the LiDAR:", _LIDAR_CAUSE),
    "measured_cells": (
        0.0,
        FEW_TARGETS,
        "cells of images with a depth from the LiDAR (--depth-loss-weight):",
        _LIDAR_CAUSE,
    ),
    "visible": (
        0.0,
        LITTLE_VISIBLE,
        "patches that the encoder sees:",
        "lower --mask.ratio, or look at the images' sizes",
    ),
}
