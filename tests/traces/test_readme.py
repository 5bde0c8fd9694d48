import re
from pathlib import Path

import numpy as np
import pytest
from trace_samples import DESIGN, LAYER, MAPPING, regular, requests

from arraysmith.traces.reader import TraceFile
from arraysmith.traces.recorder import TraceWriter
from arraysmith.traces.schema import (
    BLOCK_COLUMNS,
    CHAIN_COLUMNS,
    COLUMNS,
    CYCLE_COLUMNS,
    FOLD_COLUMNS,
    STALL_COLUMNS,
    STEP_COLUMN,
    VERSION,
)

ROOT = Path(__file__).parents[2]
README = ROOT / "traces" / "README.md"


def code_of(readme):
    (code,) = [
        x for x in re.findall(r"```python\n(.*?)```", readme.read_text(), re.DOTALL) if "h5py" in x
    ]
    return compile(code, str(readme), "exec")


def write(path, columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    with TraceWriter(path, {}) as writer:
        probe = writer.layer("conv1_1", DESIGN, LAYER, MAPPING, {})
        probe.requests("dram/ifmap/read", *columns.values())


@pytest.mark.parametrize("readme", [README, ROOT / "README.md"])
@pytest.mark.parametrize("kind", ["segments", "columns"])
def test_the_lines_of_plain_h5py_read_both_kinds_of_blocks(
    readme, kind, tmp_path, monkeypatch, capsys
):
    columns = regular(6, 40, 3) if kind == "segments" else requests(300, 4, top=2**40)
    path = "best.h5" if readme == README else "out/demo/poster/traces.h5"
    write(tmp_path / path, columns)
    monkeypatch.chdir(tmp_path)
    space = {}
    exec(code_of(readme), space)
    assert capsys.readouterr().out
    with TraceFile(path) as traces:
        (stream,) = traces.layers[0].streams
        assert (stream.summary().segments > 0) == (kind == "segments")
    with space["h5py"].File(path, "r") as file:
        blocks = list(space["requests"](file["layers/conv1_1/dram/ifmap/read"]))
    want = np.stack([x.astype(np.int64) for x in columns.values()])
    np.testing.assert_array_equal(np.hstack(blocks), want)


def test_the_readme_states_the_schema_as_it_is():
    text = README.read_text()
    for column in COLUMNS:
        assert (
            f"| `{column.name}` | {column.dtype.name} | {column.unit} | {column.meaning} |" in text
        )
    for group, columns in (
        ("stalls/", STALL_COLUMNS + CHAIN_COLUMNS),
        ("folds/", FOLD_COLUMNS),
        ("", (STEP_COLUMN,)),
    ):
        for column in columns:
            row = f"| `{group}{column.name}` | int64 | {column.unit} | {column.meaning} |"
            assert row in text
    assert f"`arraysmith-traces`, {VERSION} |" in text
    records, *places = BLOCK_COLUMNS
    assert f"| `{records}` | requests of the block |" in text
    assert [f"`{x}`, `{y}`" in text for x, y in (places[:2], places[2:])] == [True, True]
    assert f"`{'`, `'.join(CYCLE_COLUMNS)}`" in text
