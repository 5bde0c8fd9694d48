"""Searches on processes and on a cluster: equal results, whatever dies on the way."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from importlib.util import find_spec

import pytest
from small_run import RUN, write

from arraysmith.arch.errors import InputError
from arraysmith.arch.main import run as command
from arraysmith.search.executors import workers_of
from arraysmith.search.folder import LOCK, locked
from arraysmith.search.ledger import LEDGER

needs_dask = pytest.mark.skipif(
    find_spec("distributed") is None, reason="extra dask: distributed not installed"
)

SMALL = RUN.replace("top: 2", "top: 1").replace("mapper:", "traces: none\nmapper:") + (
    "calibration: {every: 2, simulate: 2, mappings: 2, most_steps: 2000}\n"
)

CLUSTER = """
import json, sys
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, local_directory=sys.argv[1]
    ) as cluster:
        pids = [worker.pid for worker in cluster.workers.values()]
        print(json.dumps([cluster.scheduler_address, pids]), flush=True)
        sys.stdin.read()
"""


def files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@contextmanager
def cluster(folder):
    """Give the address and the process ids of the workers of a cluster on this machine."""
    script = folder / "cluster.py"
    script.write_text(CLUSTER)
    process = subprocess.Popen(
        [sys.executable, str(script), str(folder / "workers")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.communicate(timeout=300)


def start(home, out, *more):
    code = "import sys; from arraysmith.arch.main import run; raise SystemExit(run(sys.argv[1:]))"
    arguments = ["search", str(home / "run.yaml"), "--out", str(out), *more]
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def kill_when(process, ready):
    """Kill a process with SIGKILL as soon as ``ready`` says so; whether it was still there."""
    while process.poll() is None and not ready():
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return process.returncode == -signal.SIGKILL


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("places")
    write(folder, SMALL)
    return folder


@pytest.fixture(scope="module")
def out(home):
    assert command(["search", str(home / "run.yaml"), "--out", str(home / "one"), "-j", "1"]) == 0
    return home / "one"


@needs_dask
def test_a_cluster_gives_the_same_bytes_also_when_a_worker_is_killed(home, out, tmp_path):
    with cluster(tmp_path) as (address, pids):
        whole = start(home, tmp_path / "whole", "--cluster", address)
        assert whole.wait(300) == 0, whole.stderr.read()
        whole.stderr.close()
        assert files(tmp_path / "whole") == files(out)
        part = start(home, tmp_path / "part", "--cluster", address)
        ledger = tmp_path / "part" / LEDGER
        while part.poll() is None and not (ledger.exists() and ledger.stat().st_size > 300):
            time.sleep(0.002)
        assert part.poll() is None  # it is at work
        os.kill(pids[0], signal.SIGKILL)
        assert part.wait(300) == 0, part.stderr.read()
        part.stderr.close()
    assert files(tmp_path / "part") == files(out)


@pytest.mark.parametrize("lines", [1, 2, 12, 25])
def test_a_search_killed_at_any_line_of_its_ledger_resumes_to_the_same_bytes(
    home, out, tmp_path, lines
):
    part = tmp_path / "part"
    ledger = part / LEDGER
    process = start(home, part, "-j", "1")
    kill_when(process, lambda: ledger.exists() and ledger.read_bytes().count(b"\n") >= lines)
    assert (
        command(["search", str(home / "run.yaml"), "--out", str(part), "-j", "1", "--resume"]) == 0
    )
    assert files(part) == files(out)


def test_two_searches_never_share_a_folder_and_a_dead_ones_lock_is_taken_over(
    home, out, tmp_path, capsys
):
    part = tmp_path / "part"
    process = start(home, part, "-j", "1")
    while process.poll() is None and not (part / LOCK).exists():
        time.sleep(0.002)
    while process.poll() is None and not (part / LOCK).stat().st_size:
        time.sleep(0.002)
    resume = ["search", str(home / "run.yaml"), "--out", str(part), "-j", "1", "--resume"]
    assert command(resume) == 2
    assert f"process {process.pid} on" in capsys.readouterr().err
    assert kill_when(process, lambda: True)
    assert (part / LOCK).exists()
    assert command(resume) == 0
    assert "ended without removing it; taken over" in capsys.readouterr().err
    assert files(part) == files(out)


def test_a_lock_of_another_machine_is_refused_with_what_to_do(tmp_path):
    (tmp_path / LOCK).write_text('{"pid": 7, "host": "elsewhere"}\n')
    with (
        pytest.raises(InputError, match=r"process 7 on elsewhere.*remove .*search\.lock"),
        locked(tmp_path, print),
    ):
        pass
    assert (tmp_path / LOCK).exists()
    (tmp_path / LOCK).write_text("")  # killed before it wrote who it was
    with locked(tmp_path, print):
        assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()
    assert not (tmp_path / LOCK).exists()


@needs_dask
@pytest.mark.parametrize(
    ("section", "rule"),
    [
        ({"address": "tcp://127.0.0.1:9"}, "cannot be reached"),
        ({"address": "nonsense"}, "cannot be reached"),
        ({"slurm": {"cores": 1}}, "no sbatch on the path"),
        ({"lsf": {"cores": 1}}, "no bsub on the path"),
        ({"jobs": 3}, "must have one of address, slurm, lsf"),
    ],
)
def test_a_cluster_out_of_reach_is_told(section, rule, monkeypatch):
    monkeypatch.setattr("arraysmith.search.executors.CONNECT_SECONDS", 0.5)
    with pytest.raises(InputError, match=rule), workers_of(1, None, section):
        pass


@needs_dask
def test_a_queue_gets_the_options_of_the_run_file(monkeypatch):
    import dask_jobqueue

    from arraysmith.search import executors

    asked = []

    class Queue:
        def __init__(self, **options):
            asked.append(options)

        def scale(self, jobs):
            asked.append(jobs)

    monkeypatch.setattr(executors.shutil, "which", lambda _: "/usr/bin/sbatch")
    monkeypatch.setattr(dask_jobqueue, "SLURMCluster", Queue)
    section = {"slurm": {"cores": 8, "memory": "16 GB"}, "jobs": 3}
    assert isinstance(executors._submitted(section), Queue)
    assert asked == [{"cores": 8, "memory": "16 GB"}, 3]
    monkeypatch.setattr(dask_jobqueue, "SLURMCluster", lambda cores: cores)
    with pytest.raises(InputError, match="is not accepted by SLURMCluster"):
        executors._submitted({"slurm": {"colour": "red"}})
