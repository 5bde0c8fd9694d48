"""Memory between layers."""

import ctypes
import sys
from pathlib import Path

import pytest

from arraysmith.traces.heap import give_back_heap

GLIBC = sys.platform == "linux" and hasattr(ctypes.CDLL(None), "malloc_trim")


def resident_bytes():
    (line,) = (
        line for line in Path("/proc/self/status").read_text().splitlines() if "VmRSS" in line
    )
    return 1024 * int(line.split()[1])


@pytest.mark.skipif(not GLIBC, reason="only glibc keeps and can give back")
def test_what_lies_between_things_in_use_goes_back_to_the_system():
    blocks = [bytearray(b"x") * 100_000 for _ in range(1000)]
    in_use = blocks[::50]
    blocks = blocks[-1:]
    before = resident_bytes()
    give_back_heap()
    assert resident_bytes() < before - 50_000_000
    assert len(in_use) + len(blocks) == 21
