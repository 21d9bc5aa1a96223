"""Faults of files, maps and splits, and what is odd but no fault.

Name: what is done, then severity, code, table, token and what the finding's place must say.
"""

import json

import numpy as np
from PIL import Image

from tests.check.damages import (
    BROKEN_MAP,
    IMAGE,
    SWEEP,
    Fault,
    expansion,
    freeze,
    paint,
    points,
    rewrite,
    rotated,
    row,
    splits,
    write,
)

FAULTS_OF_FILES: dict[str, Fault] = {
    # Files
    "missing file": (
        lambda root: (root / IMAGE).unlink(),
        *("error", "missing-file", "sample_data", "scene0-CAM_BACK-10", IMAGE),
    ),
    "no bytes": (
        write(SWEEP, b""),
        *("error", "empty-file", "sample_data", "scene0-LIDAR_TOP-10", SWEEP),
    ),
    "truncated JPEG": (
        rewrite(IMAGE, lambda content: content[:-40]),
        *("error", "truncated-image", "sample_data", "scene0-CAM_BACK-10", IMAGE),
    ),
    "JPEG that goes on behind its end": (
        rewrite(IMAGE, lambda content: content + b"trailer"),
        *("warning", "no-end-marker", "sample_data", "scene0-CAM_BACK-10", IMAGE),
    ),
    "no image": (
        write(IMAGE, b"no image"),
        *("error", "broken-image", "sample_data", "scene0-CAM_BACK-10", IMAGE),
    ),
    "other image size": (
        lambda root: Image.effect_noise((65, 41), 50).save(root / IMAGE),
        *("error", "image-size-differs", "sample_data", "scene0-CAM_BACK-10", "65x41 pixels"),
    ),
    "LiDAR file cut": (
        rewrite(SWEEP, lambda content: content[:-7]),
        *("error", "lidar-file-size", "sample_data", "scene0-LIDAR_TOP-10", "113 bytes"),
    ),
    "points after a header": (
        rewrite(SWEEP, lambda content: b"# .PCD v0.7 VERSION 0.7 FIELDS x y z int" + content),
        *("error", "lidar-layout", "sample_data", "scene0-LIDAR_TOP-10", "a PCD file"),
    ),
    "pixels of 16 bits": (
        lambda root: Image.fromarray(np.full((33, 49), 9000, np.uint16)).save(root / IMAGE, "PNG"),
        *("error", "image-kind", "sample_data", "scene0-CAM_BACK-10", "I;16"),
    ),
    "rotated by EXIF": (
        rotated,
        *("warning", "exif-rotation", "sample_data", "scene0-CAM_BACK-10", IMAGE),
    ),
    "no finite point": (
        points([np.nan, 0, 0]),
        *("error", "no-finite-point", "sample_data", "scene0-LIDAR_TOP-10", "none of 100"),
    ),
    "points in millimetres": (
        points([20_000.0, 5_000.0, 100.0]),
        *("error", "lidar-units", "sample_data", "scene0-LIDAR_TOP-10", "20616 m"),
    ),
    "unexpected ending": (
        row("sample_data", "scene0-CAM_BACK-10", filename=SWEEP),
        *("warning", "file-extension", "sample_data", "scene0-CAM_BACK-10", ".bin of a camera"),
    ),
    "file of two measurements": (
        row("sample_data", "scene0-CAM_BACK-10", filename=IMAGE.replace("-10", "-5")),
        *("error", "shared-file", "sample_data", "scene0-CAM_BACK-10", "the same file"),
    ),
    "black image": (
        paint(0),
        *("warning", "blank-image", "sample_data", "scene0-CAM_BACK-10", "all black"),
    ),
    "white image": (
        paint(255),
        *("warning", "blank-image", "sample_data", "scene0-CAM_BACK-10", "all white"),
    ),
    "frozen camera": (
        freeze,
        *("warning", "frozen-camera", "sample_data", "scene0-CAM_BACK-10", "BACK-9.jpg; the car"),
    ),
    # Maps and splits
    "log without map": (
        row("map", "map0", log_tokens=[]),
        *("remark", "log-without-map", "log", "log0", "no map"),
    ),
    "scene in no split": (
        splits(train=["tiny-0"]),
        *("remark", "scene-in-no-split", "scene", "scene1", "splits.json"),
    ),
    "map that does not parse": (
        expansion("{"),
        *("error", "bad-map-expansion", "log", "log0", "not valid JSON"),
    ),
    "map without layers": (
        expansion('{"node": []}'),
        *("error", "bad-map-expansion", "log", "log0", "no list polygon"),
    ),
    "polygon without its node": (
        expansion(json.dumps(BROKEN_MAP)),
        *("error", "bad-map-expansion", "log", "log0", "polygon polygon0: node lost"),
    ),
    "missing raster": (
        lambda root: (root / "maps/tiny.png").unlink(),
        *("warning", "missing-map", "map", "map0", "maps/tiny.png"),
    ),
    "unknown scene in a split": (
        splits(train=["tiny-0", "tiny-7"], val=["tiny-1"]),
        *("error", "unknown-scene", "splits", "", "'tiny-7' in split 'train'"),
    ),
    "scene in two splits": (
        splits(train=["tiny-0", "tiny-1"], val=["tiny-1"]),
        *("error", "scene-in-two-splits", "splits", "scene1", "'train' and in 'val'"),
    ),
    "splits that are none": (
        write("splits.json", b'["tiny-0"]'),
        *("error", "bad-splits", "splits", "", "splits.json"),
    ),
}
