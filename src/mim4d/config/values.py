"""Types of values that several sections of the configuration share."""

from typing import Literal

Vector3 = tuple[float, float, float]
Precision = Literal["fp32", "bf16"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Frozen = Literal["nothing", "image_encoder", "trunk"]
Join = Literal["key", "concatenate", "decoder"]
