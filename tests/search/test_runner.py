import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool

import h5py
import pytest
from small_run import NETWORK, RUN, content, write

from arraysmith.arch.errors import ArraysmithError, InputError
from arraysmith.arch.loader import load_architecture, load_mapping
from arraysmith.arch.main import run as command
from arraysmith.search.ledger import LEDGER, LedgerError
from arraysmith.search.run_file import load_run
from arraysmith.search.runner import run_search
from arraysmith.sim.analytical.model import AnalyticalModel
from arraysmith.sim.cycle.model import CycleModel
from arraysmith.sim.pool import process_pool
from arraysmith.sim.report import Report
from arraysmith.traces.page import ReportPage


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def run(home):
    return load_run(write(home))


@pytest.fixture(scope="module")
def out(home, run):
    """The folder of a whole search with one worker."""
    run_search(run, home / "out")
    return home / "out"


@pytest.fixture
def result(out):
    return json.loads((out / "result.json").read_text())


def test_every_file_that_is_promised_is_there_and_nothing_half_made(out):
    names = set(content(out))
    assert {"result.json", "report.html", "run.yaml", "architecture_best.yaml"} <= names
    assert {LEDGER, "traces.h5", "inputs/small.yaml", "inputs/net.yaml"} <= names
    assert not [name for name in names if name.endswith(".part")]


def test_every_evaluated_design_is_inside_the_budget(run, out):
    lines = (out / LEDGER).read_text().splitlines()[1:]
    genomes = [tuple(json.loads(line)["genome"]) for line in lines]
    assert len(genomes) == len(set(genomes)) > 20
    assert all(map(run.space.fits, genomes))
    assert [json.loads(line)["values"] for line in lines] == list(map(run.space.values, genomes))


def test_the_budget_bites_and_the_share_of_repairs_is_told(result):
    assert 0 < result["effort"]["repaired"] < result["effort"]["drawn"]


def test_the_reports_agree_with_the_files_of_design_and_mappings(run, out, result):
    design = load_architecture(out / "architecture_best.yaml")
    rows = {(row["design"], row["layer"]): row for row in result["mappings"]}
    assert set(rows) == {
        (name, layer) for name in ("best", "baseline", "remapped") for layer in ("first", "second")
    }
    cycles, simulated = 0, 0
    for layer in run.layers:
        mapping = load_mapping(out / rows["best", layer.name]["file"], design)
        report = AnalyticalModel("timeloop").evaluate(design, layer.problem, mapping)
        cycles += layer.repeat * report.cycles
        simulated += layer.repeat * CycleModel().evaluate(design, layer.problem, mapping).cycles
    assert result["best"]["cycles"] == cycles
    assert result["top"][0]["cycle"]["cycles"] == simulated
    assert result["total"] == result["best"] == result["top"][0]["analytical"]


def test_layers_of_the_network_all_have_a_row_and_add_up(result):
    assert [row["layer"] for row in result["layers"]] == ["first", "second", "third"]
    assert sum(row["cycles"] for row in result["layers"]) == result["best"]["cycles"]
    second = next(row for row in result["mappings"] if row["layer"] == "second")
    assert second["equal_layers"] == ["second", "third"]


def test_the_gain_is_mapping_times_hardware(result):
    gain = result["gain"]["edp"]
    before, between, after = (
        result[name]["edp_j_cycles"] for name in ("baseline", "remapped", "best")
    )
    assert gain["total"] == pytest.approx(before / after)
    assert gain["mapping"] == pytest.approx(before / between)
    assert gain["hardware"] == pytest.approx(between / after)
    assert gain["total"] == pytest.approx(gain["mapping"] * gain["hardware"])
    assert gain["mapping"] >= 1


def test_the_best_designs_are_ranked_by_the_simulated_objective(result):
    losses = [design["cycle_loss"] for design in result["top"]]
    assert len(losses) == 2
    assert losses == sorted(losses)
    assert [design["rank"] for design in result["top"]] == [1, 2]
    for design in result["top"]:
        assert design["loss"] == pytest.approx(design["analytical"]["edp_j_cycles"])
        assert design["cycle_loss"] == pytest.approx(design["cycle"]["edp_j_cycles"])


def test_the_causes_add_up_to_the_difference_of_the_two_models(result):
    for design in (*result["top"], *result["compared"]):
        closed, cycle = design["analytical"], design["cycle"]
        difference = design["difference"]
        assert sum(difference["cycles"].values()) == cycle["cycles"] - closed["cycles"]
        assert sum(difference["energy_pj"].values()) == pytest.approx(
            cycle["energy_pj"] - closed["energy_pj"]
        )
        assert cycle["cycles"] >= closed["compute_cycles"]


def test_the_convergence_never_rises_and_ends_at_the_least_loss(out, result):
    best = [row["best"] for row in result["convergence"]]
    assert len(best) == 6
    assert best == sorted(best, reverse=True)
    lines = (out / LEDGER).read_text().splitlines()[1:]
    losses = [json.loads(line)["loss"] for line in lines]
    assert best[-1] == min(loss for loss in losses if loss is not None)


def test_values_were_checked_for_the_winner_and_the_original(result):
    assert {(row["design"], row["layer"]) for row in result["values"]} == {
        (name, layer) for name in ("best", "baseline") for layer in ("first", "second")
    }
    assert {row["words"] for row in result["values"]} == {8 * 8 * 8}


def test_the_traces_hold_every_layer_of_the_winner(out):
    with h5py.File(out / "traces.h5") as file:
        assert set(file["layers"]) == {"first", "second"}
        assert file["layers/second"].attrs["repeat"] == 2


def test_reports_and_page_load_back(result):
    assert Report.from_dict(result["best"]).cycles == result["best"]["cycles"]
    page = ReportPage.from_dict(result["page"])
    assert page.rows[0].label == "small original"
    assert len(page.layers) == 3


def test_the_resolved_run_is_the_same_run_and_needs_nothing_outside(run, out, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(out, moved)
    assert load_run(moved / "run.yaml").digest() == run.digest()


def test_two_workers_give_the_same_bytes_as_one(run, out, home):
    run_search(run, home / "two", workers=2)
    assert content(home / "two") == content(out)


def test_another_seed_searches_elsewhere(home, out):
    run_search(load_run(home / "run.yaml", seed=2), home / "seed2")
    assert content(home / "seed2")[LEDGER] != content(out)[LEDGER]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.77, 1.0])
def test_a_search_resumed_from_any_part_of_its_ledger_ends_with_the_same_bytes(
    run, out, tmp_path, share
):
    ledger = (out / LEDGER).read_bytes()
    part = tmp_path / "part"
    part.mkdir()
    (part / LEDGER).write_bytes(ledger[: int(share * len(ledger))])
    (part / "traces.h5.part").write_bytes(b"torn")
    run_search(run, part, resume=True)
    assert content(part) == content(out)


def test_resuming_a_finished_search_changes_nothing(run, out):
    before = content(out)
    run_search(run, out, resume=True)
    assert content(out) == before


def test_a_search_killed_in_the_middle_resumes_to_the_same_bytes(home, run, out, tmp_path):
    """The real thing: SIGKILL as soon as the ledger grows, then --resume."""
    part = tmp_path / "killed"
    arguments = ["search", str(home / "run.yaml"), "--out", str(part), "--workers", "2"]
    code = f"from arraysmith.arch.main import run; raise SystemExit(run({arguments!r}))"
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    ledger = part / LEDGER
    while process.poll() is None and not (ledger.exists() and ledger.stat().st_size > 300):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (part / "result.json").exists()
    assert command([*arguments, "--resume"]) == 0
    assert content(part) == content(out)


def test_another_run_is_not_mixed_into_a_folder(home, run, out):
    before = content(out)
    with pytest.raises(InputError, match=r"not empty.*--resume"):
        run_search(run, out)
    with pytest.raises(LedgerError, match="belongs to another run"):
        run_search(load_run(home / "run.yaml", seed=3), out, resume=True)
    assert content(out) == before


def test_a_folder_with_something_else_in_it_is_left_alone(run, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    for resume in (False, True):
        with pytest.raises(InputError):
            run_search(run, tmp_path, resume=resume)
    assert content(tmp_path) == {"thesis.txt": b"years of work"}
    with pytest.raises(InputError, match="is a file"):
        run_search(run, tmp_path / "thesis.txt")
    with pytest.raises(InputError, match="cannot be made"):
        run_search(run, tmp_path / "thesis.txt" / "below" / "it")


def test_a_folder_that_cannot_be_written_is_told_before_the_work(run, tmp_path, monkeypatch):
    # Said by the system, as it is of a read-only disk; root may write where others may not.
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    found = refused(run, tmp_path / "new" / "out")
    assert [(fault.field, fault.value) for fault in found] == [
        ("--out", str(tmp_path / "new" / "out"))
    ]
    assert "cannot be written" in found[0].rule


def test_resuming_where_nothing_is_starts_a_search(run, out, tmp_path):
    run_search(run, tmp_path / "new", resume=True)
    assert content(tmp_path / "new") == content(out)


def refused(run, out):
    with pytest.raises(InputError) as caught:
        run_search(run, out)
    assert not out.exists()
    return caught.value.faults


def test_a_template_too_small_for_one_tile_is_told_with_the_numbers(tmp_path):
    run = load_run(write(tmp_path, **{"glb.depth": 1, "glb.width_bits": 8}))
    found = refused(run, tmp_path / "out")
    assert [fault.field for fault in found] == ["architecture"] * 2
    assert found[0].line == 3
    assert "first has no legal mapping: no tile fits glb" in found[0].rule
    assert "1 words" in found[0].rule


def test_a_dataflow_that_fits_no_mesh_is_told(tmp_path):
    text = NETWORK.replace("window: 3", "window: 7")
    mesh = "{product: 12, paths: [array.mesh_x, array.mesh_y]}"
    shape = {"array.mesh_x": 12, "array.mesh_y": 1}
    text_run = RUN.replace(mesh, "{path: array.mesh_x, values: [12]}")
    found = refused(load_run(write(tmp_path, text_run, text, **shape)), tmp_path / "out")
    assert found[0].field == "dataflow"
    assert "fits the mesh" in found[0].rule


def test_a_space_without_any_legal_design_says_so(tmp_path):
    text = RUN.replace("[64, 1024], step: pow2", "[64, 65]").replace("top: 2", "top: 1")
    text = text.replace(
        "{product: 12, paths: [array.mesh_x, array.mesh_y]}", "{path: array.mesh_y, values: [1, 2]}"
    )
    text = text.replace("pes: 12", "max_pes: 12")
    with pytest.raises(ArraysmithError, match=r"none of .* designs has a legal mapping"):
        run_search(load_run(write(tmp_path, text)), tmp_path / "out")


def test_the_command_prints_tables_and_one_json_document(home, out, tmp_path, capsys):
    arguments = ["search", str(home / "run.yaml"), "--workers", "1", "--out"]
    assert command([*arguments, str(tmp_path / "a")]) == 0
    printed = capsys.readouterr()
    for part in ("BEFORE AND AFTER", "small original", "best found", "mapping", "traces.h5:"):
        assert part in printed.out
    assert "design/s" in printed.err
    assert command([*arguments, str(tmp_path / "b"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {"architecture", "workload", "layers", "total", "provenance"} <= set(document)
    stored = json.loads((out / "result.json").read_text())
    del stored["page"]
    assert document == stored


def test_ctrl_c_keeps_the_ledger_and_prints_how_to_go_on(home, run, tmp_path, capsys, monkeypatch):
    from arraysmith.search import finish

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(finish, "simulate_designs", interrupt)
    monkeypatch.setattr(sys, "argv", ["arraysmith", "search", "a run.yaml", "--out", "x"])
    part = tmp_path / "part"
    assert command(["search", str(home / "run.yaml"), "--out", str(part), "--workers", "1"]) == 130
    assert "arraysmith search 'a run.yaml' --out x --resume" in capsys.readouterr().err
    assert (part / LEDGER).stat().st_size > 1000
    assert not (part / "result.json").exists()


def test_workers_end_with_a_killed_parent():
    code = (
        "import os, time\n"
        "from arraysmith.sim.pool import process_pool\n"
        "if __name__ == '__main__':\n"
        "    with process_pool(2) as pool:\n"
        "        print(pool.submit(os.getpid).result(), flush=True)\n"
        "        time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    worker = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    for _ in range(1000):
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            break
        time.sleep(0.01)
    else:
        pytest.fail("the worker is still there after ten seconds")


def test_workers_drop_what_they_are_at_when_their_pool_is_interrupted():
    def interrupted():
        with process_pool(2) as pool:
            tasks.append(pool.submit(time.sleep, 600))
            pool.submit(os.getpid).result()  # by the other one: both are there
            raise KeyboardInterrupt

    tasks = []
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert isinstance(tasks[0].exception(timeout=60), BrokenProcessPool)
