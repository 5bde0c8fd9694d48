"""What the kernel of a spatial design runs with: the columns of its arrays, by name."""

from __future__ import annotations

from arraysmith.sim.cycle.array.holding import Wires
from arraysmith.sim.cycle.nest.boxes import Int
from arraysmith.sim.cycle.nest.lookups import Tables

RING = 64
"""Epochs of an edge that are remembered."""

VISITS = 1024
"""Result tiles told apart when one comes back; two that are not are taken for one."""

# Columns of ``Machine.edges``, one row per edge on the chip, parents first.
NUMBER = 0  # of the edge in the tree
TENSOR = 1
DEPTH = 2  # loops in time that move its tile
AT_MACS = 3
ABOVE = 4  # the edge into its parent; -1: words come over the off-chip border
BELOW = 5  # the edge out of its child; -1: the MACs work with it
SERIAL = 6  # filling (draining) the child and working with it exclude each other
PARENT = 7  # numbers of memories, -1 for the MACs
CHILD = 8
PARENT_SERIAL = 9
LATENCY = 10  # cycles along all its buses
BUSES = 11  # how many
FIRST_BUS = 12  # clock of the first bus down; those up follow
PORT_CAUSE = 13  # stall causes: the parent's port ...
ROOM_CAUSE = 14  # ... room in the child ...
BUS_CAUSE = 15  # ... and the first bus
OWN = 16  # axes of its tensor
SLOTS = 17  # tiles that the child has room for; 1 where SERIAL
AFTER = 18  # memory that takes its words before the child, -1 if none
BANK_CAUSE = 19  # stall cause: banks that the parent's words, or the child's, lie in
LINK = 20  # clock of the links between neighbours, -1 if none
LINK_LATENCY = 21
LINK_CAUSE = 22
EDGE = 23

# What is known of an edge.
ARRIVED = 0  # its tile is in the child (has room there)
BLAME = 1  # why not earlier: a chain, see ``sim.probe``
READ_LEFT = 2  # the last words left the parent
LANDED = 3  # the last results were in the parent
EPOCH = 4  # number of the present tile; -1 before the first
ENDED = 5  # result epochs that are over ...
SENT = 6  # ... and drained
BEHIND = 7  # why its place was not free earlier
KNOWN = 8

# What is known of an epoch: of an operand, in E_LEFT, when the tile before was last used.
E_READY = 0  # results are done
E_ROOM = 1  # its tile has room in the child
E_ABOVE = 2  # the parent's epoch
E_DRAINED = 3  # its results are in the parent ...
E_LEFT = 4  # ... and have left the child
E_TILES = 5  # words of different tiles
E_TURNED = 6  # the loop that turned to it
E_LATE = 7  # cycles that routed networks take from the last word at the parent's link on
E_WHY = 8  # why its results have not left earlier: a chain, see ``sim.probe``
E_TURNS = 9  # turns in banks at the parent, of what it reads again, at the child
E_THROUGH = 12  # words at ports and buses when it drains; then the turns of all loops

# Places in the state; ``NOTING``: whether a record is kept of every step, too; ``EARLIEST``: of the
# cycles from which words on their way down could move, lowered to the earliest; ``LONGEST``: raised
# to the most cycles that such a transfer took before the first step of a phase. See ``recall``.
COMPUTED, STARTED, OPENING, TURNED, OVER, STEP, WAITS, NOTING, EARLIEST, LONGEST, STATE = range(11)

# Words counted, per edge of the tree.
DOWN_WORDS, FILL_WORDS, UP_WORDS, TILE_WORDS, DRAIN_WORDS, WORDS = range(6)

# Numbers of the machine.
PHASE_LOOPS, STEP_LOOPS, PIPELINE, RAGGED, ROUNDS, FANOUTS, FILL_CAUSE, PORT_CAUSES, NUMBERS = (
    range(9)
)

# Columns of a record; the turns of all loops follow. Of a step: as edge the number of edges, its
# begin and end in cycles. ``R_UP`` is 0 for words on their way down, 1 up, ``SIDEWAYS`` from
# neighbours; these pass links from tick ``R_AGAIN`` to tick ``R_LEFT``. Children take (send) words
# from tick ``R_FROM`` to tick ``R_TO``, those that they take as much later as the buses' latency.
# A record sideways leaves that (``R_TO`` is -1) to one down beside it, whose ``R_AGAIN`` is 1.
R_EDGE, R_UP, R_BEGIN, R_LEFT, R_DONE, R_TILE, R_TURNED, R_AGAIN, R_FROM, R_TO, RECORD = range(11)
SIDEWAYS = 2

Plan = tuple[Int, Int, Int, Int, Int, Int, Int, Tables, Int]
"""What never changes: loops, how many per dim, sizes (see ``Tree``); numbers; edges; int64 [edges,
loops in time], ``Edge.again``, -1 elsewhere; int64 [memories, 2], words that a MAC right below
takes and gives back; tables (see ``amounts``); ``Amounts.kept`` of the edges."""

Clocks = tuple[Int, Int, Int, Int, Int, Int, Int, Wires]
"""What does: state; turns of the next step; limits of the loops; edges; epochs [edges, RING, ..];
int64 [edges, VISITS], last epoch of a result tile; int64 [memories, 2], when the last fill was
there and the last child was done; ports and buses."""
