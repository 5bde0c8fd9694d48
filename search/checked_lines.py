"""Lines of JSON that end with a checksum of what stands before it: what the ledgers are made of."""

from __future__ import annotations

import json
import zlib
from typing import Any


def checked_line(row: dict[str, Any]) -> bytes:
    """Return ``row``, which is not empty, as a line: with its ``crc`` and the end of the line."""
    text = json.dumps(row, separators=(",", ":"), allow_nan=False).encode()
    return b'%s,"crc":"%08x"}\n' % (text[:-1], zlib.crc32(text))


def row_of(line: bytes) -> dict[str, Any] | None:
    """Return the row that ``checked_line`` made ``line`` of, or None if the line is damaged.

    Args:
        line: without its end.
    """
    try:
        row = json.loads(line)
        del row["crc"]
        sound = checked_line(row) == line + b"\n"
    except (ValueError, TypeError, KeyError):
        return None
    return dict(row) if sound else None
