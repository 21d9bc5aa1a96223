"""How far splits overlap in place: held-out samples near a training one say little.

What enters are tables without errors, and lists of scenes: the data set's own or the user's. What
leaves is a share for every pair of a training and a held-out part, and a remark where it is not 0.
"""

from dataclasses import dataclass

from mim4d.check.findings import Findings, Place, Rule
from mim4d.check.lenient_tables import TableSet
from mim4d.data.driven_places import OVERLAP_M, overlap, places_of, scene_places
from mim4d.data.splits import official_splits
from mim4d.data.tables.dataset_folder import read_splits
from mim4d.data.tables.tables import NuscenesTables
from mim4d.errors import DataError

SceneLists = tuple[tuple[str, ...], tuple[str, ...]]
"""Training scenes and held-out scenes."""

OVERLAP = Rule(
    "split-overlap",
    "remark",
    f"held-out samples further than {OVERLAP_M:g} m from every training sample",
    "nothing, or divide the scenes by place (mim4d split --geo), above all for maps",
)

UNREADABLE = Rule(
    "unreadable-tables", "error", "tables that the reader takes", "correct what it names"
)


@dataclass(frozen=True)
class SplitOverlap:
    """How much of a held-out part lies where training scenes were driven.

    Attributes:
        training: Name of the training part.
        held_out: Name of the held-out part.
        share: Share of the held-out samples within `within_m` of a training one.
        within_m: What counts as near, metres.
    """

    training: str
    held_out: str
    share: float
    within_m: float = OVERLAP_M

    def __str__(self) -> str:
        return (
            f"overlap of {self.held_out} with {self.training}: {100 * self.share:.1f} % of its "
            f"samples lie within {self.within_m:g} m of a training one"
        )


def check_overlaps(
    tables: TableSet, given: SceneLists | None, findings: Findings
) -> list[SplitOverlap]:
    """Measure the overlap of the given lists, else of the splits that are known.

    Tables that the reader refuses, though nothing found before says so, are an error found here.

    Raises:
        DataError: If a given scene is not there.
    """
    try:
        opened = NuscenesTables.open(tables.root, tables.version)
    except DataError as error:
        findings.add(UNREADABLE, "tables", Place(str(error)))
        return []
    places = scene_places(opened)
    if given is not None:
        unknown = sorted(set(given[0] + given[1]) - set(opened.scene_names))
        if unknown:
            raise DataError(f"{tables.root}: has no scene {', '.join(unknown[:5])}")
    found = []
    for training, held_out, names in _pairs(opened, given):
        share = overlap(places_of(places, names[0]), places_of(places, names[1]))
        if share is None:
            continue
        measured = SplitOverlap(training, held_out, share)
        found.append(measured)
        if share > 0:
            findings.add(OVERLAP, "splits", Place(str(measured)))
    return found


def _pairs(
    tables: NuscenesTables, given: SceneLists | None
) -> list[tuple[str, str, tuple[set[str], set[str]]]]:
    """Names and scenes of every training part and what is held out from it."""
    if given is not None:
        return [("--training-scenes", "--held-out-scenes", (set(given[0]), set(given[1])))]
    splits = read_splits(tables.root)
    if splits is None:
        splits = {name: sorted(scenes) for name, scenes in official_splits().items()}
    pairs = (("train", "val"), ("train", "test"), ("mini_train", "mini_val"))
    return [
        (training, held_out, (set(splits[training]), set(splits[held_out])))
        for training, held_out in pairs
        if splits.get(training) and splits.get(held_out)
    ]
