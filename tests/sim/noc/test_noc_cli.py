import json

import numpy as np
import pytest

from arraysmith.arch.errors import InputError
from arraysmith.arch.main import run
from arraysmith.sim.noc.cli import parse_rates
from arraysmith.sim.noc.topology import build_topology
from arraysmith.sim.noc.traffic import PATTERNS, Traffic

SHORT = ["--size", "4x4", "--warmup", "300", "--measure", "600", "--drain", "600"]


def test_a_curve_rises_to_saturation(capsys):
    assert run(["noc", *SHORT, "--rates", "0.1,0.5,0.95", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    low, middle, high = found["points"]
    assert 15 < low["latency_cycles"] < middle["latency_cycles"] < 25
    assert low["stable"]
    assert not high["stable"]
    assert high["latency_cycles"] is None
    assert abs(low["accepted"] - 0.1) < 0.02
    assert 0.65 < found["saturation_throughput"] < 0.85
    assert abs(middle["mean_hops"] - 2.5) < 0.2


def test_the_table_has_a_row_per_load(capsys):
    assert run(["noc", *SHORT, "--rates", "0.1:0.2:0.1", "--routing", "odd_even"]) == 0
    text = capsys.readouterr().out
    assert len(text.splitlines()) == 4
    assert text.splitlines()[1].split()[0] == "0.100"


def test_a_wireless_medium_has_a_curve_as_well(capsys):
    assert run(["noc", *SHORT, "--rates", "0.01,0.2", "--wireless", "token", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["wireless"]["access"] == "token"
    assert found["wireless"]["terminals"] == 16
    low, high = found["points"]
    assert low["stable"]
    assert not high["stable"]
    assert found["saturation_throughput"] == pytest.approx(1 / 32, rel=0.02)
    assert run(["noc", *SHORT, "--rates", "0.01", "--wireless", "contention"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rates", "0.1:0.2"], "must be FIRST:LAST:STEP"),
        (["--rates", "0.1:1.2:0.1"], "above 0 and at most 1"),
        (["--rates", "nan"], "above 0 and at most 1"),
        (["--rates", "0.1:0.9:1e-9"], "at most 1000 loads"),
        (["--size", "4by4"], "whole numbers with x between"),
        (["--traffic", "unifrom"], "did you mean uniform"),
        (["--topology", "torus"], "xy routes on mesh, not on torus"),
        (["--hotspot", "1-2", "--traffic", "hotspot"], "must be TERMINAL:WEIGHT"),
        (["--traffic", "hotspot"], "needs a terminal and its weight"),
        (["--vcs", "1", "--routing", "o1turn"], "needs at least 2"),
        (["--size", "3x3", "--traffic", "shuffle"], "needs a power of two terminals, not 9"),
        (["--measure", "0"], "measured_cycles: 0: must be at least 1"),
        (["--packet-flits", "0"], "packet_flits: 0: must be at least 1"),
        (["--packet-flits", "9" * 25], "must be at most 1000000"),
        (["--warmup", "9" * 25], "must be at most 1000000000"),
        (["--buffer", "9" * 25], "must be at most 65536"),
        (["--link-cycles", "9" * 25], "must be at most 65536"),
        (["--size", "1000x1000"], "their product must be at most 65536"),
        (["--topology", "tree", "--size", "30x40"], "must be at most 65536"),
    ],
)
def test_bad_values_are_refused_with_exit_code_2(arguments, message, capsys):
    assert run(["noc", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_rates_include_both_ends():
    assert parse_rates("0.05:0.6:0.05")[-1] == 0.6
    assert len(parse_rates("0.05:0.6:0.05")) == 12


@pytest.mark.parametrize("pattern", sorted(set(PATTERNS) - {"uniform", "hotspot"}))
def test_a_permutation_sends_to_every_terminal_once(pattern):
    mesh = build_topology("mesh", (4, 4))
    targets = Traffic(pattern).targets(mesh, np.arange(16), np.random.default_rng(0))
    assert sorted(targets.tolist()) == list(range(16))


def test_patterns_are_those_of_the_books():
    mesh, rng = build_topology("mesh", (4, 4)), np.random.default_rng(0)

    def of(pattern, source):
        return int(Traffic(pattern).targets(mesh, np.array([source]), rng)[0])

    assert of("transpose", 1) == 4
    assert of("bit_reverse", 0b0001) == 0b1000
    assert of("bit_complement", 0b0100) == 0b1011
    assert of("tornado", 3 * 4 + 2) == 0 * 4 + 3, "one further in each ring of four"
    assert of("shuffle", 0b1001) == 0b0011
    assert of("neighbour", 15) == 0


def test_a_hotspot_gets_its_share():
    mesh = build_topology("mesh", (4, 4))
    traffic = Traffic("hotspot", 1, {5: 5})
    targets = traffic.targets(mesh, np.zeros(20_000, np.int64), np.random.default_rng(0))
    assert abs(np.mean(targets == 5) - 0.25) < 0.02
    with pytest.raises(InputError, match="terminals are 0 to 15"):
        Traffic("hotspot", 1, {16: 2}).targets(mesh, np.zeros(1, np.int64), None)


def test_packets_begin_as_often_as_the_rate_says():
    mesh = build_topology("mesh", (4, 4))
    sources, _, cycles = Traffic("uniform", 5).packets(
        mesh, 0.4, 100, 5100, np.random.default_rng(0)
    )
    assert abs(5 * len(sources) / 16 / 5000 - 0.4) < 0.02
    assert cycles.min() >= 100
    assert cycles.max() < 5100
