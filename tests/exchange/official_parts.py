"""Official weights of a single part, whose names stand below that part's prefix, as ours."""

from collections.abc import Iterable, Mapping

from torch import Tensor

from mim4d.exchange.official.rules import Naming
from mim4d.exchange.official.translate import Conventions, places_of, to_official, values_to_ours

# Our prefix of each official one.
PREFIXES = {
    "img_backbone.": "encoder.image_encoder.",
    "img_neck.": "encoder.neck.",
    "": "encoder.depth_head.",
    "depth_net.": "encoder.depth_head.depth_net.",
    "render_conv.": "encoder.volume_conv.",
    "history_decoder.": "decoder.",
    "history_decoder.decoder_short.layers.0.": "decoder.short.layers.0.",
    "pts_bbox_head.render_model.field.": "renderer.field.",
}
ALL_STAGES = Naming((0, 1, 2, 3), 4)


def our_names(keys: Iterable[str], prefix: str, names: Naming = ALL_STAGES) -> dict[str, str]:
    """Our name of each official key, both without their prefixes."""
    places = places_of([prefix + key for key in keys], names)
    ours = PREFIXES[prefix]
    return {
        key.removeprefix(prefix): place.name.removeprefix(ours) for key, place in places.items()
    }


def our_weights(
    weights: Mapping[str, Tensor],
    prefix: str,
    names: Naming = ALL_STAGES,
    length_unit_m: float = 1.0,
) -> dict[str, Tensor]:
    """Weights, or their gradients, of a part as ours; colours stay in the order of the file."""
    whole = {prefix + key: value for key, value in weights.items()}
    conventions = Conventions(length_unit_m, colours="rgb")
    ours = values_to_ours(whole, places_of(whole, names), conventions)
    return {name.removeprefix(PREFIXES[prefix]): value for name, value in ours.items()}


def official_values(
    ours: Mapping[str, Tensor], prefix: str, names: Naming = ALL_STAGES
) -> dict[str, Tensor]:
    """The way back, e.g. of gradients."""
    whole = {PREFIXES[prefix] + name: value for name, value in ours.items()}
    official = to_official(whole, names, Conventions(colours="rgb"))
    return {key.removeprefix(prefix): value for key, value in official.items()}
