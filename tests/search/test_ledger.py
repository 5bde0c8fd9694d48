import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arraysmith.search.ledger import Evaluation, Ledger, LedgerError

DIGEST = "ab" * 32
FIRST = Evaluation((0, 3), 1.5, 10, 2.25)
SECOND = Evaluation((1, 2), math.inf, 0, 0.0)


def numbers(genome):
    return {f"glb.{place}": 10 * gene for place, gene in enumerate(genome)}


def written(path, *evaluations):
    with Ledger.create(path, DIGEST, numbers) as ledger:
        ledger.append(evaluations)
    return path


@given(
    st.lists(st.integers(0, 99), max_size=6),
    st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.just(math.inf)),
    st.integers(0, 2**60),
    st.floats(0, 1e30),
)
def test_an_evaluation_survives_its_plain_form(genome, loss, cycles, energy):
    evaluation = Evaluation(tuple(genome), loss, cycles, energy)
    assert Evaluation.from_dict(evaluation.to_dict()) == evaluation


def test_what_was_appended_is_there_again_in_the_same_order(tmp_path):
    path = written(tmp_path / "ledger.jsonl", SECOND, FIRST)
    with Ledger.resume(path, DIGEST, numbers) as ledger:
        assert list(ledger.evaluations.values()) == [SECOND, FIRST]
        assert ledger.dropped == 0


def test_every_line_is_json_and_says_what_the_design_is(tmp_path):
    path = written(tmp_path / "ledger.jsonl", FIRST)
    first, second = (json.loads(line) for line in path.read_text().splitlines())
    assert first["run"] == DIGEST
    assert second["values"] == {"glb.0": 0, "glb.1": 30}
    assert second["cycles"] == FIRST.cycles


def test_a_resumed_ledger_goes_on_where_it_stopped(tmp_path):
    interrupted = written(tmp_path / "a.jsonl", FIRST)
    with Ledger.resume(interrupted, DIGEST, numbers) as ledger:
        ledger.append([SECOND])
    whole = written(tmp_path / "b.jsonl", FIRST, SECOND)
    assert interrupted.read_bytes() == whole.read_bytes()


def test_a_ledger_torn_anywhere_resumes_with_its_whole_lines(tmp_path):
    content = written(tmp_path / "whole.jsonl", FIRST, SECOND).read_bytes()
    ends = [i + 1 for i, byte in enumerate(content) if byte == ord("\n")]
    for cut in range(len(content) + 1):
        path = tmp_path / "torn.jsonl"
        path.write_bytes(content[:cut])
        with Ledger.resume(path, DIGEST, numbers) as ledger:
            lines = sum(end <= cut for end in ends)
            assert len(ledger.evaluations) == max(0, lines - 1)
            assert ledger.dropped == cut - max((end for end in ends if end <= cut), default=0)
            ledger.append(x for x in (FIRST, SECOND) if x.genome not in ledger.evaluations)
        assert path.read_bytes() == content


def test_damage_in_any_whole_line_is_an_error_that_names_the_line(tmp_path):
    content = written(tmp_path / "whole.jsonl", FIRST, SECOND).read_bytes()
    path = tmp_path / "damaged.jsonl"
    for position, byte in enumerate(content[:-1]):
        if byte == ord("\n"):
            continue
        changed = bytearray(content)
        changed[position] ^= 1
        path.write_bytes(changed)
        line = content.count(b"\n", 0, position) + 1
        with pytest.raises(
            LedgerError, match=rf"damaged\.jsonl:{line}:1: .*start again in another"
        ):
            Ledger.resume(path, DIGEST, numbers)
        assert path.read_bytes() == changed


def test_a_ledger_of_another_run_is_refused(tmp_path):
    path = written(tmp_path / "ledger.jsonl", FIRST)
    before = path.read_bytes()
    with pytest.raises(LedgerError, match="belongs to another run"):
        Ledger.resume(path, "cd" * 32, numbers)
    assert path.read_bytes() == before


def test_an_existing_ledger_is_never_overwritten(tmp_path):
    path = written(tmp_path / "ledger.jsonl", FIRST)
    with pytest.raises(FileExistsError):
        Ledger.create(path, DIGEST, numbers)


def test_the_same_design_twice_is_damage(tmp_path):
    path = written(tmp_path / "ledger.jsonl", FIRST, FIRST)
    with pytest.raises(LedgerError, match="recorded twice"):
        Ledger.resume(path, DIGEST, numbers)
