"""Files of Timeloop 0.4: designs, layers, mappings and constraints, in one file or several.

    architecture, assumptions = parse_timeloop_architecture(text)

Every reader returns the value and, in words, the assumptions made: what the file leaves open. What
is wrong, or cannot be said in our types, is an ``InputError`` with a fault each at its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.architecture_file import timeloop_architecture
from arraysmith.arch.dataflow import Dataflow
from arraysmith.arch.errors import InputError
from arraysmith.arch.importers.timeloop_constraints import read_dataflow
from arraysmith.arch.importers.timeloop_mapping import read_mapping
from arraysmith.arch.importers.timeloop_names import Names, usual_names
from arraysmith.arch.importers.timeloop_problem import read_problem, timeloop_problem
from arraysmith.arch.importers.timeloop_source import (
    Reading,
    is_timeloop,
    parse_source,
    read_directive,
    read_source,
    section_faults,
)
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.problem import Problem
from arraysmith.arch.yaml_positions import Document, read_document


@dataclass(frozen=True)
class TimeloopFile:
    """What a file holds; None for what it does not.

    Attributes:
        architecture: the design.
        problem: the layer, called like the file.
        mapping: the mapping; None, too, when its design is not in the file.
        dataflow: the constraints; None, too, when their design is not in the file.
        assumptions: what the file leaves open and how it was taken, in words.
    """

    architecture: Architecture | None = None
    problem: Problem | None = None
    mapping: Mapping | None = None
    dataflow: Dataflow | None = None
    assumptions: tuple[str, ...] = ()


def load_timeloop(path: str | Path) -> TimeloopFile:
    """Return everything in a file; raises InputError with all its faults.

    Constraints that are no dataflow of ours are an assumption of the file, and a fault only for
    ``load_dataflow``.
    """
    reading = Reading(read_source(path))
    section_faults(reading)
    data = reading.document.data
    problem, names = _problem(reading)
    architecture = None
    if "architecture" in data:
        try:
            architecture = timeloop_architecture(reading, names)
        except InputError as error:  # the faults of the other sections are told with them
            reading.faults = list(error.faults)
    mapping = None
    listed = data.get("mapping") or ()  # the front end writes an empty list
    if listed and architecture is not None:
        mapping = read_mapping(reading, architecture, names, listed)
    elif listed:
        reading.assume("the mapping is for a design in another file, and not placed")
        for index, item in enumerate(reading.listing(listed, "mapping")):
            read_directive(reading, item, f"mapping[{index}]", tuple(names.dims))
    dataflow = _dataflow(reading, architecture, names)
    return TimeloopFile(architecture, problem, mapping, dataflow, reading.finish())


def _problem(reading: Reading, name: str | None = None) -> tuple[Problem | None, Names]:
    found = read_problem(reading, name) if "problem" in reading.document.data else None
    return found or (None, usual_names(reading))


def _dataflow(reading: Reading, architecture: Architecture | None, names: Names) -> Dataflow | None:
    constrained = any("constraints" in key for key in reading.document.data)
    if architecture is None:
        if constrained:
            reading.assume("the constraints are for a design in another file, and not placed")
        return None
    inner = Reading(Document(reading.document.data, reading.positions, ()))
    found = read_dataflow(inner, architecture, names)
    for fault in inner.faults:
        reading.assume(f"constraints are no dataflow: line {fault.line}: {fault.rule}")
    if not inner.faults:
        for text in inner.assumptions:
            reading.assume(text)
    return found


def parse_timeloop_architecture(text: str, file: str = "") -> tuple[Architecture, tuple[str, ...]]:
    """Return the design in ``text``, and the assumptions made."""
    reading = Reading(parse_source(text, file))
    found = timeloop_architecture(reading, _problem(reading)[1])
    return found, reading.finish()


def parse_timeloop_problem(text: str, name: str, file: str = "") -> tuple[Problem, tuple[str, ...]]:
    """Return the layer in ``text``, called ``name``, and the assumptions made."""
    return timeloop_problem(parse_source(text, file), name)


def parse_timeloop_mapping(
    text: str, architecture: Architecture, names: Names | None = None, file: str = ""
) -> tuple[Mapping, tuple[str, ...]]:
    """Return the mapping in ``text``, and the assumptions made.

    Args:
        text: with a section ``mapping``, and ``problem`` if its extents or words are needed.
        architecture: that it is for.
        names: words of its problem; None to take those of the text, or the usual ones.
        file: name that faults carry.
    """
    return timeloop_mapping(parse_source(text, file), architecture, names)


def timeloop_mapping(
    document: Document, architecture: Architecture | None, names: Names | None = None
) -> tuple[Mapping, tuple[str, ...]]:
    """Return the mapping in a document, for a design or for the one that the document holds."""
    reading = Reading(document)
    names = names or _problem(reading)[1]
    if "mapping" not in document.data:
        reading.fault("mapping", "holds no mapping")
    elif architecture is None and "architecture" not in document.data:
        rule = "needs the design that it is for"
        reading.fault("mapping", rule, "put architecture: into the same file", at_key=True)
    reading.finish()
    architecture = architecture or timeloop_architecture(reading, names)
    found = read_mapping(reading, architecture, names, document.data["mapping"])
    assumptions = reading.finish()
    assert found is not None, "no mapping without a fault"
    return found, assumptions


def parse_timeloop_dataflow(
    text: str, architecture: Architecture | None = None, file: str = ""
) -> tuple[Dataflow, tuple[str, ...]]:
    """Return the constraints in ``text`` as a dataflow, and the assumptions made."""
    return timeloop_dataflow(parse_source(text, file), architecture)


def timeloop_dataflow(
    document: Document, architecture: Architecture | None = None
) -> tuple[Dataflow, tuple[str, ...]]:
    """Return the constraints in a document, for a design or for the one that it holds."""
    reading = Reading(document)
    names = _problem(reading)[1]
    if architecture is None and "architecture" not in document.data:
        reading.fault("", "constraints need their design", "put architecture: into the same file")
    reading.finish()
    architecture = architecture or timeloop_architecture(reading, names)
    found = read_dataflow(reading, architecture, names)
    if found is None and not reading.faults:
        reading.fault("", "holds no constraints")
    assumptions = reading.finish()
    assert found is not None, "no dataflow without a fault"
    return found, assumptions


def assumptions_of(*refs: str | None) -> dict[str, list[str]]:
    """Return, by file, the assumptions made on those of ``refs`` that are files of this tool."""
    found = {}
    for ref in refs:
        if ref is None or not ref.endswith((".yaml", ".yml")) or not Path(ref).is_file():
            continue
        if is_timeloop(read_document(ref)):
            found[ref] = list(load_timeloop(ref).assumptions)
    return found
