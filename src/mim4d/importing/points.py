"""LiDAR files of the usual kinds to points: x, y, z (metres, sensor's axes), intensity, ring.

`.pcd` (ascii, binary, binary_compressed), `.ply` (ascii, binary of either order), `.npy` (rows of
numbers, or a structured array), `.bin` (rows of one type of number). Columns of `.npy` and `.bin`
have no names of their own: the rig names them. Intensity and ring are 0 where a file has none.
"""

import re
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mim4d.errors import DataError
from mim4d.importing.recording import Points

ENDINGS = (".pcd", ".ply", ".npy", ".bin")
_WANTED = ("x", "y", "z", "intensity", "ring")
_OTHER_NAMES = {
    "intensity": ("reflectivity", "reflectance", "i", "scalar_intensity"),
    "ring": ("laser_number", "laser_id", "channel", "line"),
}
_PCD_KINDS = {"F": "f", "I": "i", "U": "u"}
_PLY_KINDS = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
}

Columns = dict[str, NDArray[Any]]


def read_points(path: Path, columns: Sequence[str], dtype: str) -> Points:
    """Points of a file.

    Args:
        path: The file.
        columns: Names of the numbers of a row, where the file does not name them.
        dtype: Type of the numbers of a `.bin` file.

    Raises:
        DataError: The file is damaged, of another kind, or has no x, y and z.
    """
    try:
        match path.suffix.lower():
            case ".pcd":
                found = _read_pcd(path.read_bytes())
            case ".ply":
                found = _read_ply(path.read_bytes())
            case ".npy":
                found = _named(np.load(path, allow_pickle=False), columns)
            case ".bin":
                rows = np.frombuffer(path.read_bytes(), dtype)
                found = _named(rows.reshape(-1, len(columns)), columns)
            case other:
                raise ValueError(f"ending {other!r}, expected one of {', '.join(ENDINGS)}")
        return _points(found)
    except (ValueError, IndexError, KeyError, TypeError, struct.error, EOFError) as error:
        raise DataError(
            f"LiDAR file {path}: cannot be read ({error}); restore it, or correct `columns` and "
            "`dtype` of the LiDAR in cameras.yaml"
        ) from error


def _named(rows: NDArray[Any], columns: Sequence[str]) -> Columns:
    if rows.dtype.names is not None:
        return {name: rows[name].ravel() for name in rows.dtype.names}
    if rows.ndim != 2 or rows.shape[1] != len(columns):
        raise ValueError(
            f"its rows have shape {rows.shape}, the columns named are {', '.join(columns)}"
        )
    return {name: rows[:, i] for i, name in enumerate(columns)}


def _points(found: Columns) -> Points:
    missing = [axis for axis in "xyz" if axis not in found]
    if missing:
        raise ValueError(f"no column {', '.join(missing)} among {', '.join(found)}")
    points = np.zeros((len(found["x"]), len(_WANTED)), np.float32)
    for i, name in enumerate(_WANTED):
        for known in (name, *_OTHER_NAMES.get(name, ())):
            if known in found:
                points[:, i] = found[known]
                break
    return points


def _read_pcd(content: bytes) -> Columns:
    header: dict[str, list[str]] = {}
    start = 0
    while "DATA" not in header:
        end = content.index(b"\n", start)
        line = content[start:end].decode("ascii").split("#")[0].split()
        if line:
            header[line[0]] = line[1:]
        start = end + 1
    # Padding is called _, as often as there is some.
    names = [f"_{i}" if name == "_" else name for i, name in enumerate(header["FIELDS"])]
    count = int(header["POINTS"][0])
    repeats = [int(n) for n in header.get("COUNT", ["1"] * len(names))]
    kinds = [
        f"<{_PCD_KINDS[kind]}{size}"
        for kind, size in zip(header["TYPE"], header["SIZE"], strict=True)
    ]
    fields = [
        (name, kind, (n,)) if n != 1 else (name, kind)
        for name, kind, n in zip(names, kinds, repeats, strict=True)
    ]
    dtype, body = np.dtype(fields), content[start:]
    match header["DATA"][0]:
        case "ascii":
            rows = np.array([line.split() for line in body.splitlines() if line], np.float64)
            places = np.cumsum([0, *repeats])
            columns = {name: rows[:, places[i]] for i, name in enumerate(names)}
        case "binary":
            values = np.frombuffer(body, dtype, count)
            columns = {name: values[name] for name in names}
        case "binary_compressed":
            columns = _pcd_columns(body, fields, count)
        case other:
            raise ValueError(f"DATA {other}: expected ascii, binary or binary_compressed")
    if len(columns[names[0]]) != count:
        raise ValueError(f"{len(columns[names[0]])} points, its header says {count}")
    return columns


def _pcd_columns(body: bytes, fields: Sequence[Any], count: int) -> Columns:
    """Compressed points are stored column by column."""
    packed, unpacked = struct.unpack("<II", body[:8])
    content = _expand_lzf(body[8 : 8 + packed], unpacked)
    columns, start = {}, 0
    for name, *kind in fields:
        dtype = np.dtype(tuple(kind) if len(kind) > 1 else kind[0])
        columns[name] = np.frombuffer(content, dtype, count, start)
        start += dtype.itemsize * count
    return columns


def _expand_lzf(packed: bytes, length: int) -> bytes:
    """Undo LZF: runs of literal bytes, and copies of what came before."""
    out, i = bytearray(), 0
    while i < len(packed):
        control = packed[i]
        i += 1
        if control < 32:
            out += packed[i : i + control + 1]
            i += control + 1
            continue
        size = control >> 5
        if size == 7:
            size += packed[i]
            i += 1
        back = len(out) - ((control & 31) << 8) - packed[i] - 1
        i += 1
        if back < 0:
            raise ValueError("compressed points refer to what is not there")
        for k in range(back, back + size + 2):
            out.append(out[k])
    if len(out) != length:
        raise ValueError(f"compressed points have {len(out)} bytes, their header says {length}")
    return bytes(out)


def _read_ply(content: bytes) -> Columns:
    match_end = re.search(rb"end_header\r?\n", content)
    if not content.startswith(b"ply") or match_end is None:
        raise ValueError("no header of a .ply file")
    lines = [line.split() for line in content[: match_end.start()].decode("ascii").splitlines()]
    form = next((line[1] for line in lines if line[:1] == ["format"]), "none given")
    elements = [line for line in lines if line[:1] == ["element"]]
    if not elements or elements[0][1] != "vertex":
        raise ValueError("its first element is not vertex")
    count, first = int(elements[0][2]), lines.index(elements[0])
    names, kinds = [], []
    for line in lines[first + 1 :]:
        if line[:1] == ["element"]:
            break
        if line[:1] == ["property"]:
            names.append(line[2])
            kinds.append(_PLY_KINDS[line[1]])
    body = content[match_end.end() :]
    if form == "ascii":
        rows = np.array([line.split() for line in body.splitlines()[:count]], np.float64)
        return _named(rows.reshape(count, len(names)), names)
    orders = {"binary_little_endian": "<", "binary_big_endian": ">"}
    if form not in orders:
        raise ValueError(f"format {form}: expected ascii, {' or '.join(orders)}")
    order = orders[form]
    dtype = np.dtype([(name, order + kind) for name, kind in zip(names, kinds, strict=True)])
    return _named(np.frombuffer(body, dtype, count), names)
