import numpy as np

from mim4d.check.findings import Findings, Place, Rule

ERROR = Rule("bad", "error", "good", "mend it")
REMARK = Rule("odd", "remark", "even", "nothing")
COLUMNS = {"token": np.array([b"a", b"b", b"c", b"d"])}


def test_places_of_one_rule_table_and_group_are_joined() -> None:
    findings = Findings(max_places=2)
    findings.add(REMARK, "log", Place("x"))
    findings.add_rows(ERROR, "scene", COLUMNS, [0, 1, 2], lambda row: f"row {row}")
    findings.add_rows(ERROR, "scene", COLUMNS, [3], lambda row: f"row {row}")
    findings.add_rows(ERROR, "scene", COLUMNS, [2], lambda row: f"row {row}", group="other")
    found = list(findings)
    assert [(f.rule.code, f.group, f.count) for f in found] == [
        ("bad", "", 4),
        ("bad", "other", 1),
        ("odd", "", 1),
    ]
    assert found[0].places == [Place("row 0", "a"), Place("row 1", "b")]
    assert (findings.count("error"), findings.count("warning"), findings.count("remark")) == (
        *(2, 0, 1),
    )
    assert findings.has("odd")
    assert not findings.has("even")


def test_no_rows_are_no_finding() -> None:
    findings = Findings()
    findings.add_rows(ERROR, "scene", COLUMNS, [], str)
    assert list(findings) == []
