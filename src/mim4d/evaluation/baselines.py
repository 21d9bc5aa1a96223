"""Distances that need no learning: flat ground, and the usual distance at every pixel.

Metres along the ray, in images of the lattice.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from mim4d.data.clip import Clip
from mim4d.data.splits import TRAINING
from mim4d.evaluation.truth import TruthReader
from mim4d.evaluation.view import EvaluatedView, spread
from mim4d.rendering.rays import distance_to_ground

TRAINING_CLIPS = 512
"""Most training clips that the usual distances are taken from, evenly spread."""


def flat_ground(clip: Clip, view: EvaluatedView) -> Float[Tensor, "n h w"]:
    """Distance of each ray to the plane z = 0 of the frame's ego axes, but no farther than `far`.

    Rays that do not go down end where they leave the grid.
    """
    rays = view.rays(clip)
    return view.images(distance_to_ground(rays)[0].minimum(rays.far[0]))


def usual_distances(training: TruthReader) -> dict[str, Float[Tensor, "n h w"]]:
    """Mean and median distance of the training scenes at every pixel of every camera.

    For data sets with exact distances: a mean over a few LiDAR points per pixel would say nothing.
    Nothing where all scenes are in every split: nor would a mean over the evaluated scenes.
    """
    dataset = training.dataset
    tables = dataset.tables
    if TRAINING.resolve(tables.root, tables.version, tables.scene_names).origin == "all":
        return {}
    indices = spread(len(dataset), TRAINING_CLIPS)
    return pixel_constants(torch.stack([training.distances(i, dataset[i]) for i in indices]))


def pixel_constants(seen: Float[Tensor, "k n h w"]) -> dict[str, Float[Tensor, "n h w"]]:
    """Mean and median over `k` frames of each pixel of each camera, leaving out NaN.

    A pixel that never counted gets its camera's constant.
    """
    cameras = seen.transpose(0, 1).flatten(1)
    constants = {
        "pixel_mean": (seen.nanmean(dim=0), cameras.nanmean(dim=1)),
        "pixel_median": (seen.nanmedian(dim=0).values, cameras.nanmedian(dim=1).values),
    }
    return {
        name: torch.where(by_pixel.isnan(), by_camera[:, None, None], by_pixel)
        for name, (by_pixel, by_camera) in constants.items()
    }
