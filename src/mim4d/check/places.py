"""What lies beside the tables: maps of the logs' locations, and the lists of scenes of splits.

What enters are the tables and the data set's folder; what leaves are findings.
"""

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from mim4d.check.findings import Findings, Place, Rule
from mim4d.check.lenient_tables import TableSet
from mim4d.data.tables.json_rows import loads

OFFICIAL_LOCATIONS = (
    "boston-seaport",
    "singapore-hollandvillage",
    "singapore-onenorth",
    "singapore-queenstown",
)
_LAYERS = ("polygon", "line", "node", "drivable_area", "lane", "ped_crossing")
_SEPARATE_SPLITS = (frozenset({"train", "val"}), frozenset({"train", "test"}))

NO_EXPANSION = Rule(
    "no-map-expansion",
    "remark",
    "maps/expansion/<location>.json",
    "nothing, or add the map expansion if you need vector maps",
)
BAD_EXPANSION = Rule(
    "bad-map-expansion",
    "error",
    "a JSON file in the vector-map format of nuScenes",
    "restore the file",
)
MISSING_RASTER = Rule("missing-map", "warning", "the map's image", "restore the file")
LOG_WITHOUT_MAP = Rule(
    "log-without-map", "remark", "every log in the log_tokens of a map", "nothing, or add it"
)
LOCATION = Rule(
    "unknown-location",
    "remark",
    "one of the four locations of nuScenes",
    "nothing; only the official map tools insist on them",
)
NO_SPLITS = Rule(
    "no-splits", "remark", "splits.json with lists of scene names", "nothing; all scenes are used"
)
BAD_SPLITS = Rule("bad-splits", "error", "a dictionary of lists of scene names", "restore the file")
UNKNOWN_SCENE = Rule("unknown-scene", "error", "a scene of this data set", "correct the name")
IN_TWO_SPLITS = Rule(
    "scene-in-two-splits", "error", "no scene both for training and testing", "remove it from one"
)
IN_NO_SPLIT = Rule("scene-in-no-split", "remark", "every scene in a split", "nothing, or add it")


def check_places(tables: TableSet, findings: Findings) -> None:
    """Maps and splits."""
    _check_expansions(tables, findings)
    _check_rasters(tables, findings)
    _check_splits(tables, findings)


def _check_expansions(tables: TableSet, findings: Findings) -> None:
    log = tables["log"]
    locations = sorted({place.decode(errors="replace") for place in log["location"].tolist()})
    for location in locations:
        first = next(r for r, p in enumerate(log["location"]) if p.decode() == location)
        token = tables.token("log", first)
        if location not in OFFICIAL_LOCATIONS:
            findings.add(LOCATION, "log", Place(f"location '{location}'", token))
        file = f"maps/expansion/{location}.json"
        path = tables.root / file
        if not path.is_file():
            findings.add(NO_EXPANSION, "log", Place("no such file", token, file))
        elif problem := expansion_problem(path):
            findings.add(BAD_EXPANSION, "log", Place(problem, token, file))


def expansion_problem(path: Path) -> str:
    """What is wrong with a vector map; empty if nothing is at this level."""
    try:
        content = loads(path.read_bytes())
    except ValueError as error:
        return f"not valid JSON ({error})"
    if not isinstance(content, dict):
        return f"a JSON {type(content).__name__}, not a dictionary of layers"
    missing = [name for name in _LAYERS if not isinstance(content.get(name), list)]
    if missing:
        return f"no list {', '.join(missing)}"
    nodes = {_get(node, "token") for node in content["node"]}
    for polygon in content["polygon"]:
        lost = [n for n in _get(polygon, "exterior_node_tokens") or [] if n not in nodes]
        if lost:
            return f"polygon {_get(polygon, 'token')}: node {lost[0]} is not there"
    return ""


def _get(row: Any, key: str) -> Any:
    return row.get(key) if isinstance(row, dict) else None


def _check_rasters(tables: TableSet, findings: Findings) -> None:
    if "map" not in tables.present:
        return
    maps = tables["map"]
    files = [name.decode(errors="replace") for name in maps["filename"].tolist()]
    for row, file in enumerate(files):
        if not file or not (tables.root / file).is_file():
            place = Place("no such file", tables.token("map", row), file)
            findings.add(MISSING_RASTER, "map", place)
    without = np.setdiff1d(np.arange(tables.size("log")), maps["logs"])
    findings.add_rows(
        LOG_WITHOUT_MAP, "log", tables["log"], without, lambda row: "no map lists this log"
    )


def _check_splits(tables: TableSet, findings: Findings) -> None:
    path = tables.root / "splits.json"
    if not path.is_file():
        findings.add(NO_SPLITS, "splits", Place("no such file", file="splits.json"))
        return
    try:
        splits = loads(path.read_bytes())
    except ValueError as error:
        findings.add(BAD_SPLITS, "splits", Place(f"not valid JSON ({error})", file="splits.json"))
        return
    if not isinstance(splits, dict) or not all(isinstance(v, list) for v in splits.values()):
        place = Place("something else than lists by name", file="splits.json")
        findings.add(BAD_SPLITS, "splits", place)
        return
    names = {str(split): [str(scene) for scene in scenes] for split, scenes in splits.items()}
    _check_names(tables, names, findings)


def _check_names(tables: TableSet, splits: dict[str, list[str]], findings: Findings) -> None:
    rows = {n.decode(errors="replace"): r for r, n in enumerate(tables["scene"]["name"].tolist())}
    for split, scenes in splits.items():
        for name in scenes:
            if name not in rows:
                place = Place(f"'{name}' in split '{split}' is no scene", file="splits.json")
                findings.add(UNKNOWN_SCENE, "splits", place)
    for a, b in combinations(splits, 2):
        if frozenset({a, b}) in _SEPARATE_SPLITS:
            for name in sorted(set(splits[a]) & set(splits[b])):
                token = tables.token("scene", rows.get(name, -1))
                place = Place(f"scene '{name}' is in '{a}' and in '{b}'", token, "splits.json")
                findings.add(IN_TWO_SPLITS, "splits", place)
    listed = {name for scenes in splits.values() for name in scenes}
    lost = [row for name, row in rows.items() if name not in listed]
    findings.add_rows(
        IN_NO_SPLIT, "scene", tables["scene"], lost, lambda row: "in no list of splits.json"
    )
