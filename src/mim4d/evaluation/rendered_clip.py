"""Everything that one picture of a run shows, computed: input, renderings, truth.

A clip of a data set and a model enter; what leaves is on the CPU and ready to be drawn. Distances
are metres along the rays.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mim4d.data.clip import Clip
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.evaluation import (
    MAX_M,
    MIN_M,
    EvaluatedView,
    FramePrediction,
    RenderedFrame,
    TruthReader,
    frame_volumes,
    predict_frame,
    render_frame,
)
from mim4d.metrics.distance import distance_errors
from mim4d.models.encoder.masking import hide_padding
from mim4d.pretraining.model import MaskedVideoModel

MASK_SEED = 0


@dataclass(frozen=True)
class RenderedClip:
    """Everything one picture shows.

    Attributes:
        clip: One clip (b = 1).
        frame: The frame that is rendered and, for the rebuilt volume, dropped.
        visible: A mask drawn like those of training.
        prediction: With unmasked inputs.
        masked: Direct volume with only the visible patches as inputs.
        truth: True distance along the rays, metres; NaN where unknown or outside the grid.
        truth_name: What served as truth.
        valid: Rays that exist and cross the grid.
    """

    clip: Clip
    frame: int
    visible: Bool[Tensor, "b t n hp wp"]
    prediction: FramePrediction
    masked: RenderedFrame
    truth: Float[Tensor, "n h w"]
    truth_name: str
    valid: Bool[Tensor, "n h w"]


@torch.no_grad()
def render_clip(
    model: MaskedVideoModel,
    dataset: NuscenesDataset,
    index: int,
    view: EvaluatedView,
    accelerator: str,
) -> RenderedClip:
    """Render one frame of a clip of the data set, with all of the inputs and with a part hidden."""
    clip = dataset[index]
    drawn = model.masking.draw(clip.images.shape, torch.Generator().manual_seed(MASK_SEED))
    visible = hide_padding(drawn, clip.image_sizes, model.masking.patch_px)
    moved = clip.to(accelerator)
    reader = TruthReader(dataset, view)
    truth = reader.distances(index, clip)
    masked = frame_volumes(model, moved, view.frame, visible.to(accelerator)).direct
    return RenderedClip(
        clip=clip,
        frame=view.frame,
        visible=visible,
        prediction=predict_frame(model, moved, view),
        masked=render_frame(model.renderer, masked, moved, view),
        truth=truth,
        truth_name=reader.name,
        valid=view.rays(clip).valid[0].unflatten(0, truth.shape),
    )


@dataclass(frozen=True)
class SeenFrame:
    """One frame through its own volume, nothing hidden.

    Attributes:
        clip: A clip of that frame alone (b t = 1).
        rendered: What the model sees.
        truth: True distance along the rays, metres; NaN where unknown or outside the grid.
        truth_name: What served as truth.
        valid: Rays that exist and cross the grid.
    """

    clip: Clip
    rendered: RenderedFrame
    truth: Float[Tensor, "n h w"]
    truth_name: str
    valid: Bool[Tensor, "n h w"]


@torch.no_grad()
def see_frame(
    model: MaskedVideoModel,
    dataset: NuscenesDataset,
    index: int,
    view: EvaluatedView,
    accelerator: str,
) -> SeenFrame:
    """Render the view's frame of a clip of the data set through its own volume alone."""
    clip = dataset[index]
    reader = TruthReader(dataset, view)
    truth = reader.distances(index, clip)
    frame, alone = replace(clip, key=view.frame).key_frame(), replace(view, frame=0)
    moved = frame.to(accelerator)
    volume = frame_volumes(model, moved, 0).direct
    return SeenFrame(
        clip=frame,
        rendered=render_frame(model.renderer, volume, moved, alone),
        truth=truth,
        truth_name=reader.name,
        valid=alone.rays(frame).valid[0].unflatten(0, truth.shape),
    )


def abs_rel(predicted: Float[Tensor, "n h w"], truth: Float[Tensor, "n h w"]) -> float:
    """Mean relative error over the pixels with a truth; NaN if there is none."""
    errors = distance_errors(predicted, truth, ~truth.isnan(), MIN_M, MAX_M)
    return float("nan") if errors is None else errors.abs_rel
