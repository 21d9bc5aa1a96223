"""Outlines of streets as shapely polygons: roads, sidewalks, strips of a road, blocks between cuts.

They agree with what the ground's kernels paint: inner corners are rounded by closing (growing, then
shrinking) with the radius the kernels round them with, and bends are broken into chords that leave
them by a few millimetres. World coordinates, metres.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import shapely
from jaxtyping import Float
from shapely import MultiPolygon, Polygon

from mim4d.world.streets.curves import CURVATURE, LENGTH, START, Curve
from mim4d.world.streets.roads import CORNER_RADIUS_M, SIDEWALK_CORNER_M, Road, StreetPlan

SAGITTA_M = 0.003  # how far chords may leave a bend
ARC_STEPS = 32  # chords of a quarter of a rounded corner
SAME_M = 0.002  # corners closer to a straight line than this are left out
LONGEST_BLOCK_M = 80.0


@dataclass(frozen=True)
class Block:
    """A part of a road between two cuts.

    Attributes:
        road: Index of the road.
        low_m: Station of its start.
        high_m: Station of its end.
        paint_m: Stations between which lines along the road are painted.
        junctions: Whether it begins and whether it ends at a junction.
    """

    road: int
    low_m: float
    high_m: float
    paint_m: tuple[float, float]
    junctions: tuple[bool, bool]


def stations_along(curve: Curve, low_m: float, high_m: float) -> Float[np.ndarray, " p"]:
    """Both stations, and between them enough to follow every bend."""
    found = [np.array([low_m, high_m])]
    for piece in curve.pieces:
        start = max(float(piece[START]), low_m)
        end = min(float(piece[START] + piece[LENGTH]), high_m)
        if end > start:
            chord = math.sqrt(8 * SAGITTA_M / max(abs(float(piece[CURVATURE])), 1e-9))
            steps = math.ceil((end - start) / chord) if piece[CURVATURE] else 1
            found.append(np.linspace(start, end, steps + 1))
    stations = np.unique(np.concatenate(found))
    keep = np.append(np.diff(stations) > 1e-6, True)
    kept: Float[np.ndarray, " p"] = stations[keep]
    return kept


def line_beside(
    curve: Curve, low_m: float, high_m: float, lateral_m: float
) -> Float[np.ndarray, "p 2"]:
    """Points of the parallel line `lateral_m` to the left between two stations of the curve."""
    poses = curve.poses(stations_along(curve, low_m, high_m))
    normal = np.stack([-np.sin(poses[:, 2]), np.cos(poses[:, 2])], axis=-1)
    return poses[:, :2] + lateral_m * normal


def strip(
    curve: Curve, stations_m: tuple[float, float], laterals_m: tuple[float, float]
) -> Polygon:
    """What lies between two stations and two laterals of a curve."""
    right = line_beside(curve, *stations_m, min(laterals_m))
    left = line_beside(curve, *stations_m, max(laterals_m))
    return Polygon(np.concatenate([right, left[::-1]]))


def mapped_span(road: Road, inside_m: tuple[float, float]) -> tuple[float, float]:
    """Stations between which a road is on the map: its furnished part, or from where it begins."""
    begins = road.reach_m[0] > inside_m[0] - road.left_edge_m - road.right_edge_m - 40.0
    return (road.reach_m[0] if begins else inside_m[0]), inside_m[1]


def roadway(plan: StreetPlan) -> MultiPolygon:
    """All roads, their inner corners rounded."""
    return _closed(plan, 0.0, CORNER_RADIUS_M)


def walkways(plan: StreetPlan, road: MultiPolygon) -> MultiPolygon:
    """All sidewalks, kerbs included."""
    whole = _closed(plan, 1.0, SIDEWALK_CORNER_M)
    return _polygons(whole.difference(road.buffer(2 * SAME_M, join_style="mitre")))


def _closed(plan: StreetPlan, sidewalks: float, radius_m: float) -> MultiPolygon:
    strips = []
    for road, inside in zip(plan.roads, plan.inside_m, strict=True):
        beyond = sidewalks * road.sidewalk_m
        laterals = (-road.right_edge_m - beyond, road.left_edge_m + beyond)
        strips.append(strip(road.curve, mapped_span(road, inside), laterals))
    grown = shapely.union_all(strips).buffer(radius_m, quad_segs=ARC_STEPS)
    return _polygons(grown.buffer(-radius_m, quad_segs=ARC_STEPS).simplify(SAME_M))


def _polygons(shape: shapely.Geometry) -> MultiPolygon:
    """The polygons of a shape that are more than slivers."""
    parts = [part for part in shapely.get_parts(shape) if isinstance(part, Polygon)]
    return MultiPolygon([part for part in parts if part.area > 0.5])


def junction_areas(road: MultiPolygon, blocks: list[Polygon]) -> MultiPolygon:
    """What the blocks leave of the roadway: an area per junction."""
    return _polygons(road.difference(shapely.union_all(blocks).buffer(0.001)).simplify(SAME_M))


def blocks_of(plan: StreetPlan, index: int) -> list[Block]:
    """A road cut at its junctions and crossings, and into parts of bounded length."""
    road = plan.roads[index]
    low, high = mapped_span(road, plan.inside_m[index])
    found: list[Block] = []
    at, paint, joined = low, low, False
    for opening in road.openings:
        if at < opening.start_m < high:
            ends = (opening.start_m, opening.start_m - opening.clear_m)
            found += _parts(index, (at, ends[0]), (paint, ends[1]), (joined, not opening.between))
        at, paint, joined = opening.end_m, opening.end_m + opening.clear_m, not opening.between
    if at < high:
        found += _parts(index, (at, high), (paint, high), (joined, False))
    return found


def _parts(
    index: int,
    span_m: tuple[float, float],
    paint_m: tuple[float, float],
    junctions: tuple[bool, bool],
) -> list[Block]:
    count = math.ceil((span_m[1] - span_m[0]) / LONGEST_BLOCK_M)
    cuts = np.linspace(*span_m, count + 1)
    return [
        Block(
            index,
            float(a),
            float(b),
            (max(float(a), paint_m[0]), min(float(b), paint_m[1])),
            (junctions[0] and i == 0, junctions[1] and i == count - 1),
        )
        for i, (a, b) in enumerate(pairwise(cuts))
    ]
