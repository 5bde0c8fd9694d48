"""Memories from Accelergy's component classes: a YAML file of classes is a plug-in.

Every class of the YAML files that ``ARRAYSMITH_PLUGINS`` names is a device of its name, with the
memory's lines and bits as its ``depth`` and ``width`` (``memory_depth``, ``memory_width``,
``entries``, ``datawidth`` where the class calls them so), priced at the design's technology.
"""

from __future__ import annotations

from arraysmith.arch.errors import Fault, InputError
from arraysmith.arch.importers.accelergy_classes import AccelergyClasses, read_classes
from arraysmith.arch.registry import plugin_files, register
from arraysmith.arch.technology.cost import ComponentCost
from arraysmith.arch.technology.device import MEMORY_DEVICE, MemoryDevice, Shape
from arraysmith.arch.technology.node import Node

WIDTHS, DEPTHS = ("width", "memory_width", "datawidth"), ("depth", "memory_depth", "entries")
"""Attributes that are a memory's bits and lines, the first that a class has."""


def class_device(classes: AccelergyClasses, name: str) -> MemoryDevice:
    """Return the memory device of the class ``name``."""

    def estimate(shape: Shape, node: Node) -> ComponentCost:
        assert shape.depth is not None  # memory_cost refuses a memory on the chip without one
        known = classes.classes[name].get("attributes") or {}
        given: dict[str, int | float | str] = {"global_cycle_seconds": 1e-9, "n_banks": shape.banks}
        for names, value in ((WIDTHS, shape.width_bits), (DEPTHS, shape.depth)):
            called = next((x for x in names if x in known), None)
            if called is None:
                rule = f"the class {name} has none of the attributes {', '.join(names)}"
                raise InputError([Fault("device", name, rule)])
            given[called] = value
        return classes.price(name, given, node.technology).cost(name)

    return MemoryDevice(estimate)


_files = plugin_files(".yaml")
if _files:
    _classes = read_classes(*_files)
    for _name in _classes.classes:
        register(MEMORY_DEVICE, _name)(class_device(_classes, _name))
