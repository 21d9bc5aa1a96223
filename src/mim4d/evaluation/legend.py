"""The lines below the tables of an evaluation: what each row and column means."""

from collections.abc import Mapping
from typing import TypeVar

from mim4d.evaluation.formatting import count_of

USUAL, EXACT_DEPTH, EXACT_SURFACES = "never looks", "exact depth", "exact surfaces"
"""Names in files of what a task's run is compared with."""
_TITLES = {USUAL: "label prior", EXACT_DEPTH: "true depth", EXACT_SURFACES: "true surfaces"}

Scores = TypeVar("Scores")


def titled(answers: Mapping[str, Scores]) -> dict[str, Scores]:
    """The same by the names that a person reads."""
    return {_TITLES.get(name, name): scores for name, scores in answers.items()}


def legend(
    measured: str, pixels: Mapping[str, int], moving_by: str, rows: set[str], beams: bool
) -> list[str]:
    """One line for each thing to explain.

    Args:
        measured: What was measured: clips, scenes, truth.
        pixels: How many pixels there are on the road and on moving objects, by the part's title.
        moving_by: What said which pixels show moving objects.
        rows: Names of the rows that the tables have.
        beams: Whether LiDAR beams were asked.
    """
    lines = [
        f"Measured: {measured}. All pixels weigh the same.",
        "AbsRel: mean of |d̂ − d| / d. RMSE: in metres. log: RMSE of ln d. bias: mean of ln(d̂/d); "
        "below zero, distances are too short. δ<1.25: share of pixels within a factor of 1.25.",
        "worst: the worst of AbsRel, RMSE, log and 1 − δ, each divided by the best untrained "
        "baseline's. Below 1 is better than every baseline in all four.",
        "scaled: AbsRel after each image is scaled by its medians.",
        f"road: the {count_of(pixels['road'], 'pixel')} within 5 % of flat ground's distance. "
        f"obstacles: all others. moving objects: {count_of(pixels['moving objects'], 'pixel')} "
        f"({moving_by}).",
    ]
    if "copied" in rows:
        lines.append(
            "rebuilt frame: made from the other frames alone. It should beat the two rows below "
            "it, which copy or average those frames."
        )
    if "exact_depth" in rows:
        lines.append("with true depth: the same model, told the true depth of every pixel.")
    lines.append("colour: 'known' are pixels with a distance inside the grid, 'sky' all others.")
    if beams:
        lines.append(
            "LiDAR beams: free is the share of places before the return that are left free; the "
            "first surface is at the return within 0.4 m (hit), before it (early) or beyond "
            "(late); hit .8: within 0.8 m."
        )
    return lines


def masked_line(ratio: float) -> str:
    """What the table of hidden patches means."""
    return (
        f"hidden patches: {ratio:.0%} of each image is hidden from the model, and only those "
        "pixels count."
    )
