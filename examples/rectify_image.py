"""One picture of a wide lens as pictures of pinhole cameras.

    python examples/rectify_image.py cameras.yaml CAM_LEFT image.jpg OUT

Writes OUT/CAM_LEFT_1.png, OUT/CAM_LEFT_2.png, ... and prints where each view looks. The lens models
are plain functions between pixels and directions (`mim4d.geometry.lenses.lens`).
"""

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from mim4d.geometry.lenses.lens import directions_from_pixels
from mim4d.importing.rectify import Rectifier
from mim4d.importing.rig_file import read_rig_file


def main(rig_file: Path, name: str, image: Path, out: Path) -> None:
    """Rectify one image."""
    rig = read_rig_file(rig_file)
    camera = next(camera for camera in rig.cameras if camera.name == name)
    width, height = camera.size_wh
    corner = torch.tensor([[0.0, height / 2], [float(width), height / 2]], dtype=torch.float64)
    rays, _ = directions_from_pixels(camera.lens, corner)
    left, right = torch.atan2(rays[:, 0], rays[:, 2]).rad2deg().tolist()
    print(f"{name}: the image reaches from {-left:.1f}° to the left to {right:.1f}° to the right")
    out.mkdir(parents=True, exist_ok=True)
    for number, view in enumerate(camera.views, start=1):
        rectifier = Rectifier(camera.lens, camera.size_wh, view)
        with Image.open(image) as file:
            levels = np.array(file.convert("RGB").resize(rectifier.source_wh))
        path = out / f"{name}_{number}.png"
        Image.fromarray(rectifier.image(levels)).save(path)
        x, _, z = view.camera_from_view[:, 2].tolist()
        wide, tall = view.field_of_view_deg
        aside = float(np.degrees(np.arctan2(x, z)))
        print(f"{path}: {wide:.0f}° x {tall:.0f}°, {aside:+.0f}° to the right of the lens's axis")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
