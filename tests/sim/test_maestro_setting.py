"""The setting maestro: its cases against walked loops, its numbers against those of the tool."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from arraysmith.arch.architecture_file import load_architecture
from arraysmith.arch.errors import ArraysmithError, InputError
from arraysmith.arch.networks import load_network
from arraysmith.arch.notation.maestro import TYPES, Amount, Directives, MaestroLayer, Map
from arraysmith.arch.notation.maestro_levels import resolve
from arraysmith.arch.notation.maestro_reader import parse_directives
from arraysmith.arch.problem import matmul
from arraysmith.sim.analytical.maestro.cost import Machine, count, count_batch
from arraysmith.sim.analytical.maestro.model import Dataflows, evaluate
from arraysmith.sim.analytical.maestro.shapes import cases
from arraysmith.sim.cli import estimate

# Found by a genetic search over mappings, scored by the tool: (K, C, Y = X, R = S), cycles, L2.
SEARCHED = [
    (
        (64, 3, 224, 3), 508_641, 82_212,
        ("TemporalMap(28,28) X'; TemporalMap(158,158) Y'; TemporalMap(3,3) S; SpatialMap(1,1) K; "
         "TemporalMap(3,3) R; TemporalMap(3,3) C; Cluster(28,P); TemporalMap(17,17) Y'; "
         "TemporalMap(1,1) K; TemporalMap(1,1) C; SpatialMap(1,1) X'; TemporalMap(3,3) R; "
         "TemporalMap(3,3) S;"),
    ),
    (
        (128, 128, 112, 3), 11_052_449, 77_632,
        ("TemporalMap(4,4) Y'; TemporalMap(92,92) C; TemporalMap(3,3) S; TemporalMap(32,32) K; "
         "TemporalMap(3,3) R; SpatialMap(2,2) X'; Cluster(32,P); SpatialMap(1,1) K; "
         "TemporalMap(2,2) X'; TemporalMap(3,3) R; TemporalMap(1,1) C; TemporalMap(3,3) S; "
         "TemporalMap(3,3) Y';"),
    ),
    (
        (96, 16, 112, 1), 119_989, 26_106,
        ("TemporalMap(19,19) X'; TemporalMap(1,1) R; TemporalMap(1,1) S; TemporalMap(9,9) C; "
         "TemporalMap(57,57) K; SpatialMap(5,5) Y'; Cluster(58,P); TemporalMap(1,1) Y'; "
         "TemporalMap(1,1) S; SpatialMap(1,1) K; TemporalMap(9,9) X'; TemporalMap(8,8) C; "
         "TemporalMap(1,1) R;"),
    ),
]  # fmt: skip

PRODUCT = (
    "SpatialMap(1,1) M; TemporalMap(4,4) N; TemporalMap(2,2) K; Cluster(4,P); SpatialMap(1,1) N;"
)


def convolution(k, c, extent, taps):
    sizes = {"N": 1, "K": k, "C": c, "R": taps, "S": taps, "Y": extent, "X": extent}
    return MaestroLayer("layer", "CONV", tuple((dim, sizes[dim]) for dim in TYPES["CONV"]))


def product(m, n, k):
    return MaestroLayer("layer", "GEMM", (("M", m), ("N", n), ("K", k)))


@pytest.mark.parametrize(("shape", "cycles", "l2", "text"), SEARCHED)
def test_mappings_with_edges_on_every_level_take_the_cycles_of_the_tool(shape, cycles, l2, text):
    cost = count(parse_directives(text), convolution(*shape), Machine(168))
    assert (cost.cycles, cost.l2_elements) == (cycles, l2)


def walked(size, offset, extent, units):
    """Step along a dim: the places of the units of every step, as far as they hold anything new."""
    steps = []
    start = 0
    covered = 0
    while covered < extent:
        places = [start + unit * offset for unit in range(units)]
        places = [x for x in places if x == 0 or x - offset + size < extent]
        steps.append(places)
        covered = places[-1] + size
        start += units * offset
    return steps


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 60), st.integers(1, 6))
def test_cases_add_up_to_the_steps_of_a_walk(size, offset, extent, units):
    offset = min(size, offset)
    row = np.array([[1, 0, size, offset]], np.int64)
    turns = np.zeros((1, 4), np.int64)
    cases(row, units, np.array([extent], np.int64), turns)
    assert turns[0, :3].sum() == len(walked(size, offset, extent, units))
    row[0, 0] = 0
    cases(row, 1, np.array([extent], np.int64), turns)
    assert turns[0, :3].sum() == len(walked(size, offset, extent, 1))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_maps_that_divide_count_the_work_of_the_layer_and_keep_the_bound(data):
    extents = {dim: data.draw(st.sampled_from([1, 2, 4, 8, 12])) for dim in "MNK"}
    order = data.draw(st.permutations("MNK"))
    spread = data.draw(st.sampled_from("MNK"))
    maps = []
    for dim in order:
        divisors = [x for x in range(1, extents[dim] + 1) if extents[dim] % x == 0]
        tile = Amount(data.draw(st.sampled_from(divisors)))
        maps.append(Map(dim == spread, tile, tile, dim))
    pes = data.draw(st.integers(1, 9))
    machine = Machine(pes, data.draw(st.integers(1, 20)), 1, data.draw(st.integers(1, 20)))
    layer = product(extents["M"], extents["N"], extents["K"])
    cost = count(Directives(tuple(maps)), layer, machine)
    assert cost.macs == layer.macs
    assert cost.cycles * pes >= layer.macs
    assert cost.input_reads <= layer.macs
    assert cost.filter_reads <= layer.macs
    slower = count(Directives(tuple(maps)), layer, Machine(pes, 1, 1, 1))
    assert slower.cycles >= cost.cycles


def test_a_step_of_a_network_takes_latency_and_rate():
    # One PE holds all: 8 + 8 elements at 3 a cycle, 6 cycles, and the 16 products of [4,2] x [2,4]:
    # what comes in has no work to hide behind.
    (only,) = count_batch(
        [resolve(parse_directives("SpatialMap(4,4) M;"), product(4, 4, 2), 1)],
        product(4, 4, 2),
        Machine(1, 3, 1),
    )
    assert (only.cycles, only.first, only.tile) == (6 + 32, (8, 8, 16), (8, 8, 16))
    assert (only.l1_elements, only.l2_elements, only.active_pes) == (64, 64, 1)
    assert only.energy_units == pytest.approx(32 + 1.68 * (4 * 32 + 16) + 18.61 * (32 + 32))


def test_a_batch_gives_each_candidate_its_own_numbers():
    layer = product(8, 8, 8)
    machine = Machine(16, 4)
    texts = [PRODUCT, PRODUCT.replace("(2,2) K", "(8,8) K")]
    single = [count(parse_directives(text), layer, machine) for text in texts]
    batch = count_batch([resolve(parse_directives(x), layer, 16) for x in texts], layer, machine)
    assert list(batch) == single
    assert single[0] != single[1]


def test_a_report_prices_every_access_by_the_constants_of_the_tool():
    architecture = load_architecture("eyeriss")
    problem = matmul("p", m=8, n=8, k=8)
    report = evaluate(architecture, problem, parse_directives(PRODUCT))
    cost = count(parse_directives(PRODUCT), product(8, 8, 8), Machine.of(architecture))
    assert report.cycles == cost.cycles
    assert report.energy_pj == pytest.approx(0.23 * cost.energy_units)
    assert report.words("l2", "ifmap", "read") == cost.input_reads
    assert report.setting == "maestro"


def test_work_that_is_not_the_layer_s_is_refused():
    # Tiles larger than the output: two negative edges make a positive work (defect 2).
    text = (
        "SpatialMap(1,1) K; TemporalMap(111,111) Y'; TemporalMap(111,111) X'; TemporalMap(3,3) R; "
        "TemporalMap(3,3) S;"
    )
    problem = load_network("vgg16:conv2_1").layers[0].problem
    evaluate(load_architecture("eyeriss"), problem, parse_directives(text.replace("111", "112")))
    shrunk = parse_directives(text.replace("(111,111) Y'", "(113,100) Y"))
    with pytest.raises(ArraysmithError, match=r"count .* MACs of"):
        evaluate(load_architecture("eyeriss"), problem, shrunk)


def test_systolic_arrays_and_batched_products_have_no_rules():
    with pytest.raises(ArraysmithError, match="systolic"):
        Machine.of(load_architecture("tpu-v1"))
    layer = MaestroLayer("b", "BMM", (("B", 2), ("M", 2), ("N", 2), ("K", 2)))
    with pytest.raises(ArraysmithError, match="no rules for BMM"):
        count(parse_directives("SpatialMap(1,1) B;"), layer, Machine(2))


@pytest.fixture
def files(tmp_path):
    (tmp_path / "hw.m").write_text("num_pes: 256\nnoc_bw_cstr: 32\noffchip_bw_cstr: 50\n")
    (tmp_path / "flow.m").write_text("Dataflow { SpatialMap(1,1) K; TemporalMap(1,1) C; }")
    layer = "Type: CONV Dimensions { K: 8, C: 4, R: 3, S: 3, Y: 8, X: 8 }"
    (tmp_path / "net.m").write_text(
        f"Network n {{ Layer a {{ {layer} Dataflow {{ SpatialMap(1,1) C; }} }} }}"
    )
    return tmp_path


def test_estimate_takes_files_of_the_tool_for_all_three(files):
    call = [str(files / "hw.m"), str(files / "net.m"), "--setting", "maestro", "--json"]
    done = CliRunner().invoke(estimate, [*call, "--mapping", str(files / "net.m")])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["total"]["macs"] == 8 * 4 * 36 * 9
    assert document["total"]["setting"] == "maestro"
    assert document["provenance"]["mapping"] == {"dataflows": ["SpatialMap(1,1) C;"]}


def test_estimate_names_what_is_missing_or_does_not_fit(files):
    call = [str(files / "hw.m"), str(files / "net.m")]
    for more, said in (
        (["--setting", "maestro"], "needs directives"),
        (["--mapping", str(files / "flow.m")], "by the setting maestro only"),
        (["--setting", "maestro", "--mapping", str(files / "hw.m")], "holds hardware"),
    ):
        done = CliRunner().invoke(estimate, [*call, *more])
        assert isinstance(done.exception, InputError)
        assert said in str(done.exception)


def test_dataflows_are_found_by_name_then_by_shape(files):
    flows = Dataflows(str(files / "net.m"))
    problem = load_network(files / "net.m").layers[0].problem
    assert flows.of(problem) == flows.of(problem.renamed("other"))
    with pytest.raises(InputError, match="no dataflow for this layer"):
        flows.of(matmul("p", m=2, n=2, k=2))
