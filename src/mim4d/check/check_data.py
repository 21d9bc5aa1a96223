"""`check_data`: every check of a data set, one after the other, none of which stops at a fault."""

import time
from collections.abc import Callable
from pathlib import Path

from mim4d.check.boxes import check_boxes
from mim4d.check.chains import check_chains
from mim4d.check.clocks import check_clocks
from mim4d.check.contents import check_contents
from mim4d.check.files import FilesToOpen, check_files, choose_files, list_files
from mim4d.check.findings import Findings
from mim4d.check.lenient_tables import read_table_set
from mim4d.check.lidar_camera import check_images
from mim4d.check.overlaps import SceneLists, check_overlaps
from mim4d.check.places import check_places
from mim4d.check.poses import check_poses
from mim4d.check.registration import check_registration
from mim4d.check.report import Report
from mim4d.check.sensors import check_sensors
from mim4d.check.summary import summarise
from mim4d.check.values import check_values
from mim4d.data.tables.dataset_folder import find_version


def check_data(
    root: Path,
    *,
    version: str | None = None,
    files: FilesToOpen = "sample",
    max_findings: int = 5,
    strict: bool = False,
    split: SceneLists | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Check a data set in the nuScenes format.

    Args:
        root: Folder of the data set.
        version: Name of the folder of tables; None if there is only one.
        files: Which files to open: all, some 2000 spread evenly (all, if there are no more), or
            none. All are looked up, unless none are opened.
        max_findings: So many places of each finding are named; all are counted.
        strict: Warnings count as errors.
        split: Training and held-out scenes whose overlap is measured; by default those of the
            splits that the data set lists.
        progress: Called with the number of files opened and of all to open.

    Raises:
        DataError: If there is no data set, or several and none is named.
        ValueError: If `max_findings` is not positive.
    """
    if max_findings < 1:
        raise ValueError(f"--max-findings is {max_findings}; expected 1 or more")
    started = time.monotonic()
    version = find_version(root, version)
    findings = Findings(max_findings)
    tables = read_table_set(root, version, findings)
    check_values(tables, findings)
    check_chains(tables, findings)
    check_clocks(tables, findings)
    check_poses(tables, findings)
    check_sensors(tables, findings)
    check_boxes(tables, findings)
    check_places(tables, findings)
    sweeps, opened = {}, []
    if files != "none":
        listed = list_files(tables)
        check_files(tables, listed, findings)
        opened = choose_files(tables, listed, files, findings)
        sweeps = check_contents(tables, listed, opened, findings, progress)
        check_registration(tables, listed, findings)
    summary = summarise(tables, sweeps, len(opened))
    if findings.count("error") == 0 and files != "none":  # or the reader would refuse the data
        check_images(tables, findings)
    overlaps = [] if findings.count("error") else check_overlaps(tables, split, findings)
    seconds = time.monotonic() - started
    return Report(root, version, summary, findings, seconds, strict, overlaps)
