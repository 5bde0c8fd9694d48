"""Progress of a search on stderr."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, Self

from tqdm import tqdm


class Bars:
    """A ``runner.Progress``: one bar per stage; a context manager that closes the last."""

    def __init__(self) -> None:
        self._bar: Any = None

    def stage(self, name: str, total: int | None, unit: str) -> None:
        """Begin a bar."""
        self.close()
        self._bar = tqdm(
            total=total, unit=unit, desc=f"{name:<11}", file=sys.stderr, dynamic_ncols=True
        )

    def step(self, count: int = 1, **facts: Any) -> None:
        """Move the bar; facts stand behind it."""
        if facts:
            shown = {
                key: f"{value:.6g}" if isinstance(value, float) else value
                for key, value in facts.items()
            }
            self._bar.set_postfix(shown, refresh=False)
        self._bar.update(count)

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
