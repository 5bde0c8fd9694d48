"""Descriptions as text for people: aligned tables, and an architecture as a drawing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

from arraysmith.arch.architecture import (
    REQUEST_BYTES,
    Architecture,
    Fanout,
    Memory,
    Routed,
    ScaleOut,
    Systolic,
    Tree,
    Wireless,
)
from arraysmith.arch.dataflow import Dataflow
from arraysmith.arch.interconnect import Forwarding
from arraysmith.arch.layout import Layout
from arraysmith.arch.mapping import Loop, Mapping
from arraysmith.arch.problem import DIMS, Network
from arraysmith.arch.units import format_bits, format_clock


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return an aligned table; columns of numbers are flush right, the others flush left."""
    body = [list(row) for row in rows]
    text = [[_cell(value) for value in row] for row in body]
    right = [
        bool(body) and all(isinstance(row[i], int | float) for row in body)
        for i in range(len(header))
    ]
    return aligned([header, *text], right)


def aligned(lines: Sequence[Sequence[str]], right: Sequence[bool], *, rule: bool = False) -> str:
    """Return cells in columns two blanks apart.

    Args:
        lines: rows of equal length, the heads first.
        right: per column, whether it is flush right.
        rule: whether to draw a line of dashes below the heads.
    """
    widths = [max(len(line[i]) for line in lines) for i in range(len(right))]
    drawn = [lines[0], *([["-" * width for width in widths]] if rule else []), *lines[1:]]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if flush else cell.ljust(width)
            for cell, width, flush in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in drawn
    )


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}"
    return str(value)


def describe_size(memory: Memory) -> str:
    """Return size and shape of a memory: ``128 KiB (16384 x 64 bit)``."""
    if memory.depth is None:
        return f"unbounded ({memory.width_bits} bit)"
    return f"{format_bits(memory.capacity_bits)} ({memory.depth} x {memory.width_bits} bit)"


def describe_network(fanout: Fanout) -> str:
    """Return the network of a fan-out in a few words."""
    wires = fanout.network
    if isinstance(wires, Systolic):
        return f"systolic, drain {wires.drain}, partial folds {wires.partial_folds}"
    if isinstance(wires, ScaleOut):
        return f"arrays side by side, rows of them cut {wires.y}, columns of them {wires.x}"
    if isinstance(wires, Tree):
        return ", ".join([*_tree_words(wires, fanout.instances), *_shares(wires)])
    if isinstance(wires, Routed):
        return ", ".join([*_routed_words(wires), *_shares(wires)])
    if isinstance(wires, Wireless):
        return ", ".join(_wireless_words(wires))
    words = [
        f"X/Y bus, {_rate(wires.words_per_cycle)} words per cycle",
        *(f"{_rate(rate)} of {tensor}" for tensor, rate in wires.tensor_rates),
        "multicast" if wires.multicast else "unicast",
        *(["across diagonals"] if wires.multicast and wires.diagonal else []),
        *(["reduction"] if wires.reduction else []),
        *(["partial sums added above"] if wires.adds_above and not wires.reduction else []),
        *([f"latency {wires.latency_cycles}"] if wires.latency_cycles else []),
        *([] if wires.forwarding is None else [_links_words(wires.forwarding)]),
    ]
    return ", ".join(words)


def _links_words(links: Forwarding) -> str:
    delay = f" after {links.latency_cycles}" if links.latency_cycles else ""
    return (
        f"ifmap words pass on to neighbours ({' '.join(links.directions)}), "
        f"{_rate(links.words_per_cycle)} per cycle and child{delay}"
    )


def _tree_words(tree: Tree, children: int) -> list[str]:
    rates = (tree.down_words_per_cycle, tree.up_words_per_cycle)
    return [
        f"trees of {tree.stages(children)} stages, {tree.arity} children a node",
        "{} words per cycle down, {} up".format(*map(_rate, rates)),
        *([f"{_rate(tree.leaf_words_per_cycle)} a leaf"] if tree.leaf_words_per_cycle else []),
        *([f"{tree.stage_cycles} cycles a stage"] if tree.stage_cycles != 1 else []),
    ]


def _routed_words(network: Routed) -> list[str]:
    size = "x".join(map(str, network.size))
    return [
        f"{network.topology} {size}, {network.routing} routing, flits of {network.flit_bits} bit",
        f"memory at terminal {network.memory}",
        *(f"{key} {value}" for key, value in (*network.options, *network.router)),
    ]


def _wireless_words(air: Wireless) -> list[str]:
    on_air = f" of {air.flit_cycles} cycles" if air.flit_cycles != 1 else ""
    delay = [f"latency {air.latency_cycles}"] if air.latency_cycles else []
    return [
        f"wireless, flits of {air.flit_bits} bit{on_air}, multicast",
        f"results by token, {air.token_cycles} a hop",
        *(["partial sums added above"] if air.adds_above else []),
        *delay,
    ]


def _shares(network: Tree | Routed) -> list[str]:
    return [
        "multicast" if network.multicast else "unicast",
        *(["reduction"] if network.reduction else []),
        *(["partial sums added above"] if network.adds_above and not network.reduction else []),
    ]


def _rate(words_per_cycle: Fraction | None) -> str:
    if words_per_cycle is None:
        return "any"
    return f"{float(words_per_cycle):g}"


def describe_layout(layout: Layout) -> str:
    """Return a layout in a few words: ``lines of Q:2 C:4, in the order P Q C``."""
    if not layout.blocked:
        return "row-major"
    blocks = " ".join(f"{axis}:{count}" for axis, count in layout.in_line) or "one word"
    order = f", in the order {' '.join(layout.line_order)}" if layout.line_order else ""
    return f"lines of {blocks}{order}"


def describe_access(memory: Memory) -> str:
    """Return what the table of levels has no column for: banks, parts, requests, order."""
    words = []
    if memory.banks > 1:
        tensor = memory.holds[0]
        words.append(f"{memory.banks} banks, interleaved by {memory.layout(tensor).interleave}")
    words += [f"{tensor} {describe_layout(layout)}" for tensor, layout in memory.layouts]
    words += [f"{lines:,} lines of {tensor}" for tensor, lines in memory.partition]
    if memory.request_bytes != REQUEST_BYTES or memory.requests_in_flight is not None:
        most = memory.requests_in_flight
        flight = "any number" if most is None else f"at most {most}"
        words.append(f"requests of {memory.request_bytes} B, {flight} under way")
    if memory.tiles_in_flight != 2:
        words.append(f"at most {memory.tiles_in_flight} tiles at a time")
    if memory.fills_after is not None:
        words.append(f"filled after {memory.fills_after}")
    return "; ".join(words)


def architecture_text(architecture: Architecture) -> str:
    """Return an architecture as a summary line and a table of its levels, outermost first."""
    kib = architecture.storage_bits / 8192
    head = (
        f"{architecture.name}: {architecture.pes:,} MACs at {format_clock(architecture.clock_hz)}, "
        f"{kib:,.1f} KiB on chip, {architecture.technology}"
    )
    rows: list[Sequence[object]] = []
    depth = 0
    for level in architecture.levels:
        copies = architecture.instances(level.name)
        name = "  " * depth + level.name
        if isinstance(level, Memory):
            rates = " / ".join(
                _rate(rate) for rate in (level.read_words_per_cycle, level.write_words_per_cycle)
            )
            holds = " ".join(level.holds)
            size, word = describe_size(level), f"{level.word_bits} bit"
            rows.append((name, copies, level.device, size, word, rates, holds))
        else:
            mesh = f"{level.mesh_x} columns x {level.mesh_y} rows"
            rows.append((name, copies, "fan-out", mesh, "", "", describe_network(level)))
            depth += 1
    mac = architecture.compute
    bits = f"{mac.multiply_bits} x {mac.multiply_bits} + {mac.accumulate_bits} bit"
    rows.append(("  " * depth + mac.name, architecture.pes, "MAC", bits, "", "", ""))
    header = ("level", "copies", "built of", "size", "word", "read / write per cycle", "holds")
    access = [(memory.name, describe_access(memory)) for memory in architecture.memories]
    notes = "\n".join(f"{name}: {text}" for name, text in access if text)
    return f"{head}\n\n{table(header, rows)}" + (f"\n\n{notes}" if notes else "")


def mapping_text(mapping: Mapping) -> str:
    """Return a mapping as a table: per level the loops in time, over columns, over rows."""
    rows = [
        (
            entry.level,
            _loops(entry.temporal),
            _loops(entry.x),
            _loops(entry.y),
            "all" if entry.keep is None else " ".join(entry.keep) or "nothing",
        )
        for entry in mapping.levels
    ]
    return table(("level", "in time", "over columns", "over rows", "keeps"), rows)


def _loops(loops: Iterable[Loop]) -> str:
    return " ".join(f"{loop.dim}:{loop.tile}" for loop in loops)


def network_text(network: Network) -> str:
    """Return a network as a summary line and a table of its layers."""
    rows = [
        (
            layer.name,
            layer.problem.operator,
            *layer.problem.sizes,
            layer.repeat,
            layer.problem.macs * layer.repeat,
        )
        for layer in network.layers
    ]
    layers = "1 layer" if len(network.layers) == 1 else f"{len(network.layers)} layers"
    head = f"{network.name}: {layers}, {network.macs:,} MACs"
    return f"{head}\n\n{table(('layer', 'operator', *DIMS, 'repeat', 'MACs'), rows)}"


def dataflow_text(dataflow: Dataflow) -> str:
    """Return a dataflow as its note and a table of its rules; ``free`` where it says nothing."""
    rows = [
        (rule.level, _dims(rule.temporal), _dims(rule.x), _dims(rule.y), " ".join(rule.whole))
        for rule in dataflow.rules
    ]
    header = ("level", "in time", "over columns", "over rows", "whole")
    return f"{dataflow.name}: {dataflow.note}\n\n{table(header, rows)}"


def _dims(dims: tuple[str, ...] | None) -> str:
    if dims is None:
        return "free"
    return " ".join(dims) or "none"
