"""Arrays of the stored cases (see the README beside them)."""

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor


def load_case(golden_dir: Path, name: str) -> dict[str, Any]:
    """A stored case of a metric."""
    case: dict[str, Any] = json.loads((golden_dir / "metrics" / f"{name}.json").read_text())
    return case


def near(value: float | None) -> Any:
    """What equals a stored number: another within 1e-9, or None where there is none."""
    return None if value is None else pytest.approx(value, abs=1e-9)


def stored_array(stored: dict[str, Any]) -> Tensor:
    """Little-endian values in C order; `bits` become bool, half and single floats double."""
    raw = zlib.decompress(base64.b64decode(stored["zlib_b64"]))
    if stored["dtype"] == "bits":
        bits = np.unpackbits(np.frombuffer(raw, np.uint8))[: np.prod(stored["shape"])]
        return torch.from_numpy(bits.astype(bool).reshape(stored["shape"]))
    array = np.frombuffer(raw, dtype=f"<{stored['dtype']}").reshape(stored["shape"])
    return torch.from_numpy(array.astype(np.float64 if array.dtype.kind == "f" else np.int64))
