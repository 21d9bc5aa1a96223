"""Layers put into viser's scene, below the node of the axes they are expressed in."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float

from mim4d.geometry.rigid import quaternion_from_rotation
from mim4d.viz.viewer.layers import Cubes, Ground, Layer, Pictures, Points, Segments

if TYPE_CHECKING:
    from viser import SceneApi

_FRUSTUM_M = 1.0
_CUBE = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
_FACES = np.array(
    [
        *([0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1]),
        *([2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3]),
    ]
)
"""Outward, counter-clockwise."""


def turned(pose: Float[np.ndarray, "4 4"]) -> dict[str, Any]:
    """A pose as viser wants it."""
    quaternion = quaternion_from_rotation(torch.from_numpy(np.asarray(pose[:3, :3], np.float64)))
    return {"wxyz": quaternion.numpy(), "position": pose[:3, 3]}


def put(scene: "SceneApi", name: str, layer: Layer, visible: bool) -> list[Any]:
    """Add a layer, in place of what had its name; returns viser's handles of it.

    Args:
        scene: Of the server.
        name: Path of the node.
        layer: What to add.
        visible: Whether it shows at once.
    """
    match layer:
        case Points():
            if len(layer.places_m) == 0:
                return []
            return [
                scene.add_point_cloud(
                    name,
                    layer.places_m,
                    layer.colours,
                    point_size=layer.size_m,
                    precision="float32",
                    visible=visible,
                )
            ]
        case Segments():
            if len(layer.ends_m) == 0:
                return []
            if layer.arrows:
                return [scene.add_arrows(name, layer.ends_m, layer.colours, visible=visible)]
            colours = np.repeat(layer.colours[:, None], 2, axis=1)
            lines = scene.add_line_segments(
                name, layer.ends_m, colours, thickness=layer.width_m, visible=visible
            )
            return [lines]
        case Cubes():
            if len(layer.centres_m) == 0:
                return []
            upright = np.tile([1.0, 0.0, 0.0, 0.0], (len(layer.centres_m), 1))
            cubes = scene.add_batched_meshes_simple(
                name,
                _CUBE * layer.size_m,
                _FACES,
                upright,
                layer.centres_m,
                batched_colors=layer.colours,
                flat_shading=True,
                cast_shadow=False,
                visible=visible,
            )
            return [cubes]
        case Ground():
            return [_lay_down(scene, name, layer, visible)]
        case Pictures():
            return _put_cameras(scene, name, layer, visible)


def _lay_down(scene: "SceneApi", name: str, ground: Ground, visible: bool) -> Any:
    """A picture on the road. Of viser's pictures x points along rows, y down, z away from us."""
    (x0, y0), (x1, y1) = ground.lower_m, ground.upper_m
    return scene.add_image(
        name,
        ground.image,
        render_width=x1 - x0,
        render_height=y1 - y0,
        wxyz=(0.0, 1.0, 0.0, 0.0),  # half a turn about x: y up in the picture is the car's y
        position=((x0 + x1) / 2, (y0 + y1) / 2, 0.03),
        visible=visible,
    )


def _put_cameras(scene: "SceneApi", name: str, cameras: Pictures, visible: bool) -> list[Any]:
    handles = []
    for channel, pose, vertical, image in zip(
        cameras.names, cameras.poses, cameras.vertical_rad, cameras.images, strict=True
    ):
        handles.append(
            scene.add_camera_frustum(
                f"{name}/{channel}",
                vertical,
                image.shape[1] / image.shape[0],
                scale=_FRUSTUM_M,
                image=image,
                visible=visible,
                **turned(pose),
            )
        )
    return handles
