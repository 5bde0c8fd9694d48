"""Run files that cannot be run, by the command itself: one clear message, exit code 2."""

import subprocess
import sys
from importlib.util import find_spec

import pytest
from small_run import RUN, write

from arraysmith.arch.main import run as command

GENETIC = "{name: genetic, population: 8, parents: 3, generations: 6}"
TINY = RUN.replace("generations: 6", "generations: 1").replace("top: 2", "top: 1")


def search(folder, *more):
    code = "import sys; from arraysmith.arch.main import run; raise SystemExit(run(sys.argv[1:]))"
    arguments = ["search", str(folder / "run.yaml"), "--out", str(folder / "out"), "-j", "1", *more]
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("setting: timeloop", "setting: timeloop\nobjective: edq", "run.yaml:7:12: objective: edq"),
        (RUN[RUN.index("space:") : RUN.index("budget:")], "space: []\n", "at least 1 entry"),
        ("pes: 12", "pes: 13", "must be exactly 13"),
        ("pes: 12, storage: 8 KiB", "max_pes: 5, storage: 8 KiB", "must be at most 5"),
        ("parents: 3", "parentz: 3", "optimiser.parentz"),
        (GENETIC, "{name: exhaustive, most: 9}", "must be at most 9"),
        ("samples: 2000", "samples: 200000000", "must be at most 100000000"),
        ("setting: timeloop", "setting: timeloop\ncluster: {}", "run.yaml:7:10: cluster: {}: must"),
        (
            "setting: timeloop",
            "setting: timeloop\ncluster: {slurm: {cores: 1}, lsf: {cores: 1}}",
            "must have exactly one of address, slurm and lsf",
        ),
    ],
    ids=[
        "objective",
        "empty",
        "contradictory",
        "too-many",
        "setting",
        "too-large",
        "samples",
        "no-cluster",
        "two-clusters",
    ],
)  # fmt: skip
def test_a_run_that_cannot_be_met_is_refused_and_leaves_nothing(tmp_path, old, new, told):
    assert old in RUN
    write(tmp_path, RUN.replace(old, new))
    done = search(tmp_path)
    assert done.returncode == 2, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
    assert done.stdout == ""


def test_a_space_in_which_nothing_can_be_mapped_is_refused(tmp_path):
    text = TINY.replace(
        "{product: 12, paths: [array.mesh_x, array.mesh_y]}", "{path: array.mesh_y, values: [1, 2]}"
    )
    write(tmp_path, text.replace("pes: 12", "max_pes: 12"))
    done = search(tmp_path)
    assert done.returncode == 2
    assert "has a legal mapping of every layer" in done.stderr


def test_a_ledger_of_another_configuration_is_refused(tmp_path):
    write(tmp_path, TINY)
    out = ["--out", str(tmp_path / "out"), "-j", "1"]
    assert command(["search", str(tmp_path / "run.yaml"), *out]) == 0
    write(tmp_path, TINY.replace("population: 8", "population: 9"))
    done = search(tmp_path, "--resume")
    assert done.returncode == 2
    assert "ledger.jsonl:1:1" in done.stderr
    assert "belongs to another run" in done.stderr


def test_a_mapper_that_maps_no_design_says_why(tmp_path):
    write(tmp_path, TINY.replace("{samples: 2000}", "{name: exhaustive, evaluations: 60}"))
    done = search(tmp_path)
    assert done.returncode == 2
    assert "the first of them: the mapper found no legal mapping of first" in done.stderr


@pytest.mark.skipif(find_spec("distributed") is None, reason="extra dask not installed")
def test_a_cluster_that_cannot_be_reached_is_refused(tmp_path):
    write(tmp_path, TINY)
    done = search(tmp_path, "--cluster", "nonsense://here")
    assert done.returncode == 2
    assert "--cluster: nonsense://here: cannot be reached" in done.stderr
    assert not (tmp_path / "out").exists()
