"""Process nodes: factors from 45 nm at 0.8 V.

Source: Stillmaker and Baas, Integration 58 (2017), as adopted by Accelergy's default tables.
"""

from __future__ import annotations

ENERGY_FACTOR = {"65nm": 1.2407, "45nm": 1.0, "32nm": 0.6593}
"""Energy of an operation relative to 45 nm."""

AREA_FACTOR = {"65nm": 1.5, "45nm": 1.0, "32nm": 0.46}
"""Area relative to 45 nm."""

FEATURE_NM = {"65nm": 65, "45nm": 45, "32nm": 32}
"""Feature size, the key of the SRAM table."""
