"""YAML as plain data, with the line and column of every key and value.

Scalars follow the YAML 1.2 core schema, not PyYAML's older one: only ``true`` and ``false`` are
booleans, ``1e-9`` is a number, ``12:30`` and ``no`` are text. Sequences become tuples, so that
strict models can ask for them. Keys are text. Tags, merge keys and several documents in one file
are not part of any format of ours and are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from arraysmith.arch.errors import Fault, InputError

_INTEGER = re.compile(r"[-+]?[0-9]{1,30}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]{1,30}|[0-9]{1,30}(?:\.[0-9]{0,30})?)(?:[eE][-+]?[0-9]{1,3})?")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_DEFAULT_TAGS = {
    yaml.ScalarNode: "tag:yaml.org,2002:str",
    yaml.SequenceNode: "tag:yaml.org,2002:seq",
    yaml.MappingNode: "tag:yaml.org,2002:map",
}
_MOST_VALUES = 200_000
_LONGEST_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Place:
    """Where one field stands.

    Attributes:
        line: line of the value, counted from 1.
        column: column of the value, counted from 1.
        key_line: line of its key; the value's own for an element of a sequence.
        key_column: column of its key.
        text: the value as written, on one line, shortened when long.
    """

    line: int
    column: int
    key_line: int
    key_column: int
    text: str


@dataclass
class Positions:
    """Place of every field of one file, by path (``levels[1].depth``).

    Attributes:
        file: path of the file as the user gave it.
        places: place by path; the whole document has the empty path.
        tags: tag by path, without its ``!``, where the format has tags.
    """

    file: str
    places: dict[str, Place] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def fault(self, path: str, rule: str, hint: str = "", *, at_key: bool = False) -> Fault:
        """Return a fault of the field at ``path``, with its place and its value as written.

        A field that is not in the file is placed at the innermost enclosing one that is, and has
        no value.

        Args:
            path: path of the field, such as ``levels[1].depth``; empty for the whole document.
            rule: what has to hold.
            hint: what to do about it.
            at_key: point at the key instead of the value, when the key is what is wrong.
        """
        place = self.places.get(path)
        if place is not None:
            value = path.rpartition(".")[2] if at_key else place.text
            line, column = (
                (place.key_line, place.key_column) if at_key else (place.line, place.column)
            )
            return Fault(path, value if path else "", rule, hint, self.file, line, column)
        around = path
        while around and around not in self.places:
            around = parent_path(around)
        place = self.places.get(around)
        if place is None:
            return Fault(path, "", rule, hint, self.file)
        return Fault(path, "", rule, hint, self.file, place.line, place.column)


@dataclass(frozen=True)
class Document:
    """One file, read.

    Attributes:
        data: dicts, tuples, text, numbers, booleans and None.
        positions: place of every field.
        faults: what is wrong already, before any model looks at the data: duplicate keys, tags.
    """

    data: Any
    positions: Positions
    faults: tuple[Fault, ...]


def child_path(path: str, key: str | int) -> str:
    """Return the path of the element ``key`` (index or name) of the field at ``path``."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key


def parent_path(path: str) -> str:
    """Return the path of the field that the one at ``path`` stands in; empty for the outermost."""
    return path[: max(path.rfind("."), path.rfind("["), 0)]


def read_text(path: str | Path) -> str:
    """Return the text of a UTF-8 file.

    Raises:
        InputError: the file is missing, a folder, unreadable or not UTF-8.
    """
    file = str(path)

    def fault(rule: str, hint: str = "", line: int = 0, column: int = 0) -> InputError:
        return InputError([Fault("", file, rule, hint, file, line, column)])

    try:
        raw = Path(path).read_bytes()
    except FileNotFoundError:
        raise fault("file does not exist", "check the path") from None
    except IsADirectoryError:
        raise fault("is a folder, not a file", "name the file in it") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise fault(f"cannot be read: {reason}") from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line = before.count(b"\n") + 1
        column = error.start - (before.rfind(b"\n") + 1) + 1
        raise fault(
            f"byte 0x{raw[error.start]:02x} is not UTF-8 text",
            "save the file as UTF-8",
            line,
            column,
        ) from None


def read_document(path: str | Path, *, tags: bool = False) -> Document:
    """Return the content of a YAML file; ``tags`` says whether its format has tags.

    Raises:
        InputError: no such file, not UTF-8, not YAML, empty, or not a mapping at the top.
    """
    return parse_document(read_text(path), str(path), tags=tags)


def parse_document(text: str, file: str, *, tags: bool = False) -> Document:
    """Return the content of YAML ``text``; ``file`` is the name that faults carry.

    With ``tags``, words such as ``!Container`` are kept in ``positions.tags``; otherwise they are
    faults.

    Raises:
        InputError: not YAML, empty, or not a mapping at the top.
    """
    try:
        node = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        raise InputError([_syntax_fault(error, file)]) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - (text.rfind("\n", 0, error.position) + 1) + 1
        rule = "holds a character that YAML does not allow"
        raise InputError(
            [Fault("", repr(chr(int(error.character))), rule, "remove it", file, line, column)]
        ) from None
    except RecursionError:
        raise InputError([Fault("", "", "is nested too deeply", "", file)]) from None
    if node is None:
        raise InputError([Fault("", "", "file is empty", "it must hold a mapping", file)])
    if not isinstance(node, yaml.MappingNode):
        mark = node.start_mark
        raise InputError(
            [
                Fault(
                    "",
                    _shown(text, node),
                    "a mapping (key: value lines) must stand at the top",
                    "start with kind: ...",
                    file,
                    mark.line + 1,
                    mark.column + 1,
                )
            ]
        )
    walker = _Walker(text, Positions(file), tags=tags)
    data = walker.value(node, "", node)
    return Document(data, walker.positions, tuple(walker.faults))


class _Dumper(yaml.SafeDumper):
    """Quotes every text that our reader would take for a number, a boolean or nothing."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # isprintable: PyYAML writes some separators as they are and reads them as line breaks.
    plain = text.isprintable() and isinstance(plain_value(text), str)
    return dumper.represent_scalar(_DEFAULT_TAGS[yaml.ScalarNode], text, None if plain else '"')


_Dumper.add_representer(str, _represent_text)


def dump_document(data: Any) -> str:
    """Return plain data as YAML that ``parse_document`` reads back, sequences as tuples."""
    return yaml.dump(
        data,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=None,
        width=10**6,
    )


def plain_value(text: str) -> str | int | float | bool | None:
    """Return what unquoted ``text`` means: nothing, a boolean, a number, or the text itself."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def _syntax_fault(error: yaml.MarkedYAMLError, file: str) -> Fault:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    rule = f"is not YAML: {error.problem or error.context}"
    hint = error.context or ""
    if error.problem and "found character '\\t'" in error.problem:
        hint = "indent with spaces"
    elif error.context_mark and error.context:
        hint = f"{error.context} in line {error.context_mark.line + 1}"
    return Fault("", "", rule, hint, file, line, column)


def _shown(text: str, node: yaml.Node) -> str:
    """Return the source of ``node`` on one line, shortened."""
    source = text[node.start_mark.index : node.end_mark.index]
    if isinstance(node, yaml.ScalarNode) and node.style is None:
        source = node.value
    line = " ".join(source.split())
    return line if len(line) <= _LONGEST_SHOWN else line[: _LONGEST_SHOWN - 3] + "..."


class _Walker:
    """Turns nodes into data and notes places and faults on the way."""

    def __init__(self, text: str, positions: Positions, *, tags: bool) -> None:
        self.text = text
        self.positions = positions
        self.tags = tags
        self.faults: list[Fault] = []
        self.open: list[int] = []
        self.count = 0

    def value(self, node: yaml.Node, path: str, key: yaml.Node) -> Any:
        """Return the data of ``node``; ``key`` is its key, or itself when it has none."""
        self.positions.places[path] = Place(
            node.start_mark.line + 1,
            node.start_mark.column + 1,
            key.start_mark.line + 1,
            key.start_mark.column + 1,
            _shown(self.text, node),
        )
        self.count += 1
        if self.count > _MOST_VALUES or id(node) in self.open:
            # An alias inside its own anchor, or aliases of aliases, grow without end.
            rule = "aliases expand without end"
            raise InputError([*self.faults, self.positions.fault(path, rule, "write it out")])
        if self.tags and node.tag.startswith("!"):
            self.positions.tags[path] = node.tag[1:]
        elif node.tag != _DEFAULT_TAGS[type(node)]:
            hint = f"remove {node.tag.replace('tag:yaml.org,2002:', '!!')}"
            self.faults.append(self.positions.fault(path, "YAML tags are not allowed", hint))
        if isinstance(node, yaml.ScalarNode):
            return plain_value(node.value) if node.style is None else str(node.value)
        self.open.append(id(node))
        data: Any
        if isinstance(node, yaml.SequenceNode):
            data = tuple(
                self.value(item, child_path(path, index), item)
                for index, item in enumerate(node.value)
            )
        else:
            data = self.mapping(node, path)
        self.open.pop()
        return data

    def mapping(self, node: yaml.Node, path: str) -> dict[str, Any]:
        """Return the data of a mapping; keys that come again are faults, the first one counts."""
        data: dict[str, Any] = {}
        first: dict[str, int] = {}
        for key, value in node.value:
            mark = key.start_mark
            place = (self.positions.file, mark.line + 1, mark.column + 1)
            if not isinstance(key, yaml.ScalarNode):
                shown = _shown(self.text, key)
                self.faults.append(Fault(path, shown, "a key must be a word", "", *place))
                continue
            name = str(key.value)
            where = child_path(path, name)
            if name in data:
                hint = f"first given in line {first[name]}; remove one"
                self.faults.append(Fault(where, name, "key is given twice", hint, *place))
                continue
            first[name] = mark.line + 1
            data[name] = self.value(value, where, key)
        return data
