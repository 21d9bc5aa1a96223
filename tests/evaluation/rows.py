"""Rows of the table with chosen numbers, for tests of what shows them."""

from mim4d.evaluation import FlowEvaluation, FlowRow, Row
from mim4d.evaluation.colour import ColourScores
from mim4d.evaluation.flow.scores import KINDS, KindScores, MovingScores, StandingScores
from mim4d.evaluation.flow.truth import GROUPS
from mim4d.evaluation.scores import DistanceScores
from mim4d.metrics.distance import DistanceAggregates, DistanceErrors
from mim4d.metrics.occupancy import OccupancyAgreement
from mim4d.metrics.scene_flow_buckets import GroupError


def errors(abs_rel: float) -> DistanceErrors:
    return DistanceErrors(abs_rel, 1.0, 3.21, 0.3, -0.07, 0.789, 0.9, 0.95, 12345)


def row(abs_rel: float, model: bool = False) -> Row:
    """AbsRel, half of it scaled or on the road, twice it on what moves; the others are constant."""
    metric, scaled = (_scores(factor * abs_rel) for factor in (1.0, 0.5))
    if not model:
        return Row(metric, scaled)
    beams = tuple(OccupancyAgreement(t, 0.5, 0.2, 0.3, 0.875, 1000, 5000) for t in (0.4, 0.8))
    return Row(metric, scaled, ColourScores(17.25, 18.5, 15.5, 0.456), beams)


def _scores(abs_rel: float) -> DistanceScores:
    one = errors(abs_rel)
    everywhere = DistanceAggregates(one, one, one, {"CAM_FRONT": one}, one)
    parts = {"road": errors(abs_rel / 2), "obstacles": errors(1.5 * abs_rel)}
    ranges = {"1-5": one, "15-60": None}
    return DistanceScores(everywhere, **parts, moving=errors(2 * abs_rel), by_range=ranges)


def flow_row(normalised_epe: float) -> FlowRow:
    """By object half of it, by class twice; the other numbers are constant. No wheels were seen."""
    kind = KindScores(500, 0.1, 0.125, 0.375, 0.2)
    groups = {name: GroupError(0.01, 2 * normalised_epe) for name in GROUPS}
    return FlowRow(
        near=MovingScores(1234, normalised_epe, 22.5, 33.3),
        near_objects=MovingScores(56, normalised_epe / 2, 21.0, 31.0),
        moving=MovingScores(2345, normalised_epe, 25.0, 35.0),
        standing=StandingScores(5000, 0.1, 0.0625),
        kinds=dict.fromkeys((*KINDS, "all"), kind),
        three_way_epe_m=0.0432,
        dynamic_iou=0.5,
        groups={**groups, "wheeled": GroupError(None, None)},
        mean_of_groups=GroupError(0.01, 2 * normalised_epe),
    )


def flow() -> FlowEvaluation:
    return FlowEvaluation({"zero": flow_row(1.0), "flow": flow_row(0.4)}, "exact scene flow")
