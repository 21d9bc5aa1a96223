import re

import pytest
import torch

from mim4d.exchange.official.checkpoint_layout import LayoutError, read_layout
from tests.exchange.official.conftest import State


def shapes(state: State) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in state.items() if not name.startswith("ema_")}


def test_published_pretrainings(published: dict[str, State]) -> None:
    """The 0.1 m configuration says ConvNeXt-B, the 0.075 m one ConvNeXt-S."""
    layout = read_layout(shapes(published["vs0.1_pretrain"]))
    assert (layout.kind, layout.depth_head, layout.num_bins) == ("pretraining", "simple", 64)
    assert (layout.widths, layout.levels) == ((128, 256, 512, 1024), (1, 2, 3))
    assert (layout.neck_channels, layout.neck_outputs) == (128, 4)
    decoder = layout.decoder
    assert decoder is not None
    assert (decoder.num_sources, decoder.num_cells) == (2, 128 * 128)
    assert (decoder.short_predictions, decoder.long_predictions) == (4 * 4, 2 * 4)

    layout = read_layout(shapes(published["vs0.075_pretrain"]))
    assert (layout.depth_head, layout.num_bins, layout.aspp_channels) == ("aspp", 118, 96)
    assert (layout.widths, layout.levels) == ((96, 192, 384, 768), (3,))
    decoder = layout.decoder
    assert decoder is not None
    assert (decoder.num_sources, decoder.num_cells) == (3, 180 * 180)
    assert (decoder.short_predictions, decoder.long_predictions) == (4 * 4, 2 * 4)
    assert (decoder.short_ffn_width, decoder.long_ffn_width) == (256, 128)


@pytest.mark.parametrize("name", ["vs0.1_finetune", "vs0.075_finetune"])
def test_published_detectors(published: dict[str, State], name: str) -> None:
    layout = read_layout(shapes(published[name]))
    assert (layout.kind, layout.decoder, layout.field) == ("detector", None, None)
    assert (layout.depths, layout.widths) == ((3, 3, 27, 3), (96, 192, 384, 768))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["conv1.weight"], r"there is no img_backbone.*begins with conv1\.weight"),
        (["img_backbone.conv1.weight"], r"img_backbone is no ConvNeXt"),
        ([], r"begins with nothing"),
    ],
)
def test_something_else_is_refused(names: list[str], message: str) -> None:
    with pytest.raises(LayoutError, match=message):
        read_layout({name: (64, 3, 7, 7) for name in names})


@pytest.mark.parametrize(
    "key",
    [
        "img_backbone.stages.2.0.gamma",
        "depth_net.weight",
        "render_conv.0.weight",
        "history_decoder.queries_long.weight",
        "pts_bbox_head.render_model.field.sdf_decoder.fc_p.weight",
    ],
)
def test_what_says_something_must_be_there(state: State, key: str) -> None:
    known = shapes(state)
    del known[key]
    with pytest.raises(LayoutError, match="lacks"):
        read_layout(known)
    with pytest.raises(LayoutError, match="which says nothing"):
        read_layout(shapes(state) | {key: torch.Size([])})


def test_parts_that_contradict_each_other_are_refused(state: State) -> None:
    known = shapes(state)
    width = known["history_decoder.frame_embeds"][1]
    layer = "history_decoder.decoder_long.layers.0.attentions.0"
    weights = known[f"{layer}.attention_weights.weight"][0]
    # So many sources cannot share these weights evenly.
    known["history_decoder.frame_embeds"] = torch.Size([weights + 2, width])
    match = rf"for {weights + 2} frames, to which the {weights} attention weights"
    with pytest.raises(LayoutError, match=match):
        read_layout(known)
    levels = read_layout(shapes(state)).levels
    norms = re.compile(r"img_backbone\.norm\d\.")
    known = {name: size for name, size in shapes(state).items() if not norms.match(name)}
    with pytest.raises(LayoutError, match=rf"the neck has {len(levels)} inputs .* stages \(\)"):
        read_layout(known)
