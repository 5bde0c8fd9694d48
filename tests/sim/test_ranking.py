"""Kendall's tau over groups of mappings."""

from __future__ import annotations

import numpy as np

from arraysmith.sim.ranking import kendall_tau


def test_tau_counts_pairs_within_groups_alone():
    ordered, turned = np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0])
    assert kendall_tau([ordered], [ordered * 7]) == 1
    assert kendall_tau([ordered], [turned]) == -1
    assert kendall_tau([ordered, ordered + 100], [ordered, turned]) == 0
    assert kendall_tau([np.array([1.0, 1.0])], [np.array([1.0, 2.0])]) == 0
    assert kendall_tau([np.array([1.0, 2.0])], [np.array([5.0, 5.0])]) is None
