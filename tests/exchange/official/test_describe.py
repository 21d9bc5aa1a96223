from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from mim4d.build.pretraining import build_field_grid
from mim4d.build.trunk import build_grid, build_lifted_grid
from mim4d.config import PretrainConfig, TaskConfig
from mim4d.config.as_json import config_from_json, config_to_json
from mim4d.config.head import QueryHeadConfig
from mim4d.exchange.official.checkpoint_layout import LayoutError, OfficialLayout, read_layout
from mim4d.exchange.official.describe import describe, published_metres
from mim4d.exchange.official.model import import_state
from tests.exchange.official.conftest import IN_8_M, State, metres_of
from tests.parity import GoldenFile

# Parts of the release and their sizes: spec B.0.
COUNTS = {
    "vs0.1_pretrain": {
        "img_backbone": 87_568_256,
        "img_neck": 820_096,
        "input_proj": 16_512,
        "depth_net": 8_256,
        "render_conv": 110_688,
        "history_decoder": 3_752_896,
        "pts_bbox_head": 120_023,
    },
    "vs0.075_pretrain": {
        "img_backbone": 49_454_688,
        "img_neck": 786_944,
        "input_proj": 65_792,
        "depth_net": 4_999_990,
        "render_conv": 221_280,
        "history_decoder": 6_798_192,
        "pts_bbox_head": 230_615,
    },
    "vs0.1_finetune": {
        "img_backbone": 49_456_032,
        "img_neck": 762_752,
        "input_proj": 16_512,
        "depth_net": 8_256,
        "view_trans": 1_328_256,
        "pts_bbox_head": 2_041_867,
    },
    "vs0.075_finetune": {
        "img_backbone": 49_454_688,
        "img_neck": 786_944,
        "input_proj": 65_792,
        "depth_net": 4_999_990,
        "view_trans": 5_310_720,
        "pts_bbox_head": 6_445_594,
    },
}
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def layout_of(state: State) -> OfficialLayout:
    shapes = {name: value.shape for name, value in state.items() if not name.startswith("ema_")}
    return read_layout(shapes)


@pytest.mark.parametrize("name", list(COUNTS))
@pytest.mark.slow
def test_published_models_fit_and_have_their_size(published: dict[str, State], name: str) -> None:
    """Every weight of our model comes from the file; every number of the file is accounted for."""
    state = published[name]
    imported = import_state(state)
    counts = dict.fromkeys(COUNTS[name], 0)
    left = 0
    for verdict in imported.translation.verdicts:
        if verdict.name.startswith("ema_") or verdict.name.endswith(STATISTICS):
            continue
        counts[verdict.name.split(".")[0]] += state[verdict.name].numel()
        left += 0 if verdict.fate == "mapped" else state[verdict.name].numel()
    assert counts == COUNTS[name]
    ours = sum(
        value.numel() for key, value in imported.weights.items() if not key.endswith(STATISTICS)
    )
    # The last row of the frame embeddings is dead; a detector's code weights are configuration.
    elsewhere = imported.config.temporal.width if imported.is_pretraining else 10
    assert ours == sum(counts.values()) - left - elsewhere
    fates = {
        verdict.fate for verdict in imported.translation.verdicts if "ema_" not in verdict.name
    }
    assert fates <= {"mapped", "dead"}


def test_the_published_configurations(published: dict[str, State]) -> None:
    configs = {}
    for name, state in published.items():
        layout = layout_of(state)
        configs[name] = describe(layout, published_metres(layout))
    large, fine = configs["vs0.1_pretrain"], configs["vs0.075_pretrain"]
    assert large.encoder.name == "convnext_base"
    assert (large.clip.frames, large.clip.key) == (3, 2)
    assert (large.grid.lower_m, large.grid.upper_m) == ((-51.2, -51.2, -5.0), (51.2, 51.2, 3.0))
    assert large.grid.shape_xyz == (128, 128, 5)
    assert (large.lift.method, large.lift.num_bins) == ("lookup", 64)
    assert (large.temporal.short_heads, large.temporal.long_heads) == (4, 2)
    assert large.temporal.long_ffn_factor == 4
    assert (fine.encoder.name, fine.encoder.depths) == ("convnext_small", None)
    assert (fine.clip.frames, fine.grid.shape_xyz) == (4, (180, 180, 5))
    assert (fine.lift.method, fine.lift.depth_head, fine.lift.num_bins) == ("splat", "aspp", 118)
    assert fine.temporal.long_ffn_factor == 2
    detector = configs["vs0.1_finetune"]
    assert (detector.clip.frames, detector.clip.image_width) == (1, 1600)
    heads = {n: c.head for n, c in configs.items() if isinstance(c, TaskConfig)}
    large_head, fine_head = heads["vs0.1_finetune"], heads["vs0.075_finetune"]
    assert isinstance(large_head, QueryHeadConfig)
    assert isinstance(fine_head, QueryHeadConfig)
    assert (large_head.queries, fine_head.queries) == ("learned", "placed")
    assert (large_head.num_queries, large_head.layers, large_head.hidden) == (900, 6, 512)
    assert fine_head.code_weights == (2.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.2, 0.2)
    assert (detector.lift.volume_channels, detector.lift.volume_layers) == (128, 3)
    for config in configs.values():
        assert config_from_json(config_to_json(config), "x", type(config)) == config


def test_the_grid_lies_in_the_axes_of_the_lidar(state: State) -> None:
    config = describe(layout_of(state), replace(IN_8_M, rotation_deg=(0.0, 0.0, -90.0)))
    grid = build_grid(config.grid)
    # 6 m along the LiDAR's y axis, which points forward, and 0.5 m below it.
    in_box = torch.tensor([[0.0, 6.0, -0.5, 1.0]])
    ahead = (in_box @ torch.tensor(grid.ego_from_box).T)[0, :3]
    torch.testing.assert_close(ahead, torch.tensor([6.96, 0.0, 1.34]))
    share = torch.tensor([0.0 + 8, 6 + 8, -0.5 + 5]) / torch.tensor([16, 16, 8])
    in_voxels = share * torch.tensor(grid.shape_xyz)
    torch.testing.assert_close(grid.to_grid(ahead[None])[0], in_voxels)


def test_lifting_at_corners_and_volumes_from_centre_to_centre(state: State) -> None:
    config = describe(
        layout_of(state), replace(IN_8_M, origin_m=(0.0, 0.0, 0.0), rotation_deg=(0.0, 0.0, 0.0))
    )
    first = build_lifted_grid(config).centres_ego[0, 0, 0]
    torch.testing.assert_close(first, torch.tensor([-8.0, -8.0, -5.0]))
    assert isinstance(config, PretrainConfig)
    read = build_field_grid(config).centres_ego
    torch.testing.assert_close(read[0, 0, 0], torch.tensor([-8.0, -8.0, -5.0]))
    torch.testing.assert_close(read[-1, -1, -1], torch.tensor([8.0, 8.0, 3.0]))


def test_a_splat_fills_whole_voxels(golden: Callable[[str], GoldenFile]) -> None:
    config = describe(layout_of(golden("pretrain_full_b.in").part("weights")), IN_8_M)
    assert build_lifted_grid(config) == build_grid(config.grid)


def test_sizes_that_no_model_of_ours_has_are_refused(state: State) -> None:
    name = "history_decoder.queries_short.weight"
    with pytest.raises(LayoutError, match="for 255 cells, no square grid"):
        import_state(state | {name: torch.zeros(255, state[name].shape[1])}, metres_of=metres_of)
    name = "history_decoder.proj.0.weight"
    width, folded = state[name].shape[:2]
    channels = len(state["render_conv.0.weight"])
    match = rf"proj: size {folded + 1}, to which {channels} does not fit"
    with pytest.raises(LayoutError, match=match):
        import_state(state | {name: torch.zeros(width, folded + 1, 1, 1)}, metres_of=metres_of)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("img_neck.fpn_convs.0.conv.bias", r"lacks keys \(1\): img_neck\.fpn_convs\.0\.conv\.bias"),
        ("render_conv.1.running_var", r"lacks keys \(1\): render_conv\.1\.running_var"),
        ("pts_bbox_head.render_model.field.sdf_decoder.fc_p.bias", r"lacks keys .*fc_p\.bias"),
    ],
)
def test_every_weight_must_be_there(state: State, key: str, message: str) -> None:
    del state[key]
    with pytest.raises(LayoutError, match=message):
        import_state(state, metres_of=metres_of)


def test_every_weight_must_have_its_shape_and_kind(state: State) -> None:
    key = "img_neck.fpn_convs.0.conv.bias"
    wrong = torch.zeros(len(state[key]) + 1)
    match = rf"does not fit the other keys: as .* it is \({len(wrong)},\)"
    with pytest.raises(LayoutError, match=match):
        import_state(state | {key: wrong}, metres_of=metres_of)
    with pytest.raises(LayoutError, match=r"float16; expected"):
        import_state(state | {key: state[key].half()}, metres_of=metres_of)


def test_published_metres_say_which_release(published: dict[str, State]) -> None:
    for name, half_width_m in (("vs0.1_pretrain", 51.2), ("vs0.075_finetune", 54.0)):
        assert published_metres(layout_of(published[name])).half_width_m == half_width_m
