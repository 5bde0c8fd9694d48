"""What the C library keeps of memory that was freed."""

from __future__ import annotations

import ctypes
import sys


def give_back_heap() -> None:
    """Return freed memory to the system, where the C library can be told to (glibc).

    Buffers of one layer leave gaps between small objects that live on. The next layer's do not fit
    them, so that every layer would take another few dozen megabytes.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
