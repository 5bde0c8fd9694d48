import json

import numpy as np
import pytest
from trace_samples import DESIGN, LAYER, MAPPING, regular, requests

from arraysmith.arch.main import run
from arraysmith.traces.recorder import TraceWriter

NAME = "glb/ifmap/read"


def write(path, columns, *, layer="one", stream=NAME, waits=None):
    with TraceWriter(path, {}) as writer:
        probe = writer.layer(layer, DESIGN, LAYER, MAPPING, {})
        probe.requests(stream, *columns.values())
        if waits is not None:
            zeros = np.zeros(len(waits), np.int64)
            probe.stalls(zeros, np.array(waits), zeros, ("fill",))
    return str(path)


def differences(first, second, capsys):
    code = run(["trace", "diff", first, second, "--json"])
    document = json.loads(capsys.readouterr().out)
    assert document["equal"] == (code == 0)
    return document


@pytest.fixture
def base(tmp_path):
    return write(tmp_path / "base.h5", regular(4, 500, 3))


def test_a_file_equals_itself_and_its_twin(base, tmp_path, capsys):
    twin = write(tmp_path / "twin.h5", regular(4, 500, 3))
    assert run(["trace", "diff", base, twin]) == 0
    assert capsys.readouterr().out == "equal: 1 stream(s) of 1 layer(s)\n"


@pytest.mark.parametrize("column", ["response_cycle", "address", "size", "tile", "port"])
@pytest.mark.parametrize("place", [0, 4321, 5999])
def test_the_first_request_that_differs_is_shown(column, place, base, tmp_path, capsys):
    columns = regular(4, 500, 3)
    columns[column][place:] += np.uint8(1)
    other = write(tmp_path / "other.h5", columns)
    (found,) = differences(base, other, capsys)["different"]
    assert (found["stream"], found["requests"], found["first"]) == (NAME, [6000, 6000], place)
    changed = {x for x in found["values"][0] if found["values"][0][x] != found["values"][1][x]}
    assert changed == {column}
    assert run(["trace", "diff", base, other]) == 1
    out = capsys.readouterr().out
    assert f"one {NAME}: 6,000 in both requests" in out
    assert f"first difference at request {place:,}" in out


def test_a_request_that_one_file_does_not_have_is_a_difference(base, tmp_path, capsys):
    columns = {name: x[:-1] for name, x in regular(4, 500, 3).items()}
    (found,) = differences(base, write(tmp_path / "s.h5", columns), capsys)["different"]
    assert (found["requests"], found["first"]) == ([6000, 5999], 5999)
    assert found["values"][1] is None


def test_streams_and_layers_of_one_file_only_are_named(base, tmp_path, capsys):
    other = write(tmp_path / "other.h5", requests(5, 1), stream="dram/ifmap/read")
    found = differences(base, other, capsys)
    assert [(x["stream"], x["requests"]) for x in found["different"]] == [
        (NAME, [6000, None]),
        ("dram/ifmap/read", [None, 5]),
    ]
    other = write(tmp_path / "layer.h5", requests(5, 1), layer="two")
    found = differences(base, other, capsys)
    assert (found["only_first"], found["only_second"]) == (["one"], ["two"])


def test_other_stalls_are_a_difference_by_cause(tmp_path, capsys):
    first = write(tmp_path / "a.h5", requests(5, 1), waits=[3, 4])
    second = write(tmp_path / "b.h5", requests(5, 1), waits=[7])
    assert differences(first, second, capsys)["equal"]
    third = write(tmp_path / "c.h5", requests(5, 1), waits=[8])
    found = differences(first, third, capsys)
    assert found["stalls"] == [{"layer": "one", "cause": "fill", "cycles": [7, 8]}]


def test_a_missing_file_is_bad_input_not_a_difference(base, tmp_path, capsys):
    assert run(["trace", "diff", base, str(tmp_path / "none.h5")]) == 2
    assert "no such file" in capsys.readouterr().err
