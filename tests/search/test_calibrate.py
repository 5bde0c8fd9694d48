"""Calibration by itself: what is drawn, what is kept, what is told, and the two commands."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import small_run

from arraysmith.arch.dataflows import load_dataflow
from arraysmith.arch.errors import InputError
from arraysmith.arch.legality import check_mapping
from arraysmith.arch.loader import dump_mapping, load_architecture, mapping_document, parse_mapping
from arraysmith.arch.main import run
from arraysmith.arch.networks import load_network
from arraysmith.search.calibrate import Sampling, calibrate, errors_of
from arraysmith.search.calibration_points import SUFFIX, PointLedger
from arraysmith.search.calibration_sample import Measured, draw, measure
from arraysmith.sim.analytical.rehearsal.plan import steps_of
from arraysmith.sim.calibration import Correction
from arraysmith.sim.pool import InlineExecutor, process_pool


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("calibration")
    small_run.write(path)
    return path


@pytest.fixture(scope="module")
def sampling(folder):
    architecture = load_architecture(folder / "small.yaml")
    problems = tuple(x.problem for x in load_network(folder / "net.yaml").layers[:2])
    dataflow = load_dataflow("row_stationary", architecture)
    return Sampling(architecture, problems, dataflow, 6, 3000, 0.5, 3)


def calibrated(sampling, out, executor=None, ahead=1):
    return calibrate(
        sampling, out, executor or InlineExecutor(), lambda _: None, lambda: None, ahead
    )


@pytest.fixture(scope="module")
def made(sampling, tmp_path_factory):
    out = tmp_path_factory.mktemp("made") / "c.json"
    calibrated(sampling, out)
    return out


def test_mappings_drawn_are_legal_different_short_and_of_both_kinds(sampling):
    architecture, problem = sampling.architecture, sampling.problems[0]
    drawn = draw(architecture, problem, sampling.dataflow, 12, 3000, np.random.SeedSequence(5))
    assert len(set(drawn.mappings)) == len(drawn.mappings) == 12
    for mapping in drawn.mappings:
        assert not check_mapping(architecture, problem, mapping)
        assert steps_of(architecture, problem, mapping) <= 3000
    assert drawn == draw(
        architecture, problem, sampling.dataflow, 12, 3000, np.random.SeedSequence(5)
    )
    short = draw(architecture, problem, sampling.dataflow, 12, 1, np.random.SeedSequence(5))
    assert short.too_long > 12


def test_without_a_dataflow_any_loop_may_stand_anywhere(sampling):
    drawn = draw(
        sampling.architecture, sampling.problems[0], None, 5, 10_000, np.random.SeedSequence(1)
    )
    assert len(drawn.mappings) == 5


def test_a_point_is_what_the_simulator_says_and_survives_a_file(sampling):
    problem = sampling.problems[0]
    mapping = sampling.draw()[0].mappings[0]
    point = measure(sampling.architecture, problem, mapping)
    assert sum(point.measured) >= point.closed >= point.measured[0]
    assert Measured.from_dict(json.loads(json.dumps(point.to_dict()))) == point


def test_layers_held_out_are_never_in_the_fit(made, sampling):
    document = json.loads(made.read_text())
    held, trained = document["held_out"]["layers"], document["trained"]["layers"]
    assert held
    assert trained
    assert not set(held) & set(trained)
    assert {x["layer"] for x in document["points"] if x["held_out"]} == set(held)
    names = [x.name for x in sampling.problems]
    said = [[x["said"] for x in document["points"] if x["layer"] == name] for name in names]
    measured = [[x["measured"] for x in document["points"] if x["layer"] == name] for name in names]
    keep = [i for i, name in enumerate(names) if name in trained]
    again = Correction.fitted(
        [np.array(said[i], float) for i in keep], [np.array(measured[i], float) for i in keep]
    )
    stored = document["correction"]
    assert [list(row.values()) for row in stored.values()] == [list(x) for x in again.weights]


def test_a_calibration_holds_what_it_was_made_of(made, sampling):
    document = json.loads(made.read_text())
    assert len(document["points"]) == 12
    point = document["points"][0]
    mapping = parse_mapping(
        json.dumps({"kind": "mapping", "levels": point["mapping"]}), sampling.architecture
    )
    assert mapping_document(mapping)["levels"] == point["mapping"]
    assert measure(sampling.architecture, sampling.problems[0], mapping).to_dict() == {
        key: point[key] for key in ("closed", "edges", "said", "measured")
    }
    assert document["provenance"]["seed"] == 3
    assert document["provenance"]["tool_version"]
    assert document["provenance"]["layers"][0]["name"] == "first"


def test_layers_of_one_name_are_told_apart(sampling):
    first = sampling.problems[0]
    twice = replace(sampling, problems=(first, sampling.problems[1].renamed(first.name)))
    assert twice.names == ("first", "first (2)")


def test_errors_by_cause_and_shares_add_up(made):
    errors = json.loads(made.read_text())["held_out"]
    assert sum(x["share"] for x in errors["by_cause"].values()) == pytest.approx(1)
    assert errors["by_cause"]["compute"]["calibrated_error"] == pytest.approx(0, abs=1e-9)
    total = sum(x["calibrated_error"] for x in errors["by_cause"].values())
    assert errors["models"]["calibrated"]["mean_error"] <= total + 1e-9


def test_the_number_of_workers_changes_nothing(made, sampling, tmp_path):
    with process_pool(2) as executor:
        calibrated(sampling, tmp_path / "c.json", executor, ahead=4)
    assert (tmp_path / "c.json").read_bytes() == made.read_bytes()


class Stops(InlineExecutor):
    """Is interrupted after some tasks."""

    def __init__(self, tasks):
        self.left = tasks

    def submit(self, fn, /, *args, **kwargs):
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        return super().submit(fn, *args, **kwargs)


@pytest.mark.parametrize("torn", [b"", b'{"layer":0,"mapp'])
def test_an_interrupted_calibration_goes_on_to_the_same_bytes(made, sampling, tmp_path, torn):
    out = tmp_path / "c.json"
    with pytest.raises(KeyboardInterrupt):
        calibrated(sampling, out, Stops(7))
    ledger = out.with_name(out.name + SUFFIX)
    assert ledger.exists()
    assert not out.exists()
    with ledger.open("ab") as file:
        file.write(torn)
    rest = Stops(5)
    calibrated(sampling, out, rest)
    assert rest.left == 0
    assert out.read_bytes() == made.read_bytes()
    assert not ledger.exists()


def test_a_ledger_of_another_calibration_is_refused(sampling, tmp_path):
    out = tmp_path / "c.json"
    with pytest.raises(KeyboardInterrupt):
        calibrated(sampling, out, Stops(1))
    with pytest.raises(InputError, match="another calibration"):
        calibrated(replace(sampling, seed=4), out)


def test_a_damaged_ledger_is_refused_by_line(tmp_path):
    out = tmp_path / "c.json"
    with PointLedger(out, "digest") as ledger:
        ledger.append((0, 0), Measured(1, 0, (1.0,), (1,)))
    path = out.with_name(out.name + SUFFIX)
    path.write_bytes(path.read_bytes().replace(b'"closed":1', b'"closed":2'))
    with pytest.raises(InputError, match=r"2:1.*damaged"):
        PointLedger(out, "digest")


def test_a_result_is_never_overwritten(made, sampling):
    before = made.read_bytes()
    with pytest.raises(InputError, match="exists"):
        calibrated(sampling, made)
    assert made.read_bytes() == before


def test_errors_of_models_that_are_right_are_zero():
    points = [Measured(8, 2, (8.0, 1.0, 0, 0, 0, 0, 1.0), (8, 1, 0, 0, 0, 0, 1))] * 2
    models = errors_of([points], Correction.none())["models"]
    assert all(row["max_error"] == 0 for row in models.values())
    assert all(row["within_3_percent"] == 1 for row in models.values())


COMMAND = ("--dataflow", "row_stationary", "--samples", "3", "--most-steps", "3000", "-j", "1")


def test_the_commands_calibrate_and_estimate_with_it(folder, sampling, tmp_path):
    out = tmp_path / "c.json"
    design = str(folder / "small.yaml")
    arguments = ["calibrate", design, "--workload", str(folder / "net.yaml"), "--out", str(out)]
    done = subprocess.run(
        [sys.executable, "-m", "arraysmith.arch", *arguments, *COMMAND],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "held out" in done.stdout
    assert "calibrated" in done.stdout
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text(dump_mapping(sampling.draw()[0].mappings[0]))
    layer = f"{folder / 'net.yaml'}:first"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "arraysmith.arch",
            "estimate",
            design,
            layer,
            "--mapping",
            str(mapping),
            "--calibration",
            str(out),
            "--json",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["layers"][0]["fidelity"] == "calibrated"
    assert document["provenance"]["model"] == "calibrated"
    assert len(document["provenance"]["calibration"]["sha256"]) == 64


def test_a_calibration_of_another_design_is_refused_with_exit_code_2(made, capsys):
    arguments = ["estimate", "eyeriss", "resnet18:fc", "--dataflow", "row_stationary"]
    assert run([*arguments, "--calibration", str(made)]) == 2
    assert "is of another design than eyeriss" in capsys.readouterr().err
    assert run([*arguments, "--calibration", str(made), "--setting", "timeloop"]) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("scalesim-default", "--workload", "resnet18"), "systolic"),
        (("eyeriss", "--workload", "resnet18:fc"), "at least two"),
        (("eyeriss", "--workload", "resnet18", "--held-out", "1"), "--held-out"),
        (("eyeriss", "--workload", "nowhere"), "nowhere"),
        (("eyeriss", "--workload", "resnet18", "--dataflow", "nothing"), "nothing"),
        (("eyeriss", "--workload", "resnet18", "--samples", "1"), "samples"),
    ],
)
def test_bad_input_has_exit_code_2(arguments, said, tmp_path, capsys):
    assert run(["calibrate", *arguments, "--out", str(tmp_path / "c.json"), "-j", "1"]) == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_folder_that_does_not_exist_is_bad_input(folder, tmp_path, capsys):
    out = tmp_path / "none" / "c.json"
    arguments = [str(folder / "small.yaml"), "--workload", str(folder / "net.yaml")]
    assert run(["calibrate", *arguments, "--out", str(out), *COMMAND]) == 2
    assert "--out" in capsys.readouterr().err


def test_layers_without_a_short_mapping_are_named(folder, tmp_path, capsys):
    arguments = [str(folder / "small.yaml"), "--workload", str(folder / "net.yaml")]
    out = str(tmp_path / "c.json")
    assert run(["calibrate", *arguments, "--out", out, "--samples", "2", "--most-steps", "1"]) == 2
    error = capsys.readouterr().err
    assert "first" in error
    assert "raise --most-steps" in error
