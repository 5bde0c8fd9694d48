"""Names of what the array and transfers wait for, and their codes."""

from __future__ import annotations

from arraysmith.arch.problem import TENSORS
from arraysmith.sim.cycle.nest.tree import Edge, Tree
from arraysmith.sim.dram.use import chain_links


def place_name(tree: Tree, edge: Edge) -> str:
    """Return the name of where an edge ends."""
    compute = tree.architecture.compute
    return compute.name if edge.at_macs else tree.architecture.levels[edge.child].name


class Causes:
    """Names of stall causes, each with its code."""

    def __init__(self, tree: Tree) -> None:
        self._names = ["fill", *(f"offchip_{name}" for name in TENSORS)]
        self.ports = len(self._names)
        self._names += [f"{memory.name}_port" for memory in tree.architecture.memories]
        # What only stands behind a cause: the off-chip channels, and places at the border.
        self._names += [f"channel_{way}" for way in ("in", "out", "both")]
        self._names += chain_links(tree.architecture.memories[0])
        for edge in tree.edges:
            if edge.parent == 0:
                self.code(f"{place_name(tree, edge)}_room")

    def code(self, name: str) -> int:
        """Return the code of a cause; a new one if it was not asked for before."""
        if name not in self._names:
            self._names.append(name)
        return self._names.index(name)

    def codes(self, names: list[str]) -> int:
        """Return the first of consecutive codes."""
        first = len(self._names)
        self._names += names
        return first

    @property
    def names(self) -> tuple[str, ...]:
        """All names and, last, that of the end of a run."""
        return (*self._names, "drain")
