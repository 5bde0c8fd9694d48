"""Progress of a search on stderr: done, time left, the best, legal share, mappings per second."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Self

from tqdm import tqdm


class Bars:
    """An ``explore.Progress``: one bar per stage; a context manager that closes the last.

    Attributes:
        mappings: compared so far.
        full: how many of them were scored in full.
    """

    def __init__(self) -> None:
        self._bar: Any = None
        self._begun = time.monotonic()
        self._stage_begun, self._stage_mappings = self._begun, 0
        self.mappings = 0
        self.full = 0

    def stage(self, name: str, total: int | None, unit: str) -> None:
        """Begin a bar."""
        self.close()
        self._stage_begun, self._stage_mappings = time.monotonic(), self.mappings
        self._bar = tqdm(
            total=total, unit=unit, desc=f"{name:<11}", file=sys.stderr, dynamic_ncols=True
        )

    def step(self, count: int = 1, **facts: Any) -> None:
        """Move the bar; facts stand behind it."""
        if facts:
            seconds = max(time.monotonic() - self._stage_begun, 1e-9)
            rate = (self.mappings - self._stage_mappings) / seconds
            facts = {**facts, "mappings/s": f"{rate:,.0f}"}
            shown = {
                key: f"{value:.6g}" if isinstance(value, float) else value
                for key, value in facts.items()
            }
            self._bar.set_postfix(shown, refresh=False)
        self._bar.update(count)

    def scored(self, count: int, compared: int) -> None:
        """Count mappings."""
        self.full += count
        self.mappings += compared

    def speed(self) -> str:
        """Return what was done in which time since the start."""
        seconds = time.monotonic() - self._begun
        return (
            f"speed: {self.mappings:,} mappings compared in {seconds:,.1f} s, simulation and "
            f"reports included: {60 * self.mappings / seconds:,.0f} a minute; of them "
            f"{self.full:,} scored in full, {60 * self.full / seconds:,.0f} a minute, the others "
            "bounded by steps and off-chip traffic"
        )

    def note(self, text: str) -> None:
        """Write a line above the bar."""
        tqdm.write(text, file=sys.stderr)

    def close(self) -> None:
        """End the present bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
