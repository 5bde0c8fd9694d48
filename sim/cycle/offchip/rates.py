"""Rates as fractions: what words take at them, and how kernels are told of them."""

from __future__ import annotations

from fractions import Fraction


def rate_row(rate: Fraction | None) -> tuple[int, int]:
    """Return (numerator, denominator) for the kernels; (0, 1) is unlimited."""
    return (0, 1) if rate is None else (rate.numerator, rate.denominator)


def whole_cycles(words: int, rate: Fraction | None) -> int:
    """Return the whole cycles that ``words`` take at ``rate``; 0 if it is unlimited."""
    return 0 if rate is None else -(-(words * rate.denominator) // rate.numerator)
