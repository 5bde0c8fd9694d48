"""Tables of layers as GAMMA writes them."""

from __future__ import annotations

import pytest

from arraysmith.arch.errors import InputError
from arraysmith.arch.importers.gamma import is_gamma, parse_gamma
from arraysmith.arch.networks import load_network

TABLE = "K,C,Y,X,R,S,T\n64,3,224,224,3,3,1\n\n1,144,56,56,3,3,2\n"


def test_rows_become_convolutions_without_padding_and_depthwise_layers():
    first, second = (layer.problem for layer in parse_gamma(TABLE, "net").layers)
    assert (first.name, first.operator, first.macs) == ("layer1", "conv", 64 * 3 * 222 * 222 * 9)
    assert (second.operator, second.size["G"], second.macs) == ("depthwise", 144, 144 * 54 * 54 * 9)


def test_a_file_is_told_by_its_heading(tmp_path):
    path = tmp_path / "vgg.csv"
    path.write_text(TABLE)
    assert load_network(path).name == "vgg"
    assert is_gamma("K,C,Y,X,R,S\n")
    assert not is_gamma("Layer,H,W\n")


def test_every_fault_is_named_at_its_place():
    text = "K,C,Y,X,R,S,T\n64,3,2,224,3,3,1\n0,3,8\n2,8,8,8,3,3,2\n1,1,1,1,1,1,4\n"
    with pytest.raises(InputError) as caught:
        parse_gamma(text, "net", "t.csv")
    places = [(x.line, x.column, x.field) for x in caught.value.faults]
    assert places == [(2, 12, "R"), (3, 1, "K"), (3, 7, "X"), (4, 1, "K"), (5, 13, "T")]


def test_a_table_without_rows_is_refused():
    with pytest.raises(InputError, match="holds no layers"):
        parse_gamma("K,C,Y,X,R,S,T\n", "net")
