"""The list of flags is frozen."""

from tests.cli.flags import STORED, listing


def test_flags_are_those_agreed_on() -> None:
    """A flag that comes or goes is a decision: remake the list by `python -m tests.cli.flags`."""
    assert listing().splitlines() == STORED.read_text().splitlines()
