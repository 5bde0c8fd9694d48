"""Reading MAESTRO's language: networks and bare dataflows; every fault at its place."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NoReturn, TypeVar

from arraysmith.arch.errors import Fault, InputError, nearest
from arraysmith.arch.notation.maestro import (
    CONVOLUTION_DIMS,
    OPTIONAL_DIMS,
    OUTPUT_DIMS,
    PRODUCT_DIMS,
    TYPES,
    Amount,
    Cluster,
    Directives,
    MaestroLayer,
    MaestroNetwork,
    Map,
)

_TOKEN = re.compile(r"//[^\n]*|/\*.*?\*/|[A-Za-z_]\w*'?|[0-9]+|\s+|.", re.DOTALL)
_LARGEST = 10**15
T = TypeVar("T")
_MAP_DIMS = tuple(dict.fromkeys((*CONVOLUTION_DIMS, *OUTPUT_DIMS, *PRODUCT_DIMS)))
_ELSEWHERE = {
    "NGCONV": "the tool's own files disagree whether C counts one group or all",
    "TRCONV": "transposed convolutions are not described here",
}


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    line: int
    column: int
    joined: bool  # nothing stands between it and the token before


class _StopError(Exception):
    """A statement cannot be read on; its fault is noted."""


def parse_network(text: str, file: str = "") -> MaestroNetwork:
    """Return the network in ``text``; ``file`` is the name that faults carry."""
    return _Reader(text, file).network()


def parse_directives(
    text: str, file: str = "", constants: dict[str, int] | None = None
) -> Directives:
    """Return the dataflow in ``text``: directives, with or without ``Dataflow { }`` around."""
    return _Reader(text, file, constants).bare()


def _named_apart(layers: list[MaestroLayer]) -> tuple[MaestroLayer, ...]:
    """Return the layers, names that come again with ``#2``, ``#3`` ...: the tool takes them."""
    named: dict[str, MaestroLayer] = {}
    for layer in layers:
        name, count = layer.name, 1
        while name in named:
            count += 1
            name = f"{layer.name}#{count}"
        named[name] = replace(layer, name=name)
    return tuple(named.values())


def _tokens(text: str) -> list[_Token]:
    tokens = []
    line, start = 1, 0
    joined = False
    for match in _TOKEN.finditer(text):
        word = match.group()
        if word.isspace() or word.startswith(("//", "/*")):
            joined = False
        else:
            tokens.append(_Token(word, line, match.start() - start + 1, joined))
            joined = True
        breaks = word.count("\n")
        if breaks:
            line += breaks
            start = match.start() + word.rindex("\n") + 1
    return tokens


class _Reader:
    """Recursive descent over one text; a statement with a fault is skipped, the rest is read."""

    def __init__(self, text: str, file: str, constants: dict[str, int] | None = None) -> None:
        self._tokens = _tokens(text)
        self._file = file
        self._at = 0
        self._constants = dict(constants or {})
        self._faults: list[Fault] = []
        lines = text.splitlines() or [""]
        self._end = _Token("", len(lines), len(lines[-1]) + 1, joined=False)

    def network(self) -> MaestroNetwork:
        name, layers = "", []
        try:
            while self._peek().text == "Constant":
                self._statement(self._constant)
            self._take("Network")
            name = self._name("Network")
            self._take("{")
            while self._peek().text not in {"}", ""}:
                layer = self._statement(self._layer)
                if layer is not None:
                    layers.append(layer)
            self._take("}")
            if self._peek().text:
                self._stop("file", "nothing may follow the network")
        except _StopError:
            pass  # its fault is noted
        if not layers and not self._faults:
            self._note("Network", self._peek(), "holds no layers")
        self._raise()
        return MaestroNetwork(name, _named_apart(layers))

    def bare(self) -> Directives:
        directives = Directives(())
        try:
            while self._peek().text == "Constant":
                self._statement(self._constant)
            bare = self._peek().text != "Dataflow"
            directives = self._directives() if bare else self._dataflow()
            if self._peek().text:
                self._stop("Dataflow", "nothing may follow the directives")
        except _StopError:
            pass  # its fault is noted
        if not directives.items and not self._faults:
            self._note("Dataflow", self._peek(), "holds no directives", "SpatialMap(1,1) K;")
        self._raise()
        return directives

    def _raise(self) -> None:
        if self._faults:
            raise InputError(sorted(self._faults, key=lambda x: (x.line, x.column)))

    def _peek(self) -> _Token:
        return self._tokens[self._at] if self._at < len(self._tokens) else self._end

    def _next(self) -> _Token:
        token = self._peek()
        self._at += 1
        return token

    def _note(self, field: str, token: _Token, rule: str, hint: str = "") -> None:
        place = (self._file, token.line, token.column)
        self._faults.append(Fault(field, token.text, rule, hint, *place))

    def _stop(self, field: str, rule: str, hint: str = "") -> NoReturn:
        self._note(field, self._peek(), rule, hint)
        raise _StopError

    def _take(self, text: str) -> _Token:
        if self._peek().text != text:
            self._stop("syntax", f"expected {text}")
        return self._next()

    def _name(self, field: str) -> str:
        words = [self._next().text]
        while self._peek().joined and self._peek().text not in "{};":
            words.append(self._next().text)
        if words[0] in {"", "{", "}", ";"}:
            self._at -= 1
            self._stop(field, "name is missing")
        return "".join(words)

    def _statement(self, read: Callable[[], T]) -> T | None:
        """Run a reader; after a fault go on behind the statement or block that has it."""
        before, depth = self._at, 0
        try:
            return read()
        except _StopError:
            self._at, stop = before, self._at
            while self._at < len(self._tokens):
                word = self._next().text
                depth += (word == "{") - (word == "}")
                done = (word == "}" and depth <= 0) or (word == ";" and depth == 0)
                if done and self._at > stop:
                    break
                if depth < 0:
                    self._at -= 1  # the brace closes the block around
                    break
        return None

    def _constant(self) -> None:
        self._take("Constant")
        name = self._next()
        if name.text in self._constants:
            self._note("Constant", name, "is declared twice")
        self._constants[name.text] = self._number("Constant")
        self._take(";")

    def _number(self, field: str) -> int:
        token = self._peek()
        if token.text in self._constants:
            return self._constants[self._next().text]
        if not token.text.isdecimal() or not 0 < int(token.text) <= _LARGEST:
            hint = nearest(token.text, self._constants) if token.text.isidentifier() else ""
            self._stop(field, "must be a whole number of at least 1, or a constant", hint)
        return int(self._next().text)

    def _layer(self) -> MaestroLayer | None:
        self._take("Layer")
        place = self._peek()
        name = self._name("Layer")
        self._take("{")
        kind, dataflow = "CONV", None
        sizes: dict[str, tuple[int, _Token]] = {}
        stride: dict[str, tuple[int, _Token]] = {}
        faults = len(self._faults)
        while self._peek().text not in {"}", ""}:
            word = self._peek()
            if word.text == "Type":
                kind = self._type()
            elif word.text in {"Dimensions", "Stride"}:
                rows = self._statement(self._table) or {}
                sizes, stride = (rows, stride) if word.text == "Dimensions" else (sizes, rows)
            elif word.text == "Dataflow":
                dataflow = self._statement(self._dataflow)
            else:
                known = ("Type", "Stride", "Dimensions", "Dataflow")
                self._stop("Layer", "unknown part of a layer", nearest(word.text, known))
        self._take("}")
        if len(self._faults) > faults:
            return None
        extents = self._sizes(kind, sizes, place)
        for dim, (_, token) in stride.items():
            if dim not in {"X", "Y"} or kind not in {"CONV", "DSCONV"}:
                self._note("Stride", token, "only X and Y of a convolution have strides")
        steps = tuple(stride[dim][0] if dim in stride else 1 for dim in "YX")
        if len(self._faults) > faults:
            return None
        at = (place.line, place.column)
        return MaestroLayer(name, kind, extents, (steps[0], steps[1]), dataflow, *at)

    def _type(self) -> str:
        self._take("Type")
        self._take(":")
        token = self._next()
        if token.text in _ELSEWHERE:
            self._note("Type", token, "is not supported", _ELSEWHERE[token.text])
        elif token.text not in TYPES:
            self._note("Type", token, "unknown type of layer", nearest(token.text, TYPES))
        if self._peek().text == ";":
            self._next()
        return token.text

    def _table(self) -> dict[str, tuple[int, _Token]]:
        field = self._next().text
        self._take("{")
        rows: dict[str, tuple[int, _Token]] = {}
        while self._peek().text not in {"}", ""}:
            key = self._next()
            if self._peek().text == ":":
                self._next()
            value = self._number(f"{field}.{key.text}")
            if key.text in rows:
                self._note(f"{field}.{key.text}", key, "is given twice")
            rows[key.text] = (value, key)
            if self._peek().text in {",", ";"}:
                self._next()
        self._take("}")
        return rows

    def _sizes(
        self, kind: str, found: dict[str, tuple[int, _Token]], place: _Token
    ) -> tuple[tuple[str, int], ...]:
        dims = TYPES[kind]
        for dim, (_, token) in found.items():
            if dim not in dims:
                rule = f"a layer of type {kind} has no such dim"
                self._note(f"Dimensions.{dim}", token, rule, nearest(dim, dims))
        sizes = {dim: value for dim, (value, _) in found.items()}
        for dim in dims:
            optional = dim in OPTIONAL_DIMS and dim == dims[0]
            if kind == "DSCONV" and dim == "K":
                optional = True
            if dim not in sizes and not optional:
                self._note(f"Dimensions.{dim}", place, "extent is missing")
            sizes.setdefault(dim, 1)
        if kind == "DSCONV" and sizes["K"] != 1:
            rule = "a depthwise layer has K: 1, its channels are C"
            self._note("Dimensions.K", found["K"][1], rule)
        for dim, taps in (("Y", "R"), ("X", "S")):
            if dim in dims and sizes[taps] > sizes[dim] and dim in found:
                rule = f"the window of {sizes[taps]} does not fit"
                self._note(f"Dimensions.{dim}", found[dim][1], rule)
        return tuple((dim, sizes[dim]) for dim in dims)

    def _dataflow(self) -> Directives:
        self._take("Dataflow")
        self._take("{")
        directives = self._directives()
        self._take("}")
        return directives

    def _directives(self) -> Directives:
        items = []
        while self._peek().text not in {"}", ""}:
            item = self._statement(self._directive)
            if item is not None:
                items.append(item)
        return Directives(tuple(items))

    def _directive(self) -> Map | Cluster:
        word = self._next()
        if word.text not in {"SpatialMap", "TemporalMap", "Cluster"}:
            self._at -= 1
            known = ("SpatialMap", "TemporalMap", "Cluster")
            self._stop("directive", "unknown directive", nearest(word.text, known))
        self._take("(")
        size = self._amount(word.text)
        self._take(",")
        if word.text == "Cluster":
            if self._peek().text not in {"P", "L"}:
                self._stop("Cluster", "expected P: groups of physical units")
            self._next()
            self._take(")")
            self._take(";")
            return Cluster(size, word.line, word.column)
        offset = self._amount(word.text)
        self._take(")")
        dim = self._dim(word.text)
        self._take(";")
        return Map(word.text == "SpatialMap", size, offset, dim, word.line, word.column)

    def _dim(self, field: str) -> str:
        if self._peek().text not in _MAP_DIMS:
            hint = nearest(self._peek().text, _MAP_DIMS)
            self._stop(field, "unknown dim", hint)
        return self._next().text

    def _amount(self, field: str) -> Amount:
        """Read terms joined by + and -."""
        start = self._peek()
        number = 0
        extents: dict[str, int] = {}
        sign = 1
        while True:
            if self._peek().text == "-":
                self._next()
                sign = -sign
            count, dim = self._term(field)
            if dim is None:
                number += sign * count
            else:
                extents[dim] = extents.get(dim, 0) + sign * count
            if self._peek().text not in {"+", "-"}:
                break
            sign = -1 if self._next().text == "-" else 1
        pairs = tuple((dim, count) for dim, count in sorted(extents.items()) if count)
        if not pairs and number < 1:
            self._note(field, start, "must be at least 1")
            raise _StopError
        return Amount(number, pairs)

    def _term(self, field: str) -> tuple[int, str | None]:
        """Read numbers and at most one Sz(D), multiplied."""
        count = 1
        dim: str | None = None
        while True:
            if self._peek().text == "Sz":
                if dim is not None:
                    self._stop(field, "a product of two extents cannot be said")
                self._next()
                self._take("(")
                dim = self._dim(field)
                self._take(")")
            else:
                count *= self._number(field)
            if self._peek().text != "*":
                return count, dim
            self._next()
