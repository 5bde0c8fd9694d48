import pytest
from small_run import RUN, write

from arraysmith.search.cli import resume_command
from arraysmith.search.describe import Gain, gain_text
from arraysmith.search.run_file import load_run
from arraysmith.search.runner import run_search
from arraysmith.search.text import result_text

PRINTED = 'printed: [{label: paper, cycles: 1000, energy_uj: 2.5, note: "table 3"}]\n'


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")
    run = load_run(write(folder, RUN + PRINTED + "traces: none\n"))
    return run_search(run, folder / "out"), folder / "out"


def test_printed_rows_come_first_with_dashes_for_what_is_not_printed(found):
    lines = result_text(*found).splitlines()
    row = lines[lines.index("BEFORE AND AFTER") + 3]
    assert row.split() == ["paper", "(printed)", "1,000", "-", "-", "2.50", "-", "table", "3"]


def test_every_design_simulated_has_a_line_with_the_sum_of_its_causes(found):
    document, folder = found
    text = result_text(document, folder)
    table = text[text.index("BY CAUSE") :]
    for design in document["top"]:
        total = sum(design["difference"]["cycles"].values())
        line = next(x for x in table.splitlines() if x.startswith(f"#{design['rank']} "))
        assert line.split()[-1] == f"{total:+,}"


def test_every_layer_stands_beside_its_least_cycles_with_its_loops(found):
    document, _ = found
    text = result_text(*found)
    table = text[text.index("BEST DESIGN BY LAYER") : text.index("LOOPS OF THE BEST")]
    first, second = (x.split() for x in table.splitlines()[3:5])
    assert first[:4] == ["first", "1", f"{document['layers'][0]['cycles']:,}", "768"]
    assert second[1] == "2"  # the third is its equal
    assert table.count("proven: none is better") == 2
    best = [x["nest"] for x in document["mappings"] if x["design"] == "best"]
    loops = text[text.index("LOOPS OF THE BEST") :]
    assert all(line in loops for nest in best for line in nest.splitlines())


def test_what_the_exact_mapper_proves_stands_beside_its_layer(tmp_path):
    short = RUN.replace("{samples: 2000}", "{name: exact, evaluations: 100000}")
    short = short.replace("generations: 6", "generations: 1").replace("top: 2", "top: 1")
    path = write(tmp_path, short + "traces: none\n")
    document = run_search(load_run(path), tmp_path / "out")
    assert [layer["gap"] for layer in document["layers"]] == [0, 0, 0]
    assert result_text(document, tmp_path).count("proven: none is better") == 2


def test_what_each_phase_of_marvel_looked_at_stands_under_the_layers(tmp_path):
    short = RUN.replace("{samples: 2000}", "{name: marvel, evaluations: 1000, least_use: 0.75}")
    short = short.replace("generations: 6", "generations: 1").replace("top: 2", "top: 1")
    path = write(tmp_path, short + "traces: none\n")
    document = run_search(load_run(path), tmp_path / "out")
    assert [len(layer["notes"]) for layer in document["layers"]] == [2, 2, 2]
    text = result_text(document, tmp_path)
    table = text[text.index("BEST DESIGN BY LAYER") : text.index("LOOPS OF THE BEST")]
    assert table.count(": off chip: ") == 2
    assert "second: on chip: " in table


def test_no_traces_are_written_or_named_when_none_are_asked_for(found):
    document, folder = found
    assert document["traces"] is None
    assert not (folder / "traces.h5").exists()
    assert "traces" not in result_text(document, folder)


def test_where_everything_is_stands_at_the_end(found):
    document, folder = found
    for line in result_text(document, folder).splitlines()[-5:]:
        assert (folder / line.split()[-1]).exists()


def test_a_gain_is_the_product_of_its_parts():
    gain = Gain.of(12.0, 6.0, 2.0)
    assert (gain.total, gain.mapping, gain.hardware) == (6.0, 2.0, 3.0)


@pytest.mark.parametrize(
    ("aim", "best", "begins"),
    [
        ("edp", 2, "EDP falls 4.00×: 2.00× lower"),
        ("energy", 4, "Energy falls 2.00×: 2.00× lower"),
        ("cycles", 16, "Time rises 2.00×, nothing found beats the original: 2.00× lower"),
    ],
)
def test_a_summary_tells_the_gain_in_what_the_run_minimises(aim, best, begins):
    assert gain_text(aim, Gain.of(8, 4, best)).startswith(begins)


def test_the_resume_command_is_the_command_with_resume_once():
    again = "arraysmith search 'my run.yaml' --out d --resume"
    assert resume_command(["/bin/arraysmith", "search", "my run.yaml", "--out", "d"]) == again
    assert resume_command(["x", "search", "my run.yaml", "--out", "d", "--resume"]) == again
