"""Pictures of many scenes of a data set: contact sheets, and a page with every scene in detail.

Enters: a data set in the nuScenes format. Leaves: `scenes.jpg` (images alone), `overlays.jpg` (the
same with boxes, LiDAR and map over the pixels), one picture per scene, and `index.html`, which
shows these files and links each in full size.
"""

from collections.abc import Sequence
from pathlib import Path

from mim4d.data.maps.scene_maps import location_of
from mim4d.data.nuscenes import NuscenesDataset
from mim4d.data.splits import SceneChoice
from mim4d.data.tables.tables import NuscenesTables
from mim4d.files import write_text
from mim4d.progress import Report, counted, silent
from mim4d.viz.clip_picture import map_range
from mim4d.viz.overlay import Overlay, Shown
from mim4d.viz.page import Picture, render
from mim4d.viz.scene_picture import draw_scene
from mim4d.viz.scene_view import SceneView
from mim4d.viz.sheet import draw_sheet

IMAGE_HW = (512, 512)
"""Images are fitted into this many rows and columns: a little more than the largest panel."""


def write_gallery(
    data: Path,
    out: Path,
    *,
    scenes: int = 8,
    split: str | None = None,
    without: Sequence[str] = (),
    lidar: str | None = "LIDAR_TOP",
    version: str | None = None,
    progress: Report = silent,
) -> list[Path]:
    """Draw scenes of a data set, each at the keyframe in its middle.

    Args:
        data: Data set in the nuScenes format.
        out: Folder for the files.
        scenes: How many scenes, spread over the data set.
        split: Take only scenes of this split.
        without: What to leave out over the pixels: `lidar`, `boxes`, `map` or layers of the map.
        lidar: LiDAR channel, or None.
        version: Version folder, where there are several.
        progress: Told how many scenes are drawn, of how many.

    Returns:
        The files written, the page last.

    Raises:
        ValueError: If the data are wrong or `scenes` is not positive.
        ImportError: If matplotlib is not installed.
    """
    if scenes < 1:
        raise ValueError(f"scenes is {scenes}; expected at least one")
    shown = Shown.without(tuple(without))
    dataset = _open(data, split, shown, lidar, version)
    views = [_view(dataset, index) for index in _middles(dataset, scenes)]
    overlay = Overlay.of([view.clip for view in views], dataset.category_names, shown)
    sheets = [
        draw_sheet(views).save(out / "scenes.jpg"),
        draw_sheet(views, overlay).save(out / "overlays.jpg"),
    ]
    details = []
    for view in counted(views, progress):
        path = out / f"{view.clip.scene_names[0]}.jpg"
        details.append(draw_scene(view, overlay).save(path))
    write_text(out / "index.html", _page(data, views, sheets, details))
    return [*sheets, *details, out / "index.html"]


def _open(
    data: Path, split: str | None, shown: Shown, lidar: str | None, version: str | None
) -> NuscenesDataset:
    return NuscenesDataset(
        data,
        version=version,
        frames=1,
        image_hw=IMAGE_HW,
        lidar=lidar,
        scenes=None if split is None else SceneChoice(split),
        map_range_m=map_range(data, version, shown),
    )


def _middles(dataset: NuscenesDataset, count: int) -> list[int]:
    """The middle clip of each of some scenes that are spread over the data set."""
    clips: dict[str, list[int]] = {}
    for index in range(len(dataset)):
        clips.setdefault(dataset.scene_name(index), []).append(index)
    groups = list(clips.values())
    count = min(count, len(groups))
    chosen = [groups[i * len(groups) // count] for i in range(count)]
    return [group[len(group) // 2] for group in chosen]


def _view(dataset: NuscenesDataset, index: int) -> SceneView:
    clip = dataset[index]
    caption = f"{int(clip.valid_boxes.sum())} boxes"
    if place := _location(dataset.tables, clip.scene_names[0]):
        caption = f"{place} · {caption}"
    return SceneView(clip, caption, dataset.tables.root, dataset.image_files(index)[0])


def _location(tables: NuscenesTables, scene: str) -> str:
    return location_of(tables, tables.scene_names.index(scene))


def _page(data: Path, views: list[SceneView], sheets: list[Path], details: list[Path]) -> str:
    has_map = any(view.clip.maps is not None for view in views)
    over = "LiDAR, boxes and map" if has_map else "LiDAR and boxes"
    heading = f"{data.resolve().name}: {len(views)} scenes"
    captions = (
        "One keyframe of each scene, all cameras.",
        f"The same keyframes with {over} over the pixels. LiDAR points are coloured by distance; a "
        "cross marks the front of a box"
        + ("; the map lies on the plane of the car's wheels." if has_map else "."),
    )
    return render(
        "gallery.html",
        title=f"mim4d: {data.resolve().name}",
        heading=heading,
        sheets=list(map(Picture, sheets, captions)),
        scenes={
            view.clip.scene_names[0]: Picture(path, view.caption)
            for view, path in zip(views, details, strict=True)
        },
    )
