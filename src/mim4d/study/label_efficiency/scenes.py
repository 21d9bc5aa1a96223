"""Which scenes are labelled, which choose the learning rates, and which judge.

A data set's scenes enter with the places where they were driven. Labelled scenes of one seed are
nested: fewer of them are the first of more. The first ones are far from each other.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mim4d.data.driven_places import ScenePlaces, overlap, places_of
from mim4d.data.geo_split import geo_split
from mim4d.data.splits import SceneChoice, scene_names
from mim4d.files import read_text
from mim4d.study.label_efficiency.request import refuse_missing_lists

HELD_OUT_SHARE = 0.25
"""Of a split by place."""
DEVELOPMENT_SHARE = 0.2
"""Of the training scenes, by whose labels learning rates are chosen."""
_DEVELOPMENT = "development"


@dataclass(frozen=True)
class Scenes:
    """Scenes by what they are for.

    Attributes:
        training: All that may be labelled, in the order of the tables.
        development: Those of them that choose learning rates; they come last in every subset.
        held_out: Those that judge, once.
        overlap: Share of the held-out samples near a training sample.
        places: Of all of them.
        note: How they were divided.
    """

    training: tuple[str, ...]
    development: tuple[str, ...]
    held_out: tuple[str, ...]
    overlap: float | None
    places: tuple[ScenePlaces, ...]
    note: str

    def labelled(self, count: int, seed: int) -> tuple[str, ...]:
        """So many training scenes; with one seed, fewer of them are the first of more."""
        others = places_of(self.places, set(self.training) - set(self.development))
        order = [*spread_order(others, str(seed)), *self.development]
        return tuple(dict.fromkeys(order))[:count]

    def searching(self, labelled: Sequence[str]) -> tuple[str, ...]:
        """What learning rates are tried on: the labelled scenes that do not choose them."""
        left = tuple(name for name in labelled if name not in self.development)
        return left or tuple(labelled)


def divide(
    root: Path,
    version: str,
    places: Sequence[ScenePlaces],
    split: str,
    gap_m: float,
    *,
    same_allowed: bool = False,
) -> Scenes:
    """Training, development and held-out scenes of a data set.

    Args:
        root: Folder of the data set.
        version: Its folder of tables.
        places: Of all of its scenes.
        split: `official`, `geo`, or what lists scenes; see `_listed`.
        gap_m: Between the parts of a split by place.
        same_allowed: Judge by scenes that were trained on: only to see that it runs.

    Raises:
        ValueError: If there is no such split, or a scene is in both parts.
    """
    training, held_out, note = _parts(root, version, places, split, gap_m)
    both = sorted(set(training) & set(held_out))
    if both and not same_allowed:
        raise ValueError(
            f"--split {split}: {len(both)} scenes are for training and for judging "
            f"({', '.join(both[:3])}); give other lists (`mim4d split` makes them), or --quick to "
            "see only that it runs"
        )
    missing = sorted({*training, *held_out} - {scene.name for scene in places})
    if missing:
        raise ValueError(
            f"--split {split}: {len(missing)} scenes are not in {root} ({', '.join(missing[:3])})"
        )
    of_training = places_of(places, training)
    if len(of_training) < 2 and not same_allowed:
        raise ValueError(
            f"{root}: has {len(of_training)} training scenes; a study needs two at least, "
            "one for labels and one to choose learning rates by"
        )
    count = max(1, round(DEVELOPMENT_SHARE * len(of_training)))
    return Scenes(
        tuple(training),
        tuple(spread_order(of_training, _DEVELOPMENT)[:count]),
        tuple(held_out),
        overlap(of_training, places_of(places, held_out)),
        tuple(places),
        note,
    )


def spread_order(scenes: Sequence[ScenePlaces], seed: str) -> list[str]:
    """All scenes in an order whose beginnings are spread over locations and places.

    The location comes next of whose scenes the smallest share has been taken, and of it the scene
    whose middle is farthest from all taken ones. What is equal is decided by a hash of seed and
    name, so that the order depends on nothing else.
    """
    rank = {s.name: hashlib.sha256(f"{seed}/{s.name}".encode()).digest() for s in scenes}
    left: dict[str, list[ScenePlaces]] = {}
    for scene in sorted(scenes, key=lambda scene: rank[scene.name]):
        left.setdefault(scene.location, []).append(scene)
    size = {location: len(own) for location, own in left.items()}
    taken: dict[str, list[ScenePlaces]] = {location: [] for location in left}
    order = []
    for _ in scenes:
        location = min((p for p in left if left[p]), key=lambda p: len(taken[p]) / size[p])
        scene = max(left[location], key=lambda scene: _distance_m(scene, taken[location]))
        left[location].remove(scene)
        taken[location].append(scene)
        order.append(scene.name)
    return order


def _distance_m(scene: ScenePlaces, others: Sequence[ScenePlaces]) -> float:
    """Of the middles of scenes; a scene without a sample lies at the origin."""
    return min((float(np.hypot(*(_middle(scene) - _middle(o)))) for o in others), default=0.0)


def _middle(scene: ScenePlaces) -> np.ndarray:
    return scene.positions_m.mean(axis=0) if len(scene.positions_m) else np.zeros(2)


def _parts(
    root: Path, version: str, places: Sequence[ScenePlaces], split: str, gap_m: float
) -> tuple[list[str], list[str], str]:
    if split == "geo":
        parts = geo_split(places, {"val": HELD_OUT_SHARE}, gap_m)
        return parts["train"], parts["val"], f"by place, {gap_m:g} m apart"
    if split != "official":
        return *_listed(Path(split)), f"by {split}"
    names = [scene.name for scene in places]
    training, held_out = (
        SceneChoice(part).resolve(root, version, names) for part in ("train", "val")
    )
    return training.scenes, held_out.scenes, f"train and val ({training.origin})"


def _listed(path: Path) -> tuple[list[str], list[str]]:
    """Lists of scenes: a folder that `mim4d split` wrote, or a JSON file with train and val."""
    if path.is_dir():
        train, val = (scene_names([str(path / f"{part}.txt")]) for part in ("train", "val"))
        return list(train), list(val)
    refuse_missing_lists(str(path))
    try:
        content = json.loads(read_text(path))
        return [str(name) for name in content["train"]], [str(name) for name in content["val"]]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(
            f"--split {path}: expected JSON with lists of scenes under train and val ({error!r})"
        ) from error
