"""Checks of configuration values, with the option's path in the message."""


def require(condition: bool, path: str, found: object, expected: str) -> None:
    """Refuse a value of the option at `path`.

    Raises:
        ValueError: If the condition does not hold.
    """
    if not condition:
        raise ValueError(f"config {path}: expected {expected}, got {found!r}")
