"""The configuration that a part is built from."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from .library import find
from .parameters import Parameters


def configuration(parameters: Parameters) -> Any:
    """A preset of the measured version, with the sizes that are asked for."""
    names = {"official_080": "nuscenes_s_080", "demo": "demo", "small": "toy"}
    name = names[parameters.shapes]
    if parameters.part == "lift_splat" and name == "nuscenes_s_080":
        name = "nuscenes_s_060"
    if parameters.config is None:
        config = find("preset")(name)
    else:
        config = find("config_from_json")(Path(parameters.config).read_text(), parameters.config)
    render, grid, clip = config.render, config.grid, config.clip
    if parameters.shapes == "small":
        # The shapes of the published parts at a size that takes a blink.
        large = find("preset")("nuscenes_s_080")
        encoder = replace(
            large.encoder,
            name="convnext_small",
            depths=(1, 1, 2, 1),
            widths=(16, 32, 48, 64),
            neck_channels=32,
        )
        config = replace(
            config,
            encoder=encoder,
            lift=replace(large.lift, num_bins=16, volume_channels=16),
            mask=large.mask,
            loss=large.loss,
        )
        render = replace(render, chunk_rays=None, direct_frames="dropped")
        grid = replace(grid, shape_xyz=(32, 32, 4))
    if parameters.part == "lift_splat":
        config = replace(config, lift=replace(config.lift, method="splat"))
    if parameters.voxels is not None:
        grid = replace(grid, shape_xyz=(parameters.voxels, parameters.voxels, grid.shape_xyz[2]))
    if parameters.samples is not None:
        quarter = parameters.samples // 4
        render = replace(render, num_samples=parameters.samples - quarter, num_importance=quarter)
    if parameters.chunk_rays is not None:
        render = replace(render, chunk_rays=parameters.chunk_rays or None)
    if parameters.frames is not None:
        clip = replace(clip, frames=parameters.frames, key=parameters.frames - 1)
    precision = config.precision if parameters.precision == "preset" else parameters.precision
    return replace(config, render=render, grid=grid, clip=clip, precision=precision)
