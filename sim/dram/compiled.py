"""How the kernels of this package are compiled."""

from __future__ import annotations

from numba import njit

kernel = njit(cache=True, nogil=True, _nrt=False)
"""Decorator of kernels that make no arrays.

Numba counts references to every array at every call, with atomic instructions; with a dozen arrays
and calls that last some nanoseconds, three quarters of the time went there. Its own switch ``_nrt``
turns that off; the caller, who is Python, holds the arrays. What makes an array does not compile.
"""
