"""``simulate --edges``: whether first fill and last drain count."""

from __future__ import annotations

import json

from arraysmith.arch.main import run

COMMAND = ["simulate", "tpu-v1", "alexnet:conv3", "--dataflow", "ws", "--json"]


def test_first_fill_and_last_drain_are_counted_or_only_reported(capsys):
    found = {}
    for edges in ("included", "excluded"):
        assert run([*COMMAND, "--edges", edges]) == 0
        found[edges] = json.loads(capsys.readouterr().out)["total"]
    counted, inner = found["included"], found["excluded"]
    edges = {cause: counted["stall_cycles"][cause] for cause in ("fill", "drain")}
    assert inner["uncounted_cycles"] == edges
    assert counted["uncounted_cycles"] == {}
    assert inner["cycles"] == counted["cycles"] - sum(edges.values())
    assert inner["cycles"] == inner["cycles_without_edges"] == counted["cycles_without_edges"]
