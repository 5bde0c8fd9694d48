import re
from pathlib import Path

from trace_samples import fill

from arraysmith.traces.recorder import TraceWriter
from arraysmith.traces.schema import COLUMNS, VERSION

README = Path(__file__).parents[2] / "traces" / "README.md"


def test_the_lines_of_plain_h5py_in_the_readme_work(tmp_path, monkeypatch, capsys):
    with TraceWriter(tmp_path / "best.h5", {}) as writer:
        fill(writer, "one", 30)
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
    exec(compile(code, str(README), "exec"), {})
    printed = capsys.readouterr().out
    assert "one {'G': 1" in printed
    assert "30 requests from" in printed


def test_the_readme_states_the_schema_as_it_is():
    text = README.read_text()
    for column in COLUMNS:
        assert (
            f"| `{column.name}` | {column.dtype.name} | {column.unit} | {column.meaning} |" in text
        )
    assert f"`arraysmith-traces`, {VERSION} |" in text
