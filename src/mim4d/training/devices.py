"""Where to compute."""

import torch

from mim4d.config import Device


def choose_accelerator(device: Device) -> str:
    """The wanted device, or the best there is.

    Raises:
        ValueError: If the wanted one is not there.
    """
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if device == "auto":
        return next(name for name, there in available.items() if there)
    if not available[device]:
        raise ValueError(f"--device {device}: there is no such device here; use --device auto")
    return device
