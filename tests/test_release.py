"""The files that name a version name the same one, and an installed package knows its own."""

import re
import tomllib
from importlib import metadata

import pytest
import yaml

import mim4d
from tests.conftest import ROOT


def test_citation_changelog_and_fallback_are_of_one_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    newest = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", changelog, re.M)[0]
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == newest
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["version"]
    version = project["tool"]["hatch"]["version"]
    assert version["fallback-version"] == f"{newest}.dev0"
    assert version["raw-options"]["fallback_version"] == version["fallback-version"]


def test_the_version_is_that_of_the_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda name: {"mim4d": "1.2.3"}[name])
    assert mim4d.__version__ == "1.2.3"

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert mim4d.__version__ == "0+unknown"
