"""mim4d: pre-train the perception of a camera car on unlabelled multi-camera video.

Importing the package is cheap: torch is loaded only when one of the names below is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mim4d.config.presets import preset
    from mim4d.data.clip import Clip, collate
    from mim4d.data.nuscenes import NuscenesDataset
    from mim4d.data.single_frame import single_frame
    from mim4d.geometry.voxel_grid import VoxelGrid
    from mim4d.models.video_encoder import VideoEncoder
    from mim4d.runs.loading import load_encoder

    __version__: str

__all__ = [
    "Clip",
    "NuscenesDataset",
    "VideoEncoder",
    "VoxelGrid",
    "__version__",
    "collate",
    "load_encoder",
    "preset",
    "single_frame",
]

_MODULES = {
    "Clip": "mim4d.data.clip",
    "NuscenesDataset": "mim4d.data.nuscenes",
    "VideoEncoder": "mim4d.models.video_encoder",
    "VoxelGrid": "mim4d.geometry.voxel_grid",
    "collate": "mim4d.data.clip",
    "load_encoder": "mim4d.runs.loading",
    "preset": "mim4d.config.presets",
    "single_frame": "mim4d.data.single_frame",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name == "__version__":
        from mim4d.version import installed_version

        return installed_version()
    if name not in _MODULES:
        raise AttributeError(f"module 'mim4d' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
