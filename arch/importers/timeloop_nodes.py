"""The nodes of a Timeloop architecture as a chain of parts, attributes inherited.

Two forms are read: ``nodes`` with tags, as people write them, and ``subtree`` with lists ``local``
of ``name[1..copies]``, as the tool's front end hands them on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from arraysmith.arch.errors import nearest
from arraysmith.arch.importers.timeloop_source import OURS, Reading
from arraysmith.arch.yaml_positions import child_path

LEAVES = ("Component", "Container", "Element", "Nothing")
BRANCHES = ("Hierarchical", "Parallel", "Pipelined")

_INHERITED = ("technology", "global_cycle_seconds", "datawidth", "word_bits", "word-bits")
_UNSET = ("SET ME", "must_specify", "", -1)
_KEYS = {
    "Container": ("name", "attributes", "spatial", "constraints", "networks"),
    "Component": (
        "name", "attributes", "spatial", "constraints", "class", "subclass", "required_actions",
        "area_scale", "energy_scale", "enabled", "sparse_optimizations",
    ),
    "Nothing": ("name", "constraints"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Attribute:
    """The value of an attribute, and where it stands."""

    value: Any
    path: str


@dataclass(frozen=True, slots=True)
class Part:
    """One node of the chain.

    Attributes:
        kind: ``design`` (a container without mesh), ``mesh`` or ``component``.
        name: the node's.
        path: where it stands.
        attributes: its own and those of the containers around it.
        own: names of its own attributes.
        words: class of a component; its subclass first, if it has one.
        mesh: (columns, rows) of a mesh, or of one above a component; None for neither.
        constraints: its constraints, plain data.
        beside: path of the parallel branch it stands in; empty for none.
        joined: it is two meshes, columns and then rows, as one.
    """

    kind: str
    name: str
    path: str
    attributes: dict[str, Attribute]
    own: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    mesh: tuple[int, int] | None = None
    constraints: dict[str, Any] | None = None
    beside: str = ""
    joined: bool = False

    def ours(self) -> dict[str, Attribute]:
        """Return the attributes of this project, their common start left out."""
        return {
            key.removeprefix(OURS): self.attributes[key] for key in self.own if key.startswith(OURS)
        }


def read_parts(reading: Reading) -> list[Part]:
    """Return the nodes of section ``architecture``, outermost first."""
    section = reading.table(reading.document.data.get("architecture"), "architecture")
    reading.version(section, "architecture")
    reading.keys(section, ("version", "nodes", "subtree"), "architecture")
    variables = reading.table(reading.document.data.get("variables"), "variables")
    around = {
        key: Attribute(variables[key], f"variables.{key}")
        for key in _INHERITED
        if variables.get(key) not in (None, *_UNSET)
    }
    if "subtree" in section:
        tree = _Tree(reading)
        tree.walk(section["subtree"], "architecture.subtree", around)
        return tree.parts
    if "nodes" not in section:
        reading.fault("architecture.nodes", "key is missing", "a list of nodes of version 0.4")
    walker = _Walker(reading, variables, around)
    return list(walker.branch(section.get("nodes"), "architecture.nodes", ""))


def joined(reading: Reading, parts: list[Part]) -> list[Part]:
    """Return the parts, a mesh of columns and the next one of rows made one array.

    Not those that say by attributes of ours what their network is like.
    """
    found: list[Part] = []
    for part in parts:
        above = found[-1] if found else None
        if part.kind == "design":
            continue
        if (
            above is not None
            and above.mesh is not None
            and part.mesh is not None
            and (above.kind, part.kind) == ("mesh", "mesh")
            and (above.mesh[1], part.mesh[0]) == (1, 1)
            and not (above.joined or above.ours() or part.ours())
        ):
            name = f"{above.name}-{part.name}"
            reading.assume(
                f"{above.name} and {part.name} are the columns and rows of one array {name}; equal "
                "tiles are sent once along a row or a column, not across both, as the tool counts"
            )
            mesh = (above.mesh[0], part.mesh[1])
            found[-1] = Part("mesh", name, above.path, {}, mesh=mesh, joined=True)
        else:
            found.append(part)
    return found


class _Walker:
    """Walks the tree of nodes; what a container says holds for all that follows it."""

    def __init__(
        self, reading: Reading, variables: dict[str, Any], around: dict[str, Attribute]
    ) -> None:
        self.reading = reading
        self.variables = variables
        self.around = around

    def branch(self, data: Any, path: str, beside: str) -> Iterator[Part]:
        """Yield the parts of a list of nodes."""
        reading = self.reading
        for index, node in enumerate(reading.listing(data, path)):
            at = child_path(path, index)
            tag = reading.positions.tags.get(at, "")
            if tag in BRANCHES:
                keys = reading.table(node, at)
                reading.keys(keys, ("nodes",), at)
                if tag == "Pipelined":
                    reading.fault(at, "cannot be said: pipelined nodes", "memories form a chain")
                inner = at if tag == "Parallel" else ""
                if inner and beside:
                    reading.fault(at, "cannot be said: parallel branches in parallel branches")
                yield from self.branch(keys.get("nodes"), f"{at}.nodes", inner or beside)
            elif tag in LEAVES:
                yield from self.leaf(node, at, tag.replace("Element", "Component"), beside)
            else:
                hint = nearest(tag, (*LEAVES, *BRANCHES)) if tag else "for example !Component"
                reading.fault(at, "must have the tag of a node", hint)

    def leaf(self, node: Any, path: str, kind: str, beside: str) -> Iterator[Part]:
        """Yield the part of a leaf; nothing for an empty place."""
        reading = self.reading
        keys = reading.table(node, path)
        reading.keys(keys, _KEYS[kind], path)
        if kind == "Nothing":
            return
        name = keys.get("name")
        if not isinstance(name, str):
            reading.fault(f"{path}.name", "must name the node")
            return
        own = reading.table(keys.get("attributes"), f"{path}.attributes")
        given = {
            key: Attribute(self._value(value), f"{path}.attributes.{key}")
            for key, value in own.items()
            if value not in _UNSET
        }
        _refused(reading, keys, path)
        mesh = self._mesh(keys.get("spatial"), f"{path}.spatial")
        if mesh is not None and beside:
            reading.fault(f"{path}.spatial", "cannot be said: a mesh beside other memories")
        constraints = reading.table(keys.get("constraints"), f"{path}.constraints")
        if kind == "Container":
            inherited = {key: given[key] for key in _INHERITED if key in given}
            self.around = {**self.around, **inherited}
            if keys.get("networks"):
                reading.assume(f"networks of {name} are left out")
        yield Part(
            "component" if kind == "Component" else "design" if mesh is None else "mesh",
            name,
            path,
            {**self.around, **given},
            tuple(given),
            tuple(word for word in (keys.get("subclass"), keys.get("class")) if word),
            mesh,
            constraints,
            beside,
        )

    def _value(self, value: Any) -> Any:
        """Return the value of a variable for its name, anything else as it is."""
        return self.variables.get(value, value) if isinstance(value, str) else value

    def _mesh(self, data: Any, path: str) -> tuple[int, int] | None:
        if data is None:
            return None
        keys = self.reading.table(data, path)
        self.reading.keys(keys, ("meshX", "meshY"), path)
        x, y = (self.reading.count(keys.get(key, 1), f"{path}.{key}") for key in ("meshX", "meshY"))
        return (x or 1, y or 1)


def _refused(reading: Reading, keys: dict[str, Any], path: str) -> None:
    """Note what a component says that changes results and that we have no word for."""
    for key, usual in (("area_scale", 1), ("energy_scale", 1), ("enabled", True)):
        if keys.get(key) not in (None, usual):
            reading.fault(f"{path}.{key}", f"cannot be said: must be {usual}")
    if keys.get("sparse_optimizations"):
        rule = "cannot be said: sparse optimizations change counts"
        reading.fault(f"{path}.sparse_optimizations", rule, at_key=True)


_COPIES = re.compile(r"([^\[\]]+)\[(\d{1,9})\.\.(\d{1,9})\]")
_PLACEHOLDER = "dummy_storage"
_LOCAL = ("name", "class", "subclass", "attributes", "required_actions", "area_scale",
          "energy_scale", "enabled", "sparse_optimizations", "constraints")  # fmt: skip


class _Tree:
    """Walks the form of the front end: copies tell where meshes are, placeholders their names."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.parts: list[Part] = []
        self.mesh = (1, 1)
        self.below = ""

    def walk(self, data: Any, path: str, around: dict[str, Attribute]) -> None:
        """Add the parts of a list of subtrees."""
        trees = self.reading.listing(data, path)
        if len(trees) > 1:
            self.reading.fault(f"{path}[1]", "cannot be said: memories form one chain")
        for index, tree in enumerate(trees[:1]):
            at = child_path(path, index)
            keys = self.reading.table(tree, at)
            self.reading.keys(keys, ("name", "attributes", "local", "subtree"), at)
            given = self._attributes(keys, at)
            inherited = {key: given[key] for key in _INHERITED if key in given}
            around = {**around, **inherited}
            name = keys.get("name")
            if isinstance(name, str):
                title = name.partition("[")[0]
                self.parts.append(Part("design", title, at, {**around, **given}, tuple(given)))
            for place, item in enumerate(self.reading.listing(keys.get("local"), f"{at}.local")):
                self._local(item, f"{at}.local[{place}]", around)
            self.walk(keys.get("subtree"), f"{at}.subtree", around)

    def _attributes(self, keys: dict[str, Any], path: str) -> dict[str, Attribute]:
        own = self.reading.table(keys.get("attributes"), f"{path}.attributes")
        return {
            key: Attribute(value, f"{path}.attributes.{key}")
            for key, value in own.items()
            if value not in _UNSET
        }

    def _local(self, item: Any, path: str, around: dict[str, Attribute]) -> None:
        keys = self.reading.table(item, path)
        self.reading.keys(keys, _LOCAL, path)
        _refused(self.reading, keys, path)
        name = keys.get("name")
        if not isinstance(name, str):
            self.reading.fault(f"{path}.name", "must name the component")
            return
        found = _COPIES.fullmatch(name)
        title = found[1] if found else name
        copies = int(found[3]) - int(found[2]) + 1 if found else 1
        given = self._attributes(keys, path)
        sides = [given.pop(key, Attribute(None, path)).value for key in ("meshX", "meshY")]
        x = sides[0] if isinstance(sides[0], int) else copies
        y = sides[1] if isinstance(sides[1], int) else copies // max(1, x)
        above_x, above_y = self.mesh
        if x * y != copies or x % above_x or y % above_y:
            rule = f"{copies} copies are no mesh of {x} x {y} below one of {above_x} x {above_y}"
            self.reading.fault(f"{path}.name", rule)
            return
        if (x, y) != self.mesh:
            mesh = (x // above_x, y // above_y)
            self.parts.append(Part("mesh", self.below or f"{title}_mesh", path, {}, mesh=mesh))
            self.mesh = (x, y)
        words = tuple(word for word in (keys.get("subclass"), keys.get("class")) if word)
        if _PLACEHOLDER in words:
            self.below = title.removeprefix("inter_").removesuffix("_spatial")
            return
        self.below = f"{title}_array"
        table = self.reading.table(keys.get("constraints"), f"{path}.constraints")
        attributes = {**around, **given}
        self.parts.append(
            Part("component", title, path, attributes, tuple(given), words, constraints=table)
        )
