"""What the tests of the yardsticks share."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

from mim4d.study.bench.parts.sides import PACKAGE


@pytest.fixture
def build_case(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`build_case`, imported by the name the yardstick has in a measurement."""
    monkeypatch.syspath_prepend(str(PACKAGE))
    made: Callable[..., Any] = import_module("bench.parts.cases").build_case
    return made
