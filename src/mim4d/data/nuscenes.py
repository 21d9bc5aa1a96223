"""A data set in the nuScenes format as clips: T frames of N cameras around each keyframe.

Every pose, point and box leaves in `ref`, the ego frame at the key frame; metres, seconds, radians.
Each image has its own pose, from the tables, at its own exposure. Poses are composed in float64 and
leave in float32. What is wrong on disk is a `DataError` that names the file and the token.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch.utils.data import Dataset

from mim4d.data.augment.clip_augmentation import ClipAugmentation, ClipChange, ClipRequest
from mim4d.data.clip import Clip
from mim4d.data.file_sizes import file_sizes
from mim4d.data.images.body_mask import BodyMasks
from mim4d.data.images.image_fit import Fit
from mim4d.data.images.placement import ImagePlacement, Size
from mim4d.data.images.sky_mask import SkyMasks
from mim4d.data.lidar import EgoBody
from mim4d.data.maps.scene_maps import SceneMaps
from mim4d.data.pixel_depths import DepthReader
from mim4d.data.reader import ClipPlan, ClipReader
from mim4d.data.selection import (
    FRONT_CAMERA,
    choose_cameras,
    choose_lidar,
    choose_scenes,
    frame_spacing,
    no_clip,
    refuse_distortion,
)
from mim4d.data.splits import SceneChoice
from mim4d.data.surface_reader import Source, SurfaceReader
from mim4d.data.tables.tables import NuscenesTables, Rows
from mim4d.data.timeline import ClipIndex, assign_nearest, index_clips
from mim4d.errors import DataError

_LOGGER = logging.getLogger(__name__)
_BODY = EgoBody()
_NO_AUGMENTATION = ClipAugmentation()


class NuscenesDataset(Dataset[Clip]):
    """Clips of a data set in the nuScenes format, one for every keyframe with room around it.

    Args:
        root: Folder that holds `samples/` and the folder of tables.
        version: Name of the folder of tables; None if there is only one.
        frames: Frames of a clip.
        key: Index of the key frame among them; negative counts from the end.
        frame_interval_s: Time between frames, filled from keyframes and sweeps. None: frames are
            consecutive keyframes, and sweeps are not used (their files may be absent).
        image_hw: Rows and columns that images are fitted into.
        fit: `inside` shows the whole image, with padding at the right or the bottom; `cover` fills
            `image_hw`, without rows at the top (sky) or equal parts of both sides.
        cameras: Channels in the order wanted; None: all of the data set, CAM_FRONT first, the
            others sorted.
        lidar: Channel of the LiDAR; None: use none.
        scenes: Names of the scenes to use, or a choice (a split, a fraction); None: all.
        incomplete: What to do with clips that reach beyond their scene or a gap in it: drop them,
            or keep them with `frame_present` False.
        on_bad_clip: What to do with clips that cannot be read: fail, or leave those whose files are
            missing or empty out of the index, and where another turns out bad when it is read, log
            it, count it in `num_skipped` and read one drawn evenly from all others in its place.
        body: LiDAR points inside are returns of the car itself.
        body_masks: Folder of `<CHANNEL>.png`, non-zero where a camera sees the car itself.
        sky_masks: Folder of masks by image file, non-zero on the sky (see `SkyMasks`).
        augmentation: What clips that are asked for by a `ClipRequest` undergo.
        map_range_m: Length along x and width along y of the vector map around the car at the key
            frame, metres; None: read no map.
        surfaces: Where surfaces around the car are read from, for labels of occupancy: exact truth,
            LiDAR, or the first of these that there is (`auto`); None: read none.
        surface_sweeps: Key frames before and after whose LiDAR tells of surfaces.
        depths: Give clips the depth of every pixel, for the lifting: exact where the data have it,
            else LiDAR's.
        cache_dir: Where to keep the tables' columns (see `NuscenesTables.open`).

    Raises:
        DataError: If tables are missing or wrong, a scene or channel is not there, a camera's
            images are distorted, no clip is left, or a map is asked for and a scene has none.
        ValueError: If an argument makes no sense.
    """

    def __init__(
        self,
        root: Path | str,
        *,
        frames: int,
        image_hw: tuple[int, int],
        fit: Fit = "inside",
        version: str | None = None,
        key: int = -1,
        frame_interval_s: float | None = None,
        cameras: Sequence[str] | None = None,
        lidar: str | None = "LIDAR_TOP",
        scenes: Sequence[str] | SceneChoice | None = None,
        incomplete: Literal["drop", "keep"] = "drop",
        on_bad_clip: Literal["fail", "skip"] = "fail",
        body: EgoBody = _BODY,
        body_masks: Path | None = None,
        sky_masks: Path | None = None,
        augmentation: ClipAugmentation = _NO_AUGMENTATION,
        map_range_m: tuple[float, float] | None = None,
        surfaces: Source | None = None,
        surface_sweeps: int = 2,
        depths: bool = False,
        cache_dir: Path | None = None,
    ) -> None:
        self._spacing = frame_spacing(frames, key, frame_interval_s)
        if min(image_hw) < 1:
            raise ValueError(f"image_hw is {image_hw}; expected positive rows and columns")
        self.tables = NuscenesTables.open(root, version, cache_dir)
        self.image_hw = image_hw
        self._fit: Fit = fit
        self.cameras = choose_cameras(self.tables, cameras)
        self.lidar = choose_lidar(self.tables, lidar)
        self._on_bad_clip = on_bad_clip
        self._augmentation = augmentation
        bodies = None if body_masks is None else BodyMasks(body_masks, self.cameras)
        skies = None if sky_masks is None else SkyMasks(sky_masks)
        self._reader = ClipReader(
            self.tables, self.cameras, self.lidar, image_hw, fit, body, bodies, skies
        )
        chosen = choose_scenes(self.tables, scenes)
        refuse_distortion(self.tables, self.cameras)
        self._maps = (
            None
            if map_range_m is None
            else SceneMaps.open(self.tables, chosen, map_range_m, cache_dir)
        )
        self._surfaces = (
            None
            if surfaces is None
            else SurfaceReader(self.tables, surfaces, self.lidar, surface_sweeps)
        )
        self._depths = DepthReader(self.tables, image_hw, fit, self.lidar) if depths else None
        self._clips = self._index(chosen, incomplete)
        if on_bad_clip == "skip":
            self._clips = self._with_files(self._clips)
        # Shared, so that loader processes report what they skip to this one.
        self._skipped = torch.zeros(len(self._clips), dtype=torch.bool).share_memory_()

    def _index(self, scenes: list[int], incomplete: str) -> ClipIndex:
        front = FRONT_CAMERA if FRONT_CAMERA in self.cameras else self.cameras[0]
        anchors = [front] if self.lidar is None else [self.lidar, front]
        clips = index_clips(self.tables, scenes, self._spacing, anchors)
        samples = sum(len(self.tables.samples_of_scene(scene)) for scene in scenes)
        if len(clips) < samples:
            _LOGGER.warning(
                "%d of %d keyframes have no data of %s and give no clip",
                samples - len(clips),
                samples,
                " or ".join(anchors),
            )
        if incomplete == "drop":
            clips = clips.select(np.all(clips.anchors >= 0, axis=1))
        if len(clips) == 0:
            raise no_clip(self.tables, scenes, self._spacing)
        return clips

    def _with_files(self, clips: ClipIndex) -> ClipIndex:
        """The clips all of whose files are there; how many those are is said once."""
        filenames = self.tables.column("sample_data", "filename")
        names = [name.decode(errors="replace") for name in filenames.tolist()]
        lost = file_sizes(self.tables.root, names) <= 0
        if not lost.any():
            return clips
        whole = np.array([not lost[self._files(i, clips)].any() for i in range(len(clips))])
        if not whole.any():
            raise DataError(
                f"{self.tables.root}: none of its {len(clips)} clips has all of its files; "
                "were the archives of images and LiDAR extracted?"
            )
        if not whole.all():
            _LOGGER.warning(
                "%d of %d clips are left out because files of theirs are missing or empty; %d "
                "remain",
                np.sum(~whole),
                len(clips),
                np.sum(whole),
            )
        return clips.select(whole)

    def _files(self, index: int, clips: ClipIndex) -> Rows:
        """Rows of `sample_data` whose files a clip reads."""
        plan = self._plan(index, clips)
        anchors = plan.anchors[plan.anchors >= 0]
        if self.lidar is not None:
            rows = self.tables.data_of_scene(plan.scene, self.lidar)
            anchors = anchors[np.isin(anchors, rows)]
        else:
            anchors = anchors[:0]
        return np.concatenate([anchors, plan.images[plan.images >= 0]])

    def __len__(self) -> int:
        """Number of clips."""
        return len(self._clips)

    def __getitem__(self, request: int | ClipRequest) -> Clip:
        """Read one clip (`b` = 1): as it is by its index, augmented by a request with a seed.

        A request may ask for its key frame alone.

        Raises:
            IndexError: If there is no such clip.
            DataError: If it cannot be read and bad clips are not to be skipped, or all are bad.
        """
        change, seed, key_alone = None, 0, False
        if isinstance(request, ClipRequest):
            seed, key_alone = request.seed, request.key_alone
            change = self._augmentation.draw(seed, len(self.cameras))
            request = request.index
        index = self._position(request)
        if self._on_bad_clip == "fail":
            return self._read(index, change, key_alone)
        for candidate in self._candidates(index, seed):
            if self._skipped[candidate]:
                continue
            try:
                return self._read(candidate, change, key_alone)
            except DataError as error:
                if not self._skipped[candidate]:
                    self._skipped[candidate] = True
                    _LOGGER.warning("clip %d skipped: %s", candidate, error)
        raise DataError(f"{self.tables.root}: none of its {len(self)} clips can be read")

    def _candidates(self, index: int, seed: int) -> Iterator[int]:
        """A clip, and where it is bad the others, evenly: not always the one after it."""
        yield index
        generator = torch.Generator().manual_seed(seed ^ index)
        yield from torch.randperm(len(self), generator=generator).tolist()

    def _read(self, index: int, change: ClipChange | None, key_alone: bool = False) -> Clip:
        plan = self._plan(index).key_alone() if key_alone else self._plan(index)
        draws = None if change is None else change.images
        clip = self._reader.read(plan, draws)
        if self._maps is not None:
            global_from_ref = self.tables.global_from_ego(plan.anchors[plan.key :][:1])[0]
            reach = 1.0 if change is None else change.bev.map_reach
            clip = replace(clip, maps=(self._maps.patch(plan.scene, global_from_ref, reach),))
        if self._surfaces is not None:
            clip = replace(clip, surfaces=(self._surfaces.read(plan),))
        if self._depths is not None:
            clip = replace(clip, given_depths=self._depths.read(plan, clip, draws))
        return clip if change is None else change.apply(clip)

    @property
    def num_skipped(self) -> int:
        """How many different clips have been skipped so far, loader processes included."""
        return int(self._skipped.sum())

    @property
    def only_keyframes(self) -> bool:
        """Whether clips are made of key frames alone, and no file of a sweep is needed."""
        return self._spacing.interval_us is None

    @property
    def category_names(self) -> tuple[str, ...]:
        """Names of the classes of boxes, by their index."""
        return self.tables.category_names

    def scene_name(self, index: int) -> str:
        """Name of a clip's scene, without reading the clip."""
        return self.tables.scene(int(self._clips.scene[self._position(index)])).name

    def key_sample(self, index: int) -> int:
        """Row of a clip's key sample, without reading the clip."""
        return int(self._clips.sample[self._position(index)])

    def plan(self, index: int) -> ClipPlan:
        """The measurements of a clip, without reading any."""
        return self._plan(self._position(index))

    def image_files(self, index: int) -> list[list[str | None]]:
        """Path of each image of a clip, relative to the data set, by frame and camera."""
        filenames = self.tables.column("sample_data", "filename")
        images = self.plan(index).images
        return [[filenames[r].decode() if r >= 0 else None for r in row] for row in images.tolist()]

    def shown_box(self, stored_hw: Size) -> tuple[float, float, float, float]:
        """What clips that are not augmented show of a stored image: left, top, right, bottom."""
        placement = ImagePlacement.fitted(stored_hw, self.image_hw, self._fit)
        return placement.shown_box(stored_hw, self.image_hw)

    def _position(self, index: int) -> int:
        if not -len(self) <= index < len(self):
            raise IndexError(f"clip {index} of {len(self)}")
        return index % len(self)

    def _plan(self, index: int, clips: ClipIndex | None = None) -> ClipPlan:
        clips = self._clips if clips is None else clips
        scene, times = int(clips.scene[index]), clips.times_us[index]
        anchors = clips.anchors[index]
        wanted = np.where(anchors >= 0, times, np.nan)
        images = np.full((len(anchors), len(self.cameras)), -1, np.int64)
        for n, camera in enumerate(self.cameras):
            rows = self.tables.data_of_scene(scene, camera)
            if self._spacing.interval_us is None:
                rows = rows[self.tables.column("sample_data", "is_key_frame")[rows]]
            candidates = self.tables.column("sample_data", "timestamp_us")[rows]
            chosen = assign_nearest(candidates, wanted, float(clips.interval_us[index]) / 2)
            images[chosen >= 0, n] = rows[chosen[chosen >= 0]]
        return ClipPlan(scene, int(clips.sample[index]), self._spacing.key, anchors, times, images)
