"""Request traces by the rules in ``reference/dram/README.md``; B is the size of a request."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Int = NDArray[np.int64]

_MULTIPLIER, _INCREMENT, _SEED = 6364136223846793005, 1442695040888963407, 12345
_BLOCKS = 1 << 20  # of random traces
_FIRST = 100  # arrival of micro traces


@dataclass(frozen=True, slots=True, eq=False)
class Requests:
    """Requests in the order in which they are offered.

    Attributes:
        address: int64 [n], bytes.
        write: int64 [n], 1 for a write.
        arrive: int64 [n], DRAM cycle from which each is offered.
    """

    address: Int
    write: Int
    arrive: Int

    def text(self) -> str:
        """Return them as DRAMsim3 reads them: a line ``0xADDRESS READ|WRITE cycle`` each."""
        words = ("READ", "WRITE")
        rows = zip(self.address.tolist(), self.write.tolist(), self.arrive.tolist(), strict=True)
        return "".join(f"0x{address:X} {words[write]} {at}\n" for address, write, at in rows)

    @property
    def sha256(self) -> str:
        """SHA-256 of ``text()``."""
        return hashlib.sha256(self.text().encode("ascii")).hexdigest()


Rule = Callable[[int, int], tuple[int, bool, int]]
"""(number, B) -> address, whether it writes, arrival."""


def requests(trace: str, count: int, size: int) -> Requests | None:
    """Return ``count`` requests of ``size`` bytes of the trace with this name; None: no such rule.

    Args:
        trace: name, with its number where the rule has one (``stride_8``, ``micro_burst16``).
        count: how many, at least 1.
        size: B, bytes.
    """
    rule = _rule(trace)
    if rule is None:
        return None
    rows = [rule(i, size) for i in range(count)]
    address, write, arrive = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    return Requests(address, write, arrive)


def _rule(trace: str) -> Rule | None:
    if trace in _RULES:
        return _RULES[trace]
    if found := re.fullmatch(r"stride_([1-9][0-9]{0,8})", trace):
        stride = int(found[1])
        return lambda i, size: (i * stride * size, False, 0)
    if found := re.fullmatch(r"(seq|rand)_read_gap([1-9][0-9]{0,5})", trace):
        gap, plain = int(found[2]), _rule(f"{found[1]}_read")
        assert plain is not None
        return lambda i, size: (*plain(i, size)[:2], gap * i)
    if re.fullmatch(r"micro_burst[1-9][0-9]{0,5}", trace):
        return lambda i, size: (i * size, False, _FIRST)
    if trace in {"rand_read", "rand_mix33"}:
        return _random(mixed=trace == "rand_mix33")
    return None


def _values() -> Iterator[int]:
    state = _SEED
    while True:
        state = (_MULTIPLIER * state + _INCREMENT) % (1 << 64)
        yield state >> 33


def _random(*, mixed: bool) -> Rule:
    values = _values()

    def rule(_: int, size: int) -> tuple[int, bool, int]:
        address = next(values) % _BLOCKS * size
        return address, mixed and next(values) % 3 == 0, 0

    return rule


def _triad(i: int, size: int) -> tuple[int, bool, int]:
    k, array = divmod(i, 3)
    return k * size + array * 2**26, array == 2, 0


def _tiles(i: int, size: int) -> tuple[int, bool, int]:
    tile, inside = divmod(i, 32)
    group, stream = divmod(tile, 3)
    halo = group * 2**14 if stream == 0 else 0
    return (group * 32 + inside) * size + stream * 2**25 + halo, stream == 2, 0


def _write_then_read(i: int, size: int) -> tuple[int, bool, int]:
    return (i * size, True, _FIRST) if i < 32 else (2**20 + (i - 32) * size, False, _FIRST)


_RULES: dict[str, Rule] = {
    "seq_read": lambda i, size: (i * size, False, 0),
    "seq_write": lambda i, size: (i * size, True, 0),
    "seq_mix50_2streams": lambda i, size: (i // 2 * size + i % 2 * 2**26, i % 2 == 1, 0),
    "triad": _triad,
    "tiles32": _tiles,
    "micro_row_hit": lambda i, size: (i * size, False, _FIRST + 400 * i),
    "micro_idle_miss": lambda i, _: (i * 2**22, False, _FIRST + 400 * i),
    "micro_conflict": lambda i, _: (i % 2 * 2**28, False, _FIRST + 400 * i),
    "micro_wr_then_rd": _write_then_read,
}
