"""Named dataflows: which dims may stand where. A dataflow is a constraint on mappings, no more."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LevelRule:
    """What a dataflow allows at one level; a level without a rule is free.

    Attributes:
        level: name of the level (``mac`` for what streams through a systolic array).
        temporal: dims that may have temporal loops here, in their loop order, outermost first;
            None leaves dims and order free.
        x: dims that may be spread over columns, slowest first; None leaves them free.
        y: dims that may be spread over rows.
        whole: dims that must be spread over this level whole.
    """

    level: str
    temporal: tuple[str, ...] | None = None
    x: tuple[str, ...] | None = None
    y: tuple[str, ...] | None = None
    whole: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dataflow:
    """A named set of rules.

    Attributes:
        name: for example ``row_stationary``.
        note: one sentence for people, with the source.
        rules: at most one per level.
    """

    name: str
    note: str
    rules: tuple[LevelRule, ...]

    def rule(self, level: str) -> LevelRule:
        """Return the rule of ``level``; a free one if there is none."""
        for rule in self.rules:
            if rule.level == level:
                return rule
        return LevelRule(level)
