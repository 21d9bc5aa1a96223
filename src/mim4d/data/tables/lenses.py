"""What a record of a camera says of its lens, whatever the field is called.

Calibration tools name the coefficients of a lens differently (`camera_distortion`, `distortion`,
`D`, `dist_coeffs`, `k1` ...). A camera whose coefficients were overlooked would be read as a
pinhole, so every usual name counts. What enters is a record; what leaves is JSON of what is not a
pinhole in it.
"""

import re
from typing import Any

import orjson

_COEFFICIENTS = re.compile(
    r"distort|dist_?coef|lens_?coef|undistort_?coef|^d$|^dist$|^(k[1-8]|p[12]|s[1-4]|xi)$|"
    r"^(radial|tangential|fisheye)(_?(coef|param|distort)\w*)?$"
)
_MODEL = re.compile(r"(lens|camera|distortion|projection)_?(model|type)$|^model$")
_PINHOLE = ("", "pinhole", "none", "plumb_bob", "brown", "brown_conrady", "opencv", "radtan")
"""Models that are a pinhole camera where their coefficients are zero."""
_CURVED = re.compile(r"fish|equidist|kannala|omni|mei|double_?sphere|ftheta|f_theta|ucm|eucm|scara")


def lens_of(record: dict[str, Any]) -> str:
    """What of a record makes its camera no pinhole, as JSON; empty if it is one."""
    found = {}
    for field, value in record.items():
        name = field.lower()
        if _MODEL.search(name):
            if isinstance(value, str) and _CURVED.search(value.lower()):
                found[field] = value
        elif _COEFFICIENTS.search(name) and _says_something(value):
            found[field] = value
    return orjson.dumps(found, default=str).decode() if found else ""


def _says_something(value: Any) -> bool:
    """Whether there is a number that is not zero, or a text that is no name of a pinhole."""
    match value:
        case dict():
            return any(_says_something(v) for v in value.values())
        case list():
            return any(_says_something(v) for v in value)
        case str():
            return value.lower() not in _PINHOLE
        case bool() | None:
            return False
        case int() | float():
            return value != 0
    return True
