"""What the images show: whether they decode, their size, black or white ones, frozen cameras.

What enters is the file of one measurement; what leaves are a few facts about it, so that files can
be read by several threads and no pixels are kept.
"""

from collections import Counter
from dataclasses import dataclass
from hashlib import blake2b
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mim4d.check.files import FileList, add_files
from mim4d.check.findings import Findings, Place, Rule
from mim4d.check.lenient_tables import TableSet
from mim4d.check.poses import ego_columns
from mim4d.check.spaced_pairs import SPACING_S, spaced_pairs
from mim4d.data.images.decode import READABLE, is_readable

DARK, BRIGHT = 8, 247
"""An image that is darker or brighter than this everywhere shows nothing (of 255)."""
MOVED_M = 0.5

UNDECODABLE = Rule("broken-image", "error", "an image that decodes", "restore the file")
TRUNCATED = Rule(
    "truncated-image", "error", "a JPEG that ends with its end marker", "restore the file"
)
NO_END = Rule(
    "no-end-marker",
    "warning",
    "a JPEG that ends with its end marker",
    "restore the file: all of its pixels decode, but it was cut or written badly",
)
KIND = Rule("image-kind", "error", READABLE, "convert the file: training refuses it")
ROTATED = Rule(
    "exif-rotation",
    "warning",
    "images stored upright",
    "check that the calibration is of the pixels as stored: the rotation is not applied",
)
SIZES = Rule(
    "sizes-of-one-calibration",
    "warning",
    "files of one size with one calibration",
    "check which size the calibration is of; the others are learned wrongly",
)
OTHER_SIZE = Rule(
    "image-size-differs",
    "error",
    "the size that its record gives",
    "restore the file, or correct width and height if the calibration fits the file",
)
BLANK = Rule("blank-image", "warning", "an image that shows something", "leave the image out")
FROZEN = Rule(
    "frozen-camera",
    "warning",
    "images that differ while the car moves",
    "leave the scene or the camera out",
)
POSES_STILL = Rule(
    "poses-stand-still",
    "warning",
    "poses that move while what the cameras see does",
    "give every measurement the car's pose at its own time: these do not move",
)
IDENTICAL = Rule(
    "identical-images", "remark", "images that differ", "nothing, if the car and the world stood"
)

STILL_M = 0.02
CHANGED_LEVELS = 3.0
"""Median change of brightness (of 255) of a picture's cells in a few tenths of a second, apart from
what all cells share, above which a camera moves: 4.5 and more of a driven car, 0 or 1 of a
standing one, whatever passes."""
_PROBE_HW = 64
_THUMBNAIL_WH = (16, 12)
_EXIF_ORIENTATION = 0x0112


@dataclass(frozen=True)
class ImageFacts:
    """What was found in an image file.

    Attributes:
        digest: Of the whole file.
        size_wh: Columns and rows; None if it does not decode.
        darkest: Of the smaller image's values, 0 to 255.
        brightest: The same.
        thumbnail: Brightness in 12x16 cells; None if it does not decode.
        problem: Rule that it breaks and what was found; None if it decodes.
    """

    digest: bytes
    size_wh: tuple[int, int] | None
    darkest: int = 0
    brightest: int = 255
    thumbnail: NDArray[np.int16] | None = None
    problem: tuple[Rule, str] | None = None


def read_image_facts(content: bytes) -> ImageFacts:
    """Decode an image (a JPEG at reduced size: all of its data are read still)."""
    digest = blake2b(content, digest_size=16).digest()
    try:
        with Image.open(BytesIO(content)) as image:
            size, is_jpeg, mode = image.size, image.format == "JPEG", image.mode
            turned = image.getexif().get(_EXIF_ORIENTATION, 1) != 1
            image.draft("RGB", (_PROBE_HW, _PROBE_HW))
            grey = np.asarray(image.convert("L"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        rule = TRUNCATED if "truncated" in str(error) else UNDECODABLE
        return ImageFacts(digest, None, problem=(rule, str(error).split(": <")[0]))
    if is_jpeg and not content.rstrip(b"\0").endswith(b"\xff\xd9"):
        return ImageFacts(digest, size, problem=(NO_END, "no end marker"))
    if not is_readable(mode):
        return ImageFacts(digest, size, problem=(KIND, f"pixels of kind {mode!r}"))
    if turned:
        return ImageFacts(digest, size, problem=(ROTATED, "its EXIF data say that it is rotated"))
    small = Image.fromarray(grey).resize(_THUMBNAIL_WH, Image.Resampling.BOX)
    thumbnail = np.asarray(small).astype(np.int16)
    return ImageFacts(digest, size, int(grey.min()), int(grey.max()), thumbnail)


def judge_images(
    tables: TableSet, files: FileList, facts: dict[int, ImageFacts], findings: Findings
) -> None:
    """Findings from the facts about the images of rows of `sample_data`."""
    data = tables["sample_data"]
    for row, fact in facts.items():
        if fact.problem:
            add_files(findings, fact.problem[0], tables, files, [row], fact.problem[1])
        if fact.size_wh is None:
            continue
        stated = (int(data["width_px"][row]), int(data["height_px"][row]))
        if min(stated) > 0 and fact.size_wh != stated:
            width, height = fact.size_wh
            found = f"{width}x{height} pixels, its record says {stated[0]}x{stated[1]}"
            add_files(findings, OTHER_SIZE, tables, files, [row], found)
        if fact.problem is None and (fact.brightest < DARK or fact.darkest > BRIGHT):
            found = "all black" if fact.brightest < DARK else "all white"
            add_files(findings, BLANK, tables, files, [row], found)
    _judge_sizes(tables, files, facts, findings)
    _judge_repeats(tables, files, facts, findings)
    _judge_still_poses(tables, facts, findings)


def _judge_still_poses(tables: TableSet, facts: dict[int, ImageFacts], findings: Findings) -> None:
    """Scenes whose poses do not move though most of what most cameras see changes."""
    changes: dict[int, list[float]] = {}
    before, after = spaced_pairs(tables)
    moved = ego_columns(tables, after)[0] - ego_columns(tables, before)[0]
    still = np.linalg.norm(moved, axis=1) < STILL_M
    for a, b, stands in zip(before.tolist(), after.tolist(), still.tolist(), strict=True):
        first, second = (facts[r].thumbnail if r in facts else None for r in (a, b))
        if first is not None and second is not None:
            difference = second - first
            change = float(np.median(np.abs(difference - np.median(difference))))
            own = changes.setdefault(int(tables.scene_of_data[a]), [])
            own.append(change if stands else float("nan"))
    for scene, values in changes.items():
        if len(values) >= 4 and np.mean(np.isnan(values)) < 0.1:
            change = float(np.nanmedian(values))
            if change > CHANGED_LEVELS:
                name = tables["scene"]["name"][scene].decode(errors="replace")
                found = (
                    f"scene {name}: the poses do not move, yet half of what the cameras see "
                    f"changes by more than {change:.0f} of 255 in brightness in {SPACING_S:g} s"
                )
                findings.add(POSES_STILL, "ego_pose", Place(found, tables.token("scene", scene)))


def _judge_sizes(
    tables: TableSet, files: FileList, facts: dict[int, ImageFacts], findings: Findings
) -> None:
    """Files of several sizes with one calibration, also where the tables give no size."""
    sizes: dict[int, Counter[tuple[int, int]]] = {}
    calibration = tables["sample_data"]["calibrated_sensor"]
    for row, fact in facts.items():
        if fact.size_wh is not None:
            sizes.setdefault(int(calibration[row]), Counter())[fact.size_wh] += 1
    for row, fact in facts.items():
        if fact.size_wh is None or len(sizes[int(calibration[row])]) == 1:
            continue
        usual = sizes[int(calibration[row])].most_common(1)[0][0]
        if fact.size_wh != usual:
            found = "{}x{} pixels, most others have {}x{}".format(*fact.size_wh, *usual)
            add_files(findings, SIZES, tables, files, [row], found, group=tables.channel(row))


def _judge_repeats(
    tables: TableSet, files: FileList, facts: dict[int, ImageFacts], findings: Findings
) -> None:
    before, after = tables.neighbours
    for a, b in zip(before.tolist(), after.tolist(), strict=True):
        if a not in facts or b not in facts or facts[a].digest != facts[b].digest:
            continue
        place, _ = ego_columns(tables, np.array([a, b]))
        moved = float(np.linalg.norm(place[1] - place[0]))
        found = f"the same as {files.names[a]}; the car moved {moved:.2f} m"
        rule = FROZEN if moved > MOVED_M else IDENTICAL
        add_files(findings, rule, tables, files, [b], found, group=tables.channel(b))
