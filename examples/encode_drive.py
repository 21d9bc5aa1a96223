"""What a pre-trained encoder makes of your drive: a volume of features around the car, by clip.

    python examples/encode_drive.py RUN DATA FEATURES

RUN is a folder that `mim4d pretrain` wrote, or a file that `mim4d export --to safetensors` wrote;
DATA a data set that `mim4d import` wrote. FEATURES gets one safetensors file a clip, with the
volume (channels, z, y, x; the axes of the car at the key frame) and the pose of the car.
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import save

from mim4d import NuscenesDataset, load_encoder


@torch.no_grad()
def main(run: Path, data: Path, out: Path) -> None:
    """Encode every clip of one frame."""
    encoder = load_encoder(run)
    clips = NuscenesDataset(data, frames=1, key=0, image_hw=(96, 160), lidar=None)
    out.mkdir(parents=True, exist_ok=True)
    for index in range(len(clips)):
        clip = clips[index]
        volumes = encoder(clip)
        name = out / f"{clip.scene_names[0]}-{clip.key_tokens[0]}.safetensors"
        name.write_bytes(
            save({"volume": volumes[0, 0].contiguous(), "pose": clip.ref_from_ego[0, 0]})
        )
        print(name, tuple(volumes.shape[2:]))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
