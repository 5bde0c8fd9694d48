"""``simulate --no-skip``: every iteration simulated, the same document."""

from __future__ import annotations

from arraysmith.arch.main import run
from arraysmith.sim.cycle import engine
from arraysmith.sim.cycle.repeats import Repeats

COMMAND = ["simulate", "eyeriss", "vgg16:conv2_1", "--dataflow", "row_stationary", "--json"]


def test_no_skip_prints_the_same_numbers(capsys, monkeypatch) -> None:
    made: list[Repeats] = []

    def repeats(*arguments) -> Repeats:
        made.append(Repeats(*arguments))
        return made[-1]

    monkeypatch.setattr(engine, "Repeats", repeats)
    assert run(COMMAND) == 0
    skipping = capsys.readouterr().out
    assert [x.skipped_phases > 100 for x in made] == [True]
    assert run([*COMMAND, "--no-skip"]) == 0
    assert capsys.readouterr().out == skipping
    assert len(made) == 1, "nothing may look for repetitions"
