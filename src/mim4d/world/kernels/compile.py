"""Compilation of numba kernels, and the error a missing extra gives.

Kernels are compiled once and cached beside their source. numba invalidates that cache by the source
file of the kernel itself, not of the kernels it calls: after editing a called kernel in another
file, delete the `__pycache__` folder (a test compares compiled with interpreted kernels and
notices).
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

try:
    import numba
except ImportError as error:
    raise ImportError("mim4d.world needs numba: pip install 'mim4d[world]'") from error

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """Compile with numba: cached, single-threaded (scenes are spread over processes).

    Kernels also carry `@no_type_check`: numba compiles them from their plain source, which neither
    a run-time type checker's wrapper nor mypy should see.
    """
    return cast(
        F,
        numba.njit(
            cache=True, error_model="numpy", forceinline=True, fastmath={"arcp", "contract", "nsz"}
        )(function),
    )
