"""The published models at full size, built without memory: what they share with the release."""

from pathlib import Path

import pytest
import torch
from torch import nn

from mim4d.build.pretraining import build_model
from mim4d.config.presets import preset
from mim4d.pretraining.model import MaskedVideoModel
from mim4d.temporal.decoder import TemporalDecoder
from mim4d.training.loop import pretrain

NAMES = ("nuscenes_s_080", "nuscenes_s_060")


@pytest.fixture(scope="module", params=NAMES)
def built(request: pytest.FixtureRequest) -> tuple[str, MaskedVideoModel]:
    with torch.device("meta"):
        return request.param, build_model(preset(request.param))


def count(*modules: nn.Module) -> int:
    return sum(p.numel() for module in modules for p in module.parameters())


@pytest.mark.slow
def test_parameters_of_the_image_part(built: tuple[str, MaskedVideoModel]) -> None:
    name, model = built
    encoder = model.encoder
    head = encoder.depth_head
    backbone = count(encoder.image_encoder)
    trained = sum(p.numel() for p in encoder.image_encoder.parameters() if p.requires_grad)
    # The released 0.8 m model also norms stage 0 (192 numbers), whose map nothing reads.
    stage_0 = 192 if name == "nuscenes_s_080" else 0
    counts = {
        "img_backbone": backbone + stage_0,
        "img_backbone, trained": trained + stage_0,
        "img_neck": count(encoder.neck),
        "input_proj": count(head.projection),
        "depth_net": count(head.depth_net),
        "render_conv": count(encoder.volume_conv),
    }
    released = {
        "nuscenes_s_080": (49_456_032, 49_213_248, 762_752, 16_512, 8_256, 110_688),
        "nuscenes_s_060": (49_454_688, 49_211_904, 786_944, 65_792, 4_999_990, 221_280),
    }
    # Our layer and group norms have as many weights as the released batch norms.
    assert tuple(counts.values()) == released[name], counts


def test_parameters_of_the_temporal_decoder(built: tuple[str, MaskedVideoModel]) -> None:
    name, model = built
    decoder = model.decoder
    assert isinstance(decoder, TemporalDecoder)
    assert decoder.long_proj is not None
    assert decoder.short is not None
    assert decoder.long is not None
    counts = {
        "proj": count(decoder.proj, decoder.proj_norm),
        "input_proj": count(decoder.long_proj),
        "output_proj": count(decoder.output_proj, decoder.output_norm),
        "decoder_short": count(decoder.short.layers),
    }
    assert tuple(counts.values()) == (20_736, 8_384, 276_800, 211_296), counts
    # The released long branch predicts offsets (16) and weights (8) of each of its sources by
    # itself, 64 + 1 numbers each, in two layers; ours tells sources apart by their time and
    # predicts for all at once.
    num_sources, released = {"nuscenes_s_080": (2, 89_568), "nuscenes_s_060": (3, 59_664)}[name]
    own = (num_sources - 1) * (16 + 8) * (64 + 1) * 2
    assert count(decoder.long.layers) + own == released
    # The rest has no counterpart: one query a branch, not one a cell; embeddings of signed time,
    # not of places in a list.
    others = count(decoder) - sum(counts.values()) - count(decoder.long.layers)
    queries, times = 128 + 64, (15 + 1) * (128 + 128 + 64)
    assert others == queries + times


def test_parameters_of_the_field(built: tuple[str, MaskedVideoModel]) -> None:
    field = built[1].renderer.field
    assert count(field.sdf_decoder) == 4_881
    assert count(field.colour_decoder) == 4_451
    # And the sharpness; the released two of a Laplace density never get a gradient.
    assert count(field) == 9_335 - 2


def test_units_are_metres(built: tuple[str, MaskedVideoModel]) -> None:
    name, model = built
    config = preset(name)
    half_width_m, voxel_m = {"nuscenes_s_080": (51.2, 0.8), "nuscenes_s_060": (54.0, 0.6)}[name]
    size = model.encoder.grid.voxel_size_m
    assert size == pytest.approx((voxel_m, voxel_m, 1.6))
    assert model.renderer.field.length_unit_m == half_width_m
    # exp(10 · 0.3) = 20.09 in released units; 10 in released units.
    assert config.render.sharpness_start_per_m * half_width_m == pytest.approx(20.09, abs=0.01)
    assert config.loss.distance_weight * half_width_m == pytest.approx(10)
    bins = model.encoder.depth_head.bins
    assert bins.step_m == pytest.approx({"nuscenes_s_080": 1.0, "nuscenes_s_060": 0.5}[name])
    assert config.optim.steps == 42_195


def test_frames_and_targets(built: tuple[str, MaskedVideoModel]) -> None:
    config = preset(built[0])
    assert config.clip.key == config.clip.frames - 1
    assert built[1].dropping.count == 2
    assert not built[1].dropping.together


@pytest.mark.parametrize("name", NAMES)
def test_random_weights_are_not_frozen(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"freezes its first stage, so it needs weights"):
        pretrain(preset(name), tmp_path / "no_data", tmp_path / "run")
    assert not (tmp_path / "run").exists()
