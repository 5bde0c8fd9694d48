"""Files of MAESTRO (``.m``): networks, bare dataflows and hardware, told by what they hold."""

from __future__ import annotations

import re
from pathlib import Path

from arraysmith.arch.errors import Fault, InputError, nearest
from arraysmith.arch.notation.maestro import HARDWARE_KEYS, Directives, Hardware, MaestroNetwork
from arraysmith.arch.notation.maestro_levels import check_network
from arraysmith.arch.notation.maestro_reader import parse_directives, parse_network
from arraysmith.arch.yaml_positions import read_text

SUFFIX = ".m"
"""Suffix of the tool's files of every kind."""

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_LINE = re.compile(r"\s*(?:([A-Za-z_]\w*)\s*:\s*(\S+))?\s*(?://.*)?")
_LARGEST = 10**15


def load_maestro(path: str | Path) -> MaestroNetwork | Directives | Hardware:
    """Return what a file holds, its dataflows checked on the layers that they stand in.

    Raises:
        InputError: the file cannot be read, or has faults; carries all of them. More than the tool
            itself refuses: see ``maestro_levels.check_dataflow``.
    """
    found = read_maestro(path)
    faults = check_network(found.layers, str(path)) if isinstance(found, MaestroNetwork) else ()
    if faults:
        raise InputError(faults)
    return found


def read_hardware(path: str | Path) -> Hardware:
    """Return the hardware in a file; raises InputError with all its faults."""
    found = read_maestro(path)
    if not isinstance(found, Hardware):
        raise _other_kind(path, "hardware", "lines key: number, for example num_pes: 256")
    return found


def read_maestro_network(path: str | Path) -> MaestroNetwork:
    """Return the network in a file; raises InputError with all its faults."""
    found = read_maestro(path)
    if not isinstance(found, MaestroNetwork):
        raise _other_kind(path, "network", "Network NAME { Layer NAME { ... } }")
    return found


def _other_kind(path: str | Path, kind: str, hint: str) -> InputError:
    return InputError([Fault("", str(path), f"holds no {kind}", hint, str(path))])


def is_maestro(path: str | Path) -> bool:
    """Tell by its suffix whether a path names a file of this tool."""
    return Path(path).suffix == SUFFIX


def read_maestro(path: str | Path) -> MaestroNetwork | Directives | Hardware:
    """Return what a ``.m`` file holds: a network, a bare dataflow, or hardware.

    Raises:
        InputError: the file cannot be read, or has faults; carries all of them.
    """
    text = read_text(path)
    words = set(re.findall(r"\w+", _COMMENT.sub(" ", text)))
    if "Network" in words:
        return parse_network(text, str(path))
    if words & {"Dataflow", "SpatialMap", "TemporalMap", "Cluster"}:
        return parse_directives(text, str(path))
    return parse_hardware(text, str(path))


def parse_hardware(text: str, file: str = "") -> Hardware:
    """Return the hardware in ``text``, lines of ``key: number``."""
    found: dict[str, int] = {}
    faults = []
    for number, line in enumerate(text.splitlines(), start=1):
        match = _LINE.fullmatch(line)
        column = len(line) - len(line.lstrip()) + 1
        if match is None:
            rule = "must be a line key: number"
            hint = "for example num_pes: 256"
            faults.append(Fault("hardware", line.strip(), rule, hint, file, number, column))
            continue
        key, value = match[1], match[2]
        if key is None:
            continue
        if key not in HARDWARE_KEYS:
            hint = nearest(key, HARDWARE_KEYS)
            faults.append(Fault(key, value, "unknown key", hint, file, number, column))
        elif HARDWARE_KEYS[key] in found:
            faults.append(Fault(key, value, "is given twice", "", file, number, column))
        elif not value.isdecimal() or not 0 < int(value) <= _LARGEST:
            rule = "must be a whole number of at least 1"
            faults.append(Fault(key, value, rule, "", file, number, match.start(2) + 1))
        else:
            found[HARDWARE_KEYS[key]] = int(value)
    if "pes" not in found and not faults:
        faults.append(Fault("num_pes", "", "value is missing", "num_pes: 256", file))
    if faults:
        raise InputError(faults)
    return Hardware(**found)
