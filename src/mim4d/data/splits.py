"""Which scenes belong to a split, and which part of them is used.

What enters are the names of a data set's scenes and what the user asks for: a split, or a list of
names, and a fraction of the scenes. What leaves are names, in the order of the tables.
`nuscenes_splits.json` beside this file holds the official lists of nuScenes, which are facts of
that data set, as runs of scene numbers.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal

import orjson

from mim4d.data.tables.dataset_folder import read_split
from mim4d.errors import DataError
from mim4d.files import write_text

_ORIGINAL_VERSIONS = ("v1.0-trainval", "v1.0-mini", "v1.0-test")
_MINI_NAMES = {"train": "mini_train", "val": "mini_val"}
_USUAL_SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Split:
    """The scenes of one split of a data set.

    Attributes:
        scenes: Names, in the order of the tables.
        origin: What says so: the data set's own `splits.json`, nuScenes' official lists, or, where
            nothing does, all scenes.
        note: One sentence about it for the user.
    """

    scenes: list[str]
    origin: Literal["splits.json", "official", "all"]
    note: str


@dataclass(frozen=True)
class SceneChoice:
    """What the user asks for.

    Attributes:
        split: Name of a split.
        names: Scenes by name, instead of a split.
        fraction: Share of the scenes that is used, in (0, 1].
        seed: Seed of the fraction. With one seed, a smaller fraction is contained in a larger one.

    Raises:
        ValueError: If the fraction is not in (0, 1], or a name comes twice.
    """

    split: str = "train"
    names: tuple[str, ...] | None = None
    fraction: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.fraction <= 1:
            raise ValueError(f"fraction of scenes is {self.fraction}; expected a share in (0, 1]")
        twice = sorted({n for n in self.names or () if (self.names or ()).count(n) > 1})
        if twice:
            raise ValueError(f"scenes named more than once: {', '.join(twice[:5])}")

    def resolve(self, root: Path, version: str, available: Sequence[str]) -> Split:
        """The scenes meant, in a data set whose tables have the scenes `available`.

        Raises:
            DataError: If there is no such split, or none of its scenes is there.
        """
        if self.names is None:
            split = resolve_split(root, version, available, self.split)
        else:
            scenes = [name for name in available if name in self.names]
            scenes += [name for name in self.names if name not in available]
            split = Split(scenes, "all", f"{root}: scenes by name")
        if self.fraction == 1:
            return split
        part = fraction_of(split.scenes, self.fraction, self.seed)
        note = f"{split.note}; of these, {len(part)} (fraction {self.fraction:g}, seed {self.seed})"
        return Split(part, split.origin, note)

    def scenes(self, root: Path, version: str, available: Sequence[str]) -> list[str]:
        """The same scenes by name, all of them known to be there.

        Raises:
            DataError: If one is not, or there is none.
        """
        return known_scenes(root, self.resolve(root, version, available).scenes, available)


def known_scenes(root: Path, wanted: Sequence[str], available: Sequence[str]) -> list[str]:
    """The scenes wanted, if all are there.

    Raises:
        DataError: If one is not, or there is none.
    """
    there = set(available)
    unknown = [name for name in wanted if name not in there]
    if unknown or not wanted:
        more = " ..." if len(available) > 5 else ""
        raise DataError(
            f"{root}: scenes {', '.join(unknown[:5]) or '(none)'} asked for, not "
            f"found; its {len(available)} scenes are {', '.join(available[:5])}{more}"
        )
    return list(wanted)


HELD_OUT, TRAINING = SceneChoice("val"), SceneChoice("train")
"""What is judged and what is trained on, unless a user says otherwise."""


def resolve_split(root: Path, version: str, available: Sequence[str], split: str) -> Split:
    """Scenes of a split: from `splits.json`, else the official lists, else all.

    Args:
        root: Folder of the data set.
        version: Name of its folder of tables. The official lists apply to v1.0-trainval, v1.0-mini
            (where `train` is mini_train and `val` mini_val) and v1.0-test, if every scene of the
            tables is one of nuScenes.
        available: Names of the scenes in the tables.
        split: Name of the split.

    Raises:
        DataError: If there is no such split, or none of its scenes is there.
    """
    listed = read_split(root, split)
    if listed is not None:
        if not listed:
            raise DataError(f"{root / 'splits.json'}: names no scene of split {split!r}")
        return Split(listed, "splits.json", f"{root}: split {split} of splits.json")
    known = official_splits()
    if version in _ORIGINAL_VERSIONS and set(available) <= set().union(*known.values()):
        return _official(root / version, available, split)
    if split not in _USUAL_SPLITS:
        raise DataError(
            f"{root}: split {split!r} asked for, but the data set has no splits.json, which names "
            "the scenes of each split"
        )
    note = f"{root}: has no splits.json; split {split} is all of its {len(available)} scenes"
    return Split(list(available), "all", note)


def _official(folder: Path, available: Sequence[str], split: str) -> Split:
    """A split by nuScenes' own lists."""
    known = official_splits()
    name = _MINI_NAMES.get(split, split) if folder.name == "v1.0-mini" else split
    if name not in known:
        raise DataError(f"{folder}: no split {split!r}; nuScenes has {', '.join(known)}")
    scenes = [scene for scene in available if scene in known[name]]
    if not scenes:
        there = [other for other, names in known.items() if set(available) & set(names)]
        raise DataError(
            f"{folder}: none of its scenes is in nuScenes' official split {name}; "
            f"it has scenes of: {', '.join(there)}"
        )
    total = len(known[name])
    part = f"{len(scenes)} of {total}" if len(scenes) < total else f"all {total}"
    return Split(scenes, "official", f"{folder}: official split {name}, {part} scenes")


@cache
def official_splits() -> dict[str, frozenset[str]]:
    """NuScenes' official scene lists by name: train, val, test, mini_train, mini_val."""
    text = files("mim4d.data").joinpath("nuscenes_splits.json").read_bytes()
    return {name: frozenset(_scenes(runs)) for name, runs in orjson.loads(text)["splits"].items()}


def _scenes(runs: str) -> list[str]:
    """`"4-6 9"` to scene-0004, scene-0005, scene-0006, scene-0009."""
    numbers: list[int] = []
    for run in runs.split():
        first, _, last = run.partition("-")
        numbers += range(int(first), int(last or first) + 1)
    return [f"scene-{number:04d}" for number in numbers]


def fraction_of(scenes: Sequence[str], fraction: float, seed: int) -> list[str]:
    """A share of scenes (rounded, at least one), in their order.

    Scenes are ranked by a hash of seed and name, so that the choice depends on nothing else: the
    tenth is contained in the fifth, on every machine and with every version of every library.
    """
    rank = {name: hashlib.sha256(f"{seed}/{name}".encode()).digest() for name in scenes}
    wanted = max(1, round(fraction * len(scenes)))
    chosen = set(sorted(scenes, key=lambda name: rank[name])[:wanted])
    return [name for name in scenes if name in chosen]


def write_scene_list(path: Path, names: Sequence[str], about: Sequence[str]) -> None:
    """Write a list of scenes that `scene_names` reads: one name a line, after lines about it."""
    lines = [*(f"# {line}" for line in about), *names]
    write_text(path, "\n".join(lines) + "\n")


def scene_names(entries: Sequence[str]) -> tuple[str, ...]:
    """Names from the command line; an entry that ends in .txt is a file with one name a line.

    Empty lines, and what follows a # in a line, are left out.

    Raises:
        ValueError: If a file is missing, not a text, or names no scene.
    """
    names: list[str] = []
    for entry in entries:
        if not entry.endswith(".txt"):
            names.append(entry)
            continue
        try:
            lines = Path(entry).read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"list of scenes {entry}: cannot be read ({error})") from error
        found = [name for line in lines if (name := line.partition("#")[0].strip())]
        if not found:
            raise ValueError(f"list of scenes {entry}: names no scene; expected one a line")
        names += found
    return tuple(names)
