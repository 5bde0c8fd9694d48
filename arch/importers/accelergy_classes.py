"""Accelergy's component classes, versions 0.2 to 0.4: compound components priced by our tables.

    classes = read_classes("smartbuffer.yaml")
    priced = classes.price("smartbuffer_RF", {"width": 16, "depth": 12}, "45nm")

A compound class names subcomponents, compound or primitive, with attributes that are expressions of
its own, and says which of their actions make up each of its actions. Primitive classes (SRAM,
regfile, adders, counters, multipliers, MACs, comparators, registers, wires, DRAM) cost what our
tables say: see ``accelergy_primitives``. A class with attributes ``width`` and ``depth`` that can
read and write can also be a memory's ``device``: name its file in ``ARRAYSMITH_PLUGINS``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arraysmith.arch.errors import Fault, InputError, nearest
from arraysmith.arch.importers.accelergy import READS, WRITES
from arraysmith.arch.importers.accelergy_primitives import Primitive, primitive
from arraysmith.arch.importers.expressions import ExpressionError, Value, evaluate
from arraysmith.arch.spec_reader import sort_faults
from arraysmith.arch.technology.cost import ComponentCost
from arraysmith.arch.technology.node import Node, node_of
from arraysmith.arch.yaml_positions import read_document

_NAME = re.compile(r"\s*([A-Za-z_]\w*)\s*(?:\[(.+?)(?:(?:\.\.|:)(.+?))?\])?\s*")
_UNSET = "must_specify"
_DEEPEST = 20


@dataclass(frozen=True)
class PricedClass:
    """One component of a class.

    Attributes:
        actions: picojoules by action of the class.
        leakage_mw: leakage of all subcomponents.
        area_um2: area of all subcomponents.
        assumptions: what was assumed on the way, in words.
    """

    actions: dict[str, float]
    leakage_mw: float
    area_um2: float
    assumptions: tuple[str, ...]

    def cost(self, name: str) -> ComponentCost:
        """Return it as our type; the dearest write, fill or update is a write.

        Args:
            name: of the class, for people.

        Raises:
            InputError: the class neither reads nor writes nor operates.
        """
        writes = [self.actions[x] for x in WRITES if x in self.actions]
        read_pj = next((self.actions[x] for x in READS if x in self.actions), None)
        if read_pj is None and not writes:
            rule = "has no action that reads, writes or operates"
            raise InputError([Fault(name, ", ".join(self.actions), rule)])
        write_pj = max(writes, default=read_pj or 0.0)
        source = f"Accelergy class {name}, priced by our tables: {'; '.join(self.assumptions)}"
        return ComponentCost(
            write_pj if read_pj is None else read_pj,
            write_pj,
            self.leakage_mw,
            self.area_um2,
            source,
        )


@dataclass(frozen=True)
class AccelergyClasses:
    """Compound classes by name, as plain data of their file."""

    classes: dict[str, dict[str, Any]]

    def price(self, name: str, attributes: Mapping[str, Value], technology: str) -> PricedClass:
        """Return one component of the class ``name``.

        Args:
            name: a compound class, or a primitive one.
            attributes: those given; others have the class's own values.
            technology: one of ours; the class's own is not looked at.

        Raises:
            InputError: an attribute without value, an unknown class or action, a circle of classes.
        """
        node = node_of(technology)
        taken = f"technology {technology}, whatever the class says"
        assumptions: dict[str, None] = {taken: None}
        try:
            found = self._priced(name, dict(attributes), node, assumptions, 0)
        except ExpressionError as error:
            raise InputError([Fault(name, "", str(error))]) from None
        return PricedClass(found.actions, found.leakage_mw, found.area_um2, tuple(assumptions))

    def _priced(
        self,
        name: str,
        given: dict[str, Value],
        node: Node,
        assumptions: dict[str, None],
        depth: int,
    ) -> Primitive:
        if depth > _DEEPEST:
            raise ExpressionError(f"{name} is made of itself")
        if name not in self.classes:
            found = primitive(name, given, node)
            if found.assumption:
                assumptions[found.assumption] = None
            return found
        rules = self.classes[name]
        names = _attributes(rules, given, node)
        parts: dict[str, tuple[Primitive, int]] = {}
        leakage_mw = area_um2 = 0.0
        for entry in _entries(rules, "subcomponents", name):
            title, count = _counted(str(entry.get("name")), names)
            inner = {
                key: _text_value(value, names)
                for key, value in (entry.get("attributes") or {}).items()
            }
            try:
                part = self._priced(str(entry.get("class")), inner, node, assumptions, depth + 1)
            except ExpressionError as error:
                raise ExpressionError(f"{title} {error}") from None
            share = _reckoned(entry.get("area_share", 1), names)
            parts[title] = part, count
            leakage_mw += count * share * part.leakage_mw
            area_um2 += count * share * part.area_um2
        actions = {
            str(entry.get("name")): self._action(entry, names, parts, assumptions)
            for entry in _entries(rules, "actions", name)
        }
        return Primitive(actions, leakage_mw, area_um2)

    def _action(
        self,
        entry: dict[str, Any],
        names: dict[str, Value],
        parts: dict[str, tuple[Primitive, int]],
        assumptions: dict[str, None],
    ) -> float:
        known = dict(names)
        for key, value in (entry.get("arguments") or {}).items():
            _, dots, most = str(value).partition("..")
            known[key] = _text_value(most if dots else value, known)
            assumptions["arguments of actions have their largest value, so that data is new"] = None
        energy_pj = 0.0
        merged = _merged(entry)
        for part in merged.get("subcomponents") or ():
            title, count = _counted(str(part.get("name")), names)
            if title not in parts:
                raise ExpressionError(f"acts on {title}, which is no subcomponent")
            each = parts[title][0]
            for action in part.get("actions") or ():
                called = str(action.get("name"))
                if called not in each.actions:
                    hint = nearest(called, each.actions)
                    raise ExpressionError(f"asks {title} to {called}, unknown: {hint}")
                times = _reckoned(action.get("repeat", 1), known)
                times *= _reckoned(action.get("action_share", 1), known)
                energy_pj += count * times * each.actions[called]
        return energy_pj


def read_classes(*paths: str | Path) -> AccelergyClasses:
    """Return the compound classes of files that hold ``compound_components`` or a single class.

    Raises:
        InputError: a file cannot be read, holds no class, or one that another one has.
    """
    found: dict[str, dict[str, Any]] = {}
    faults: list[Fault] = []
    for path in paths:
        document = read_document(path)
        faults += document.faults
        data, place = document.data, ""
        listed: Any = (data,)
        if "compound_components" in data:
            section = data["compound_components"]
            place = "compound_components.classes"
            listed = section.get("classes") if isinstance(section, dict) else None
        for entry in listed if isinstance(listed, tuple) else (None,):
            name = entry.get("name") if isinstance(entry, dict) else None
            if not isinstance(name, str) or "subcomponents" not in entry:
                rule = "must be a class with a name and subcomponents"
                faults.append(document.positions.fault(place, rule))
            elif name in found:
                faults.append(document.positions.fault(place, f"two classes are called {name}"))
            else:
                found[name] = entry
    if faults:
        raise InputError(sort_faults(faults))
    return AccelergyClasses(found)


def _attributes(rules: dict[str, Any], given: dict[str, Value], node: Node) -> dict[str, Value]:
    """Return the attributes of a class: those given, then its own, in their order."""
    names = dict(given) | {"technology": node.technology}
    for key, value in (rules.get("attributes") or {}).items():
        if key not in names and value != _UNSET:
            names[key] = _text_value(value, names)
    return names


def _text_value(value: Any, names: Mapping[str, Value]) -> Value:
    """Return a value; text that is no expression stands for itself (``40nm``)."""
    if not isinstance(value, str):
        return value if isinstance(value, int | float) else str(value)
    try:
        return evaluate(value, names)
    except ExpressionError:
        words = re.findall(r"[A-Za-z_]\w*", value)
        if any(word in names for word in words) or "(" in value:
            raise
        return value


def _reckoned(value: Any, names: Mapping[str, Value]) -> float:
    found = _text_value(value, names)
    if isinstance(found, str):
        raise ExpressionError(f"{value!r} is not a number")
    return found


def _counted(text: str, names: Mapping[str, Value]) -> tuple[str, int]:
    """Return name and number of instances of ``pg``, ``pg[0]``, ``pg[0..n-1]``, ``pg[0:2]``."""
    match = _NAME.fullmatch(text)
    if match is None:
        raise ExpressionError(f"{text!r} is not the name of a component")
    if match[3] is None:
        return match[1], 1
    first, last = (int(_reckoned(x, names)) for x in (match[2], match[3]))
    if last < first:
        raise ExpressionError(f"{text!r} has no instance")
    return match[1], last - first + 1


def _entries(rules: dict[str, Any], key: str, name: str) -> list[dict[str, Any]]:
    listed = rules.get(key)
    if not isinstance(listed, tuple) or not all(isinstance(x, dict) for x in listed):
        raise ExpressionError(f"{name} has no list of {key}")
    return [_merged(entry) for entry in listed]


def _merged(entry: dict[str, Any]) -> dict[str, Any]:
    """Return an entry with what its merge key (``<<``) brings, own keys first."""
    base = entry.get("<<")
    if not isinstance(base, dict):
        return entry
    return {**_merged(base), **{key: value for key, value in entry.items() if key != "<<"}}
