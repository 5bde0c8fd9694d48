"""The rules of SCALE-Sim 3.0.0 word by word with lists and sets: slow, and nothing else."""

from __future__ import annotations

from math import ceil


def matrices(shape):
    """Return the words of ifmap [pixel][window], filter [window][filter], ofmap [pixel][filter]."""
    rows, columns = shape.output
    ifmap = []
    for y in range(rows):
        for x in range(columns):
            line = []
            for w in range(shape.window):
                fy, rest = divmod(w, shape.filter_width * shape.channels)
                fx, c = divmod(rest, shape.channels)
                if w % shape.block >= shape.kept:
                    continue
                i, j = y * shape.stride[0] + fy, x * shape.stride[1] + fx
                inside = i < shape.ifmap_height and j < shape.ifmap_width
                line.append((i * shape.ifmap_width + j) * shape.channels + c if inside else -1)
            ifmap.append(line)
    kept = [w for w in range(shape.window) if w % shape.block < shape.kept]
    weights = [[k * shape.window + w for k in range(shape.filters)] for w in kept]
    ofmap = [[p * shape.filters + k for k in range(shape.filters)] for p in range(rows * columns)]
    return ifmap, weights, ofmap


def turned(table):
    return [list(line) for line in zip(*table, strict=True)]


def block(table, first_row, rows, first_column, columns):
    """Return a block of a table, filled up with -1 to rows x columns (None: all that there is)."""
    lines = table[first_row : first_row + rows] if rows else table
    lines = [line[first_column : first_column + columns] for line in lines]
    lines = [line + [-1] * (columns - len(line)) for line in lines]
    return lines + [[-1] * columns for _ in range((rows or 0) - len(lines))]


def nulls(rows, columns):
    return [[-1] * columns for _ in range(rows)]


def skewed(table):
    rows, columns = len(table), len(table[0])
    lines = nulls(rows + columns - 1, columns)
    for i, line in enumerate(table):
        for j, entry in enumerate(line):
            lines[i + j][j] = entry
    return lines


def demand(shape, r, c, dataflow):
    """Return what the ports of ifmap, filter and ofmap ask for, a line per cycle."""
    ifmap, weights, ofmap = matrices(shape)
    high, wide = {
        "os": (len(ifmap), shape.filters),
        "ws": (len(weights), shape.filters),
        "is": (len(weights), len(ifmap)),
    }[dataflow]
    asked = [], [], []
    for fc in range(0, wide, c):
        for fr in range(0, high, r):
            if dataflow == "os":
                steps = len(weights)
                parts = (
                    skewed(block(turned(ifmap), 0, 0, fr, r) + nulls(c - 1, r)),
                    skewed(block(weights, 0, 0, fc, c) + nulls(r - 1, c)),
                    skewed(nulls(steps - 1, c) + block(ofmap, fr, r, fc, c)[::-1]),
                )
            elif dataflow == "ws":
                rest = r + c + len(ifmap) - 2
                parts = (
                    skewed(nulls(r, r) + block(ifmap, 0, 0, fr, r) + nulls(c - 1, r)),
                    block(weights, fr, r, fc, c)[::-1] + nulls(rest, c),
                    skewed(nulls(2 * r - 1, c) + block(ofmap, 0, 0, fc, c)),
                )
            else:
                rest = r + c + shape.filters - 2
                parts = (
                    block(turned(ifmap), fr, r, fc, c)[::-1] + nulls(rest, c),
                    skewed(nulls(r, r) + block(turned(weights), 0, 0, fr, r) + nulls(c - 1, r)),
                    skewed(nulls(2 * r - 1, c) + block(turned(ofmap), 0, 0, fc, c)),
                )
            for lines, part in zip(asked, parts, strict=True):
                lines.extend(part)
    return asked


def prefetch_order(shape, r, c, dataflow):
    """Return the lists of ifmap and filter in the order of prefetches, nulls included."""
    ifmap, weights, _ = matrices(shape)
    tables = {
        "os": ((turned(ifmap), r, True), (weights, c, True)),
        "ws": ((ifmap, r, True), (weights, c, False)),
        "is": ((turned(ifmap), c, False), (turned(weights), r, True)),
    }[dataflow]
    found = []
    for table, width, diagonal in tables:
        lines = []
        for first in range(0, len(table[0]), width):
            lines += block(table, 0, 0, first, width)
        if not diagonal:
            found.append([x for line in lines for x in line])
            continue
        order = sorted(
            ((i + j, j) for i in range(len(lines)) for j in range(width)),
        )
        found.append([lines[turn - j][j] for turn, j in order])
    return found


class CalcBuffer:
    """A set that is emptied when full."""

    def __init__(self, words):
        self.capacity, self.seen, self.reads = 50 * (words // 100), set(), 0

    def serve(self, line, _):
        for entry in line:
            if entry >= 0 and entry not in self.seen:
                self.reads += 1
                self.seen.add(entry)
                if len(self.seen) == self.capacity:
                    self.seen = set()
        return 1


class UserBuffer:
    """Lines in a ring, a window of half a buffer, and the waits as they are added."""

    def __init__(self, words, bandwidth, listed):
        size = ceil(words / 100)
        entries = [x for x in listed if x >= 0]
        self.lines = [set(entries[i : i + size]) for i in range(0, len(entries), size)]
        if len(entries) % size == 0:
            self.lines.append(set())
        half = words // 2
        self.width = min(len(self.lines), ceil(half / size))
        self.step = min(len(self.lines) - self.width, ceil(half / size))
        self.transfers, self.bandwidth = ceil(half / bandwidth), bandwidth
        self.reads = min(self.transfers, ceil(len(listed) / bandwidth)) * bandwidth
        self.start, self.last = 0, -1

    def has(self, entry):
        many = len(self.lines)
        return any(entry in self.lines[(self.start + i) % many] for i in range(self.width))

    def serve(self, line, cycle):
        offset = 1
        for entry in line:
            while entry >= 0 and not self.has(entry):
                self.start = (self.start + self.step) % len(self.lines)
                self.last += self.transfers + 1
                self.reads += self.transfers * self.bandwidth
                late = self.last - (cycle + offset)
                offset += late
                offset += max(late, 0)
        return offset


class WriteBuffer:
    """Lines as lists, drained by half buffers."""

    def __init__(self, words, bandwidth):
        self.words, self.bandwidth, self.free = words, bandwidth, words
        self.line, self.lines, self.busy, self.written, self.stamps = [], [], 0, 0, []

    def drain(self, cycle):
        out = self.lines[: ceil(self.words / 2 / self.bandwidth)]
        del self.lines[: len(out)]
        moved = len(out) * self.bandwidth - (self.bandwidth - len(out[-1]))
        self.written += moved
        self.free += moved
        self.busy = cycle + len(out) - 1
        self.stamps += range(cycle, cycle + len(out))

    def close(self):
        if self.line:
            self.lines.append(self.line)
            self.line = []

    def take(self, line, cycle):
        for entry in line:
            if entry < 0:
                continue
            self.line.append(entry)
            self.free -= 1
            if len(self.line) == self.bandwidth:
                self.close()
            if cycle < self.busy:
                if self.free <= 0:
                    cycle = self.busy
            elif self.free < self.words / 2:
                self.close()
                self.drain(cycle)
        return cycle

    def finish(self, cycle):
        self.close()
        while self.lines:
            self.drain(cycle)
            cycle = self.busy + 1


def run(machine, shape):
    """Return stalls, total cycles, off-chip words, last write, and stamps of the three operands."""
    asked = demand(shape, machine.rows, machine.columns, machine.dataflow)
    if machine.user:
        lists = prefetch_order(shape, machine.rows, machine.columns, machine.dataflow)
        readers = [
            UserBuffer(port.words, port.bandwidth, listed)
            for port, listed in zip((machine.ifmap, machine.filter), lists, strict=True)
        ]
    else:
        readers = [CalcBuffer(port.words) for port in (machine.ifmap, machine.filter)]
    writer = WriteBuffer(machine.ofmap_words, machine.ofmap_bandwidth)
    stalls, stamps = 0, []
    for at, lines in enumerate(zip(*asked, strict=True)):
        cycle = at + stalls
        waits = [reader.serve(line, cycle) for reader, line in zip(readers, lines, strict=False)]
        taken = writer.take(lines[2], cycle)
        stamps.append((cycle + waits[0], cycle + waits[1], taken))
        stalls += max(waits[0] - 1, waits[1] - 1, taken - cycle)
    writer.finish(stamps[-1][2])
    return {
        "stalls": stalls,
        "total": max(x[2] for x in stamps),
        "dram": (readers[0].reads, readers[1].reads, writer.written),
        "writes": (min(writer.stamps), max(writer.stamps)),
        "stamps": stamps,
        "asked": asked,
    }
