"""What was made of a rig, in sentences for people."""

from collections.abc import Sequence

from mim4d.importing.recording import CameraTrack, Recording
from mim4d.importing.rectify import field_of_view_deg

README = """# Drives imported by mim4d

Scenes in the nuScenes v1.0 layout (`{version}`), of {drives}. Images are those of pinhole cameras:
cameras with another lens were rectified into one or several views, each with a channel and a mount
of its own. Every image has its time of exposure and the car's pose at it.

{notes}
"""


def describe_cameras(drive: Recording) -> list[str]:
    """What each camera's images became."""
    return [_describe(camera) for camera in drive.cameras]


def _describe(camera: CameraTrack) -> str:
    left, right, top, bottom = field_of_view_deg(camera.lens, camera.size_wh)
    width, height = camera.size_wh
    seen = (
        f"{camera.name}: {camera.lens.model}, {width}x{height}, "
        f"{left + right:.0f}° x {top + bottom:.0f}°"
    )
    if not camera.views:
        return f"{seen}, used as it is"
    view = camera.views[0]
    wide, tall = view.field_of_view_deg
    count = len(camera.views)
    views = f"{count} views of" if count > 1 else "one view of"
    return (
        f"{seen} -> {views} {wide:.0f}° x {tall:.0f}°, {view.size_wh[0]}x{view.size_wh[1]} "
        f"({', '.join(camera.channels)})"
    )


def readme(drives: Sequence[Recording], notes: Sequence[str], version: str) -> str:
    """Text of the data set's README."""
    names = ", ".join(drive.name for drive in drives[:5]) + (" ..." if len(drives) > 5 else "")
    return README.format(version=version, drives=names, notes="\n".join(f"- {n}" for n in notes))
