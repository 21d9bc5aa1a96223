"""A split by place: no held-out sample lies within a gap of a training one.

Scenes of one location whose samples come nearer to each other than the gap, or hang together
through others that do, are a cluster, which no split may cut (single linkage). Which clusters go
to a part is drawn by a seed, such that the part has the size that was asked for and every location
gives its share of it, as nearly as clusters allow: sums of cluster sizes are gone through one
location after the other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.cluster.hierarchy import fcluster, linkage

from mim4d.data.driven_places import ScenePlaces, nearest_distances
from mim4d.errors import DataError

TOLERANCE = 0.03
"""A part may differ by this share of its size from what was asked for (or by half a scene)."""


@dataclass(frozen=True)
class _Cluster:
    location: str
    scenes: tuple[str, ...]


Clusters = list[_Cluster]


def geo_split(
    places: Sequence[ScenePlaces], shares: Mapping[str, float], gap_m: float, seed: int = 0
) -> dict[str, list[str]]:
    """Scenes of each part, in their order.

    Args:
        places: The scenes.
        shares: Share of the scenes of each held-out part, such as {"val": 0.15}; what is left is
            `train`.
        gap_m: Samples of different parts are further apart than this.
        seed: Of the draw.

    Raises:
        ValueError: If shares or gap make no sense.
        DataError: If there is no such split; the message says the largest gap that there is one
            for.
    """
    _check(shares, gap_m)
    heights = {name: _heights(own) for name, own in _by_location(places).items()}
    found = _assign(_clusters(places, heights, gap_m), shares, len(places), seed)
    if found is None:
        raise DataError(_refusal(places, heights, shares, gap_m, seed))
    parts = {name: {scene for cluster in found[name] for scene in cluster.scenes} for name in found}
    return {name: [s.name for s in places if s.name in chosen] for name, chosen in parts.items()}


def random_split(
    places: Sequence[ScenePlaces], shares: Mapping[str, float], seed: int = 0
) -> dict[str, list[str]]:
    """As `geo_split` without a gap: scenes are drawn whatever lies beside them."""
    _check(shares, 0.0)
    alone = [_Cluster(scene.location, (scene.name,)) for scene in places]
    found = _assign(alone, shares, len(places), seed)
    if found is None:
        raise DataError(f"{len(places)} scenes cannot be divided into {_asked(shares)}")
    parts = {name: {cluster.scenes[0] for cluster in found[name]} for name in found}
    return {name: [s.name for s in places if s.name in chosen] for name, chosen in parts.items()}


def smallest_gap_m(one: Sequence[ScenePlaces], other: Sequence[ScenePlaces]) -> float:
    """Least distance of samples of two parts; infinite if they share no location."""
    away = [distances.min(initial=np.inf) for distances in nearest_distances(one, other)]
    return float(min(away, default=np.inf))


def _check(shares: Mapping[str, float], gap_m: float) -> None:
    if not 0 <= gap_m < float("inf"):
        raise ValueError(f"gap between the parts of a split is {gap_m} m; expected 0 or more")
    if any(not 0 < share < 1 for share in shares.values()) or not 0 < sum(shares.values()) < 1:
        raise ValueError(
            f"shares of the held-out parts are {_asked(shares)}; expected numbers between 0 and 1 "
            "that leave something for training"
        )


def _asked(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {share:g}" for name, share in shares.items())


def _by_location(places: Sequence[ScenePlaces]) -> dict[str, list[ScenePlaces]]:
    found: dict[str, list[ScenePlaces]] = {}
    for scene in places:
        found.setdefault(scene.location, []).append(scene)
    return found


def _heights(scenes: Sequence[ScenePlaces]) -> Float64[np.ndarray, "_ 4"]:
    """Which scenes of a location come together at which distance."""
    rows = [_least_distances(scene, scenes[number + 1 :]) for number, scene in enumerate(scenes)]
    condensed = np.concatenate(rows)
    # A scene without a sample is near nothing; linkage wants a number for it.
    return linkage(np.minimum(condensed, 1e12), "single") if len(condensed) else np.zeros((0, 4))


def _least_distances(
    scene: ScenePlaces, others: Sequence[ScenePlaces]
) -> Float64[np.ndarray, " k"]:
    return np.array([d.min(initial=np.inf) for d in nearest_distances([scene], others)])


def _clusters(
    places: Sequence[ScenePlaces], heights: Mapping[str, Float64[np.ndarray, "_ 4"]], gap_m: float
) -> Clusters:
    clusters: Clusters = []
    for location, scenes in _by_location(places).items():
        tree = heights[location]
        labels = fcluster(tree, gap_m, "distance") if len(tree) else np.ones(1, np.int64)
        for label in np.unique(labels):
            members = np.flatnonzero(labels == label).tolist()
            clusters.append(_Cluster(location, tuple(scenes[i].name for i in members)))
    return clusters


def _assign(
    clusters: Clusters, shares: Mapping[str, float], total: int, seed: int
) -> dict[str, Clusters] | None:
    """Clusters of each part; None if the sizes cannot be had."""
    rng = np.random.default_rng(seed)
    left = [clusters[i] for i in rng.permutation(len(clusters))]
    parts: dict[str, Clusters] = {}
    for name, share in shares.items():
        wanted = share * total
        chosen = _choose(left, wanted)
        count = sum(len(cluster.scenes) for cluster in chosen)
        if abs(count - wanted) > max(0.5, TOLERANCE * wanted) or count == 0:
            return None
        parts[name] = chosen
        left = [cluster for cluster in left if cluster not in chosen]
    return {"train": left, **parts} if left else None


def _choose(clusters: Clusters, wanted: float) -> Clusters:
    """Clusters whose scenes number as nearly as can be what is wanted, every location's share."""
    by_location: dict[str, Clusters] = {}
    for cluster in clusters:
        by_location.setdefault(cluster.location, []).append(cluster)
    share = wanted / sum(len(cluster.scenes) for cluster in clusters)
    # By number of scenes: how far locations are from their shares, and which clusters do it.
    best: dict[int, tuple[float, tuple[_Cluster, ...]]] = {0: (0.0, ())}
    for own in by_location.values():
        size = sum(len(cluster.scenes) for cluster in own)
        ways = _sums(own)
        longer: dict[int, tuple[float, tuple[_Cluster, ...]]] = {}
        for count, (cost, chosen) in best.items():
            for more, subset in ways.items():
                new = cost + (more - share * size) ** 2 / size
                if count + more not in longer or new < longer[count + more][0]:
                    longer[count + more] = (new, (*chosen, *subset))
        best = longer
    nearest = min(best, key=lambda count: (abs(count - wanted), best[count][0]))
    return list(best[nearest][1])


def _sums(clusters: Clusters) -> dict[int, tuple[_Cluster, ...]]:
    """One set of clusters for every number of scenes that some set has."""
    ways: dict[int, tuple[_Cluster, ...]] = {0: ()}
    for cluster in clusters:
        for count, subset in list(ways.items()):
            ways.setdefault(count + len(cluster.scenes), (*subset, cluster))
    return ways


def _refusal(
    places: Sequence[ScenePlaces],
    heights: Mapping[str, Float64[np.ndarray, "_ 4"]],
    shares: Mapping[str, float],
    gap_m: float,
    seed: int,
) -> str:
    """Why there is no split. A larger gap joins clusters: what it allows, a smaller one does."""
    levels = np.unique(np.concatenate([tree[:, 2] for tree in heights.values()]))
    low, high = 0, int(np.searchsorted(levels, gap_m))
    # Just below a level, scenes that come together there are still apart.
    while low < high:
        middle = (low + high + 1) // 2
        gap = float(np.nextafter(levels[middle - 1], 0))
        possible = _assign(_clusters(places, heights, gap), shares, len(places), seed)
        low, high = (middle, high) if possible is not None else (low, middle - 1)
    sizes = sorted((len(c.scenes) for c in _clusters(places, heights, gap_m)), reverse=True)
    shown = ", ".join(map(str, sizes[:5])) + (" ..." if len(sizes) > 5 else "")
    reason = (
        f"{len(places)} scenes cannot be divided into {_asked(shares)} with a gap of {gap_m:g} m: "
        f"scenes that are nearer stay together, in {len(sizes)} clusters of {shown} scenes"
    )
    largest = np.floor(levels[low - 1] * 10 - 1e-6) / 10 if low else 0.0
    if largest > 0:
        return f"{reason}. The largest gap that works is {largest:.1f} m: ask for that or less"
    return f"{reason}. No gap works: ask for other shares, or give lists of scenes by hand"
