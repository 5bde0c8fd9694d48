"""Timeloop's ``architecture`` sections as documents of our own architecture files.

A document is then checked as any other, its faults placed where their words stand.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import replace
from fractions import Fraction
from typing import Any

from arraysmith.arch.errors import Fault, InputError, nearest
from arraysmith.arch.importers.timeloop_names import USUAL, Names
from arraysmith.arch.importers.timeloop_nodes import Attribute, Part, joined, read_parts
from arraysmith.arch.importers.timeloop_source import OURS, Reading
from arraysmith.arch.problem import TENSORS
from arraysmith.arch.units import format_rate
from arraysmith.arch.yaml_positions import Document, Positions, parent_path

TECHNOLOGY = "45nm"
"""Technology where a file names none."""

CYCLE_SECONDS = 1e-9
"""Cycle where a file states none: the default of the tool's front end."""

SINGLE = "single"
"""Name of the fan-out of one child that a design without mesh gets."""

DEVICES = {
    **dict.fromkeys(("SRAM", "sram", "smartbuffer_SRAM", "smartbuffer_metadata"), "sram"),
    **dict.fromkeys(
        ("regfile", "smartbuffer_RF", "regfile_metadata", "register", "aladdin_register",
         "reg_storage"), "regfile"
    ),
}  # fmt: skip
"""Classes of memories -> devices of ours."""

CLASSES = {"sram": "smartbuffer_SRAM", "regfile": "smartbuffer_RF"}
"""Devices -> the class that is written for them."""

_SYNONYMS = {
    "memory_depth": "depth",
    "memory_width": "width",
    "word_bits": "datawidth",
    "word-bits": "datawidth",
    "block-size": "block_size",
}
_MEMORY = (
    "depth", "width", "datawidth", "entries", "sizeKB", "block_size", "cluster_size",
    "read_bandwidth", "write_bandwidth", "shared_bandwidth", "multiple_buffering", "type",
    "technology", "global_cycle_seconds", "reduction_supported",
)  # fmt: skip
_COMPUTE = ("multiplier_width", "adder_width", "datawidth", "technology", "global_cycle_seconds")


def design_document(reading: Reading, names: Names = USUAL) -> tuple[Document, dict[str, str]]:
    """Return the design in section ``architecture`` as a document of ours.

    Args:
        reading: the file; takes faults and assumptions.
        names: what its data spaces are called here.

    Returns:
        the document, and the path there of each path here.
    """
    builder = _Builder(reading, names)
    data = builder.design()
    places = reading.positions.places
    positions = Positions(
        reading.positions.file,
        {ours: places[theirs] for ours, theirs in builder.paths.items() if theirs in places},
    )
    return Document(data, positions, ()), builder.paths


def renamed(error: InputError, paths: dict[str, str], reading: Reading) -> list[Fault]:
    """Return the faults of a document with the paths of the file it was made of.

    Those of nodes with faults of their own are left out: they may follow from them.
    """
    broken = {_node(fault.field) for fault in reading.faults}
    found = []
    for fault in error.faults:
        around = fault.field
        while around and around not in paths:
            around = parent_path(around)
        field = paths.get(around, "architecture")
        if _node(field) not in broken and not (broken and field == "architecture"):
            found.append(replace(fault, field=field))
    return found


def _node(path: str) -> str:
    """Return the path of the innermost node that the field at ``path`` belongs to."""
    found = re.match(r".*(?:nodes|local)\[\d+\]", path)
    return found[0] if found else path


def constraint_targets(reading: Reading) -> list[tuple[Any, str]]:
    """Return the directives of every section of constraints, with their paths."""
    found = []
    for key, section in reading.document.data.items():
        if "constraints" not in key:
            continue
        inner, path = section, key
        if not isinstance(section, tuple):
            table = reading.table(section, key)
            reading.version(table, key)
            reading.keys(table, ("version", "targets"), key)
            inner, path = table.get("targets"), f"{key}.targets"
        listed = reading.listing(inner, path)
        found += [(item, f"{path}[{index}]") for index, item in enumerate(listed)]
    return found


class _Builder:
    """Builds the plain data of our architecture file, and notes where its parts come from."""

    def __init__(self, reading: Reading, names: Names) -> None:
        self.reading = reading
        self.names = names
        self.paths: dict[str, str] = {"": "architecture"}
        self.bypassed = self._bypassed()

    def design(self) -> dict[str, Any]:
        """Return the data of the whole design."""
        parts = read_parts(self.reading)
        components = [part for part in parts if part.kind == "component"]
        computes = [part for part in components if self._is_compute(part)]
        if not computes or computes[-1] is not components[-1] or len(computes) > 1:
            rule = "must end in one component that computes"
            self.reading.fault("architecture.nodes", rule, "for example class: intmac")
        levels: list[dict[str, Any]] = []
        for part in joined(self.reading, parts):
            path = f"levels[{len(levels)}]"
            if part.mesh is not None:
                levels.append(self._fanout(part, path))
                path = f"levels[{len(levels)}]"
            if part.kind == "component" and part not in computes:
                levels.append(self._memory(part, path))
        if components and not any("fanout" in level for level in levels):
            self.reading.assume(f"no mesh is given: one MAC, a fan-out of 1 x 1 called {SINGLE}")
            levels.append({"fanout": SINGLE, "mesh_x": 1, "mesh_y": 1})
        data = {
            "kind": "architecture",
            **self._head(parts, components),
            "levels": tuple(levels),
        }
        if computes:
            data["compute"] = self._compute(computes[-1])
        return data

    def _head(self, parts: list[Part], components: list[Part]) -> dict[str, Any]:
        designs = [part for part in parts if part.kind == "design"]
        named = [part for part in designs if "technology" in part.own] or designs[:1]
        head: dict[str, Any] = {"name": named[0].name if named else self.reading.stem}
        self.paths["name"] = f"{named[0].path}.name" if named else ""
        head["source"] = "Timeloop architecture"
        cycle = self._common(components, "global_cycle_seconds", CYCLE_SECONDS)
        value = cycle.value
        if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
            head["clock"] = round(1 / Fraction(value))
        else:
            self.reading.fault(cycle.path, "must be the seconds of a cycle", "for example 1e-9")
            head["clock"] = 10**9
        self.paths["clock"] = cycle.path
        technology = self._common(components, "technology", TECHNOLOGY)
        word = technology.value
        head["technology"] = f"{word}nm" if isinstance(word, int) else word
        self.paths["technology"] = technology.path
        for part in designs:
            for key, attribute in part.ours().items():
                head[key] = attribute.value
                self.paths[key] = attribute.path
        return head

    def _common(self, components: list[Part], key: str, usual: Any) -> Attribute:
        """Return the attribute that all components share; the usual one if none has it."""
        found = [part.attributes[key] for part in components if key in part.attributes]
        if not found:
            self.reading.assume(f"{key} is not given and taken as {usual}")
            return Attribute(usual, "architecture")
        for attribute in found[1:]:
            if attribute.value != found[0].value:
                rule = f"must be the same everywhere, {found[0].value}"
                self.reading.fault(attribute.path, rule)
        return found[0]

    def _is_compute(self, part: Part) -> bool:
        word = part.words[-1] if part.words else ""
        return "mac" in word.lower() or word == "compute"

    def _attributes(self, part: Part, known: tuple[str, ...]) -> dict[str, Attribute]:
        """Return the attributes by their present names; near misses of known ones are faults."""
        found = {}
        left_out = []
        for key, attribute in part.attributes.items():
            name = _SYNONYMS.get(key, key)
            if name in known:
                found[name] = attribute
            elif key not in part.own or key.startswith(OURS):
                continue
            elif difflib.get_close_matches(key, known, n=1, cutoff=0.85):
                hint = nearest(key, known)
                self.reading.fault(attribute.path, "unknown attribute", hint, at_key=True)
            else:
                left_out.append(key)
        if left_out:
            self.reading.assume(f"{part.name}: left out: {', '.join(left_out)}")
        return found

    def _put(self, data: dict[str, Any], path: str, key: str, value: Any, origin: str) -> None:
        data[key] = value
        self.paths[f"{path}.{key}"] = origin

    def _memory(self, part: Part, path: str) -> dict[str, Any]:
        given = self._attributes(part, _MEMORY)
        data: dict[str, Any] = {}
        self.paths[path] = part.path
        self._put(data, path, "memory", part.name, f"{part.path}.name")
        kind = given["type"].path if "DRAM" in part.words and "type" in given else None
        device = self._device(part, given)
        self._put(data, path, "device", device, kind or f"{part.path}.class")
        self._put(data, path, "holds", self._holds(part), f"{part.path}.constraints.dataspace")
        for theirs, ours in (("width", "width"), ("datawidth", "word"), ("depth", "depth")):
            if theirs in given:
                self._put(data, path, ours, given[theirs].value, given[theirs].path)
        self._sizes(data, path, given)
        for theirs, ours in (("read_bandwidth", "read"), ("write_bandwidth", "write")):
            if theirs in given:
                self._put(data, path, ours, self._rate(given[theirs]), given[theirs].path)
        if "shared_bandwidth" in given:
            rate = self._rate(given["shared_bandwidth"])
            for key, value in (("read", rate), ("write", rate), ("ports", 1)):
                self._put(data, path, key, value, given["shared_bandwidth"].path)
        self._refused(part, given)
        return self._with_ours(data, part, path)

    def _device(self, part: Part, given: dict[str, Attribute]) -> str:
        if "DRAM" in part.words:
            if "type" not in given:
                self.reading.assume(f"{part.name} is LPDDR4, as no type is given")
                return "lpddr4"
            return str(given["type"].value).lower()
        for word in part.words:
            if word in DEVICES:
                return DEVICES[word]
        if part.words == ("storage",):
            self.reading.assume(f"{part.name} is built of SRAM, as its class does not say")
            return "sram"
        hint = nearest(part.words[0] if part.words else "", ("DRAM", *DEVICES, "intmac"))
        self.reading.fault(f"{part.path}.class", "unknown class of component", hint)
        return "sram"

    def _sizes(self, data: dict[str, Any], path: str, given: dict[str, Attribute]) -> None:
        """Fill in width from words per line, depth from the size in words or KiB."""
        word, width = data.get("word"), data.get("width")
        if "block_size" in given and isinstance(word, int):
            block = self.reading.count(given["block_size"].value, given["block_size"].path) or 1
            if width is None:
                self._put(data, path, "width", block * word, given["block_size"].path)
            elif width != block * word:
                rule = f"must fill the width: {width} bit are not {block} words of {word} bit"
                self.reading.fault(given["block_size"].path, rule)
        width = data.get("width")
        for key, bits in (("entries", word), ("sizeKB", 8 * 1024)):
            if key not in given or not isinstance(width, int) or not isinstance(bits, int):
                continue
            total = (self.reading.count(given[key].value, given[key].path) or 0) * bits
            if "depth" in given:
                self.reading.fault(given[key].path, "give depth or size, not both")
            elif total % width:
                self.reading.fault(given[key].path, f"must be whole lines of {width} bit")
            else:
                self._put(data, path, "depth", total // width, given[key].path)

    def _rate(self, attribute: Attribute) -> str:
        value = attribute.value
        if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
            return format_rate(Fraction(str(value)))
        self.reading.fault(attribute.path, "must be words per cycle, greater than 0")
        return "1 word/cycle"

    def _refused(self, part: Part, given: dict[str, Attribute]) -> None:
        for key, usual in (("cluster_size", 1), ("reduction_supported", True)):
            if key in given and given[key].value != usual:
                self.reading.fault(given[key].path, f"cannot be said: must be {usual}")
        buffers = given.get("multiple_buffering", Attribute(1, "")).value
        if buffers == 2:
            text = "tiles of more than a half stay legal, but are not filled while worked on"
            self.reading.assume(f"{part.name} has two halves: {text}")
        elif buffers != 1:
            self.reading.fault(given["multiple_buffering"].path, "must be 1 or 2")

    def _with_ours(
        self, data: dict[str, Any], part: Part, path: str, *, network: bool = False
    ) -> dict[str, Any]:
        for key, attribute in part.ours().items():
            if network:
                bus = data.setdefault("network", {"xy_bus": {}})["xy_bus"]
                self._put(bus, f"{path}.network.xy_bus", key, attribute.value, attribute.path)
            else:
                self._put(data, path, key, attribute.value, attribute.path)
        return data

    def _holds(self, part: Part) -> tuple[str, ...]:
        """Return the tensors that a memory may hold: those kept, then those not bypassed."""
        path = f"{part.path}.constraints.dataspace"
        table = self.reading.table((part.constraints or {}).get("dataspace"), path)
        self.reading.keys(table, ("keep", "bypass", "type", "target", "no_coalesce"), path)
        kept = self._tensors(table.get("keep"), f"{path}.keep")
        passed = self._tensors(table.get("bypass"), f"{path}.bypass")
        more_kept, more_passed = self.bypassed.get(part.name, ((), ()))
        kept, passed = (*kept, *more_kept), (*passed, *more_passed)
        if part.beside:
            if not kept:
                rule = "must say which data spaces it keeps"
                self.reading.fault(part.path, rule, "constraints: {dataspace: {keep: [...]}}")
            return tuple(dict.fromkeys(kept))
        rest = [tensor for tensor in TENSORS if tensor not in passed]
        return tuple(dict.fromkeys((*kept, *rest)))

    def _tensors(self, data: Any, path: str) -> tuple[str, ...]:
        found = []
        for name in self.reading.names(data, path):
            if name in self.names.tensors:
                found.append(self.names.tensors[name])
            else:
                hint = nearest(name, self.names.tensors)
                self.reading.fault(path, f"unknown data space {name}", hint)
        return tuple(found)

    def _bypassed(self) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
        """Return what sections of constraints keep and pass by, by level."""
        found = {}
        for item, path in constraint_targets(self.reading):
            if not isinstance(item, dict) or item.get("type") not in ("dataspace", "datatype"):
                continue
            kept = self._tensors(item.get("keep"), f"{path}.keep")
            found[str(item.get("target"))] = (
                kept,
                self._tensors(item.get("bypass"), f"{path}.bypass"),
            )
        return found

    def _fanout(self, part: Part, path: str) -> dict[str, Any]:
        assert part.mesh is not None, "the caller looked"
        data: dict[str, Any] = {}
        self.paths[path] = part.path
        above = part.kind == "component"
        name = f"{part.name}_mesh" if above else part.name
        self._put(data, path, "fanout", name, f"{part.path}.name")
        for key, size, word in zip(
            ("mesh_x", "mesh_y"), part.mesh, ("meshX", "meshY"), strict=True
        ):
            self._put(data, path, key, size, f"{part.path}.spatial.{word}")
        if part.joined:
            data["network"] = {"xy_bus": {"diagonal": False}}
        return data if above else self._with_ours(data, part, path, network=True)

    def _compute(self, part: Part) -> dict[str, Any]:
        given = self._attributes(part, _COMPUTE)
        data: dict[str, Any] = {}
        self.paths["compute"] = part.path
        self._put(data, "compute", "name", part.name, f"{part.path}.name")
        factor = given.get("multiplier_width", given.get("datawidth"))
        if factor is None:
            self.reading.assume(f"{part.name} multiplies 8 bit, as no width is given")
            factor = Attribute(8, part.path)
        self._put(data, "compute", "multiply", factor.value, factor.path)
        adder = given.get("adder_width")
        if adder is None and isinstance(factor.value, int):
            self.reading.assume(f"the adder of {part.name} is twice as wide as its factors")
            adder = Attribute(2 * factor.value, factor.path)
        if adder is not None:
            self._put(data, "compute", "accumulate", adder.value, adder.path)
        if "fpmac" in part.words and isinstance(factor.value, int):
            number = f"fp{factor.value}"
            self._put(data, "compute", "number", number, f"{part.path}.class")
        return self._with_ours(data, part, "compute")
