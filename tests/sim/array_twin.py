"""Arrays register by register, with values: slow, and nothing in them knows a formula of time.

Every function returns, per tile, {result: (cycle in which it leaves, value)}.
"""

from __future__ import annotations

from collections import deque


class CollisionError(Exception):
    """Two results in one register, or on one bus in one cycle."""


class Delay:
    """So many registers in a row; none is a wire."""

    def __init__(self, registers):
        self.held = deque([None] * registers)

    def pass_on(self, word):
        """Take a word, give the one that was taken ``registers`` cycles ago."""
        self.held.append(word)
        return self.held.popleft()


def grid(m, n, make):
    return [[make(i, j) for j in range(n)] for i in range(m)]


class Chain:
    """Result registers that shift when all of them are full, until all of them are empty."""

    def __init__(self, m, n, drain):
        self.down = drain == "rows"
        self.lanes = n if self.down else m
        self.length = m if self.down else n
        self.cells = [[None] * self.length for _ in range(self.lanes)]
        self.shifts = False

    def leaving(self):
        """Return what leaves in this cycle, and shift."""
        cells = [cell for lane in self.cells for cell in lane]
        self.shifts = self.shifts or all(cells)
        if not self.shifts:
            return []
        gone = [lane.pop() for lane in self.cells]
        for lane in self.cells:
            lane.insert(0, None)
        self.shifts = any(cell for lane in self.cells for cell in lane)
        return gone

    def take(self, i, j, result):
        """Take a result at the end of this cycle."""
        if any(x and x[0] != result[0] for lane in self.cells for x in lane):
            raise CollisionError
        lane, cell = (j, i) if self.down else (i, j)
        self.cells[lane][cell] = result


def output_stationary(registers, tile, starts, left, top):
    """Run tiles of one shape whose lane 0 takes step 0 in cycle ``starts[k]``.

    ``left[k][t][i]`` and ``top[k][t][j]`` are words.
    """
    m, n = tile
    steps = len(left[0])
    r = registers
    row_lanes = [Delay(i * r.row_hop) for i in range(m)]
    column_lanes = [Delay(j * r.column_hop) for j in range(n)]
    rightward = grid(m, n, lambda i, j: Delay(r.column_hop))
    downward = grid(m, n, lambda i, j: Delay(r.row_hop))
    products = grid(m, n, lambda i, j: Delay(r.input_registers + r.multiplier_registers))
    beyond = r.accumulator_registers - 1 + r.output_registers + (r.drain == "bus")
    complete = grid(m, n, lambda i, j: Delay(beyond))
    sums = grid(m, n, lambda i, j: 0)
    chain = Chain(m, n, r.drain) if r.drain in {"rows", "columns"} else None
    found = [{} for _ in starts]
    cycle = 0
    while sum(map(len, found)) < len(starts) * m * n:
        assert cycle < 1000, "results are missing"
        for k, value, at in chain.leaving() if chain else ():
            found[k][at] = cycle, value
        now = [(k, cycle - s) for k, s in enumerate(starts) if 0 <= cycle - s < steps]
        assert len(now) <= 1, "two tiles at the edge in one cycle"
        a = [lane.pass_on(edge_word(left, now, i, steps)) for i, lane in enumerate(row_lanes)]
        b = [lane.pass_on(edge_word(top, now, j, steps)) for j, lane in enumerate(column_lanes)]
        buses = set()
        for i in range(m):
            for j in range(n):
                assert (a[i] is None) == (b[j] is None), "an operand without its partner"
                both = products[i][j].pass_on(a[i] and (a[i], b[j]))
                a[i], b[j] = rightward[i][j].pass_on(a[i]), downward[i][j].pass_on(b[j])
                total = None
                if both:
                    (k, x, first, last), (_, y, *_) = both
                    sums[i][j] = (0 if first else sums[i][j]) + x * y
                    total = (k, sums[i][j], (i, j)) if last else None
                total = complete[i][j].pass_on(total)
                if total and chain:
                    chain.take(i, j, total)
                elif total:
                    if r.drain == "bus" and j in buses:
                        raise CollisionError
                    buses.add(j)
                    found[total[0]][i, j] = cycle, total[1]
        cycle += 1
    return found


def edge_word(words, now, lane, steps):
    """Return (tile, word, first, last) of a lane, or None."""
    for k, t in now:
        return k, words[k][t][lane], t == 0, t == steps - 1
    return None


def weight_stationary(registers, tile, kept, stream):
    """Run one stream of ``stream[t][i]`` over ``kept[i][j]``; results are (t, j)."""
    m, n = tile
    r = registers
    lanes = [Delay(i * r.row_hop) for i in range(m)]
    rightward = grid(m, n, lambda i, j: Delay(r.column_hop))
    products = grid(m, n, lambda i, j: Delay(r.input_registers + r.multiplier_registers))
    down = grid(m, n, lambda i, j: Delay(r.accumulator_registers))
    last = [Delay(r.accumulator_registers - 1 + r.output_registers) for _ in range(n)]
    found, cycle = {}, 0
    while len(found) < len(stream) * n:
        a = [
            lane.pass_on((cycle, stream[cycle][i]) if cycle < len(stream) else None)
            for i, lane in enumerate(lanes)
        ]
        above = [None] * n
        for i in range(m):
            for j in range(n):
                product = products[i][j].pass_on(a[i] and (a[i][0], a[i][1] * kept[i][j]))
                a[i] = rightward[i][j].pass_on(a[i])
                if i:
                    assert (product is None) == (above[j] is None), "a sum without its product"
                    assert product is None or product[0] == above[j][0]
                total = product and (product[0], product[1] + (above[j][1] if i else 0))
                above[j] = down[i][j].pass_on(total)
                left = last[j].pass_on(total) if i == m - 1 else None
                if left:
                    found[left[0], j] = cycle, left[1]
        cycle += 1
    return [found]


def through_ports(registers, tile, left, top):
    """Run one tile whose words come through ports, and whose results leave over lines."""
    m, n = tile
    r, steps = registers, len(left)
    lanes = [(j, "top", j) for j in range(n)] + [(r.columns + i, "left", i) for i in range(m)]
    ports = {lane // r.lanes_per_port: deque() for lane, *_ in lanes}
    behind = {p: Delay(r.port_registers if r.lanes_per_port > 1 else 0) for p in ports}
    waiting = {side: grid(m, n, lambda i, j: deque()) for side in ("left", "top")}
    products = grid(m, n, lambda i, j: Delay(r.input_registers + r.multiplier_registers))
    kept = r.accumulator_registers - 1 + r.output_registers
    complete = grid(m, n, lambda i, j: Delay(kept + 1))
    sums, turns = grid(m, n, lambda i, j: 0), grid(m, n, lambda i, j: 0)
    lines = [deque() for _ in range(r.lines)]
    store, found, cycle = deque(), {}, 0
    while len(found) < m * n:
        if cycle < steps:
            for lane, side, index in lanes:
                word = (left if side == "left" else top)[cycle][index]
                ports[lane // r.lanes_per_port].append((side, index, word))
        for number, port in ports.items():
            word = behind[number].pass_on(port.popleft() if port else None)
            if word:
                side, index, value = word
                i, j = (index, 0) if side == "left" else (0, index)
                waiting[side][i][j].append(value)
        onward = []
        for i in range(m):
            for j in range(n):
                both = None
                if waiting["left"][i][j] and waiting["top"][i][j]:
                    x, y = waiting["left"][i][j].popleft(), waiting["top"][i][j].popleft()
                    both = (x * y,)
                    onward += [("left", i, j + 1, x), ("top", i + 1, j, y)]
                product = products[i][j].pass_on(both)
                total = None
                if product:
                    sums[i][j] += product[0]
                    turns[i][j] += 1
                    total = ((i, j), sums[i][j]) if turns[i][j] == steps else None
                total = complete[i][j].pass_on(total)
                if total:
                    lines[(i * r.columns + j) % r.lines].append(total)
        for side, i, j, word in onward:  # a register per hop
            if i < m and j < n:
                waiting[side][i][j].append(word)
        store.extend(line.popleft() for line in lines if line)
        for _ in range(-(-len(store) // 2) if r.stores_half else len(store)):
            at, value = store.popleft()
            found[at] = cycle, value
        cycle += 1
    return [found]
