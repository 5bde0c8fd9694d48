"""Quantities with units, as users write them, into exact numbers.

One function per kind of quantity. All are exact: a value that does not come out as a whole number
of its base unit (bits, hertz, cycles) is refused, never rounded. Prefixes mean what the standards
say: kB is 1000 bytes, KiB is 1024 bytes (IEC 80000-13).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

Written = str | int | float
"""What a file may hold in place of a quantity."""

_NUMBER = r"[0-9]{1,99}(?:\.[0-9]{0,30})?(?:[eE][-+]?[0-9]{1,3})?|\.[0-9]{1,30}"
_QUANTITY = re.compile(rf"([-+]?)({_NUMBER})(?:\s*/\s*([0-9]{{1,99}}))?\s*([^\s0-9].*)?")

_DECIMAL = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
_BITS = {
    "bit": 1,
    "bits": 1,
    "b": 1,
    **{f"{prefix}B": 8 * scale for prefix, scale in (_DECIMAL | _BINARY).items()},
    **{f"{prefix}bit": scale for prefix, scale in (_DECIMAL | _BINARY).items() if prefix},
}
_BITS_SHOWN = "bit, B, kbit, Kibit, kB, KiB, MB, MiB, GB, GiB"
_HERTZ = {f"{prefix}Hz": scale for prefix, scale in _DECIMAL.items()}
_CYCLES = {"cycle": 1, "cycles": 1}
_PICOJOULES = {
    "fJ": Fraction(1, 1000),
    "pJ": Fraction(1),
    "nJ": Fraction(1000),
    "uJ": Fraction(10**6),
}
_MICROMETRES = {"um": 1, "mm": 1000}
_MILLIWATTS = {"uW": Fraction(1, 1000), "mW": Fraction(1), "W": Fraction(1000)}
_SQUARE_MICROMETRES = {"um2": 1, "mm2": 10**6}


class QuantityError(ValueError):
    """Text that is not the quantity asked for.

    Attributes:
        rule: what has to hold.
        hint: what to write instead.
    """

    def __init__(self, rule: str, hint: str) -> None:
        self.rule = rule
        self.hint = hint
        super().__init__(f"{rule}: {hint}")


@dataclass(frozen=True, slots=True)
class Rate:
    """A bandwidth as written; words per cycle follow once word and clock are known.

    Attributes:
        amount: at least 0, in the unit that ``per`` names.
        per: ``words/cycle``, ``bits/cycle`` or ``bits/s``.
    """

    amount: Fraction
    per: str

    def words_per_cycle(self, word_bits: int, clock_hz: int) -> Fraction:
        """Return words per cycle, exactly.

        Args:
            word_bits: bits of a word.
            clock_hz: clock whose cycles are meant.
        """
        if self.per == "words/cycle":
            return self.amount
        if self.per == "bits/cycle":
            return self.amount / word_bits
        return self.amount / word_bits / clock_hz


TYPE_BITS = {
    **{f"{kind}{bits}": bits for kind in ("int", "uint") for bits in (2, 4, 8, 16, 32, 64)},
    **{f"{kind}{bits}": bits for kind in ("fp", "float") for bits in (8, 16, 32, 64)},
    "bf16": 16,
    "bfloat16": 16,
}
"""Bits of the number types that may stand where a width is asked for; a width is all they say."""


def parse_bits(value: Written) -> int:
    """Return bits of ``64 bit``, ``8 B``, ``fp16``, or of a bare integer, which counts bits."""
    if isinstance(value, str) and value.strip() in TYPE_BITS:
        return TYPE_BITS[value.strip()]
    return _whole(value, "a number of bits", _BITS, bare=True, examples="64 bit, 8 B")


def parse_size(value: Written) -> int:
    """Return bits of ``128 KiB``, ``108 kB``, ``1 Mibit``; a bare number is ambiguous."""
    return _whole(value, "a size", _BITS, bare=False, examples="128 KiB, 108 kB, 512 bit")


def parse_clock(value: Written) -> int:
    """Return hertz of ``200 MHz``, ``1 GHz``; a bare integer counts hertz."""
    return _whole(value, "a frequency", _HERTZ, bare=True, examples="200 MHz, 1 GHz")


def parse_cycles(value: Written) -> int:
    """Return cycles of ``100 cycles``; a bare integer counts cycles."""
    return _whole(value, "a number of cycles", _CYCLES, bare=True, examples="100 cycles")


def parse_energy_pj(value: Written) -> float:
    """Return picojoules of ``0.39 pJ``, ``1.2 nJ``, ``380 fJ``; the nearest float."""
    return _float(_amount(value, "an energy", _PICOJOULES, bare=False, examples="0.39 pJ, 1.2 nJ"))


def parse_length_um(value: Written) -> int:
    """Return whole micrometres of ``100 um``, ``0.25 mm``."""
    return _whole(value, "a length", _MICROMETRES, bare=False, examples="100 um, 0.25 mm")


def parse_area_um2(value: Written) -> float:
    """Return square micrometres of ``2.5 mm2``, ``1200 um2``; the nearest float."""
    return _float(
        _amount(value, "an area", _SQUARE_MICROMETRES, bare=False, examples="2.5 mm2, 900 um2")
    )


def parse_power_mw(value: Written) -> float:
    """Return milliwatts of ``450 mW``, ``1.5 W``; the nearest float."""
    return _float(_amount(value, "a power", _MILLIWATTS, bare=False, examples="450 mW, 1.5 W"))


def parse_rate(value: Written) -> Rate:
    """Return the rate of ``16 words/cycle``, ``8 B/cycle``, ``25.6 GB/s``, ``2/3 words/cycle``."""
    per_second = {f"{unit}/s": bits for unit, bits in _BITS.items()}
    per_cycle = {f"{unit}/cycle": bits for unit, bits in _BITS.items()}
    words = {"words/cycle": 1, "word/cycle": 1}
    amount, unit = _split(
        value,
        "a bandwidth",
        [*words, *per_cycle, *per_second],
        examples="16 words/cycle, 8 B/cycle, 25.6 GB/s",
        shown=f"words/cycle, or one of {_BITS_SHOWN} per cycle (/cycle) or second (/s)",
    )
    if amount > 10**24 or amount.denominator > 10**36:
        # Keeps the exact words per cycle within what format_rate and parse_rate can exchange.
        raise QuantityError(
            "is out of range", "at most 10^24, with at most 36 digits after the dot"
        )
    if unit in words:
        return Rate(amount, "words/cycle")
    if unit in per_cycle:
        return Rate(amount * per_cycle[unit], "bits/cycle")
    return Rate(amount * per_second[unit], "bits/s")


def format_bits(bits: int) -> str:
    """Return ``bits`` with the largest binary unit that divides it: ``128 KiB``, ``12 bit``."""
    for unit in ("GiB", "MiB", "KiB"):
        if bits and bits % _BITS[unit] == 0:
            return f"{bits // _BITS[unit]} {unit}"
    return f"{bits} bit"


def format_clock(clock_hz: int) -> str:
    """Return ``clock_hz`` with the largest unit that divides it: ``200 MHz``."""
    for unit in ("GHz", "MHz", "kHz"):
        if clock_hz and clock_hz % _HERTZ[unit] == 0:
            return f"{clock_hz // _HERTZ[unit]} {unit}"
    return f"{clock_hz} Hz"


def format_cycles(cycles: int) -> str:
    """Return ``cycles`` with its unit: ``1 cycle``, ``100 cycles``."""
    return "1 cycle" if cycles == 1 else f"{cycles} cycles"


def format_rate(words_per_cycle: Fraction) -> str:
    """Return the exact rate as ``parse_rate`` reads it: ``16 words/cycle``, ``2/3 words/cycle``."""
    return f"{words_per_cycle} words/cycle"


def format_energy_pj(energy_pj: float) -> str:
    """Return the energy as ``parse_energy_pj`` reads it back, to the last bit."""
    return f"{energy_pj!r} pJ"


def _split(
    value: Written, what: str, units: list[str], *, examples: str, shown: str = "", bare: str = ""
) -> tuple[Fraction, str]:
    """Return (number, unit) of ``value``; a missing unit is ``bare`` when that is not empty.

    ``shown`` is what an error lists as units; all of them when empty.
    """
    rule = f"must be {what} with a unit"
    hint = f"for example {examples}; units: {shown or ', '.join(units)}"
    if bare:
        rule = f"must be {what}"
        hint += f"; a bare number is in {bare}"
    match = None
    if not isinstance(value, bool) and isinstance(value, str | int | float):
        match = _QUANTITY.fullmatch(str(value).strip())
    if match is None:
        raise QuantityError(rule, hint)
    sign, digits, divisor, unit = match.groups()
    unit = re.sub(r"\s*/\s*", "/", (unit or bare).strip())
    if unit not in units:
        twins = [known for known in units if known.lower() == unit.lower()]
        if twins and unit:
            hint = f"did you mean {' or '.join(twins)}? " + hint
        raise QuantityError(rule, hint)
    if divisor is not None and int(divisor) == 0:
        raise QuantityError("must not divide by zero", hint)
    number = Fraction(digits) / int(divisor or 1)
    if sign == "-" and number:
        raise QuantityError("must not be negative", hint)
    return number, unit


def _amount(
    value: Written,
    what: str,
    units: dict[str, int] | dict[str, Fraction],
    *,
    bare: bool,
    examples: str,
) -> Fraction:
    """Return ``value`` in base units: those of scale 1, of which the first is the bare one."""
    base = next(unit for unit, scale in units.items() if scale == 1)
    number, unit = _split(
        value,
        what,
        list(units),
        examples=examples,
        shown=_BITS_SHOWN if units is _BITS else "",
        bare=base if bare else "",
    )
    return number * units[unit]


def _whole(value: Written, what: str, units: dict[str, int], *, bare: bool, examples: str) -> int:
    amount = _amount(value, what, units, bare=bare, examples=examples)
    if amount.denominator != 1:
        base = next(unit for unit, scale in units.items() if scale == 1)
        raise QuantityError(
            f"must be a whole number of {base}", f"it is {_float(amount):g} {base} as written"
        )
    return int(amount)


def _float(amount: Fraction) -> float:
    try:
        return float(amount)
    except OverflowError:
        raise QuantityError("is too large", "at most about 1e308") from None
