"""Numbers of the ports of a memory."""

from __future__ import annotations

READ, UPDATE, FILL, DRAIN = range(4)
"""Ports of a memory: towards the children out and in, from the parent in, to the parent out."""
