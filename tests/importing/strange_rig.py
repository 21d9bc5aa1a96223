"""A synthetic drive of a car with five cameras of three kinds, as a plain folder.

    python -m tests.importing.strange_rig drives --drives 2
    mim4d import rig drives --out data --held-out 0.5

A pinhole of 120° ahead, two pinholes of 70° and of another size at the rear, two fisheyes of 190°
at the sides; 7 Hz, each camera in its own jittered time, one of them silent for a second; no LiDAR.
Exact distances lie beside the images. Needs the extra `world`.
"""

import argparse
import csv
import math
from pathlib import Path

import numpy as np
import torch
import yaml
from PIL import Image

from mim4d.geometry.lenses.lens import Lens, directions_from_pixels
from mim4d.importing.rotations import FORWARD_FROM_OPTICAL, from_yaw_pitch_roll
from mim4d.world.scene.layout import sample_layout
from mim4d.world.scene.town import placement
from mim4d.world.sensing.rig import Camera, mounted
from mim4d.world.sensing.sensors import Stage
from mim4d.world.sensing.tracks import track

START_US, HZ, SILENT = 1_700_000_000_000_000, 7.0, "CAM_BACK_LEFT"


def pinhole(size: tuple[int, int], degrees: float) -> Lens:
    """A lens that is so wide."""
    width, height = size
    focal = width / 2 / math.tan(math.radians(degrees / 2))
    return Lens("pinhole", (focal, focal), (width / 2, height / 2))


def fisheye(size: int, degrees: float) -> Lens:
    """A lens whose image circle fills a square."""
    focal = size / math.radians(degrees)
    bending = (0.01, -0.002, 0.0, 0.0)
    return Lens("fisheye", (focal, focal), (size / 2, size / 2), bending)


Place = tuple[float, float, float]


def cameras(scale: float) -> dict[str, tuple[Lens, tuple[int, int], Place, float]]:
    """Lens, size, position and yaw of each camera."""

    def size(width: int, height: int) -> tuple[int, int]:
        return int(width * scale), int(height * scale)

    front, back, side = size(448, 256), size(320, 240), size(320, 320)
    return {
        "CAM_FRONT": (pinhole(front, 120.0), front, (1.7, 0.0, 1.5), 0.0),
        "CAM_BACK_LEFT": (pinhole(back, 70.0), back, (0.2, 0.5, 1.5), 130.0),
        "CAM_BACK_RIGHT": (pinhole(back, 70.0), back, (0.2, -0.5, 1.5), -130.0),
        "CAM_LEFT": (fisheye(side[0], 190.0), side, (1.0, 0.95, 1.1), 90.0),
        "CAM_RIGHT": (fisheye(side[0], 190.0), side, (1.0, -0.95, 1.1), -90.0),
    }


class Wide(Camera):
    """A camera that sees what is beside it."""

    def half_angle(self) -> float:
        """Of what may be seen."""
        return math.radians(95.0)


def write_rig(folder: Path, scale: float) -> None:
    """Write cameras.yaml."""
    described = {
        name: {
            "size_px": list(size),
            "lens": {
                "model": lens.model,
                "focal_px": list(lens.focal_px),
                "centre_px": list(lens.centre_px),
                "coefficients": list(lens.coefficients),
                "first_pixel_centre": 0.5,
            },
            "position_m": list(position),
            "looks_deg": {"yaw": yaw},
        }
        for name, (lens, size, position, yaw) in cameras(scale).items()
    }
    rig = {"time_unit": "us", "vehicle": "strange", "location": "nowhere", "cameras": described}
    folder.mkdir(parents=True)
    (folder / "cameras.yaml").write_text(yaml.safe_dump(rig, sort_keys=False))


def write_drive(folder: Path, number: int, seconds: float, scale: float) -> None:
    """Render one drive."""
    rng = np.random.default_rng(number)
    start_us = START_US + number * 1_000_000_000
    place = placement("train", number, seconds)
    layout = sample_layout(np.random.SeedSequence((9, number)), seconds, place)
    clocks = {
        name: np.round(
            (np.arange(0, seconds, 1 / HZ) + rng.uniform(0.0, 0.02, math.ceil(seconds * HZ))) * 1e6
        ).astype(np.int64)
        for name in cameras(scale)
    }
    silent = clocks[SILENT]
    clocks[SILENT] = silent[(silent < 0.4 * seconds * 1e6) | (silent > (0.4 * seconds + 1) * 1e6)]
    grid = np.arange(0, int(seconds * 1e6) + 60_000, 10_000)
    times = np.unique(np.concatenate([grid, *clocks.values()]))
    stage = Stage(layout, track(layout, times))
    write_poses(folder / "poses.csv", stage, times, start_us)
    for k, (name, (lens, (width, height), position, yaw)) in enumerate(cameras(scale).items()):
        u, v = torch.meshgrid(torch.arange(width), torch.arange(height), indexing="xy")
        rays, shown = directions_from_pixels(lens, torch.stack([u, v], dim=-1).double() + 0.5)
        turned = from_yaw_pitch_roll(yaw, 0.0, 0.0) @ FORWARD_FROM_OPTICAL
        focal = lens.focal_px[0]
        matrix = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])
        camera = Wide(name, mounted(*position, turned), matrix, (height, width))
        (folder / name).mkdir()
        (folder / "distances" / name).mkdir(parents=True)
        for time in clocks[name].tolist():
            picture = stage.take_picture(camera, rays.numpy(), time, number * 10 + k, True)
            pixels = picture.pixels * shown.numpy()[..., None]
            known = shown.numpy() & (picture.distance_m < 255.0)
            steps = np.where(known, np.rint(picture.distance_m * 256), 0).astype(np.uint16)
            Image.fromarray(pixels).save(folder / name / f"{start_us + time}.jpg", quality=92)
            Image.fromarray(steps).save(folder / "distances" / name / f"{start_us + time}.png")


def write_poses(path: Path, stage: Stage, times: np.ndarray, start_us: int) -> None:
    """Write the car's poses at all of these times."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["time_us", "x_m", "y_m", "z_m", "qw", "qx", "qy", "qz"])
        for time, (x, y, yaw) in zip(times.tolist(), stage.tracks.ego.tolist(), strict=True):
            x, y = x + stage.layout.global_offset[0], y + stage.layout.global_offset[1]
            rows.writerow([start_us + time, x, y, 0, math.cos(yaw / 2), 0, 0, math.sin(yaw / 2)])


def main() -> None:
    """Write the drives that the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--drives", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--scale", type=float, default=1.0)
    options = parser.parse_args()
    write_rig(options.out, options.scale)
    for number in range(options.drives):
        write_drive(options.out / f"drive-{number}", number, options.seconds, options.scale)
        print(options.out / f"drive-{number}")


if __name__ == "__main__":
    main()
