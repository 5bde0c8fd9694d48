"""ZigZag and MAESTRO, timed on layers of ours (``bench_mappers``).

Both run as processes of their own and are told what to do through what they offer to everybody:
a pipeline of ZigZag's stages with one of ours around its cost model; MAESTRO's command line.
"""

from __future__ import annotations

import csv
import json
import os
import random
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.problem import Problem

SIDE = 16
"""MACs along each side of the array."""

LOOP_FACTORS = 6
"""Most factors that ZigZag permutes, its default."""

PROCESSES = 20
"""Processes that MAESTRO is started in, a mapping each."""

ZIGZAG = """
import json, logging, sys, time
logging.disable(logging.CRITICAL)
from zigzag.mapping.temporal_mapping import TemporalMappingType
from zigzag.stages.evaluation.cost_model_evaluation import CostModelStage
from zigzag.stages.main import MainStage
from zigzag.stages.mapping.spatial_mapping_generation import SpatialMappingGeneratorStage
from zigzag.stages.mapping.temporal_mapping_generator_stage import TemporalMappingGeneratorStage
from zigzag.stages.parser.accelerator_parser import AcceleratorParserStage
from zigzag.stages.parser.workload_parser import WorkloadParserStage
from zigzag.stages.results.reduce_stages import MinimalEDPStage
from zigzag.stages.stage import Stage
from zigzag.stages.workload_iterator import WorkloadStage

class Enough(Exception):
    pass

class Clock(Stage):
    def run(self):
        start = time.process_time()
        if not times:
            begin.append(start)
        found = list(self.list_of_callables[0](self.list_of_callables[1:], **self.kwargs).run())
        times.append(time.process_time() - start)
        macs.add(self.kwargs["layer"].total_mac_count)
        yield from found
        if len(times) == int(sys.argv[1]):
            raise Enough

stages = [WorkloadParserStage, AcceleratorParserStage, WorkloadStage, MinimalEDPStage,
          SpatialMappingGeneratorStage, MinimalEDPStage, TemporalMappingGeneratorStage, Clock,
          CostModelStage]
result = []
for layer in json.load(sys.stdin):
    times, begin, macs = [], [], set()
    try:
        MainStage(stages, workload=[layer], accelerator="machine.yaml", mapping="mapping.yaml",
                  loma_lpf_limit=int(sys.argv[2]), loma_show_progress_bar=False,
                  nb_mappings_generated=1,
                  access_same_data_considered_as_no_access=True,
                  temporal_mapping_type=TemporalMappingType("uneven")).run()
    except Enough:
        pass
    spent = time.process_time() - begin[0]
    result.append([len(times), sum(times), spent, sorted(macs)])
print(json.dumps(result))
"""
"""Runs the other tool: a stage of ours around its cost model, layers on standard input."""


class AbsentError(ArraysmithError):
    """A tool cannot be measured here; the message says why."""


@dataclass(frozen=True)
class Theirs:
    """How fast another tool evaluates one layer.

    Attributes:
        tool: its name.
        way: what was measured.
        per_cpu_s: evaluations per second of CPU time.
        right: share of the evaluations that count the MACs of the layer.
    """

    tool: str
    way: str
    per_cpu_s: float
    right: float


def zigzag(
    python: str, layers: Mapping[str, Problem], machine: Architecture, evaluations: int
) -> dict[str, tuple[Theirs, ...]]:
    """Return the rates of ZigZag by layer.

    Args:
        python: a Python that has the tool.
        layers: convolutions without groups or dilation.
        machine: gives the capacities: off-chip memory, a buffer, and a memory in each PE.
        evaluations: loop orders of every layer, at most.

    Raises:
        AbsentError: it does not run.
    """
    links = {"O": "O", "W": "I2", "I": "I1"}
    sides = {"D1": [f"K, {SIDE}"], "D2": [f"C, {SIDE}"]}
    mapping = [{"name": "default", "spatial_mapping": sides, "memory_operand_links": links}]
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        # JSON is YAML, and that tool reads no other suffix.
        (folder / "machine.yaml").write_text(json.dumps(_zigzag_machine(machine)), encoding="ascii")
        (folder / "mapping.yaml").write_text(json.dumps(mapping), encoding="ascii")
        tasks = json.dumps([_zigzag_layer(problem) for problem in layers.values()])
        command = [python, "-c", ZIGZAG, str(evaluations), str(LOOP_FACTORS)]
        printed = json.loads(_run(command, folder, tasks).printed)
    return {
        name: (
            Theirs("ZigZag", "cost model alone", number / model_s, float(macs == [problem.macs])),
            Theirs("ZigZag", "with its loop orders", number / all_s, float(macs == [problem.macs])),
        )
        for (name, problem), (number, model_s, all_s, macs) in zip(
            layers.items(), printed, strict=True
        )
    }


def _zigzag_machine(machine: Architecture) -> dict[str, object]:
    """Return the machine in the keys of ZigZag's hardware files: bits, and bits per cycle."""

    def memory(size: int, served: list[str]) -> dict[str, object]:
        reads = ["I1, tl", "I2, tl", "O, tl", "O, th"]
        writes = ["I1, fh", "I2, fh", "O, fh", "O, fl"]
        wide = {"bandwidth_min": 8, "bandwidth_max": 8 * SIDE}
        ports = [
            {"name": "r_port_1", "type": "read", **wide, "allocation": reads},
            {"name": "w_port_1", "type": "write", **wide, "allocation": writes},
        ]
        cost = {"r_cost": 1.0, "w_cost": 1.0, "area": 0.0, "latency": 1}
        operands = ["I1", "I2", "O"]
        return {"size": size, **cost, "operands": operands, "ports": ports,
                "served_dimensions": served}  # fmt: skip

    array = {"unit_energy": 1.0, "unit_area": 1.0, "dimensions": ["D1", "D2"]}
    inner, outer = (x.capacity_words or 0 for x in reversed(machine.memories[1:]))
    memories = {
        "registers": memory(8 * inner, []),
        "buffer": memory(8 * outer, ["D1", "D2"]),
        "dram": memory(10**10, ["D1", "D2"]),
    }
    sizes = {"sizes": [SIDE, SIDE]}
    return {"name": "machine", "memories": memories, "operational_array": {**array, **sizes}}


def _strides(problem: Problem) -> tuple[int, int]:
    """Return how far a step of P and one of Q move along the input."""
    moved = {dim: by for axis in problem.ifmap.axes for dim, by in axis.terms}
    return moved["P"], moved["Q"]


def _padding(problem: Problem) -> tuple[int, int]:
    """Return the rows and columns of padding before the first word."""
    before = {dim: -axis.offset for axis in problem.ifmap.axes for dim, _ in axis.terms}
    return before["P"], before["Q"]


def _zigzag_layer(problem: Problem) -> dict[str, object]:
    """Return a layer in the keys of ZigZag's workload files."""
    size, (down, across) = problem.size, _strides(problem)
    pads = [[pad, pad] for pad in reversed(_padding(problem))]
    dims = {"B": "N", "K": "K", "C": "C", "OY": "P", "OX": "Q", "FY": "R", "FX": "S"}
    return {
        "id": 0,
        "name": problem.name,
        "operator_type": "Conv",
        "equation": "O[b][k][oy][ox]+=W[k][c][fy][fx]*I[b][c][iy][ix]",
        "dimension_relations": [f"ix={across}*ox+1*fx", f"iy={down}*oy+1*fy"],
        "loop_dims": list(dims),
        "loop_sizes": [size[dim] for dim in dims.values()],
        "operand_precision": {"W": 8, "I": 8, "O": 8, "O_final": 8},
        "operand_source": {"I": 0, "W": 0},
        "pr_loop_dims": ["IX", "IY"],
        "padding": pads,
    }


def maestro(
    binary: str, layers: Mapping[str, Problem], machine: Architecture, evaluations: int
) -> dict[str, tuple[Theirs, ...]]:
    """Return the rates of MAESTRO by layer; arguments as of ``zigzag``.

    Raises:
        AbsentError: it does not run, or leaves a mapping out.
    """
    found: dict[str, tuple[Theirs, ...]] = {}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        inner, outer = (x.capacity_words for x in reversed(machine.memories[1:]))
        sizes = {"num_pes": SIDE * SIDE, "l1_size_cstr": inner, "l2_size_cstr": outer,
                 "noc_bw_cstr": SIDE, "offchip_bw_cstr": SIDE}  # fmt: skip
        hardware = "".join(f"{key}: {value}\n" for key, value in sizes.items())
        (folder / "machine.m").write_text(hardware, encoding="ascii")
        for name, problem in layers.items():
            rng = random.Random(0)  # noqa: S311  (no secret)
            texts = [maestro_layer(problem, i, rng) for i in range(evaluations)]
            spent_s, right = _analysed(binary, folder, texts, problem.macs)
            single_s = 0.0
            for text in texts[:PROCESSES]:
                single_s += _analysed(binary, folder, [text], problem.macs)[0]
            few = min(PROCESSES, evaluations)
            found[name] = (
                Theirs("MAESTRO", "all in one file", evaluations / spent_s, right),
                Theirs("MAESTRO", "a process each", few / single_s, right),
            )
    return found


def _analysed(binary: str, folder: Path, layers: Sequence[str], macs: int) -> tuple[float, float]:
    """Return (CPU seconds, share of layers with so many MACs) of one run of MAESTRO."""
    text = "Network bench {\n" + "".join(layers) + "}\n"
    (folder / "bench.m").write_text(text, encoding="ascii")
    results = folder / "bench.csv"
    results.unlink(missing_ok=True)  # it appends
    options = {"HW_file": "machine.m", "Mapping_file": "bench.m", "print_res": "false",
               "print_res_csv_file": "true", "print_log_file": "false"}  # fmt: skip
    ran = _run([binary, *(f"--{key}={value}" for key, value in options.items())], folder, "")
    if not results.exists():
        raise AbsentError(f"{binary}: wrote no results")
    with results.open(encoding="ascii", newline="") as file:
        rows = list(csv.DictReader(file, skipinitialspace=True))
    if len(rows) != len(layers):
        raise AbsentError(f"{binary}: {len(rows)} results for {len(layers)} mappings")
    return ran.cpu_s, sum(int(row["Num MACs"]) == macs for row in rows) / len(rows)


def maestro_layer(problem: Problem, index: int, rng: random.Random) -> str:
    """Return a layer under random directives: K, then C in clusters, side by side."""
    size, (down, across) = problem.size, _strides(problem)
    tile = {dim: _divisor(size[dim], rng) for dim in ("N", "K", "C", "P", "Q")}
    inner = {dim: _divisor(tile[dim], rng) for dim in ("K", "P", "Q")}
    names = {"N": "N", "K": "K", "C": "C", "P": "Y'", "Q": "X'"}
    window = ["TemporalMap(Sz(R),Sz(R)) R;", "TemporalMap(Sz(S),Sz(S)) S;"]

    def level(tiles: dict[str, int], spatial: str) -> list[str]:
        lines = [
            f"{'Spatial' if dim == spatial else 'Temporal'}Map({n},{n}) {names[dim]};"
            for dim, n in tiles.items()
        ]
        return [*rng.sample(lines, len(lines)), *window]

    lines = [*level(tile, "K"), f"Cluster({SIDE}, P);", *level({"C": 1, **inner}, "C")]
    dims = {
        "N": size["N"], "K": size["K"], "C": size["C"], "R": size["R"], "S": size["S"],
        "Y": (size["P"] - 1) * down + size["R"], "X": (size["Q"] - 1) * across + size["S"],
    }  # fmt: skip
    sizes = ", ".join(f"{dim}: {extent}" for dim, extent in dims.items())
    return (
        f"Layer L{index} {{ Type: CONV Stride {{ X: {across}, Y: {down} }} "
        f"Dimensions {{ {sizes} }} Dataflow {{ {' '.join(lines)} }} }}\n"
    )


def _divisor(extent: int, rng: random.Random) -> int:
    return rng.choice([n for n in range(1, extent + 1) if extent % n == 0])


@dataclass(frozen=True)
class _Ran:
    """A process that has ended: CPU seconds, and what it printed."""

    cpu_s: float
    printed: str


def _run(command: list[str], folder: Path, told: str) -> _Ran:
    """Run a process in ``folder`` with ``told`` on its standard input.

    Raises:
        AbsentError: it cannot be started, or ends with another exit code than 0.
    """
    with (
        tempfile.TemporaryFile() as reads,
        tempfile.TemporaryFile() as prints,
        tempfile.TemporaryFile() as complains,
    ):
        reads.write(told.encode())
        reads.seek(0)
        try:
            child = subprocess.Popen(
                command, cwd=folder, stdin=reads, stdout=prints, stderr=complains
            )
        except OSError as error:
            raise AbsentError(f"{command[0]}: {error.strerror}") from error
        _, status, usage = os.wait4(child.pid, 0)  # the only call that tells of this child alone
        child.returncode = os.waitstatus_to_exitcode(status)
        prints.seek(0)
        complains.seek(0)
        if child.returncode:
            last = complains.read().decode(errors="replace").strip().splitlines()[-1:]
            why = ": ".join([f"exit code {child.returncode}", *last])
            raise AbsentError(f"{command[0]}: {why}")
        return _Ran(usage.ru_utime + usage.ru_stime, prints.read().decode(errors="replace"))
