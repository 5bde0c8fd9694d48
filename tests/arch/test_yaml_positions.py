"""YAML as this project reads and writes it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from arraysmith.arch.yaml_positions import dump_document, parse_document


def test_scalars_follow_the_yaml_1_2_core_schema():
    text = "a: [no, 12:30, 1e-9, 017, 0o17, 1_000, 'true', true, ~, null, +5, .5, 5., 2024-01-01]"
    assert parse_document(text, "").data["a"] == (
        "no", "12:30", 1e-9, 17, "0o17", "1_000", "true", True, None, None, 5, 0.5, 5.0,
        "2024-01-01",
    )  # fmt: skip


def test_tags_are_refused():
    document = parse_document("a: !!python/name:os.system x\n", "f.yaml")
    assert [str(fault) for fault in document.faults] == [
        "f.yaml:1:4: a: x: YAML tags are not allowed: remove !!python/name:os.system"
    ]


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**29), 10**29) | st.text(),
    lambda inner: st.lists(inner).map(tuple) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), PLAIN, min_size=1))
def test_what_is_written_reads_back_equal(data):
    assert parse_document(dump_document(data), "").data == data
