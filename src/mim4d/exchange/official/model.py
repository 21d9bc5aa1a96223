"""A state dict of the release to a model of ours: described, translated, and checked whole.

Nothing is written here and no real memory is taken for a model: what must be there is read off one
built without memory. The way back starts from a model's weights and its configuration.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mim4d.build.pretraining import build_model, length_unit_m
from mim4d.build.tasks import build_task
from mim4d.build.trunk import without_weights_file
from mim4d.config import PretrainConfig, TaskConfig, TrunkConfig
from mim4d.config.head import QueryHeadConfig
from mim4d.exchange.official.checkpoint_layout import LayoutError, OfficialLayout, read_layout
from mim4d.exchange.official.describe import Metres, describe, published_metres
from mim4d.exchange.official.read import Weights, choose_weights
from mim4d.exchange.official.rules import Naming, official_name, rules_of
from mim4d.exchange.official.translate import (
    CODE_WEIGHTS,
    Conventions,
    Translation,
    to_official,
    to_ours,
)


@dataclass(frozen=True)
class Imported:
    """An official model as ours.

    Attributes:
        layout: What the file holds.
        config: Under which `build_model` makes the model, or `build_task` the detector.
        weights: All weights of that model, by its names.
        translation: How they came about: a verdict on every key, and what was left over.
    """

    layout: OfficialLayout
    config: PretrainConfig | TaskConfig
    weights: dict[str, Tensor]
    translation: Translation

    @property
    def is_pretraining(self) -> bool:
        """Whether it is a pre-training, not a detector."""
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
    config = _with_code_weights(describe(layout, metres_of(layout)), chosen.state)
    translation = to_ours(chosen.state, layout, conventions_of(config))
    translation = replace(translation, verdicts=(*translation.verdicts, *chosen.rest))
    _check_fit(translation, _expected(config), layout)
    return Imported(layout, config, translation.weights, translation)


def _with_code_weights(
    config: PretrainConfig | TaskConfig, state: Mapping[str, Tensor]
) -> PretrainConfig | TaskConfig:
    """The weights of a detector's box loss, which its file holds beside those of the model."""
    value = state.get(CODE_WEIGHTS)
    if value is None or value.is_meta or not isinstance(config, TaskConfig):
        return config
    assert isinstance(config.head, QueryHeadConfig)
    return replace(config, head=replace(config.head, code_weights=tuple(value.tolist())))


def export_state(
    weights: Mapping[str, Tensor],
    config: PretrainConfig | TaskConfig,
    leftovers: Mapping[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    """The way back: the weights of a model under the authors' names and values.

    Args:
        weights: Of `MaskedVideoModel`, or of a detector's `TaskModel`.
        config: Of the model.
        leftovers: See `to_official`.

    Raises:
        LayoutError: If a weight has no place in a model of the release.
    """
    encoder = config.encoder
    colour_layers = config.render.colour_layers if isinstance(config, PretrainConfig) else 0
    names = Naming(encoder.levels, encoder.lift_levels, colour_layers)
    return to_official(weights, names, conventions_of(config), leftovers)


def conventions_of(config: TrunkConfig) -> Conventions:
    """How values of the release are meant in a model of this configuration."""
    return Conventions(length_unit_m(config.grid))


def _expected(config: PretrainConfig | TaskConfig) -> dict[str, Tensor]:
    """The model's weights by name, without memory."""
    try:
        with torch.device("meta"):
            if isinstance(config, TaskConfig):
                return dict(build_task(without_weights_file(config))[1].state_dict())
            return dict(build_model(without_weights_file(config)).state_dict())
    except (RuntimeError, TypeError, ValueError) as error:
        raise LayoutError(f"no such model can be built: {error}") from error


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
