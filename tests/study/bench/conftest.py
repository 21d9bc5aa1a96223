"""What the tests of the yardsticks share."""

from collections.abc import Callable
from typing import Any

import pytest

from mim4d.study.bench.parts.sides import PACKAGE


@pytest.fixture
def build_case(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`build_case`, imported by the name the yardstick has in a measurement."""
    monkeypatch.syspath_prepend(str(PACKAGE))
    from bench.parts.cases import build_case

    return build_case
