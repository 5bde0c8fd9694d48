from __future__ import annotations

from math import prod
from pathlib import Path

import pytest
from chips import SPATIAL
from hypothesis import given
from hypothesis import strategies as st

from arraysmith.arch.errors import InputError
from arraysmith.arch.legality import check_mapping
from arraysmith.arch.loader import dump_mapping, load_architecture, load_mapping, parse_mapping
from arraysmith.arch.mapping import LevelMapping, Loop, Mapping, placed_loops
from arraysmith.arch.problem import DIMS, TENSORS, conv

GOOD = """\
kind: mapping
architecture: small
levels:
  array: {x: [K:8], y: [S:1]}
  glb: {temporal: [P:28, Q: 4], keep: [ifmap]}
  mac: {}
"""


def test_a_file_becomes_the_mapping_in_the_order_of_the_design():
    assert parse_mapping(GOOD, SPATIAL) == Mapping(
        (
            LevelMapping("glb", temporal=(Loop("P", 28), Loop("Q", 4)), keep=("ifmap",)),
            LevelMapping("array", x=(Loop("K", 8),), y=(Loop("S", 1),)),
            LevelMapping("mac"),
        )
    )


def test_all_faults_of_a_mapping_are_reported_at_once(tmp_path: Path):
    path = tmp_path / "m.yaml"
    path.write_text(
        "kind: mapping\n"
        "architecture: large\n"
        "levels:\n"
        "  gbl: {temporal: [P:1]}\n"
        "  glb: {x: [P:1], keep: [ifmap, weight]}\n"
        "  array: {temporal: [K:1], keep: []}\n"
    )
    with pytest.raises(InputError) as caught:
        load_mapping(path, SPATIAL)
    assert [str(fault).removeprefix(f"{path}:") for fault in caught.value.faults] == [
        (
            "2:15: architecture: large: mapping is for another design than small: "
            "remove the key if it fits both"
        ),
        "4:3: levels.gbl: gbl: small has no such level: did you mean glb?",
        "5:12: levels.glb.x: [P:1]: only fan-outs take x and y",
        "5:33: levels.glb.keep[1]: weight: glb may hold only ifmap, ofmap",
        "6:21: levels.array.temporal: [K:1]: a fan-out takes only x and y",
        "6:34: levels.array.keep: []: only memories keep tensors: remove keep",
    ]


@pytest.mark.parametrize(
    ("loop", "rule"),
    [
        ("M:4", "dim must be one of G, N, K, C, P, Q, R, S"),
        ("k:4", "dim must be one of G, N, K, C, P, Q, R, S"),
        ("K", "must be a loop, dim:tile"),
        ("K:", "must be a loop, dim:tile"),
        ("K:-1", "must be a loop, dim:tile"),
        ("K:1.5", "must be a loop, dim:tile"),
        ("7", "must be a loop, dim:tile"),
        ("[K, 4]", "must be a loop, dim:tile"),
        ("K:0", "tile must be at least 1 and below 10^15"),
        ("K:1000000000000000", "tile must be at least 1 and below 10^15"),
    ],
)
def test_a_loop_that_is_not_dim_and_tile_is_refused(loop, rule):
    with pytest.raises(InputError) as caught:
        parse_mapping(f"kind: mapping\nlevels: {{glb: {{temporal: [{loop}]}}}}\n")
    (fault,) = caught.value.faults
    assert fault.field == "levels.glb.temporal[0]"
    assert (fault.line, fault.column) == (2, 27)
    assert fault.rule == rule


def test_without_a_design_the_one_that_the_file_names_is_used():
    text = "kind: mapping\narchitecture: {}\nlevels: {{l2: {{temporal: [P:1]}}}}\n"
    with pytest.raises(InputError, match=r"levels\.l2: l2: eyeriss has no such level"):
        parse_mapping(text.format("eyeriss"))
    with pytest.raises(InputError, match=r"^m:2:15: architecture: eyeris: is neither a preset"):
        parse_mapping(text.format("eyeris"), file="m")


def test_without_any_design_the_loops_alone_are_checked():
    assert parse_mapping("kind: mapping\nlevels: {l2: {temporal: [P:1]}}\n").at("l2").temporal == (
        Loop("P", 1),
    )


def test_the_mapping_in_the_readme_is_the_poster_s_and_legal():
    readme = (Path(__file__).parents[2] / "arch" / "README.md").read_text()
    blocks = [block.partition("```")[0] for block in readme.split("```yaml\n")[1:]]
    (text,) = (block for block in blocks if block.startswith("kind: mapping"))
    mapping = parse_mapping(text)
    layer = conv(
        "conv1_1", height=224, width=224, in_channels=3, out_channels=64, window=(3, 3),
        padding=(1, 1),
    )  # fmt: skip
    design = load_architecture("eyeriss-poster-found")
    assert check_mapping(design, layer, mapping) == ()
    active = [x.count for x in placed_loops(design, layer.size, mapping) if x.axis != "t"]
    assert prod(active) == 144


LOOPS = st.lists(st.builds(Loop, st.sampled_from(DIMS), st.integers(1, 10**15 - 1))).map(tuple)
KEEPS = st.none() | st.lists(st.sampled_from(TENSORS), unique=True).map(tuple)


@given(st.lists(st.tuples(LOOPS, LOOPS, LOOPS, KEEPS), max_size=4), st.none() | st.just("chip"))
def test_every_mapping_that_is_written_reads_back_equal(entries, name):
    mapping = Mapping(tuple(LevelMapping(f"l{i}", *entry) for i, entry in enumerate(entries)))
    text = dump_mapping(mapping, name)
    if name is not None:
        text = text.replace(f"architecture: {name}\n", "")
    assert parse_mapping(text) == mapping
