"""A state dict of the release to a model of ours: described, translated, and checked whole.

Nothing is written here and no real memory is taken for a model: what must be there is read off one
built without memory. The way back starts from a model's weights and its configuration.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from mim4d.build.pretraining import build_model, length_unit_m
from mim4d.build.trunk import build_video_encoder, without_weights_file
from mim4d.config import PretrainConfig
from mim4d.exchange.official.checkpoint_layout import LayoutError, OfficialLayout, read_layout
from mim4d.exchange.official.describe import Metres, describe, published_metres
from mim4d.exchange.official.read import Weights, choose_weights
from mim4d.exchange.official.rules import Naming, official_name, rules_of
from mim4d.exchange.official.translate import Conventions, Translation, to_official, to_ours
from mim4d.models.volume_conv import VolumeConv

_ENCODER = "encoder."
_VOLUME_CONV = f"{_ENCODER}volume_conv."


@dataclass(frozen=True)
class Imported:
    """An official model as ours.

    Attributes:
        layout: What the file holds.
        config: Under which `build_model` makes the model (of a detector: `build_video_encoder` the
            encoder).
        weights: All weights of that model, by its names.
        translation: How they came about: a verdict on every key, and what was left over.
        fresh: Names of weights that no file has, and that start at random.
    """

    layout: OfficialLayout
    config: PretrainConfig
    weights: dict[str, Tensor]
    translation: Translation
    fresh: tuple[str, ...] = ()

    @property
    def is_pretraining(self) -> bool:
        """Whether the whole pre-training model is there, not only an encoder."""
        return self.layout.kind == "pretraining"


def import_state(
    state: Mapping[str, Tensor],
    weights: Weights = "raw",
    metres_of: Callable[[OfficialLayout], Metres] = published_metres,
) -> Imported:
    """Make a state dict of the release ours.

    Args:
        state: As it stands in the file.
        weights: The raw or the averaged ones.
        metres_of: What the weights of a layout do not say; by default what was published.

    Raises:
        LayoutError: If it is of no model of the release, or anything in it does not fit.
    """
    chosen = choose_weights(state, weights)
    layout = read_layout({name: value.shape for name, value in chosen.state.items()})
    config = describe(layout, metres_of(layout))
    translation = to_ours(chosen.state, layout, conventions_of(config))
    translation = replace(translation, verdicts=(*translation.verdicts, *chosen.rest))
    expected = _expected(layout, config)
    fresh = {} if layout.kind == "pretraining" else _fresh_volume_conv(config)
    _check_fit(translation, {k: v for k, v in expected.items() if k not in fresh}, layout)
    return Imported(layout, config, translation.weights | fresh, translation, tuple(fresh))


def export_state(
    weights: Mapping[str, Tensor],
    config: PretrainConfig,
    leftovers: Mapping[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    """The way back: the weights of a model under the authors' names and values.

    Args:
        weights: Of `MaskedVideoModel`, or of its encoder (`encoder.*`) alone.
        config: Of the model.
        leftovers: See `to_official`.

    Raises:
        LayoutError: If a weight has no place in a model of the release.
    """
    encoder, fresh = config.encoder, config.preset.endswith("_detector")
    names = Naming(encoder.levels, encoder.lift_levels, config.render.colour_layers)
    ours = {k: v for k, v in weights.items() if not (fresh and k.startswith(_VOLUME_CONV))}
    return to_official(ours, names, conventions_of(config), leftovers)


def conventions_of(config: PretrainConfig) -> Conventions:
    """How values of the release are meant in a model of this configuration."""
    return Conventions(length_unit_m(config.grid))


def _expected(layout: OfficialLayout, config: PretrainConfig) -> dict[str, Tensor]:
    """The model's weights by name, without memory."""
    config = without_weights_file(config)
    try:
        with torch.device("meta"):
            if layout.kind == "pretraining":
                return dict(build_model(config).state_dict())
            state: dict[str, Any] = build_video_encoder(config).state_dict()
    except (RuntimeError, TypeError) as error:
        raise LayoutError(f"no such model can be built: {error}") from error
    return {_ENCODER + name: value for name, value in state.items()}


def _fresh_volume_conv(config: PretrainConfig) -> dict[str, Tensor]:
    """The convolution of volumes, which detectors do not have, at random but always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        channels = config.lift.volume_channels
        conv = VolumeConv(config.encoder.neck_channels, channels, nn.BatchNorm3d(channels))
    return {_VOLUME_CONV + name: value for name, value in conv.state_dict().items()}


def _check_fit(
    translation: Translation, expected: Mapping[str, Tensor], layout: OfficialLayout
) -> None:
    """Refuse what lacks a weight of the model, has one too many, or one of another shape."""
    rules, weights = rules_of(layout), translation.weights

    def theirs(name: str) -> str:
        found = official_name(name, rules)
        return name if found is None else found[0].replace("{row}", "*")

    missing = [theirs(name) for name in expected if name not in weights]
    if missing:
        raise LayoutError(f"lacks keys ({len(missing)}): {', '.join(missing[:5])}")
    unknown = [theirs(name) for name in weights if name not in expected]
    if unknown:
        raise LayoutError(f"unknown keys ({len(unknown)}): {', '.join(unknown[:5])}")
    for name, like in expected.items():
        found = weights[name]
        if (found.shape, found.dtype) != (like.shape, like.dtype):
            raise LayoutError(
                f"{theirs(name)} does not fit the other keys: as {name} it is "
                f"{tuple(found.shape)} of {found.dtype}; expected {tuple(like.shape)} of "
                f"{like.dtype}"
            )
