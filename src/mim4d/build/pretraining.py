"""Config to the pre-training model."""

from collections.abc import Callable
from functools import partial

from mim4d.build.trunk import build_grid, build_video_encoder
from mim4d.config import GridConfig, PretrainConfig, RenderConfig
from mim4d.geometry.voxel_grid import VoxelGrid
from mim4d.models.encoder.masking import PatchMasking
from mim4d.pretraining.dropping import Dropping
from mim4d.pretraining.model import MaskedVideoModel
from mim4d.pretraining.ray_choice import RaySampling
from mim4d.rendering.background import Background
from mim4d.rendering.imported import ImportedRenderer
from mim4d.rendering.renderer import NeusRenderer
from mim4d.rendering.sdf_field import SdfField
from mim4d.temporal.baselines import MeanFrame, NearestFrame
from mim4d.temporal.decoder import FrameDecoder, TemporalDecoder
from mim4d.temporal.imported import ImportedDecoder
from mim4d.temporal.scene_flow import FlowSearch, SceneFlow


def build_field_grid(config: PretrainConfig) -> VoxelGrid:
    """The grid on which volumes are read when they are rendered."""
    grid = build_grid(config.grid)
    if config.conventions.volume_spans == "faces":
        return grid
    return VoxelGrid.from_centres(grid.lower_m, grid.upper_m, grid.shape_xyz, grid.ego_from_box)


def build_dropping(config: PretrainConfig) -> Dropping:
    """Which frames are dropped; none of a clip of one frame."""
    mask = config.mask
    count = mask.num_dropped if config.clip.frames > 1 else 0
    return Dropping(mask.dropped_frame, count, mask.dropped_together)


def build_ray_sampling(config: RenderConfig) -> RaySampling:
    """Which rays are rendered in training."""
    return RaySampling(
        config.rays_per_camera,
        config.near_m,
        config.use_lidar,
        config.lidar_points,
        config.sky_fraction,
        config.occlusion_cell_px,
        config.rays_on,
        lidar_share=config.lidar_share,
        clear_sky=config.clear_sky,
    )


def build_decoder(config: PretrainConfig) -> FrameDecoder | None:
    """What rebuilds a dropped frame from the others: the method, or a baseline.

    None where no frame is dropped.
    """
    if build_dropping(config).count == 0:
        return None
    match config.temporal.decoder:
        case "copy":
            return NearestFrame()
        case "mean":
            return MeanFrame()
        case "attention":
            return _build_attention(config)


def _build_attention(config: PretrainConfig) -> TemporalDecoder:
    """Our decoder, or that of an imported checkpoint."""
    temporal, (columns, rows, height) = config.temporal, config.grid.shape_xyz
    long_width = temporal.width // temporal.reduction
    conventions = config.conventions
    make: Callable[..., TemporalDecoder] = TemporalDecoder
    by_position, per_cell = conventions.sources_by == "position", conventions.queries == "per_cell"
    if by_position or per_cell or not conventions.start_from_mean:
        make = partial(
            ImportedDecoder,
            start_from_mean=conventions.start_from_mean,
            positional_sources=_num_sources(config) if by_position else None,
            grid_yx=(rows, columns) if per_cell else None,
        )
    return make(
        config.lift.volume_channels,
        height,
        width=temporal.width,
        long_width=long_width,
        short_heads=temporal.short_heads,
        long_heads=temporal.long_heads,
        num_points=temporal.points,
        num_layers=temporal.layers,
        short_ffn_width=2 * temporal.width,
        long_ffn_width=temporal.long_ffn_factor * long_width,
        branches=temporal.branches,
    )


def _num_sources(config: PretrainConfig) -> int:
    """Frames that each dropped frame is rebuilt from."""
    dropping = build_dropping(config)
    return config.clip.frames - (dropping.count if dropping.together else 1)


def length_unit_m(config: GridConfig) -> float:
    """Unit of length of the field's decoders, metres: the grid's largest absolute bound."""
    return max(abs(side) for side in (*config.lower_m, *config.upper_m))


def build_flow(config: PretrainConfig) -> SceneFlow | None:
    """What finds the motion between the sources; None where it is not asked for, or none is."""
    flow = config.flow
    if not flow.enabled or build_dropping(config).count == 0:
        return None
    search = FlowSearch(
        max_speed_m_s=flow.max_speed_m_s,
        step_m_s=flow.step_m_s,
        heights_m=flow.heights_m,
        static_prior=flow.static_prior,
    )
    return SceneFlow(config.encoder.neck_channels, build_grid(config.grid), flow.width, search)


def build_renderer(config: PretrainConfig, field: SdfField) -> NeusRenderer:
    """The renderer, or for imported models the one with their conventions."""
    render, conventions = config.render, config.conventions
    make: Callable[..., NeusRenderer] = NeusRenderer
    if conventions.samples_at != "middle" or conventions.alpha_epsilon > 0:
        make = partial(
            ImportedRenderer,
            sample_at=conventions.samples_at,
            alpha_epsilon=conventions.alpha_epsilon,
        )
    return make(
        field,
        num_samples=render.num_samples,
        num_importance=render.num_importance,
        importance_sharpness_per_m=conventions.importance_sharpness_per_m,
        chunk_rays=render.chunk_rays,
        spacing=render.spacing,
        background=(
            Background(field.grid, config.lift.volume_channels)
            if render.background == "sky"
            else None
        ),
    )


def build_model(config: PretrainConfig) -> MaskedVideoModel:
    """The whole pre-training model, with random weights (or those the config names)."""
    render, mask = config.render, config.mask
    grid = build_grid(config.grid)
    channels = config.lift.volume_channels
    field = SdfField(
        build_field_grid(config),
        channels,
        hidden=render.hidden,
        sdf_layers=render.sdf_layers,
        colour_layers=render.colour_layers,
        length_unit_m=length_unit_m(config.grid),
        sdf_start=render.sdf_start,
        sharpness_start_per_m=render.sharpness_start_per_m,
    )
    return MaskedVideoModel(
        build_video_encoder(config),
        build_decoder(config),
        build_renderer(config, field),
        PatchMasking(mask.ratio, mask.patch_px, mask.shared_over_time),
        build_dropping(config),
        build_ray_sampling(render),
        direct_frames=render.direct_frames,
        # Last, so that the random weights of everything else are the same without it.
        scene_flow=build_flow(config),
        bounds=grid,
    )
