"""How long `mim4d import rig` takes where every image can be linked, and how much memory.

    python benchmarks/import_many.py [--images 10000] [--cameras 5]

Writes a folder of so many small images (links to one file), with poses of 100 Hz, and imports it.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from mim4d.importing.rig_folder import read_rig_folder
from mim4d.importing.write_data_set import ImportOptions, write_data_set

START_US, STEP_US = 1_700_000_000_000_000, 100_000


def write_folder(folder: Path, cameras: int, each: int) -> None:
    """Write the folder."""
    lens = {"model": "pinhole", "focal_px": [60.0, 60.0], "centre_px": [31.5, 23.5]}
    spec = {"size_px": [64, 48], "lens": lens, "position_m": [1.0, 0.0, 1.5], "looks_deg": {}}
    names = ["CAM_FRONT", *(f"CAM_{k}" for k in range(1, cameras))]
    folder.mkdir()
    (folder / "cameras.yaml").write_text(yaml.safe_dump({"cameras": dict.fromkeys(names, spec)}))
    image = folder / "image.jpg"
    Image.fromarray(np.full((48, 64, 3), 90, np.uint8)).save(image)
    for name in names:
        (folder / name).mkdir()
        for i in range(each):
            (folder / name / f"{START_US + i * STEP_US}.jpg").hardlink_to(image)
    lines = ["time_us,x_m,y_m,z_m,qw,qx,qy,qz"]
    lines += [f"{START_US + i * 10_000},{0.1 * i:.3f},0,0,1,0,0,0" for i in range(10 * each)]
    (folder / "poses.csv").write_text("\n".join(lines) + "\n")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--cameras", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_folder(folder / "drive", options.cameras, options.images // options.cameras)
        started, computed = time.monotonic(), time.process_time()
        drives = read_rig_folder(folder / "drive")
        made = write_data_set(drives, folder / "data", ImportOptions())
        seconds, computed = time.monotonic() - started, time.process_time() - computed
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{made.linked} images, {made.scenes} scenes: {seconds:.1f} s, {computed:.1f} s of CPU, "
        f"at most {peak:.0f} MiB"
    )


if __name__ == "__main__":
    main()
