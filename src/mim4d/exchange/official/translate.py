"""An official state dict to our model's weights and back, with a verdict for every key.

Pure functions of tensors, on any device (meta tensors, too). Three things change beside names:
the colour network puts out R, G, B here and B, G, R there, so its last rows are reversed; the
sharpness of the SDF is per metre here and per scaled unit there; matrices that we join are joined.
Nothing of the values is lost, so that the way back gives the same bits.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor

from mim4d.exchange.official.checkpoint_layout import LayoutError, OfficialLayout
from mim4d.exchange.official.rules import Form, Named, Place, official_name, place_of, rules_of
from mim4d.metrics.detection.rules import CLASSES

Fate = Literal["mapped", "dead", "unused"]
ColourOrder = Literal["bgr", "rgb"]
FRAMES = "history_decoder.frame_embeds"

_DEAD = (
    (r"pts_bbox_head\.render_conv\..*", "a copy of render_conv that the forward never calls"),
    (r".*\.laplace_density\..*", "belongs to a density that only VolSDF would render"),
    (r"img_backbone\.(norm|mtoken)\d.*", "of a stage that the neck does not read"),
)
CODE_WEIGHTS = "pts_bbox_head.code_weights"
OFFICIAL_CLASSES = (
    "car",
    "truck",
    "construction_vehicle",
    "bus",
    "trailer",
    "barrier",
    "motorcycle",
    "bicycle",
    "pedestrian",
    "traffic_cone",
)
"""Order in which the authors' heads put classes out; ours is that of `CLASSES`."""
# Number of axes, and the sizes of the last ones, of values whose shape changes.
_AXES: dict[Form, tuple[int, tuple[int, ...]]] = {
    "linear": (4, (1, 1)),
    "token": (4, (1, 1)),
    "frames": (2, ()),
    "sharpness": (1, (1,)),
}


@dataclass(frozen=True)
class Verdict:
    """What became of an official key.

    Attributes:
        name: The official key.
        fate: `mapped` to a weight of ours; `dead`: the authors' forward never reads it; `unused`:
            it has no place in what is imported.
        detail: Our name, or the reason.
    """

    name: str
    fate: Fate
    detail: str


@dataclass(frozen=True)
class Conventions:
    """How values are meant.

    Attributes:
        length_unit_m: The checkpoint's unit of length, metres: the largest absolute bound of its
            grid. 1 leaves the sharpness as it is, as gradients want it.
        colours: Order in which the checkpoint's field puts out colours; ours is R, G, B.
    """

    length_unit_m: float = 1.0
    colours: ColourOrder = "bgr"


@dataclass(frozen=True)
class Translation:
    """An official state dict as ours.

    Attributes:
        weights: By the names of `MaskedVideoModel`, of a detector by those of `TaskModel`.
        verdicts: One per official key, in its order.
        leftovers: Official weights that have no place in ours, by official name: with them the
            way back gives the whole file again.
    """

    weights: dict[str, Tensor]
    verdicts: tuple[Verdict, ...]
    leftovers: dict[str, Tensor] = field(default_factory=dict)

    def count(self, fate: Fate) -> int:
        """Keys of one fate."""
        return sum(verdict.fate == fate for verdict in self.verdicts)


def to_ours(
    official: Mapping[str, Tensor], layout: OfficialLayout, conventions: Conventions
) -> Translation:
    """Translate a state dict, complete or of some parts.

    Args:
        official: Weights by official name; averaged ones (`ema_*`) are not among them.
        layout: Of the model they belong to.
        conventions: How the values are meant.

    Raises:
        LayoutError: If a key is of no such model, or a value has a shape that none of it has.
    """
    verdicts, leftovers = [], {}
    whole = {name: _without_place(name, layout) for name in official}
    placed = {name: official[name] for name, verdict in whole.items() if verdict is None}
    places = places_of(placed, layout)
    for name, value in official.items():
        verdict = whole[name]
        if verdict is not None:
            leftovers[name] = value
        else:
            verdict = Verdict(name, "mapped", places[name].name)
        if name == FRAMES:
            verdict = replace(
                verdict, detail=f"{verdict.detail} (its last row is dead: never read)"
            )
            leftovers[name] = value[-1:]
        verdicts.append(verdict)
    return Translation(values_to_ours(placed, places, conventions), tuple(verdicts), leftovers)


def places_of(official: Iterable[str], names: Named) -> dict[str, Place]:
    """Where official names go, whole ones or those of some parts.

    Raises:
        LayoutError: If one goes nowhere.
    """
    rules = rules_of(names)
    places = {name: place_of(name, rules) for name in official}
    unknown = [name for name, place in places.items() if place is None]
    if unknown:
        raise LayoutError(f"unknown keys ({len(unknown)}): {', '.join(unknown[:5])}")
    return {name: place for name, place in places.items() if place is not None}


def values_to_ours(
    official: Mapping[str, Tensor], places: Mapping[str, Place], conventions: Conventions
) -> dict[str, Tensor]:
    """Official values at their places.

    Raises:
        LayoutError: If a value has a shape that its name does not have.
    """
    parts: dict[str, dict[int, Tensor]] = {}
    for name, value in official.items():
        place = places[name]
        parts.setdefault(place.name, {})[place.row] = _value(name, value, place, conventions)
    return {name: _joined(rows, name) for name, rows in parts.items()}


def to_official(
    ours: Mapping[str, Tensor],
    names: Named,
    conventions: Conventions,
    leftovers: Mapping[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    """The way back.

    Args:
        ours: Weights by the names of `MaskedVideoModel`.
        names: Of the model to write: its layout, or a `Naming`.
        conventions: How its values are meant.
        leftovers: From `Translation`; without them the dead and unused keys are missing, and the
            last row of `history_decoder.frame_embeds` is zero.

    Raises:
        LayoutError: If a weight of ours has no place in such a model.
    """
    rules, official = rules_of(names), dict(leftovers or {})
    for name, value in ours.items():
        found = official_name(name, rules)
        if found is None:
            raise LayoutError(f"{name} has no place in a model of the release")
        theirs, form = found
        if form == "rows":
            hidden = ours[re.sub(r"from_features\.\w+", "from_points.weight", name)].shape[0]
            for row, part in enumerate(value.split(hidden)):
                official[theirs.format(row=row)] = part.clone()
        elif form == "frames":
            last = official.get(FRAMES, torch.zeros_like(value[:1]))
            official[FRAMES] = torch.cat([value, last])
        else:
            official[theirs] = _official_value(value, form, conventions)
    return official


def _without_place(name: str, layout: OfficialLayout) -> Verdict | None:
    """The verdict on a key that has no place in our weights; None if it may have one."""
    if name == CODE_WEIGHTS:
        return Verdict(name, "mapped", "head.code_weights of config.json")
    stage = re.fullmatch(r"img_backbone\.(?:norm|mtoken)(\d).*", name)
    for pattern, reason in _DEAD:
        if re.fullmatch(pattern, name) and not (stage and int(stage[1]) in layout.levels):
            return Verdict(name, "dead", reason)
    return None


def _value(name: str, value: Tensor, place: Place, conventions: Conventions) -> Tensor:
    """An official value as ours.

    Raises:
        LayoutError: If its shape is not what its name says.
    """
    axes, last = _AXES.get(place.form, (None, ()))
    if axes is not None and (value.ndim != axes or tuple(value.shape)[axes - len(last) :] != last):
        shape = " × ".join(["n"] * (axes - len(last)) + [str(size) for size in last])
        raise LayoutError(f"{name} has shape {tuple(value.shape)}; expected {shape}")
    match place.form:
        case "linear":
            return value.flatten(1)
        case "token":
            return value.flatten(0, 1)
        case "frames":
            return value[:-1]
        case "colours":
            return _colours(value, conventions)
        case "classes":
            _check_classes(name, value)
            return value[[OFFICIAL_CLASSES.index(label) for label in CLASSES]]
        case "sharpness":
            return _shift(value.reshape(()), -math.log(conventions.length_unit_m) / 10)
        case "same" | "rows":
            return value


def _official_value(value: Tensor, form: Form, conventions: Conventions) -> Tensor:
    """Our value as an official one."""
    match form:
        case "linear":
            return value[:, :, None, None]
        case "token":
            return value.unsqueeze(0)
        case "colours":
            return _colours(value, conventions)
        case "classes":
            return value[[CLASSES.index(label) for label in OFFICIAL_CLASSES]]
        case "sharpness":
            return _shift(value.reshape(1), math.log(conventions.length_unit_m) / 10)
        case _:
            return value


def _check_classes(name: str, value: Tensor) -> None:
    if len(value) != len(OFFICIAL_CLASSES):
        raise LayoutError(
            f"{name} is for {len(value)} classes; expected the {len(OFFICIAL_CLASSES)} of nuScenes"
        )


def _colours(value: Tensor, conventions: Conventions) -> Tensor:
    """Rows (one per colour) in the other order, where the orders differ."""
    return value.flip(0) if conventions.colours == "bgr" else value


def _shift(value: Tensor, by: float) -> Tensor:
    """Add in float64: after the way there and back the same bits are left."""
    return (value.double() + by).to(value.dtype)


def _joined(rows: Mapping[int, Tensor], name: str) -> Tensor:
    """The parts of one weight of ours, joined in their order.

    Raises:
        LayoutError: If one is missing, or they do not fit together.
    """
    if sorted(rows) != list(range(len(rows))):
        raise LayoutError(f"{name}: made of parts {sorted(rows)}, of which some are missing")
    parts = [rows[row] for row in range(len(rows))]
    if len({part.shape for part in parts}) > 1:
        raise LayoutError(f"{name}: made of parts of different shapes")
    return parts[0] if len(parts) == 1 else torch.cat(parts)
