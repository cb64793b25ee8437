"""
Numbers to words and back: bytes in binary units, counts, durations, shares.

It knows how a number is printed and typed; it refuses to know what the number means.  A printed number is rounded,
never cut; what cannot be parsed is a ``ValueError`` whose text names the accepted forms.
"""

from __future__ import annotations

import math
import re

KIB = 1024
MIB = 1024**2
GIB = 1024**3

_BYTE_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_BYTE_FACTORS = {
    "": 1, "b": 1,
    "k": 1024, "ki": 1024, "kib": 1024, "kb": 1000,
    "m": 1024**2, "mi": 1024**2, "mib": 1024**2, "mb": 1000**2,
    "g": 1024**3, "gi": 1024**3, "gib": 1024**3, "gb": 1000**3,
    "t": 1024**4, "ti": 1024**4, "tib": 1024**4, "tb": 1000**4,
}  # fmt: skip
_SECOND_FACTORS = {
    "": 1.0, "us": 1e-6, "ms": 1e-3, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0,
}  # fmt: skip
_TWO_UNITS = ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))
_NUMBER_WITH_UNIT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", re.ASCII)
_NO_NUMBER = "?"
_DIGITS_OF_ESTIMATES = 2


def format_bytes(value: float, *, signed: bool = False) -> str:
    """
    Bytes in the largest binary unit that keeps the number at or above one: ``21.4 MiB``.

    Parameters
    ----------
    value : float
        Bytes; may be negative or an estimate.  NaN prints as ``?``.
    signed : bool
        Print a plus sign before gains.

    Returns
    -------
    str
        One decimal from KiB on; whole bytes below.
    """
    if not math.isfinite(value):
        return _NO_NUMBER
    size = abs(value)
    power = 0
    # 1023.96 KiB would print as 1024.0 KiB: step to the next unit as soon as the rounded number reaches 1024.
    while power < len(_BYTE_UNITS) - 1 and round(size, 1 if power else 0) >= 1024:
        size /= 1024
        power += 1
    digits = f"{size:,.1f}" if power else f"{round(size):,}"
    return f"{_sign(value, digits, signed)}{digits} {_BYTE_UNITS[power]}"


def format_count(value: float, *, signed: bool = False) -> str:
    """
    A whole number with thousands separators: ``1,234``.

    Parameters
    ----------
    value : float
        The count; estimates are rounded.  NaN prints as ``?``.
    signed : bool
        Print a plus sign before gains.
    """
    if not math.isfinite(value):
        return _NO_NUMBER
    digits = f"{abs(round(value)):,}"
    return f"{_sign(value, digits, signed)}{digits}"


def format_estimate(value: float) -> str:
    """
    A whole number that is known to two digits only: ``8,800`` for 8,811.

    Parameters
    ----------
    value : float
        The count.
    """
    digits = len(str(abs(round(value)))) if math.isfinite(value) else 0
    return format_count(round(value, -max(digits - _DIGITS_OF_ESTIMATES, 0)) if digits else value)


def format_duration(seconds: float) -> str:
    """
    A duration in at most two units: ``850 ms``, ``12.3 s``, ``3 min 20 s``, ``2 h 5 min``, ``4 d 1 h``.

    Parameters
    ----------
    seconds : float
        NaN prints as ``?``.
    """
    if not math.isfinite(seconds):
        return _NO_NUMBER
    if seconds < 0:
        return f"-{format_duration(-seconds)}"
    if seconds < 59.95:
        return _below_a_minute(seconds)
    whole = round(seconds)
    large, large_name, small, small_name = next(row for row in _TWO_UNITS if whole >= row[0])
    # Round to the smaller unit first, so that no rest ever prints as "60 min".
    first, rest = divmod(round(whole / small) * small, large)
    return f"{first:,} {large_name}" + (f" {rest // small} {small_name}" if rest else "")


def format_share(value: float) -> str:
    """
    A fraction of one as percent: ``12.3 %``, ``100 %``, ``<0.1 %``.

    Parameters
    ----------
    value : float
        0.123 prints as ``12.3 %``.  NaN prints as ``?``.
    """
    if not math.isfinite(value):
        return _NO_NUMBER
    percent = value * 100
    if 0 < percent < 0.05:
        return "<0.1 %"
    return f"{percent:,.1f}".removesuffix(".0") + " %"


def format_rate(bytes_per_s: float) -> str:
    """
    Bytes per time, signed, in the shortest time that gives a kibibyte: ``+1.2 MiB/s``, ``+3.4 KiB/min``, ``+80 B/h``.

    Parameters
    ----------
    bytes_per_s : float
        NaN prints as ``?``.
    """
    if not math.isfinite(bytes_per_s):
        return _NO_NUMBER
    times = ((1, "s"), (60, "min"), (3600, "h"))
    seconds, name = next((time for time in times if abs(bytes_per_s) * time[0] >= KIB), times[-1])
    return f"{format_bytes(bytes_per_s * seconds, signed=True)}/{name}"


def parse_bytes(text: str) -> int:
    """
    Bytes from words: ``65536``, ``64KiB``, ``64k``, ``1.5 MiB``, ``2GB``.

    Parameters
    ----------
    text : str
        A number and a unit; case does not matter.  ``k`` and ``KiB`` are 1024, ``KB`` is 1000.

    Returns
    -------
    int
        Whole bytes.

    Raises
    ------
    ValueError
        If the text is no size.
    """
    number, factor = _number_and_factor(text, _BYTE_FACTORS, "a size", "65536, 64KiB or 1.5MiB")
    return round(number * factor)


def parse_duration(text: str) -> float:
    """
    Seconds from words: ``10``, ``10s``, ``500ms``, ``2min``, ``1.5h``, ``1h30m``.

    Parameters
    ----------
    text : str
        Numbers and units, added up; a bare number is seconds, ``m`` is minutes.

    Returns
    -------
    float
        Seconds.

    Raises
    ------
    ValueError
        If the text is no duration.
    """
    pieces = re.findall(r"\s*[\d.]+\s*[a-zA-Z]*\s*", text, re.ASCII)
    if not pieces or "".join(pieces) != text:
        pieces = [text]
    total = 0.0
    for piece in pieces:
        number, factor = _number_and_factor(piece, _SECOND_FACTORS, "a duration", "10s, 500ms, 2min or 1h30m")
        total += number * factor
    return total


def _number_and_factor(
    text: str, factors: dict[str, float] | dict[str, int], kind: str, forms: str
) -> tuple[float, float]:
    match = _NUMBER_WITH_UNIT.fullmatch(text.lower())
    factor = factors.get(match[2]) if match else None
    if match is None or factor is None:
        raise ValueError(f"{text.strip()!r} is not {kind}: write it like {forms}")
    return float(match[1]), factor


def _below_a_minute(seconds: float) -> str:
    if seconds == 0:
        return "0 s"
    if seconds >= 0.9995:
        return f"{seconds:.1f} s"
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.00995 else f"{seconds * 1000:.1f} ms"


def _sign(value: float, digits: str, signed: bool) -> str:
    if digits.strip("0.,") == "":
        return ""
    return "-" if value < 0 else "+" if signed else ""
