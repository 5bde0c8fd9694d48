import csv
import shutil

import pytest

from arraysmith.arch.errors import InputError
from arraysmith.validation.suites.noc import REFERENCE, noc


def sliced(name, path, keep):
    with (REFERENCE / name).open() as file:
        rows = list(csv.DictReader(file))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(row for row in rows if keep(row))
    return path


def test_every_packet_is_delivered_in_the_cycle_of_the_reference():
    outcome = noc(REFERENCE / "packets.csv")
    assert len(outcome.comparisons) > 9000
    assert not outcome.beyond


def test_zero_load_latencies_are_within_a_cycle():
    outcome = noc(REFERENCE / "zero_load_pairs.csv")
    groups = outcome.quantities
    assert len(groups["unloaded latency"]) == 512
    assert len(groups["zero-load mean"]) == 512 - len(outcome.skipped)
    assert len(outcome.skipped) == 8
    assert not outcome.beyond
    assert all(0 <= x.expected - x.got <= 1 for x in groups["zero-load mean"])


def test_curves_agree_with_the_reference(tmp_path):
    def keep(row):
        chosen = (row["mesh_k"], row["traffic"], row["num_vcs"], row["packet_flits"])
        if chosen not in {("4", "uniform", "4", "1"), ("4", "hotspot", "4", "1")}:
            return False
        return row["vc_buf_flits"] == "8" and (
            row["mode"] == "saturation" or float(row["offered_flits_node_cycle"]) > 0.05
        )

    outcome = noc(sliced("curves.csv", tmp_path / "curves.csv", keep))
    assert {x.quantity for x in outcome.comparisons} == {"mean latency", "saturation throughput"}
    assert len(outcome.comparisons) >= 6
    assert not outcome.beyond


def test_a_router_variant_agrees_with_the_reference_and_another_does_not(tmp_path):
    def keep(row):
        return (row["variant"], row["packet_flits"]) == ("spec", "1") and (
            row["mode"] == "saturation" or row["offered_flits_node_cycle"] in {"0.3", "0.7"}
        )

    path = sliced("variants.csv", tmp_path / "variants.csv", keep)
    assert not noc(path).beyond
    path.write_text(path.read_text().replace("spec", "rd1"))
    assert {x.quantity for x in noc(path).beyond} >= {"mean latency"}


def test_a_wrong_cycle_is_noticed(tmp_path):
    path = shutil.copy(REFERENCE / "packets.csv", tmp_path / "packets.csv")
    lines = path.read_text().splitlines()[:40]
    cells = lines[7].split(",")
    cells[-1] = str(int(cells[-1]) + 1)
    lines[7] = ",".join(cells)
    path.write_text("\n".join(lines) + "\n")
    assert noc(path).beyond


def test_a_speed_up_beyond_the_virtual_channels_does_nothing(tmp_path):
    path = tmp_path / "packets.csv"
    heading = (REFERENCE / "packets.csv").read_text().splitlines()[0]
    path.write_text(f"{heading}\n4,1,8,5,insp2,0,3,8,{6 + 4 * 5 + 4}\n")
    (found,) = noc(path).comparisons
    assert found.exact


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",base,", ",bass,", "variant: bass: unknown: did you mean base"),
        ("4,4,8,5,", "4,4.5,8,5,", "num_vcs: 4.5: must be a whole number"),
    ],
)
def test_a_wrong_cell_is_named(tmp_path, old, new, message):
    path = tmp_path / "packets.csv"
    lines = (REFERENCE / "packets.csv").read_text().splitlines()[:4]
    path.write_text("\n".join(lines).replace(old, new, 1) + "\n")
    with pytest.raises(InputError, match=message):
        noc(path)


def test_a_folder_without_files_of_the_suite_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"must hold one of packets\.csv"):
        noc(tmp_path)
