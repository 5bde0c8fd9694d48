"""Networks from GAMMA's layer tables (CSV with the heading ``K,C,Y,X,R,S,T``)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from arraysmith.arch.errors import Fault, InputError
from arraysmith.arch.network_specs import LARGEST
from arraysmith.arch.notation.maestro import TYPES, MaestroLayer
from arraysmith.arch.notation.maestro_convert import problem_of
from arraysmith.arch.problem import Layer, Network
from arraysmith.arch.yaml_positions import read_text

SIZES = ("K", "C", "Y", "X", "R", "S")
"""Columns of sizes; Y and X are rows and columns of the input as it is, without padding."""

OPERATORS = {"0": "CONV", "1": "CONV", "2": "DSCONV", "3": "CONV"}
"""Values of the column T: GAMMA has more than one number for a convolution."""


def is_gamma(text: str) -> bool:
    """Tell by its heading whether a CSV is a table of layers of GAMMA."""
    heading = [cell.strip().upper() for cell in text.partition("\n")[0].split(",")]
    return tuple(heading[: len(SIZES)]) == SIZES and heading[len(SIZES) :] in ([], ["T"], ["T", ""])


def read_gamma(path: str | Path) -> Network:
    """Return the layers of a table, called layer1, layer2 ..., stride 1, 8-bit words, no graph.

    The name of the network is that of the file without its suffix.

    Raises:
        InputError: the file cannot be read, or has faults; carries all of them.
    """
    return parse_gamma(read_text(path), Path(path).stem, str(path))


def parse_gamma(text: str, name: str, file: str = "") -> Network:
    """Return the layers of the table ``text``; ``file`` is the name that faults carry."""
    faults: list[Fault] = []
    layers: list[Layer] = []
    for number, line in enumerate(text.splitlines()[1:], start=2):
        if not line.strip(" ,"):
            continue
        before = len(faults)
        layer = _layer(line, f"layer{len(layers) + 1}", number, file, faults)
        if layer is not None and len(faults) == before:
            problem = problem_of(layer)
            if max(problem.macs, *(tensor.words for tensor in problem.tensors)) > LARGEST:
                rule = f"must have at most {LARGEST} MACs and as many words per tensor"
                faults.append(Fault("layer", line, rule, "", file, number, 1))
            layers.append(Layer(problem))
    if not layers and not faults:
        faults.append(Fault("", "", "holds no layers", "rows: " + ",".join((*SIZES, "T")), file))
    if faults:
        raise InputError(faults)
    return Network(name, tuple(layers))


def _layer(
    line: str, name: str, number: int, file: str, faults: list[Fault]
) -> MaestroLayer | None:
    cells = line.rstrip(" ,\r").split(",")
    sizes: dict[str, int] = {"N": 1}
    place = 1
    columns: dict[str, int] = {}
    for index, cell in enumerate(cells):
        column = place + len(cell) - len(cell.lstrip())
        place += len(cell) + 1
        text = cell.strip()
        if index < len(SIZES):
            columns[SIZES[index]] = column
            if not (text.isdecimal() and 0 < len(text) <= 15 and int(text)):
                rule = "must be a whole number of at least 1"
                faults.append(Fault(SIZES[index], text, rule, "", file, number, column))
            else:
                sizes[SIZES[index]] = int(text)
        elif index > len(SIZES) or text not in OPERATORS:
            rule = "must be 1 (convolution) or 2 (depthwise), the last column"
            faults.append(Fault("T", text, rule, "", file, number, column))
    missing = [dim for dim in SIZES if dim not in columns]
    if missing:
        hint = "columns are: " + ",".join((*SIZES, "T"))
        faults.append(Fault(missing[0], "", "value is missing", hint, file, number, place))
    if any(dim not in sizes for dim in SIZES):
        return None
    for dim, window in (("Y", "R"), ("X", "S")):
        if sizes[window] > sizes[dim]:
            rule = f"must fit the input, at most {sizes[dim]}"
            text = str(sizes[window])
            faults.append(Fault(window, text, rule, "", file, number, columns[window]))
    stated = cells[len(SIZES)].strip() if len(cells) > len(SIZES) else ""
    kind = OPERATORS.get(stated, "CONV")
    if kind == "DSCONV" and sizes["K"] != 1:
        rule = "must be 1 in a depthwise layer, whose channels are C"
        faults.append(Fault("K", str(sizes["K"]), rule, "", file, number, columns["K"]))
    layer = MaestroLayer(name, kind, tuple((dim, sizes[dim]) for dim in TYPES[kind]))
    return replace(layer, line=number, column=1)
