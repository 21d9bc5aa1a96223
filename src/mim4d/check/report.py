"""What a check says: a text for a person, JSON for a machine, an exit status.

The JSON's keys are stable; `report_version` changes when one of them does.
"""

from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson

from mim4d.check.findings import SEVERITIES, Finding, Findings, Severity
from mim4d.check.overlaps import SplitOverlap
from mim4d.check.summary import SensorSummary, Summary
from mim4d.files import write_bytes

REPORT_VERSION = 1


@dataclass(frozen=True)
class Report:
    """The outcome of a check.

    Attributes:
        root: Folder of the data set.
        version: Name of the folder of tables.
        summary: The data set in numbers.
        findings: What was found.
        seconds: Time that it took.
        strict: Whether warnings count as errors.
        overlaps: How far held-out scenes overlap with training ones.
    """

    root: Path
    version: str
    summary: Summary
    findings: Findings
    seconds: float
    strict: bool = False
    overlaps: list[SplitOverlap] = field(default_factory=list)

    @property
    def exit_status(self) -> int:
        """0: nothing worse than remarks; 1: warnings; 2: errors (or warnings, if strict)."""
        if self.findings.count("error") or (self.strict and self.findings.count("warning")):
            return 2
        return 1 if self.findings.count("warning") else 0

    @property
    def verdict(self) -> str:
        """One line."""
        counts = ", ".join(_count(self.findings, severity) for severity in SEVERITIES)
        answer = {0: "passed", 1: "passed with warnings", 2: "not fit for use"}[self.exit_status]
        return f"{answer}: {counts} ({self.seconds:.0f} s)"

    def text(self) -> str:
        """The summary, the findings, the most severe first, and the verdict."""
        lines = [f"{self.root} ({self.version})", *_summary_lines(self.summary)]
        lines += [*(f"  {overlap}" for overlap in self.overlaps), ""]
        for _, findings in groupby(self.findings, _paragraph):
            lines += _paragraph_lines(list(findings))
        return "\n".join([*lines, self.verdict])

    def as_json(self) -> bytes:
        """Everything, for a machine."""
        content = {
            "report_version": REPORT_VERSION,
            "root": str(self.root),
            "version": self.version,
            "verdict": self.verdict,
            "exit_status": self.exit_status,
            "counts": {severity: self.findings.count(severity) for severity in SEVERITIES},
            "summary": asdict(self.summary),
            "overlaps": [asdict(overlap) for overlap in self.overlaps],
            "findings": [_as_dict(finding) for finding in self.findings],
        }
        return orjson.dumps(content, option=orjson.OPT_INDENT_2)

    def save_json(self, path: Path) -> None:
        """Write the JSON, whole or not at all."""
        write_bytes(path, self.as_json())


def _count(findings: Findings, severity: Severity) -> str:
    number = findings.count(severity)
    return f"{number} {severity}{'' if number == 1 else 's'}"


def _as_dict(finding: Finding) -> dict[str, Any]:
    rule = finding.rule
    return {
        "severity": rule.severity,
        "code": rule.code,
        "table": finding.table,
        "group": finding.group,
        "count": finding.count,
        "expected": rule.expected,
        "action": rule.action,
        "places": [asdict(place) for place in finding.places],
    }


def _paragraph(finding: Finding) -> tuple[str, ...]:
    """Remarks of one kind that follow each other are told together, all else by itself."""
    alike = (finding.rule.code,)
    return alike if finding.rule.severity == "remark" else (*alike, finding.table, finding.group)


def _paragraph_lines(findings: list[Finding]) -> list[str]:
    """What was found of one rule, in one table or several."""
    rule = findings[0].rule
    tables = [f.table + (f" ({f.group})" if f.group else "") for f in findings]
    lines = [f"{rule.severity:<8} {rule.code}: {', '.join(tables)}"]
    for finding in findings:
        for place in finding.places:
            where = " ".join(part for part in (place.token, place.file) if part)
            lines.append(f"  {where}: {place.found}" if where else f"  {place.found}")
        if more := finding.count - len(finding.places):
            lines.append(f"  and {more} more")
    return [*lines, f"  expected: {rule.expected}", f"  to do: {rule.action}", ""]


def _summary_lines(summary: Summary) -> list[str]:
    interval = summary.key_frame_interval_s
    every = f", one every {interval:.2g} s" if interval else ""
    duration = f"{summary.hours:.2f} h" if summary.hours > 1 else f"{summary.hours * 3600:.0f} s"
    places = ", ".join(f"{name or '(none)'} {count}" for name, count in summary.locations.items())
    lines = [
        f"  {summary.scenes} scenes, {summary.samples} samples{every}, {duration}",
        f"  logs by location: {places or 'none'}",
        *(_sensor_line(sensor) for sensor in summary.sensors),
    ]
    if summary.lidar_points:
        low, middle, high = summary.lidar_points
        lines.append(f"  points of a LiDAR sweep: {middle} ({low} to {high})")
    total = sum(summary.boxes.values())
    lines.append(f"  {total} boxes of {summary.instances} objects")
    lines += [f"    {count:>8}  {name or '(unknown)'}" for name, count in summary.boxes.items()]
    lines.append(f"  {summary.files_opened} files opened")
    return lines


def _sensor_line(sensor: SensorSummary) -> str:
    rate = f", {sensor.rate_hz:.3g} Hz" if sensor.rate_hz else ""
    size = f", {', '.join(sensor.sizes)}" if sensor.sizes else ""
    return (
        f"  {sensor.channel}: {sensor.measurements} {sensor.modality} measurements, "
        f"{sensor.key_frames} key frames{rate}{size}"
    )
