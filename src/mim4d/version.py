"""The installed version, as `mim4d.__version__` and what is written of runs and exports have it."""

from importlib import metadata


def installed_version() -> str:
    """Made from the newest tag when the package was built or installed."""
    try:
        return metadata.version("mim4d")
    except metadata.PackageNotFoundError:  # the sources alone, on PYTHONPATH
        return "0+unknown"
