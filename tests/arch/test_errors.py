from __future__ import annotations

import pickle

import pytest

from arraysmith.arch.errors import (
    ArraysmithError,
    Fault,
    InputError,
    UnsupportedDesignError,
    nearest,
)
from arraysmith.arch.legality import IllegalMappingError, Violation
from arraysmith.sim.cycle.tracing.waiting import NoProgressError
from arraysmith.sim.noc.deliveries import NoProgressError as StuckNetworkError


def test_a_fault_reads_as_place_field_value_rule_and_hint():
    fault = Fault("levels[1].depth", "-4", "must be at least 1", "raise it", "chip.yaml", 7, 12)
    assert str(fault) == "chip.yaml:7:12: levels[1].depth: -4: must be at least 1: raise it"


def test_a_fault_without_place_value_or_hint_still_names_each_part():
    assert str(Fault("", "", "file is empty")) == "input: (whole file): (none): file is empty"
    assert str(Fault("name", "", "key is missing", file="a.yaml")) == (
        "a.yaml: name: (none): key is missing"
    )


def test_an_input_error_carries_all_its_faults_and_prints_one_per_line():
    faults = [Fault("a", "1", "rule one"), Fault("b", "2", "rule two")]
    error = InputError(iter(faults))
    assert error.faults == tuple(faults)
    assert str(error).splitlines() == [str(fault) for fault in faults]
    assert isinstance(error, ArraysmithError)


def test_the_hint_for_a_misspelt_word_names_the_closest_known_ones():
    assert nearest("wieght", ["ifmap", "weight", "ofmap"]) == "did you mean weight?"


def test_the_hint_for_a_word_like_no_other_lists_all_known_ones():
    assert nearest("zzz", ["b", "a"]) == "known: a, b"
    assert nearest("zzz", []) == ""


@pytest.mark.parametrize(
    "error",
    [
        ArraysmithError("one line"),
        InputError([Fault("a", "1", "rule one"), Fault("b", "2", "rule two")]),
        UnsupportedDesignError("glb: banks are simulated on the chip only"),
        IllegalMappingError((Violation("capacity", "glb", "5", "4"),)),
        NoProgressError(7, ("glb_write", "psum"), "core"),
        StuckNetworkError(7, ("link (0,0)->(0,1)", "link (0,1)->(0,0)")),
    ],
)
def test_an_error_comes_back_from_another_process_as_it_was(error):
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


def test_a_design_that_cannot_be_evaluated_is_bad_input_that_names_the_part():
    error = UnsupportedDesignError("array: the last level is no systolic array")
    assert isinstance(error, InputError)
    assert error.faults == (Fault("array", "", "the last level is no systolic array"),)
    assert UnsupportedDesignError("no way").faults == (Fault("", "", "no way"),)
