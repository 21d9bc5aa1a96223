"""Rows of the table with chosen numbers, for tests of what shows them."""

from mim4d.evaluation import Row
from mim4d.evaluation.scores import DistanceScores
from mim4d.metrics.distance import DistanceAggregates, DistanceErrors
from mim4d.metrics.occupancy import OccupancyAgreement


def errors(abs_rel: float) -> DistanceErrors:
    return DistanceErrors(abs_rel, 1.0, 3.21, 0.3, 0.789, 0.9, 0.95, 12345)


def row(abs_rel: float, model: bool = False) -> Row:
    """AbsRel, half of it median-scaled, twice it on what moves; the other numbers are constant."""
    metric, scaled = (_scores(factor * abs_rel) for factor in (1.0, 0.5))
    if not model:
        return Row(metric, scaled)
    beams = tuple(OccupancyAgreement(t, 0.5, 0.2, 0.3, 0.875, 1000, 5000) for t in (0.4, 0.8))
    return Row(metric, scaled, 17.25, 0.456, beams)


def _scores(abs_rel: float) -> DistanceScores:
    one = errors(abs_rel)
    everywhere = DistanceAggregates(one, one, one, {"CAM_FRONT": one}, one)
    return DistanceScores(everywhere, errors(2 * abs_rel), {"1-5": one, "15-60": None})
