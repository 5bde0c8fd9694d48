"""Traces of a design whose neighbours pass words of the ifmap on, from the command to the bytes."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
from test_readme import README, code_of

from arraysmith.arch.loader import dump_architecture, dump_mapping, load_architecture
from arraysmith.arch.main import run
from arraysmith.arch.mapping import LevelMapping, Loop, Mapping
from arraysmith.arch.networks import dump_network
from arraysmith.arch.problem import Layer, Network, conv

LAYER = conv("rows", height=10, width=10, in_channels=1, out_channels=1, window=(3, 3))
LINES = Mapping(
    (
        LevelMapping("glb", (Loop("R", 1),)),
        LevelMapping("array", y=(Loop("P", 1),)),
        LevelMapping("ifmap_spad", (Loop("Q", 1), Loop("S", 1))),
    )
)
"""Eight PEs with a line of the image each; after each row of the filter they take the next one from
the PE below, the last of them from the buffer: 80 words and two times 10 come from there."""


@pytest.fixture
def job(tmp_path):
    (tmp_path / "mapping.yaml").write_text(dump_mapping(LINES))
    (tmp_path / "network.yaml").write_text(dump_network(Network("n", (Layer(LAYER),))))
    preset = load_architecture("shidiannao-like")
    levels = (replace(x, depth=20) if x.name == "ifmap_spad" else x for x in preset.levels)
    (tmp_path / "design.yaml").write_text(dump_architecture(replace(preset, levels=tuple(levels))))
    files = [str(tmp_path / name) for name in ("design.yaml", "network.yaml")]
    return ["simulate", *files, "--mapping", str(tmp_path / "mapping.yaml")]


def words_of(rows):
    """(port, byte address of the word) of every word, with its cycles of request and response."""
    found = []
    for begin, end, address, size, _, port in rows.T.tolist():
        found += [(port, word, begin, end) for word in range(address, address + size)]
    return found


def test_who_passes_on_and_who_takes_each_word_stands_in_the_bytes(
    job, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    command = [*job, "--traces", "best.h5", "--levels", "every", "--report", "page.html", "--json"]
    assert run(command) == 0
    (layer,) = json.loads(capsys.readouterr().out)["layers"]
    want = defaultdict(int)
    for x in layer["accesses"]:
        way = "read" if x["direction"] in ("read", "drain") else "write"
        want[f"{x['level']}/{x['tensor']}/{way}"] += x["words"]
    for x in layer["traffic"]:
        way = {"reduction": "up", "forward": "-y"}.get(x["kind"], "down")
        want[f"network/{x['network']}/{x['tensor']}/{way}"] += x["words"]
    space = {}
    exec(code_of(README), space)
    rows = {}
    with space["h5py"].File("best.h5", "r") as file:
        (group,) = file["layers"].values()
        group.visititems(
            lambda _, x: (
                rows.update({x.attrs["stream"]: np.hstack(list(space["requests"](x)))})
                if "stream" in x.attrs
                else None
            )
        )
    assert {name: x[3].sum() for name, x in rows.items()} == want
    links = words_of(rows["network/array/ifmap/-y"])
    assert len(links) == 140
    left, came = words_of(rows["ifmap_spad/ifmap/read"]), words_of(rows["ifmap_spad/ifmap/write"])
    assert not Counter(x[:2] for x in links) - Counter(x[:2] for x in came)
    senders = Counter((port + 8, word) for port, word, _, _ in links)  # a row further down
    assert not senders - Counter(x[:2] for x in left)
    assert max(port for port, _ in senders) == 8 * 7
    free = defaultdict(int)
    for begin, end, _, size, _, port in rows["network/array/ifmap/-y"].T.tolist():
        assert begin >= free[port]
        assert end - begin >= size, "links bring a child a word per cycle"
        free[port] = end
    page = (tmp_path / "page.html").read_text()
    assert "words over networks" in page
    assert '"name":"forward"' in page.replace(" ", "")
    for name in ("csv", "perfetto", "scalesim", *(["vcd"] if find_spec("vcd") else [])):
        told = ["trace", "export", "best.h5", "--format", name, "--out", str(tmp_path / name)]
        assert run([*told, "--stream", "network/array/ifmap/-y"]) == 0, name
