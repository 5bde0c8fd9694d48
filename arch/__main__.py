"""``python -m arraysmith.arch`` is the command ``arraysmith``."""

from __future__ import annotations

from arraysmith.arch.main import main

main()
