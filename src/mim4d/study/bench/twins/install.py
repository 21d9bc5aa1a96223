"""Put the twins in the place of a model's parts."""

from collections.abc import Callable
from functools import partial
from typing import Any

from mim4d.study.bench.twins import encoder, lifting, neck, render, temporal, warp


def install_twins(model: Any) -> None:
    """Let the parts of a `MaskedVideoModel` that have a twin run as their twin.

    Weights stay where they are. Parts without a twin (other encoders, other depth heads, decoders
    that learn nothing) stay what they are.
    """
    trunk = model.encoder
    if type(trunk.image_encoder).__name__ == "MaskedConvNeXt":
        _replace(trunk.image_encoder, encoder.encode_convnext)
    _replace(trunk.neck, neck.pyramid)
    if type(trunk.depth_head).__name__ == "DepthHead":
        _replace(trunk.depth_head, neck.simple_depth)
    _replace(trunk.volume_conv, neck.convolve_volume)
    by_splat = getattr(trunk.lifting, "func", trunk.lifting).__name__ == "lift_by_splat"
    trunk.lifting = lifting.lift_by_splat if by_splat else lifting.lift_by_lookup
    model.warp = warp.warp_volume
    if type(model.decoder).__name__ == "TemporalDecoder":
        _replace(model.decoder, temporal.decode)
    _replace(model.renderer, render.render)


def _replace(module: Any, twin: Callable[..., Any]) -> None:
    module.forward = partial(twin, module)
