"""Memory that a training step frees stays with the process, for the next step to take.

glibc gives large blocks (above 32 MiB at the latest) back to the kernel as soon as they are freed,
and the kernel hands them out again page by page, each cleared: in a step on a CPU that takes and
frees maps of hundreds of MiB, up to a fifth of the time. Two of its settings end that. What the
process keeps is what it held at its peak, so the peak stays what it was, give or take what is left
over between blocks of different sizes.
"""

import ctypes
import logging
import platform

logger = logging.getLogger(__name__)

# Numbers of the settings in glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_LARGEST = 2**31 - 1


def keep_freed_memory() -> bool:
    """Tell glibc to keep freed blocks of up to 2 GiB; for the start of training on a CPU.

    It holds for the whole process from then on, and can be called again. Where another allocator
    is at work (macOS, Windows, musl; one that is preloaded ignores it), nothing happens.

    Returns:
        Whether the settings were taken.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    # Either of them switches off glibc's own adaption, so both are set, the larger first.
    taken = [mallopt(name, _LARGEST) for name in (_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD)]
    logger.debug("glibc keeps freed memory: %s", taken)
    return all(taken)
