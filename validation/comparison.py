"""What a suite hands back, and how it is summed up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

WORST = 5
"""Worst comparisons named in a summary."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One number of ours against one of the reference.

    Attributes:
        case: name of the case.
        quantity: what is compared; numbers of one quantity are summed up together.
        expected: the reference's number.
        got: ours.
        grain: difference that the reference's own rounding explains; within it counts as exact.
    """

    case: str
    quantity: str
    expected: float
    got: float
    grain: float = 0.0

    @property
    def exact(self) -> bool:
        """Whether the numbers are equal, as far as the reference states its own."""
        return abs(self.got - self.expected) <= self.grain

    @property
    def error_pct(self) -> float:
        """Difference in percent of the reference (of ours where the reference is 0); 0 if exact."""
        if self.exact:
            return 0.0
        return 100.0 * abs(self.got - self.expected) / abs(self.expected or self.got)


@dataclass(frozen=True)
class Outcome:
    """The result of one suite.

    Attributes:
        suite: its name.
        comparisons: all of them.
        skipped: cases left out -> why.
        tolerance_pct: largest error allowed, by quantity; one that is not named must be exact.
        beside: what our default setting says, by case and quantity, where a suite compares another
            setting; judged by nobody.
        classes: numbers of our default setting that are equal to the reference's, and that differ
            for a reason, by its name; judged by nobody.
        notes: what a reader needs to know of the differences, a sentence each.
        mean_tolerance_pct: largest mean error allowed, by quantity; no bound where not named.
    """

    suite: str
    comparisons: tuple[Comparison, ...]
    skipped: Mapping[str, str]
    tolerance_pct: Mapping[str, float]
    beside: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    classes: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    mean_tolerance_pct: Mapping[str, float] = field(default_factory=dict)

    @property
    def beyond(self) -> tuple[Comparison, ...]:
        """Comparisons out of tolerance, worst first."""
        found = [
            x for x in self.comparisons if x.error_pct > self.tolerance_pct.get(x.quantity, 0.0)
        ]
        return tuple(sorted(found, key=lambda x: -x.error_pct))

    @property
    def beyond_mean(self) -> tuple[str, ...]:
        """Quantities whose mean error is out of tolerance."""
        means = {
            name: summary(group)["mean_abs_error_pct"] for name, group in self.quantities.items()
        }
        return tuple(x for x, mean in means.items() if mean > self.mean_tolerance_pct.get(x, mean))

    @property
    def quantities(self) -> dict[str, tuple[Comparison, ...]]:
        """Comparisons by quantity, in order of appearance."""
        groups: dict[str, list[Comparison]] = {}
        for comparison in self.comparisons:
            groups.setdefault(comparison.quantity, []).append(comparison)
        return {name: tuple(group) for name, group in groups.items()}

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as plain data, over all quantities and for each."""
        beside = {case: dict(values) for case, values in self.beside.items()}
        return {
            "suite": self.suite,
            **summary(self.comparisons),
            "skipped": dict(self.skipped),
            "quantities": {name: summary(group) for name, group in self.quantities.items()},
            **({"beside": beside} if beside else {}),
            **({"classes": dict(self.classes)} if self.classes else {}),
            **({"notes": list(self.notes)} if self.notes else {}),
        }


def ratios_beside(outcome: Outcome) -> dict[str, tuple[int, float, float, float]]:
    """Return cases, least, median and largest of default / reference, by quantity.

    Only comparisons of a reference that is not 0, with a number of ours beside it.
    """
    found = {}
    for name, group in outcome.quantities.items():
        ratios = sorted(
            outcome.beside[x.case][name] / x.expected
            for x in group
            if x.expected and name in outcome.beside.get(x.case, {})
        )
        if ratios:
            found[name] = (len(ratios), ratios[0], median(ratios), ratios[-1])
    return found


def summary(comparisons: Iterable[Comparison]) -> dict[str, Any]:
    """Return cases, exact ones, mean and largest error, and the worst comparisons."""
    group = tuple(comparisons)
    inexact = {x.case for x in group if not x.exact}
    cases = {x.case for x in group}
    worst = sorted((x for x in group if not x.exact), key=lambda x: -x.error_pct)[:WORST]
    return {
        "cases": len(cases),
        "exact": len(cases - inexact),
        "mean_abs_error_pct": sum(x.error_pct for x in group) / len(group) if group else 0.0,
        "max_abs_error_pct": max((x.error_pct for x in group), default=0.0),
        "worst": [
            {"case": x.case, "quantity": x.quantity, "expected": x.expected, "got": x.got}
            for x in worst
        ],
    }
