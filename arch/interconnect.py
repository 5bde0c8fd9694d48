"""Networks between a memory and its children: buses, trees, routers with links, and the air.

All count words by the same three questions: does one transfer reach every child that needs a tile,
are sums of children added on the way up, and if not, may the memory above add them. ``as_bus``
answers them for every kind; what differs is time and the way that words take.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Wires:
    """What moving words between the children of a fan-out takes; see ``sim.wires`` for how far.

    Attributes:
        hop_um: micrometres from a child to its neighbour; the technology gives the energy.
        routers: each hop also passes a router of the technology.
        hop_pj_per_bit: stated energy per bit and hop, in place of the technology's.
    """

    hop_um: int = 0
    routers: bool = False
    hop_pj_per_bit: float | None = None


DIRECTIONS = ("-x", "+x", "-y", "+y")
"""Where forwarded words move: to the neighbour of the lower or higher column or row."""


@dataclass(frozen=True, slots=True)
class Forwarding:
    """Links between neighbours, over which children pass on words of the ifmap that they hold.

    When tiles of the ifmap move, a child that keeps it takes a word that it lacks from a neighbour
    if that one held it in the turn before, and from the memory above if none did. As on ShiDianNao
    (Du et al., ISCA 2015), whose PEs read the FIFOs of the PEs at their right and below; Timeloop
    has the same notion (link transfers). No words of weights could pass: tiles of a tensor without
    windows have none in common.

    Neighbours are children whose columns (rows) differ by one in the innermost loop that a mapping
    spreads over columns (rows): groups of them stand side by side, and no word passes from one to
    the next.

    Attributes:
        directions: some of ``DIRECTIONS``, in that order.
        words_per_cycle: words that a child takes from its neighbours per cycle; None is unlimited.
        latency_cycles: cycles from a neighbour's port to the child's.
    """

    directions: tuple[str, ...] = DIRECTIONS
    words_per_cycle: Fraction | None = None
    latency_cycles: int = 0

    @property
    def mask(self) -> int:
        """The directions as bits, those of ``DIRECTIONS`` from the lowest bit on."""
        return sum(1 << i for i, way in enumerate(DIRECTIONS) if way in self.directions)


@dataclass(frozen=True, slots=True)
class XyBus:
    """Buses along rows and columns, one per tensor, as on Eyeriss (Chen et al., JSSC 2017).

    Attributes:
        words_per_cycle: words one tensor's bus carries per cycle; None is unlimited.
        latency_cycles: cycles from the parent's port to a child's.
        multicast: one transfer reaches every child that needs the same tile; else one per child.
        diagonal: children that need the same tile are recognised across rows and columns (by tag
            matching). When false only within a row or a column, so that a diagonal of an array
            costs one transfer per row.
        reduction: partial sums of children are added on the way up.
        adds_above: without ``reduction``, each partial sum travels alone and the memory above adds
            them. With neither, no mapping may spread a dim over the children that results lack.
        wires: what moving words takes; None counts no energy for it.
        tensor_rates: (tensor, words per cycle) of tensors whose bus is wider or narrower than
            ``words_per_cycle``.
        forwarding: links between neighbours beside the buses; None for none.
    """

    words_per_cycle: Fraction | None = None
    latency_cycles: int = 0
    multicast: bool = True
    diagonal: bool = True
    reduction: bool = True
    adds_above: bool = False
    wires: Wires | None = None
    tensor_rates: tuple[tuple[str, Fraction], ...] = ()
    forwarding: Forwarding | None = None

    def rate(self, tensor: str, *, up: bool = False) -> Fraction | None:
        """Return the words per cycle of the bus of ``tensor``, each way; None is unlimited."""
        del up  # both ways alike
        return dict(self.tensor_rates).get(tensor, self.words_per_cycle)

    @property
    def rates(self) -> tuple[Fraction | None, ...]:
        """The rates that buses and links have, some perhaps twice."""
        links = () if self.forwarding is None else (self.forwarding.words_per_cycle,)
        return (self.words_per_cycle, *(rate for _, rate in self.tensor_rates), *links)


FREE_BUSES = XyBus()
"""Buses without limits: what a fan-out has when nothing is said."""


@dataclass(frozen=True, slots=True)
class Tree:
    """A distribution tree down and a reduction tree up, as in MAERI (Kwon et al., ASPLOS 2018).

    All tensors share each of the two roots. The adder trees of NVDLA are one without limits on the
    way down. Every node is a register: a word passes a stage in ``stage_cycles``, and another may
    follow it in the next cycle.

    Attributes:
        arity: children of a node; the tree has as few stages as reach every child of the fan-out.
        down_words_per_cycle: words that enter at the root per cycle; None is unlimited.
        up_words_per_cycle: words that leave there per cycle; None is unlimited.
        leaf_words_per_cycle: words that one child takes per cycle; None is unlimited. Counts where
            the children keep the tensor or are MACs.
        stage_cycles: latency of a stage.
        multicast: a node copies a word to several of its children.
        reduction: a node adds the sums of its children.
        adds_above: as of ``XyBus``.
        wires: what moving words takes, a link of the tree for a hop; None counts no energy for it.
    """

    arity: int = 2
    down_words_per_cycle: Fraction | None = None
    up_words_per_cycle: Fraction | None = None
    leaf_words_per_cycle: Fraction | None = None
    stage_cycles: int = 1
    multicast: bool = True
    reduction: bool = True
    adds_above: bool = False
    wires: Wires | None = None

    @property
    def rates(self) -> tuple[Fraction | None, ...]:
        """Rates of all its links; None is unlimited."""
        return (self.down_words_per_cycle, self.up_words_per_cycle, self.leaf_words_per_cycle)

    def rate(self, tensor: str, *, up: bool = False) -> Fraction | None:
        """Return the words per cycle at the root, of all tensors together; None is unlimited."""
        del tensor  # they share it
        return self.up_words_per_cycle if up else self.down_words_per_cycle

    def stages(self, children: int) -> int:
        """Return the links between the root and a child; 0 for a single child."""
        found, reached = 0, 1
        while reached < children:
            found, reached = found + 1, reached * self.arity
        return found

    def as_bus(self, children: int) -> XyBus:
        """Return what the tree counts like."""
        return XyBus(
            None,
            self.stages(children) * self.stage_cycles,
            self.multicast,
            diagonal=True,
            reduction=self.reduction,
            adds_above=self.adds_above,
            wires=self.wires,
        )


@dataclass(frozen=True, slots=True)
class Routed:
    """Routers and links, simulated flit by flit: see ``sim.noc`` for names and parameters.

    Children take the terminals of the topology in order, row by row of the mesh of the fan-out.
    With more terminals than children, that of the memory is its own and no child takes it; with as
    many, the memory shares the port of the child there.

    Attributes:
        topology: name of a topology.
        size: its sizes.
        options: its options, by name.
        routing: name of a routing.
        router: parameters of every router, by name; the others are at their default.
        flit_bits: bits of a flit besides its control lines; words are packed into flits.
        packet_flits: most flits of a packet.
        memory: terminal of the memory above.
        multicast: routers copy a packet where ways part; else one packet per child.
        reduction: routers add packets where ways join.
        adds_above: as of ``XyBus``.
        wires: what a hop takes; None counts no energy for it.
    """

    topology: str
    size: tuple[int, ...]
    options: tuple[tuple[str, int], ...] = ()
    routing: str = "xy"
    router: tuple[tuple[str, int | str], ...] = ()
    flit_bits: int = 64
    packet_flits: int = 4
    memory: int = 0
    multicast: bool = True
    reduction: bool = True
    adds_above: bool = False
    wires: Wires | None = None

    def as_bus(self) -> XyBus:
        """Return what the network counts like; its latency is that of no wire at all."""
        return XyBus(
            None,
            0,
            self.multicast,
            diagonal=True,
            reduction=self.reduction,
            adds_above=self.adds_above,
            wires=self.wires,
        )


@dataclass(frozen=True, slots=True)
class Wireless:
    """One broadcast channel on the air, which a memory and its children share by a token.

    Everybody hears everybody, and one of them is on the air at a time. The token is at the memory:
    what it sends, every child that needs it takes at once, and nobody has to be asked. For results
    the memory passes the token on; it goes past all children by their number, each sends what it
    has, and the last one passes it back, which ends the transfer: polling in a fixed order (survey
    of such protocols: Abadal et al., Medium Access Control in Wireless Network-on-Chip, IEEE
    Communications Magazine, 2018). So what a transfer takes follows from the transfer alone. Access
    by contention does not have that: how far senders have backed off depends on all before.

    Nothing is added on the air: partial sums travel alone.

    Attributes:
        flit_bits: bits that are sent together; words of a transmission are packed into flits.
        flit_cycles: cycles on the air per flit.
        token_cycles: from one that has the token to the next.
        latency_cycles: from the end of a flit on the air to its words at the taker's port.
        adds_above: as of ``XyBus``.
        wires: what a flit takes that all hear, as one hop; None counts no energy for it.
    """

    flit_bits: int = 64
    flit_cycles: int = 1
    token_cycles: int = 1
    latency_cycles: int = 0
    adds_above: bool = False
    wires: Wires | None = None

    def as_bus(self) -> XyBus:
        """Return what the channel counts like; its latency is that of no transfer at all."""
        return XyBus(
            None,
            0,
            multicast=True,
            diagonal=True,
            reduction=False,
            adds_above=self.adds_above,
            wires=self.wires,
        )


FlitWiring = Routed | Wireless
"""Networks that carry flits: how long a transfer takes depends on who takes part, not on words
alone."""
