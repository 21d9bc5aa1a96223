"""The list of flags is frozen."""

import pytest

from tests.cli.flags import STORED, listing

pytestmark = pytest.mark.slow  # the help of every command with every preset


def test_flags_are_those_agreed_on() -> None:
    """A flag that comes or goes is a decision: remake the list by `python -m tests.cli.flags`."""
    assert listing().splitlines() == STORED.read_text().splitlines()
