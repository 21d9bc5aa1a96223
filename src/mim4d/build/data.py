"""Config to the clips of a data set, as they are read and changed for training."""

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from mim4d.build.trunk import build_grid
from mim4d.config import TaskConfig, TrunkConfig
from mim4d.config.augment import AugmentConfig
from mim4d.config.head import HeadConfig, OccupancyHeadConfig, SegmentationHeadConfig
from mim4d.data.augment.clip_augmentation import (
    BevRanges,
    ClipAugmentation,
    ColourRanges,
    ImageRanges,
)
from mim4d.data.augment.rig_change import RigRanges
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.data.splits import SceneChoice
from mim4d.data.tables.tables import NuscenesTables
from mim4d.errors import DataError, MissingMapError

logger = logging.getLogger(__name__)


def build_augmentation(config: AugmentConfig) -> ClipAugmentation:
    """What training clips may undergo."""
    return ClipAugmentation(
        ImageRanges(config.image_scale, config.image_flip),
        ColourRanges(
            config.brightness,
            config.contrast,
            config.saturation,
            math.radians(config.hue_deg),
            config.colours_by,
        ),
        BevRanges(
            math.radians(config.bev_rotation_deg),
            config.bev_scale,
            config.bev_flip_x,
            config.bev_flip_y,
        ),
        RigRanges(config.camera_drop, math.radians(config.camera_turn_deg)),
    )


def build_dataset(
    config: TrunkConfig,
    data: Path,
    scenes: str | SceneChoice,
    version: str | None = None,
    on_bad_clip: Literal["fail", "skip"] = "fail",
    incomplete: Literal["drop", "keep"] = "drop",
    *,
    judged: bool = False,
) -> NuscenesDataset:
    """Clips of a data set, as the config wants them.

    Args:
        config: The resolved configuration.
        data: Folder of the data set.
        scenes: Name of a split, or a choice of scenes. A data set that lists no splits has only
            one: all its scenes.
        version: Version folder, where there are several.
        on_bad_clip: What to do with clips that cannot be read.
        incomplete: What to do with clips that reach beyond their scene.
        judged: The data, on which a run is judged, may be of another rig than it was trained on:
            they may do without LiDAR, and masks that lie with them come before the run's own.

    Raises:
        ValueError: If the data are wrong, or no scene is left.
    """
    try:
        return _open(config, data, scenes, version, on_bad_clip, incomplete, judged)
    except MissingMapError as error:
        head = _head_of(config)
        if not isinstance(head, SegmentationHeadConfig):
            raise
        raise MissingMapError(f"{error} ({head.map_advice})") from error


def build_bare_dataset(config: TrunkConfig, data: Path) -> NuscenesDataset:
    """Clips of which nothing is known but the images: all of them, without LiDAR, map or labels.

    Raises:
        DataError: If the run was trained with given depths, which images have not.
    """
    if isinstance(config, TaskConfig) and config.given_depth:
        raise DataError(
            f"{data}: bare images, and the run was trained with --given-depth; ask it about data "
            "with exact distances or LiDAR"
        )
    clip = config.clip
    return NuscenesDataset(
        data,
        frames=clip.frames,
        key=clip.key,
        frame_interval_s=clip.frame_interval_s,
        image_hw=(clip.image_height, clip.image_width),
        fit=clip.fit,
        lidar=None,
        incomplete="keep",  # a moment without a past is asked about too
        body_masks=imported_masks(data),
    )


def _open(
    config: TrunkConfig,
    data: Path,
    scenes: str | SceneChoice,
    version: str | None,
    on_bad_clip: Literal["fail", "skip"],
    incomplete: Literal["drop", "keep"],
    judged: bool,
) -> NuscenesDataset:
    clip = config.clip
    lidar = clip.lidar
    if lidar is not None and judged and not _has_lidar(data, version):
        logger.warning("%s: has no LiDAR, the run was trained with %s", data, lidar)
        lidar = None
    masks = (clip.body_masks, imported_masks(data, clip.cameras))
    if judged:
        masks = masks[::-1]
    return NuscenesDataset(
        data,
        version=version,
        frames=clip.frames,
        key=clip.key,
        frame_interval_s=clip.frame_interval_s,
        image_hw=(clip.image_height, clip.image_width),
        fit=clip.fit,
        cameras=clip.cameras,
        lidar=lidar,
        scenes=SceneChoice(scenes) if isinstance(scenes, str) else scenes,
        incomplete=incomplete,
        on_bad_clip=on_bad_clip,
        body_masks=masks[0] or masks[1],
        sky_masks=clip.sky_masks,
        augmentation=build_augmentation(config.augment),
        map_range_m=_map_range_m(config),
        **_surfaces(config),
        depths=isinstance(config, TaskConfig) and config.given_depth,
    )


def imported_masks(data: Path, cameras: Sequence[str] | None = None) -> Path | None:
    """The body masks that `mim4d import` wrote with the images; None where there are none.

    Args:
        data: Data set.
        cameras: Channels that are used; None: all.
    """
    folder = data / "body_masks"
    found = {path.stem for path in folder.glob("*.png")}
    used = found if cameras is None else found.intersection(cameras)
    return folder if used else None


def _has_lidar(data: Path, version: str | None) -> bool:
    return bool(NuscenesTables.open(data, version).channels("lidar"))


def _head_of(config: TrunkConfig) -> HeadConfig | None:
    return config.head if isinstance(config, TaskConfig) else None


def _map_range_m(config: TrunkConfig) -> tuple[float, float] | None:
    """How much of the map is read: as far as the volume reaches, where a task wants a map."""
    head = _head_of(config)
    if head is None or not head.needs_map:
        return None
    x, y, _ = build_grid(config.grid).centres_ego.flatten(0, 2).abs().amax(dim=0).tolist()
    size_x, size_y, _ = build_grid(config.grid).voxel_size_m
    return 2 * x + size_x + size_y, 2 * y + size_x + size_y


def _surfaces(config: TrunkConfig) -> dict[str, Any]:
    """What labels of occupancy are made from, where a task wants them."""
    if not isinstance(config, TaskConfig) or not isinstance(config.head, OccupancyHeadConfig):
        return {}
    return {"surfaces": config.head.labels, "surface_sweeps": config.head.sweeps}
