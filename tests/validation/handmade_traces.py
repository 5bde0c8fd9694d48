"""Traces of arrays made by hand: the timing rules of the README once more, without a simulator."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

import numpy as np

from arraysmith.traces.rtl_commands import ArrayKind, ArrayTrace, Requests


@dataclass
class Handmade:
    """A trace with the images that belong to it."""

    trace: ArrayTrace
    left: np.ndarray
    top: np.ndarray
    expected: np.ndarray


def starts(kind: ArrayKind, folds, length: int) -> list[int]:
    """Array cycle of step 0 of every fold, as early as the array allows."""
    found: list[int] = []
    for number, (r, _) in enumerate(folds):
        lead = 0 if kind.dataflow == "os" else r
        if number == 0:
            found.append(lead)
            continue
        p, q = folds[number - 1]
        if kind.dataflow == "os":
            drain = {"free": 0, "bus": 1, "shift": p}[kind.drain]
            apart = length + p + q - 2 + drain
            if kind.overlapped:
                apart = max(length, p)
                if kind.drain == "shift":
                    apart = max(apart, 2 * p - r)
        else:
            apart = p + length + q - 2 + r
            if kind.overlapped:
                apart = max(r, length + max(0, p - r))
        found.append(found[-1] + apart)
    return found


def handmade(kind: ArrayKind, used, tau, random: Random, *, waits: int = 0, hurry=()) -> Handmade:
    """A run of folds that use the given (rows, columns), with ``waits`` random waits.

    Weight and input stationary, all folds of equal columns in a row add to the same results.
    ``hurry``: numbers of folds that start a cycle too early, with all that come after them.
    """
    values = np.random.default_rng(random.randrange(10**9))
    steps, length = len(tau), int(tau[-1]) + 1
    extents = [(kind.rows, kind.columns) if kind.full else x for x in used]
    start = starts(kind, extents, length)
    start = [s - sum(1 for h in hurry if h <= f) for f, s in enumerate(start)]
    rows = [x for x, _ in used]
    a = [values.integers(-128, 128, (r, steps)) for r, _ in used]
    b_steps = steps if kind.dataflow == "os" else None
    b = [values.integers(-128, 128, (c, b_steps or r)) for r, c in used]
    left_at = np.cumsum([0, *(x.size for x in a)])
    top_at = np.cumsum([0, *(x.size for x in b)])
    left, top, old, out = ([] for _ in range(4))
    expected: list[int] = []
    base = 0
    for f, (r, c) in enumerate(used):
        R, C = extents[f]
        s = start[f]
        left += [
            (s + tau[t] + i, i, left_at[f] + i * steps + t, f)
            for i in range(r)
            for t in range(steps)
        ]
        if kind.dataflow == "os":
            top += [
                (s + tau[t] + j, j, top_at[f] + j * steps + t, f)
                for j in range(c)
                for t in range(steps)
            ]
            base = len(expected)
            expected += (a[f] @ b[f].T).ravel().tolist()
            for i in range(r):
                for j in range(c):
                    done = s + length - 1 + i + j + (kind.drain == "bus")
                    if kind.drain == "shift":
                        done = s + length - 1 + R + (j if kind.overlapped else C - 1) + R - 1 - i
                    out.append((done, j, base + i * c + j, f))
            continue
        top += [
            (s - 1 - i + (j if kind.overlapped else 0), j, top_at[f] + j * r + i, f)
            for j in range(c)
            for i in range(r)
        ]
        adds = f > 0 and used[f - 1][1] == c
        sums = (b[f] @ a[f]).T  # [steps, columns]
        if adds:
            expected[base:] = (np.array(expected[base:]) + sums.ravel()).tolist()
        else:
            base = len(expected)
            expected += sums.ravel().tolist()
        for t in range(steps):
            for j in range(c):
                one = (s + tau[t] + R - 1 + j, j, base + t * c + j, f)
                out.append(one)
                old += [one] if adds else []
    kinds = [np.array(x, np.int64).reshape(-1, 4) for x in (left, top, old, out)]
    trace = ArrayTrace(
        kind,
        np.array(tau),
        np.array(rows),
        np.array([x for _, x in used]),
        np.array(start),
        np.zeros(0, np.int64),
        np.zeros(0, np.int64),
        *(Requests(*x.T) for x in kinds),
    )
    trace = with_waits(trace, random, waits)
    return Handmade(
        trace,
        np.concatenate([x.ravel() for x in a]),
        np.concatenate([x.ravel() for x in b]),
        np.array(expected),
    )


def with_waits(trace: ArrayTrace, random: Random, waits: int) -> ArrayTrace:
    """The same trace with waits put in; operands come somewhere in the wait, results at its end."""
    at = sorted(random.sample(range(trace.array_cycles), min(waits, trace.array_cycles)))
    cycles = [random.randint(1, 5) for _ in at]
    before = np.concatenate([[0], np.cumsum(cycles)]).astype(np.int64)

    def late(requests: Requests, *, early: bool) -> Requests:
        clock = requests.clock + before[np.searchsorted(at, requests.clock, side="right")]
        if early:
            own = dict(zip(at, cycles, strict=True))
            back = [random.randint(0, own.get(int(u), 0)) for u in requests.clock]
            clock = clock - np.array(back, np.int64).reshape(clock.shape)
        return replace(requests, clock=clock)

    return replace(
        trace,
        stall_clock=np.array(at, np.int64) + before[:-1],
        stall_cycles=np.array(cycles, np.int64),
        left=late(trace.left, early=True),
        top=late(trace.top, early=True),
        old=late(trace.old, early=True),
        out=late(trace.out, early=False),
    )
