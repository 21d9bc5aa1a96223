"""`mim4d split`: lists of scenes as files that others can use, and what is true of them."""

from collections.abc import Mapping
from pathlib import Path

from mim4d.data.driven_places import OVERLAP_M, ScenePlaces, overlap, places_of, scene_places
from mim4d.data.geo_split import geo_split, random_split, smallest_gap_m
from mim4d.data.splits import write_scene_list
from mim4d.data.tables.tables import NuscenesTables


def make_split(
    data: Path,
    out: Path,
    shares: Mapping[str, float],
    *,
    gap_m: float | None,
    seed: int = 0,
    version: str | None = None,
) -> str:
    """Divide the scenes of a data set, write a list for each part, and tell what was made.

    Args:
        data: Data set.
        out: Folder for `train.txt` and a file for each held-out part.
        shares: Share of the scenes of each held-out part.
        gap_m: Metres between the parts; None draws scenes whatever lies beside them.
        seed: Of the draw.
        version: Version folder of the data set.

    Returns:
        A line for each part.

    Raises:
        DataError: If the data cannot be read, or such a split cannot be made.
    """
    tables = NuscenesTables.open(data, version)
    places = scene_places(tables)
    if gap_m is None:
        parts = random_split(places, shares, seed)
    else:
        parts = geo_split(places, shares, gap_m, seed)
    found = {name: places_of(places, names) for name, names in parts.items()}
    rule = "at random" if gap_m is None else f"by place, with a gap of {gap_m:g} m"
    asked = ", ".join(f"{name} {share:g}" for name, share in shares.items())
    about = f"{len(places)} scenes of {tables.version} divided {rule}; seed {seed}; asked: {asked}"
    lines = [about]
    for name, scenes in found.items():
        said = _describe(name, found)
        write_scene_list(out / f"{name}.txt", [s.name for s in scenes], [about, said])
        lines.append(f"  {out / f'{name}.txt'}: {said}")
    return "\n".join(lines)


def _describe(name: str, parts: Mapping[str, list[ScenePlaces]]) -> str:
    """Size of a part, by location; of a held-out one its distance from training, and overlap."""
    scenes = parts[name]
    counts: dict[str, int] = {}
    for scene in scenes:
        counts[scene.location] = counts.get(scene.location, 0) + 1
    where = ", ".join(f"{location or '(unknown)'} {n}" for location, n in sorted(counts.items()))
    samples = sum(len(scene.positions_m) for scene in scenes)
    said = f"{name}: {len(scenes)} scenes ({where}), {samples} samples"
    if name == "train":
        return said
    share = overlap(parts["train"], scenes) or 0.0
    gap = smallest_gap_m(parts["train"], scenes)
    apart = f"at least {gap:.1f} m from" if gap < float("inf") else "in other locations than"
    return (
        f"{said}, {apart} training ones; {100 * share:.1f} % within {OVERLAP_M:g} m of a "
        "training one"
    )
