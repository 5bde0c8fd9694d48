"""How kernels of this package are compiled."""

from __future__ import annotations

from numba import njit

part = njit(nogil=True, _nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True)
"""Decorator of what only kernels call.

Without reference counts: nothing here makes an array, and counting the references to dozens of
arrays at every call took more time than the simulation. Without wrappers for Python, which would
take longer to compile than most of these functions. Cached as part of the kernel that calls it.
"""

kernel = njit(cache=True, nogil=True, _nrt=False, no_cfunc_wrapper=True)
"""Decorator of what Python calls."""
