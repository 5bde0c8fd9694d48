"""A search killed with SIGKILL at random moments, then resumed, ends like one left alone.

    python validation/check_resume.py [RUN] [--kills 10] [--workers 2] [--seed 1]

RUN is a run that ships or a file; without it a small one that takes a few seconds. One search runs
to its end; of every further one the time until the kill is drawn evenly from that time. It is
resumed once and has to leave the same files, byte for byte. Exit code 1 when one does not.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

SMALL = """\
kind: run
name: small
architecture: eyeriss-poster-original
workload: alexnet:conv3
dataflow: row_stationary
space:
  - {product: 168, paths: [array.mesh_x, array.mesh_y]}
  - {path: glb.depth, range: [512, 16384], step: pow2}
  - {path: weight_spad.depth, values: [4, 8, 16, 32, 64, 96, 192]}
  - {path: psum_spad.depth, values: [2, 4, 8, 16]}
budget: {pes: 168, storage: 1639936 bit}
mapper: {samples: 3000}
optimiser: {name: genetic, population: 16, parents: 4, generations: 12}
rescore: {top: 2, values_macs: 1}
traces: none
"""


def begun(run: str, out: Path, workers: int, *more: str) -> subprocess.Popen[bytes]:
    """Start a search."""
    code = "import sys; from arraysmith.arch.main import run; raise SystemExit(run(sys.argv[1:]))"
    arguments = ["search", run, "--out", str(out), "--workers", str(workers), *more]
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def content(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder by its relative path."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def main() -> int:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", nargs="?")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    failures = 0
    with TemporaryDirectory() as name:
        home = Path(name)
        run = arguments.run
        if run is None:
            (home / "run.yaml").write_text(SMALL)
            run = str(home / "run.yaml")
        clock = time.monotonic()
        if begun(run, home / "whole", arguments.workers).wait():
            print("the search itself fails: run it by hand")
            return 1
        whole_s = time.monotonic() - clock
        expected = content(home / "whole")
        print(f"uninterrupted: {whole_s:.1f} s, {len(expected)} files")
        for number in range(1, arguments.kills + 1):
            out = home / f"killed{number}"
            process = begun(run, out, arguments.workers)
            moment_s = float(rng.uniform(0, whole_s))
            time.sleep(moment_s)
            process.send_signal(signal.SIGKILL)
            process.wait()
            ledger = out / "ledger.jsonl"
            kept = ledger.read_bytes().count(b"\n") if ledger.exists() else 0
            done = (out / "result.json").exists()
            code = begun(run, out, arguments.workers, "--resume").wait()
            found = content(out)
            differ = [x for x in {**found, **expected} if found.get(x) != expected.get(x)]
            same = code == 0 and not differ
            failures += not same
            state = "finished" if done else f"{kept} ledger lines"
            verdict = "equal" if same else f"DIFFERENT, exit code {code}: {differ}"
            print(f"kill {number:2} after {moment_s:5.1f} s ({state}): resumed, {verdict}")
    print(f"{arguments.kills - failures} of {arguments.kills} resumed searches equal the whole one")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
