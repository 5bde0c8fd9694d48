import json
from dataclasses import replace
from pathlib import Path

import pytest
from poster_design import DESIGN, LAYER, MAPPING

from arraysmith.arch.dataflows import systolic_mapping
from arraysmith.arch.legality import check_mapping
from arraysmith.arch.loader import load_architecture
from arraysmith.arch.problem import Layer, Network, conv, matmul
from arraysmith.sim.analytical.model import AnalyticalModel
from arraysmith.sim.explain import explain
from arraysmith.sim.layers import (
    LayerReport,
    distinct_layers,
    evaluate_layers,
    mapping_error,
    result_document,
    total_of,
)
from arraysmith.sim.loop_nest import loop_nest
from arraysmith.sim.pool import process_pool
from arraysmith.sim.provenance import git_state, problem_document, provenance
from arraysmith.sim.report import Report
from arraysmith.sim.tables import (
    causes_table,
    layers_table,
    result_text,
    stall_causes,
    text_table,
)


def made_up(cycles: int) -> Report:
    return Report(
        fidelity="cycle",
        setting="default",
        macs=8 * cycles,
        flops=16 * cycles,
        pes=16,
        clock_hz=10**9,
        compute_cycles=cycles - 30,
        stalls=(("fill", 10), ("glb_ifmap", 0), ("drain", 20)),
        active_pes=16,
        accesses=(),
        traffic=(),
        mac_energy_pj=1e6,
        leakage_energy_pj=0.0,
    )


def network() -> Network:
    one = matmul("one", m=4, n=4, k=4)
    return Network(
        "net",
        (Layer(one, 2), Layer(matmul("two", m=8, n=4, k=4)), Layer(one.renamed("three"), 3)),
    )


def test_equal_layers_are_evaluated_once_and_counted_as_often_as_they_run():
    asked, steps = [], []

    def evaluate(layer):
        asked.append((layer.name, layer.repeat))
        return made_up(100 if layer.name == "one" else 1000)

    layers = evaluate_layers(network(), evaluate, lambda: steps.append(1))
    assert asked == [("one", 5), ("two", 1)]
    assert len(steps) == len(distinct_layers(network())) == 2
    assert [(x.layer.name, x.report.cycles) for x in layers] == [
        ("one", 100),
        ("two", 1000),
        ("three", 100),
    ]
    assert total_of(layers).cycles == 5 * 100 + 1000


def made_up_per_layer(layer: Layer) -> Report:
    return made_up(layer.problem.macs)


def test_layers_evaluated_in_processes_come_back_in_the_order_of_the_network():
    steps = []
    alone = evaluate_layers(network(), made_up_per_layer, lambda: None)
    with process_pool(2) as executor:
        together = evaluate_layers(network(), made_up_per_layer, lambda: steps.append(1), executor)
    assert together == alone
    assert [x.report.cycles for x in together] == [64, 128, 64]
    assert len(steps) == 2


def test_the_document_names_layers_and_sums_them():
    layers = evaluate_layers(network(), lambda _: made_up(100), lambda: None)
    document = json.loads(json.dumps(result_document("arch", "net", layers, {"seed": None})))
    assert list(document) == ["architecture", "workload", "layers", "total", "provenance"]
    assert [(x["layer"], x["repeat"]) for x in document["layers"]] == [
        ("one", 2),
        ("two", 1),
        ("three", 3),
    ]
    assert document["layers"][0]["stall_cycles"] == {"fill": 10, "glb_ifmap": 0, "drain": 20}
    assert document["total"]["cycles"] == 600
    assert Report.from_dict(document["layers"][0]) == layers[0].report


def test_numbers_are_right_aligned_under_their_heads():
    text = text_table(("name", "a", "long head"), [("x", "1,000", "2"), ("longer", "3", "44")])
    assert text.splitlines() == [
        "name        a  long head",
        "------  -----  ---------",
        "x       1,000          2",
        "longer      3         44",
    ]


def test_causes_are_shown_when_they_cost_cycles_and_add_up():
    layers = evaluate_layers(network(), lambda _: made_up(1234), lambda: None)
    lines = causes_table(layers).splitlines()
    assert lines[0].split() == ["cycles", "by", "cause", "compute", "fill", "drain", "sum"]
    for line in lines[2:]:
        numbers = [int(x.replace(",", "")) for x in line.split()[1:]]
        assert sum(numbers[:-1]) == numbers[-1]
    assert lines[-1].split() == ["total", "7,224", "60", "120", "7,404"]


def test_ends_that_do_not_count_are_reported_and_add_up_all_the_same():
    counted = replace(made_up(100), leakage_energy_pj=50.0)
    inner = counted.without_edges()
    assert (inner.cycles, inner.stall_cycles) == (70, {"glb_ifmap": 0})
    assert inner.uncounted == (("fill", 10), ("drain", 20))
    assert inner.leakage_energy_pj == 35.0
    assert counted.cycles_without_edges == inner.cycles_without_edges == 70
    assert inner.without_edges() == inner
    assert Report.from_dict(json.loads(json.dumps(inner.to_dict()))) == inner
    layers = evaluate_layers(network(), lambda _: inner, lambda: None)
    lines = causes_table(layers).splitlines()
    assert lines[0].split("sum")[1].split() == [
        "fill,",
        "not",
        "counted",
        "drain,",
        "not",
        "counted",
    ]
    assert lines[-1].split() == ["total", "420", "420", "60", "120"]


def test_a_single_run_of_one_layer_has_no_total():
    layers = [LayerReport(Layer(LAYER), made_up(100))]
    assert "total" not in result_text(layers)
    assert "total" in layers_table([LayerReport(Layer(LAYER, 2), made_up(100))])


def test_a_loop_nest_shows_every_loop_that_turns():
    lines = loop_nest(DESIGN, LAYER, MAPPING).splitlines()
    assert lines[0].split() == [
        "dram",
        "keeps",
        "ifmap",
        "153,228,",
        "weight",
        "1,728,",
        "ofmap",
        "3,211,264",
        "words",
    ]
    assert lines[1].split() == ["for", "P", "in", "8", "tile", "28"]
    assert ["spread", "Q", "over", "x,", "4", "tile", "1"] in [line.split() for line in lines]
    assert sum(line.startswith("  ") for line in lines) == 12
    assert lines[-1] == "mac"


def test_an_explanation_adds_up_to_the_report():
    for setting in ("default", "timeloop"):
        report = AnalyticalModel(setting).evaluate(DESIGN, LAYER, MAPPING)
        bound = report.stalls[0][0] if report.stalls else "computing"
        text = explain(DESIGN, LAYER, MAPPING, report)
        lines = text.splitlines()
        total = next(line for line in lines if line.startswith("total"))
        assert float(total.split()[1]) == pytest.approx(report.energy_pj * 1e-6, abs=1e-3)
        bounding = [line for line in lines if line.endswith("bounds the time")]
        assert [line.startswith(bound) for line in bounding] == [True]
        assert f"{report.cycles:,}" in bounding[0]
        assert lines[-1].split() == ["all", f"{report.cycles:,}"]


def test_a_systolic_array_claims_no_tiles_that_do_not_fit_its_memories():
    design = load_architecture("scalesim-default")
    layer = conv("l", height=30, width=30, in_channels=64, out_channels=64, window=(3, 3))
    mapping = systolic_mapping("ws", design, layer)
    report = AnalyticalModel().evaluate(design, layer, mapping)
    text = explain(design, layer, mapping, report)
    assert "passes weight on, in pieces that fit" in text
    assert "dram         keeps ifmap 57,600" in text
    line = next(x for x in text.splitlines() if x.startswith("weight_sram  weight"))
    assert line.split()[2] == "-"


def test_a_broken_mapping_file_gives_a_fault_per_rule():
    small = conv("small", height=6, width=6, in_channels=3, out_channels=2, window=(3, 3))
    violations = check_mapping(DESIGN, small, MAPPING)
    error = mapping_error("my.yaml", "small", violations)
    assert len(error.faults) == len(violations) > 1
    assert "my.yaml: dram.P: tile 28: tile: 1 to 4: on layer small" in str(error)


def test_provenance_is_plain_equal_and_without_time_or_path():
    first = provenance(DESIGN, model="cycle", setting="default", seed=3, extra=[1])
    assert first == provenance(DESIGN, model="cycle", setting="default", seed=3, extra=[1])
    text = json.dumps(first)
    assert first["seed"] == 3
    assert first["extra"] == [1]
    assert first["architecture"]["name"] == DESIGN.name
    assert "/" not in (first["git"] or "")
    assert first["git"] == git_state()
    assert str(Path(__file__).parents[2]) not in text


def test_outside_a_checkout_there_is_no_git_state(monkeypatch, tmp_path):
    monkeypatch.setattr("arraysmith.sim.provenance.CHECKOUT", tmp_path)
    assert git_state.__wrapped__() is None


def test_a_problem_as_plain_data_has_its_axes():
    plain = problem_document(
        conv("l", height=8, width=9, in_channels=2, out_channels=3, window=(3, 1), padding=(1, 0))
    )
    assert plain["sizes"]["P"] == 8
    assert plain["tensors"]["ifmap"]["axes"][3] == {
        "index": [["P", 1], ["R", 1]],
        "extent": 8,
        "offset": -1,
    }


def test_causes_are_ordered_from_fill_to_drain_whatever_report_names_them_first():
    first = replace(made_up(100), stalls=(("drain", 1), ("offchip_ifmap", 2), ("spad", 0)))
    second = replace(made_up(100), stalls=(("glb_ofmap", 1), ("offchip_ofmap", 1), ("fill", 3)))
    assert stall_causes([first, second]) == [
        "fill",
        "glb_ofmap",
        "offchip_ifmap",
        "offchip_ofmap",
        "drain",
    ]
