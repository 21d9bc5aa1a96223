"""The installed version, as `mim4d.__version__` and what is written of runs and exports have it."""

from importlib.metadata import PackageNotFoundError, version


def installed_version() -> str:
    """Made from the newest tag when the package was built or installed."""
    try:
        return version("mim4d")
    except PackageNotFoundError:  # the sources alone, on PYTHONPATH
        return "0+unknown"
