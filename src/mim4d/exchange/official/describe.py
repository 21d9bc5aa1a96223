"""The configuration of an official model: sizes from its layout, the rest from what was published.

A state dict says nothing of metres. What belongs to each of the two releases (the grid's bounds,
the depth bins, the clip) is stated here, and so are the conventions under which their weights mean
what they meant to the authors; `docs/official_checkpoints.md` gives the reasons.
"""

from dataclasses import dataclass, fields, replace

from mim4d.config import (
    ConventionConfig,
    EncoderConfig,
    GridConfig,
    PretrainConfig,
    RenderConfig,
    TaskConfig,
    TemporalConfig,
    TrunkConfig,
    Vector3,
)
from mim4d.config.head import QueryHeadConfig
from mim4d.config.presets.detection import PLACED_CODE_WEIGHTS
from mim4d.config.presets.nuscenes import nuscenes_s_060, nuscenes_s_080
from mim4d.exchange.official.checkpoint_layout import (
    DecoderLayout,
    FieldLayout,
    LayoutError,
    OfficialLayout,
    QueryLayout,
    square_side,
)

POINTS_PER_HEAD = 4
"""In all of the authors' configurations; shapes tell the product with the heads alone."""
_GEOMETRY_FEATURES = 16
_ARCHITECTURES = {
    ((3, 3, 9, 3), (96, 192, 384, 768)): "convnext_tiny",
    ((3, 3, 27, 3), (96, 192, 384, 768)): "convnext_small",
    ((3, 3, 27, 3), (128, 256, 512, 1024)): "convnext_base",
}
# The LiDAR of nuScenes' two cars in their ego frames: 0.94 and 0.99 m ahead of the rear axle, 1.84
# m above the road, its y axis forward, leaning forward by 1.4 and 2.7 degrees; this is the middle.
NUSCENES_LIDAR_ORIGIN_M: Vector3 = (0.96, 0.0, 1.84)
NUSCENES_LIDAR_ROTATION_DEG: Vector3 = (-2.0, 0.0, -90.0)
FRAME_INTERVAL_S = 1 / 12


@dataclass(frozen=True)
class Metres:
    """What the weights of a model do not say about it.

    Attributes:
        half_width_m: The grid reaches so far to all four sides.
        height_m: Lowest and highest bound of the grid.
        first_bin_m: Centre of the first depth bin.
        last_bin_m: Centre of the last one.
        image_hw: Rows and columns of the padded images.
        origin_m: Where the grid's axes begin in ego axes: the LiDAR.
        rotation_deg: How they are turned.
        frame_interval_s: Time between the frames of a clip; None takes consecutive keyframes.
        query_heads: Heads of the attention among a detector's queries.
    """

    half_width_m: float
    height_m: tuple[float, float]
    first_bin_m: float
    last_bin_m: float
    image_hw: tuple[int, int]
    origin_m: Vector3 = NUSCENES_LIDAR_ORIGIN_M
    rotation_deg: Vector3 = NUSCENES_LIDAR_ROTATION_DEG
    frame_interval_s: float | None = FRAME_INTERVAL_S
    query_heads: int = 8


def published_metres(
    layout: OfficialLayout,
    origin_m: Vector3 = NUSCENES_LIDAR_ORIGIN_M,
    rotation_deg: Vector3 = NUSCENES_LIDAR_ROTATION_DEG,
    frame_interval_s: float | None = FRAME_INTERVAL_S,
) -> Metres:
    """Those of the release that a model of this layout belongs to; see `Metres`."""
    height, width = (480, 800) if layout.kind == "pretraining" else (928, 1600)
    simple = layout.depth_head == "simple"
    return Metres(
        half_width_m=51.2 if simple else 54.0,
        height_m=(-5.0, 3.0),
        # 64 bins whose outermost centres lie at 0 and 64 m (`maps_span`), or one every 0.5 m.
        first_bin_m=0.0 if simple else 1.0,
        last_bin_m=64.0 if simple else 59.5,
        image_hw=(height, width),
        origin_m=origin_m,
        rotation_deg=rotation_deg,
        frame_interval_s=frame_interval_s,
    )


def describe(layout: OfficialLayout, metres: Metres) -> PretrainConfig | TaskConfig:
    """The configuration under which `build_model`, of a detector `build_task`, makes the model.

    Of the training recipe, the published one of our presets `nuscenes_s_080` and `nuscenes_s_060`
    is taken, for whoever trains on.

    Raises:
        LayoutError: If the model has a size that no model of ours can have.
    """
    simple = layout.depth_head == "simple"
    base = nuscenes_s_080() if simple else nuscenes_s_060()
    height, width = metres.image_hw
    config = replace(
        base,
        preset=f"official_{'080' if simple else '060'}",
        clip=replace(
            base.clip,
            image_height=height,
            image_width=width,
            frame_interval_s=metres.frame_interval_s,
        ),
        encoder=_describe_encoder(layout, base.encoder),
        lift=replace(
            base.lift,
            num_bins=layout.num_bins,
            first_bin_m=metres.first_bin_m,
            last_bin_m=metres.last_bin_m,
            volume_channels=layout.volume_channels,
            volume_layers=layout.volume_layers,
            aspp_channels=layout.aspp_channels or base.lift.aspp_channels,
        ),
        loss=replace(base.loss, distance_weight=10 / metres.half_width_m),
        precision="fp32",
    )
    if layout.head is not None:
        return _describe_detector(config, layout, layout.head, metres)
    assert layout.decoder is not None
    assert layout.field is not None
    decoder = layout.decoder
    frames = decoder.num_sources + 1
    return replace(
        config,
        clip=replace(config.clip, frames=frames, key=frames - 1),
        grid=_describe_grid(metres, _shape_xyz(decoder, layout.volume_channels)),
        temporal=_describe_decoder(decoder),
        render=_describe_field(layout.field, base.render, metres),
        conventions=official_conventions(metres),
    )


def official_conventions(metres: Metres) -> ConventionConfig:
    """What the authors' checkpoints take for granted."""
    return ConventionConfig(
        lifted_at="corner",
        maps_span="centres",
        volume_spans="centres",
        norms="batch",
        sources_by="position",
        queries="per_cell",
        start_from_mean=False,
        samples_at="start",
        alpha_epsilon=1e-5,
        importance_sharpness_per_m=64 / metres.half_width_m,
    )


def _describe_encoder(layout: OfficialLayout, base: EncoderConfig) -> EncoderConfig:
    named = _ARCHITECTURES.get((layout.depths, layout.widths))
    return replace(
        base,
        name=named or "convnext_small",
        depths=None if named else layout.depths,
        widths=None if named else layout.widths,
        mask_token=layout.mask_token,
        levels=layout.levels,
        neck_channels=layout.neck_channels,
        lift_levels=layout.neck_outputs,
    )


def _describe_detector(
    config: PretrainConfig, layout: OfficialLayout, head: QueryLayout, metres: Metres
) -> TaskConfig:
    """Single frames, and queries on their volume."""
    trunk = {field.name: getattr(config, field.name) for field in fields(TrunkConfig)}
    placed = head.queries == "placed"
    return TaskConfig(
        **trunk
        | {
            "preset": f"{config.preset}_detector",
            "clip": replace(config.clip, frames=1, key=0, frame_interval_s=None),
            "grid": _describe_grid(metres, config.grid.shape_xyz),
            "conventions": replace(
                official_conventions(metres),
                sources_by="time",
                queries="shared",
                start_from_mean=True,
            ),
        },
        task="detection",
        head=QueryHeadConfig(
            queries=head.queries,
            num_queries=head.num_queries,
            layers=head.layers,
            heads=metres.query_heads,
            hidden=head.hidden,
            code_weights=PLACED_CODE_WEIGHTS if placed else (1.0,) * 10,
            denoising_groups=10 if placed else 0,
        ),
        optim=replace(config.optim, ema_momentum=None),
    )


def _describe_grid(metres: Metres, shape_xyz: tuple[int, int, int]) -> GridConfig:
    half, (low, high) = metres.half_width_m, metres.height_m
    return GridConfig(
        lower_m=(-half, -half, low),
        upper_m=(half, half, high),
        shape_xyz=shape_xyz,
        origin_m=metres.origin_m,
        rotation_deg=metres.rotation_deg,
    )


def _shape_xyz(decoder: DecoderLayout, channels: int) -> tuple[int, int, int]:
    side = square_side(decoder.num_cells)
    _check(decoder.channels % channels == 0, "history_decoder.proj", decoder.channels, channels)
    return side, side, decoder.channels // channels


def _describe_decoder(layout: DecoderLayout) -> TemporalConfig:
    width, long_width = layout.width, layout.long_width
    name = "history_decoder"
    _check(width % long_width == 0, f"{name}.queries_short", width, long_width)
    _check(
        layout.short_ffn_width == 2 * width,
        f"{name}.decoder_short.layers.0.ffns",
        layout.short_ffn_width,
        2 * width,
    )
    ffn = layout.long_ffn_width
    _check(ffn % long_width == 0, f"{name}.decoder_long.layers.0.ffns", ffn, long_width)
    heads = {}
    for branch in ("short", "long"):
        predictions: int = getattr(layout, f"{branch}_predictions")
        path = f"{name}.decoder_{branch}.layers.0.attentions.0.attention_weights"
        _check(predictions % POINTS_PER_HEAD == 0, path, predictions, POINTS_PER_HEAD)
        heads[branch] = predictions // POINTS_PER_HEAD
    return TemporalConfig(
        width=width,
        reduction=width // long_width,
        layers=layout.num_layers,
        short_heads=heads["short"],
        long_heads=heads["long"],
        points=POINTS_PER_HEAD,
        long_ffn_factor=ffn // long_width,
    )


def _describe_field(layout: FieldLayout, base: RenderConfig, metres: Metres) -> RenderConfig:
    _check(
        layout.geometry_features == _GEOMETRY_FEATURES,
        "pts_bbox_head.render_model.field.sdf_decoder: geometry features",
        layout.geometry_features,
        _GEOMETRY_FEATURES,
    )
    return replace(
        base,
        hidden=layout.hidden,
        sdf_layers=layout.sdf_layers,
        colour_layers=layout.colour_layers,
        sdf_start="network",
        sharpness_start_per_m=20.09 / metres.half_width_m,
    )


def _check(fits: bool, name: str, found: int, expected: int) -> None:
    if not fits:
        raise LayoutError(f"{name}: size {found}, to which {expected} does not fit")
