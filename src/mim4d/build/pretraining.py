"""Config to the pre-training model."""

from collections.abc import Callable
from functools import partial

from mim4d.build.temporal import choose_decoder, choose_flow
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
from mim4d.temporal.decoder import FrameDecoder
from mim4d.temporal.scene_flow import SceneFlow


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
    return choose_decoder(config, _num_sources(config))


def _num_sources(config: PretrainConfig) -> int:
    """Frames that each dropped frame is rebuilt from."""
    dropping = build_dropping(config)
    return config.clip.frames - (dropping.count if dropping.together else 1)


def length_unit_m(config: GridConfig) -> float:
    """Unit of length of the field's decoders, metres: the grid's largest absolute bound."""
    return max(abs(side) for side in (*config.lower_m, *config.upper_m))


def build_flow(config: PretrainConfig) -> SceneFlow | None:
    """What finds the motion between the sources; None where it is not asked for, or none is."""
    if not config.flow.enabled or build_dropping(config).count == 0:
        return None
    return choose_flow(config)


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
            Background(field.grid, config.lift.channels) if render.background == "sky" else None
        ),
    )


def build_model(config: PretrainConfig) -> MaskedVideoModel:
    """The whole pre-training model, with random weights (or those the config names)."""
    render, mask = config.render, config.mask
    grid = build_grid(config.grid)
    field = SdfField(
        build_field_grid(config),
        config.lift.channels,
        colour_only=config.lift.channels - config.lift.volume_channels,
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
        rendering_teaches_depth=config.loss.rendering_teaches_depth,
    )
