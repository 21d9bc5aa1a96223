"""Config to what rebuilds a frame from others, in a pre-training or in a task."""

from collections.abc import Callable
from functools import partial

from mim4d.build.trunk import build_grid
from mim4d.config import PretrainConfig, TaskConfig
from mim4d.temporal.baselines import MeanFrame, NearestFrame
from mim4d.temporal.decoder import FrameDecoder, TemporalDecoder
from mim4d.temporal.imported import ImportedDecoder
from mim4d.temporal.scene_flow import FlowSearch, SceneFlow


def choose_decoder(config: PretrainConfig | TaskConfig, num_sources: int) -> FrameDecoder:
    """The method, or a baseline, for so many frames that a frame is rebuilt from."""
    match config.temporal.decoder:
        case "copy":
            return NearestFrame()
        case "mean":
            return MeanFrame()
        case "attention":
            return _build_attention(config, num_sources)


def _build_attention(config: PretrainConfig | TaskConfig, num_sources: int) -> TemporalDecoder:
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
            positional_sources=num_sources if by_position else None,
            grid_yx=(rows, columns) if per_cell else None,
        )
    return make(
        config.lift.channels,
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


def choose_flow(config: PretrainConfig | TaskConfig) -> SceneFlow:
    """What finds the motion between the frames that another is rebuilt from."""
    flow = config.flow
    search = FlowSearch(
        max_speed_m_s=flow.max_speed_m_s,
        step_m_s=flow.step_m_s,
        heights_m=flow.heights_m,
        static_prior=flow.static_prior,
        slow_prior=flow.slow_prior,
    )
    return SceneFlow(config.encoder.neck_channels, build_grid(config.grid), flow.width, search)
