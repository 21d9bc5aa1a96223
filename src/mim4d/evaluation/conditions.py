"""Rain and night, where the data set says so: in nuScenes, words of a scene's description."""

from pathlib import Path

import orjson

from mim4d.data.tables.tables import NuscenesTables

_WORDS = ("rain", "night")
_OTHERWISE = "dry, by day"


def conditions_of_scenes(tables: NuscenesTables) -> dict[str, str]:
    """Condition of each scene by name; empty where no description says anything of the kind."""
    path = Path(tables.root) / tables.version / "scene.json"
    found = {}
    for scene in orjson.loads(path.read_bytes()):
        text = str(scene.get("description", "")).lower()
        found[str(scene["name"])] = " and ".join(word for word in _WORDS if word in text)
    if not any(found.values()):
        return {}
    return {name: words or _OTHERWISE for name, words in found.items()}
