from __future__ import annotations

from arraysmith.arch.errors import ArraysmithError, Fault, InputError, nearest


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
