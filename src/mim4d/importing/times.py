"""Times as texts, in the unit that a rig says, to whole microseconds."""

from decimal import Decimal, InvalidOperation

UNITS_US = {"s": Decimal(1_000_000), "ms": Decimal(1000), "us": Decimal(1), "ns": Decimal("1e-3")}
"""Microseconds in each unit."""


def time_us(text: str, unit: str) -> int:
    """A time in microseconds.

    Raises:
        ValueError: It is no number.
    """
    try:
        value = Decimal(text.strip())
        return int((value * UNITS_US[unit]).to_integral_value())
    except (InvalidOperation, OverflowError, ValueError):
        raise ValueError(f"{text!r} is not a time: expected a number of {unit}") from None


def seconds(time_us: int) -> str:
    """A time for a message."""
    return f"{time_us * 1e-6:.6f} s"
