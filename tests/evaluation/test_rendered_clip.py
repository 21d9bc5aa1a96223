"""What a picture of a run shows, computed on a clip of random pictures."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from mim4d.config import PretrainConfig
from mim4d.data.augment.clip_augmentation import ClipRequest
from mim4d.data.clip import Clip
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.evaluation import EvaluatedView, rendered_clip
from mim4d.evaluation.rendered_clip import render_clip
from tests.toy import toy_clip, toy_config, toy_model


class OneClip(NuscenesDataset):
    """A data set of one clip, without files."""

    def __init__(self) -> None:
        pass

    def __getitem__(self, index: int | ClipRequest) -> Clip:
        assert isinstance(index, int)
        return toy_clip(index)


class UnknownTruth:
    """In place of a data set's truth: no distance is known."""

    name = "nothing"

    def __init__(self, dataset: object, view: EvaluatedView) -> None:
        self.view = view

    def distances(self, index: int, clip: Clip) -> Tensor:
        return self.view.images(torch.full(self.view.rays(clip).near.shape[1:], torch.nan))


def _visible(config: PretrainConfig) -> Tensor:
    """Patches that the masked input of a picture shows, of its only clip."""
    view = EvaluatedView.of(config, stride=16)
    return render_clip(toy_model(config).eval(), OneClip(), 0, view, "cpu").visible[0]


@pytest.mark.parametrize("shared", [False, True])
def test_the_masked_input_is_masked_as_in_training(
    shared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rendered_clip, "TruthReader", UnknownTruth)
    config = toy_config()
    mask = replace(config.mask, ratio=0.5, shared_over_time=shared)
    visible = _visible(replace(config, mask=mask))
    assert (visible.sum(dim=(-2, -1)) == 3).all()  # of six patches
    assert torch.equal(visible, visible[:1].expand_as(visible)) == shared
