"""The parts of an architecture around a systolic array, found by what its memories keep."""

from __future__ import annotations

from dataclasses import dataclass

from arraysmith.arch.architecture import Architecture, Fanout, Memory, Systolic
from arraysmith.arch.errors import UnsupportedDesignError
from arraysmith.arch.mapping import Mapping, kept_tensors
from arraysmith.arch.problem import IFMAP, OFMAP, TENSORS, WEIGHT, Problem
from arraysmith.sim.operand_words import fitted


@dataclass(frozen=True, slots=True)
class SystolicMachine:
    """The parts of an architecture that this path knows: an SRAM for every tensor, an array of PEs.

    An SRAM that keeps several tensors stands for each of them; they share its ports and banks.
    SRAMs are as the words of the problem see them, see ``operand_words.fitted``. A mesh of arrays
    has one of each SRAM per array, or one of each for all arrays.

    Attributes:
        offchip: off-chip memory.
        ifmap: SRAM of the ifmap.
        weight: SRAM of the weights.
        ofmap: SRAM of the results and partial sums.
        array: rows are mesh_y, columns are mesh_x.
        wiring: its systolic switches.
        macs: level name of the MACs.
        mesh: arrays side by side, each with its own SRAMs; None for none.
        lockstep: arrays side by side that share the SRAMs; None for none.
    """

    offchip: Memory
    ifmap: Memory
    weight: Memory
    ofmap: Memory
    array: Fanout
    wiring: Systolic
    macs: str
    mesh: Fanout | None = None
    lockstep: Fanout | None = None

    @classmethod
    def of(
        cls, architecture: Architecture, mapping: Mapping, problem: Problem | None = None
    ) -> SystolicMachine:
        """Find the parts by what they hold; raises UnsupportedDesignError naming what does not fit.

        Args:
            architecture: the design.
            mapping: says what its memories keep.
            problem: whose words the SRAMs have to take; None: words of their own width.
        """
        array = architecture.systolic
        if array is None or not isinstance(array.network, Systolic):
            raise UnsupportedDesignError(
                f"{architecture.name}: the last level is no systolic array"
            )
        mesh = architecture.scale_out
        if len(architecture.fanouts) > (1 if mesh is None else 2):
            raise UnsupportedDesignError(
                f"{architecture.name}: one fan-out, the array, is supported, and one of arrays "
                "side by side above it"
            )
        if architecture.compute.pipeline_cycles != 1:
            raise UnsupportedDesignError(
                f"{architecture.name}: {architecture.compute.name}.pipeline_cycles "
                f"{architecture.compute.pipeline_cycles}: a systolic PE takes 1 cycle"
            )
        for value, known in (
            (array.network.drain, ("shift", "bus", "free")),
            (array.network.fold_overlap, ("none", "weights", "accumulators")),
            (array.network.partial_folds, ("used", "full")),
            (array.network.partial_sums, ("accumulate", "spill")),
        ):
            if value not in known:
                raise UnsupportedDesignError(
                    f"{array.name}: {value!r}: must be one of " + ", ".join(known)
                )
        buffers: dict[str, Memory] = {}
        for memory in architecture.memories[1:]:
            kept = kept_tensors(memory, mapping.at(memory.name))
            unplaced = [tensor for tensor in kept if tensor not in dict(memory.partition)]
            if len(kept) > 1 and unplaced:
                raise UnsupportedDesignError(
                    f"{memory.name}: keeps {', '.join(kept)}: partition must say how many lines "
                    f"{', '.join(unplaced)} may take: an SRAM of a systolic array shares nothing "
                    "but its ports and banks"
                )
            for tensor in kept:
                if tensor in buffers:
                    raise UnsupportedDesignError(
                        f"{memory.name}: {tensor} is already kept by {buffers[tensor].name}: "
                        "one SRAM level is supported"
                    )
                buffers[tensor] = memory
        missing = [tensor for tensor in TENSORS if tensor not in buffers]
        if missing:
            raise UnsupportedDesignError(
                f"{architecture.name}: no SRAM keeps {', '.join(missing)}: a systolic array "
                "reads and writes every tensor through one"
            )
        shared = _shared(architecture, mesh, buffers)
        if shared and problem is not None and problem.weight_sparsity is not None:
            raise UnsupportedDesignError(
                f"{architecture.name}: weight_sparsity {problem.weight_sparsity}: arrays that "
                "share their SRAMs skip no weights: give each array SRAMs of its own"
            )
        if problem is not None:
            widest: dict[str, int] = {}
            for data in problem.stored_tensors:
                name = buffers[data.name].name
                widest[name] = max(widest.get(name, 0), data.word_bits)
            buffers = {t: fitted(memory, widest[memory.name]) for t, memory in buffers.items()}
        return cls(
            architecture.memories[0],
            buffers[IFMAP],
            buffers[WEIGHT],
            buffers[OFMAP],
            array,
            array.network,
            architecture.compute.name,
            None if shared else mesh,
            mesh if shared else None,
        )

    @property
    def one_channel(self) -> bool:
        """Whether what comes from off-chip and what goes there take turns.

        So with an off-chip memory of one port, or an SRAM of one port and no banks that keeps
        results as well as an operand.
        """
        operands = {self.ifmap.name, self.weight.name}
        together = self.ofmap.name in operands and not self.ofmap.banked(OFMAP)
        return self.offchip.ports == 1 or (together and self.ofmap.ports == 1)

    @property
    def buffers(self) -> dict[str, Memory]:
        """The SRAM of each tensor."""
        return {IFMAP: self.ifmap, WEIGHT: self.weight, OFMAP: self.ofmap}

    def buffer(self, tensor: str) -> Memory:
        """Return the SRAM of ``tensor``."""
        return self.buffers[tensor]


def _shared(architecture: Architecture, mesh: Fanout | None, buffers: dict[str, Memory]) -> bool:
    """Return whether the SRAMs stand above the mesh; UnsupportedDesignError when only some do."""
    if mesh is None:
        return False
    levels = list(architecture.levels)
    above = [x.name for x in buffers.values() if levels.index(x) < levels.index(mesh)]
    below = [x.name for x in buffers.values() if levels.index(x) > levels.index(mesh)]
    if above and below:
        raise UnsupportedDesignError(
            f"{above[0]}: stands above {mesh.name}, {below[0]} below it: arrays side by side share "
            "all their SRAMs, which stand above, or none"
        )
    return bool(above)
