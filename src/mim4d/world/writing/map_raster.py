"""The raster of a town: where there is road or sidewalk, one tile per scene, joined row by row.

8-bit PNG, 255 on roads and sidewalks, else 0; `PIXELS_PER_M` pixels to a metre; the first row is
the town's upper edge (largest y), the lower left corner is the origin of `global`.
"""

import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw
from shapely import MultiPolygon

from mim4d.world.scene.town import Placement, canvas_m

PIXELS_PER_M = 10
TILE = "map_tile.png"


def write_tile(surface: MultiPolygon, place: Placement, folder: Path) -> None:
    """Draw a scene's roads and sidewalks (in `global`) into its cell and write it as a PNG."""
    size = round(place.size_m * PIXELS_PER_M)
    tile = Image.new("L", (size, size))
    draw = ImageDraw.Draw(tile)
    for polygon in surface.geoms:
        for ring, value in [(polygon.exterior, 255), *((hole, 0) for hole in polygon.interiors)]:
            corners = (np.array(ring.coords) - place.origin_m) * PIXELS_PER_M
            # A polygon's corner (0, 0) is the middle of the pixel in the first column and row.
            columns, rows = corners[:, 0] - 0.5, size - corners[:, 1] - 0.5
            draw.polygon(np.stack([columns, rows], axis=-1).ravel().tolist(), fill=value)
    tile.save(folder / TILE, compress_level=1)


def join_tiles(folders: list[Path], places: list[Placement], path: Path) -> None:
    """Write the raster of a town; no more than one row of cells is held in memory."""
    width, height = (round(side * PIXELS_PER_M) for side in canvas_m(places))
    size = round(places[0].size_m * PIXELS_PER_M)
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        _chunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
        packer = zlib.compressobj(1)
        for row in reversed(range(height // size)):
            band = np.zeros((size, width + 1), dtype=np.uint8)  # each line begins with its filter
            for folder, place in zip(folders, places, strict=True):
                if place.row == row:
                    left = 1 + place.column * size
                    band[:, left : left + size] = _read(folder / TILE)
            _chunk(file, b"IDAT", packer.compress(band.data))
        _chunk(file, b"IDAT", packer.flush())
        _chunk(file, b"IEND", b"")


def _read(path: Path) -> UInt8[np.ndarray, "h w"]:
    with Image.open(path) as image:
        return np.asarray(image)


def _chunk(file: BinaryIO, kind: bytes, data: bytes) -> None:
    """A chunk of a PNG file: length, kind, data, checksum of both."""
    file.write(struct.pack(">I", len(data)) + kind + data)
    file.write(struct.pack(">I", zlib.crc32(kind + data)))
