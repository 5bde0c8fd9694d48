"""Devices from YAML files: those that ship, and files of one's own that may build on another.

    kind: dram
    name: ddr4_2400_bank_group_low
    base: ddr4_2400                     # one that ships, or a file beside this one
    address_map: [row, channel, rank, bank, column, bank_group]
    timing: {tCCD_L: 5}

A variant states what differs; maps are merged key by key, lists and values replace. Every fault of
a file is reported at once. Those of the whole that arise from a value of the base are placed where
the variant says nothing of it: at the section, or at the top.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from arraysmith.arch.errors import Fault, InputError, nearest
from arraysmith.arch.spec_reader import collect, is_path, part, sort_faults
from arraysmith.arch.yaml_positions import Document, read_document
from arraysmith.sim.dram.device import (
    FIELDS,
    Device,
    Organisation,
    Policy,
    Power,
    Timing,
    broken_rules,
)
from arraysmith.sim.dram.device_spec import (
    ControllerSpec,
    DeviceSpec,
    OrganisationSpec,
    PowerSpec,
    TimingSpec,
    VariantSpec,
)

FOLDER = Path(__file__).parent / "devices"
"""Folder of the devices that ship with the project."""


def device_names() -> tuple[str, ...]:
    """Return the names of the devices that ship with the project, sorted."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def device_path(name: str) -> Path:
    """Return the file of a device that ships, one of ``device_names()``."""
    return FOLDER / f"{name}.yaml"


def load_device(ref: str | Path) -> Device:
    """Return the device that ``ref`` names: one that ships, or a YAML file.

    Raises:
        InputError: no such device or file, or a file with faults; carries all of them.
    """
    if isinstance(ref, str) and not is_path(ref):
        if ref in device_names():
            return read_device(device_path(ref))
        if not Path(ref).is_file():
            hint = nearest(ref, device_names())
            raise InputError([Fault("dram", ref, "is neither a device nor a file", hint)])
    return read_device(Path(ref))


def read_device(path: str | Path) -> Device:
    """Return the device in a file; InputError with all its faults."""
    document, faults = _whole(Path(path), ())
    return _device(document, faults)


def _whole(path: Path, below: tuple[Path, ...]) -> tuple[Document, list[Fault]]:
    """Return the file at ``path`` with all that it builds on, and faults of its own so far.

    Args:
        path: of the file.
        below: files that build on it.
    """
    document = read_document(path)
    if "base" not in document.data:
        return document, []
    _, faults = collect(document, VariantSpec)
    ref = document.data["base"]
    if not isinstance(ref, str):
        raise InputError(sort_faults(faults))
    found = device_path(ref) if ref in device_names() else path.parent / ref
    below = (*below, path.resolve())
    if not found.is_file():
        hint = nearest(ref, device_names())
        rule = "is neither a device nor a file beside this one"
        raise InputError([*faults, document.positions.fault("base", rule, hint)])
    if found.resolve() in below:
        raise InputError([*faults, document.positions.fault("base", "builds on itself")])
    base, more = _whole(found, below)
    _device(base, more)  # faults of the base are told there
    return Document(_merged(base.data, document.data), document.positions, ()), faults


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return ``base`` with what ``changes`` says in its place, section by section."""
    found = {**base, **changes}
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            found[key] = {**base[key], **value}
    found.pop("base", None)
    return found


def _device(document: Document, faults: list[Fault]) -> Device:
    """Return the device in a whole document; raises with ``faults`` and all that are found."""
    spec, more = collect(document, DeviceSpec)
    data, fault = document.data, document.positions.fault
    told = {x.field for x in more}
    faults = [*(x for x in faults if x.field not in told), *more]
    # Sections that are right by themselves are checked even if others are not.
    shape = part(data.get("organisation"), OrganisationSpec)
    timing = part(data.get("timing"), TimingSpec)
    power = part(data.get("power"), PowerSpec)
    controller = part(data.get("controller", {}), ControllerSpec)
    organisation = None if shape is None else Organisation(**shape.model_dump())
    times = None if timing is None else _timing(timing)
    currents = None if power is None else Power(**power.model_dump())
    policy = None if controller is None else Policy(**controller.model_dump())
    broken = [*broken_rules(organisation, times, currents, policy)]
    if timing is not None:
        broken += _standard_rules(timing, data.get("standard"))
    faults += [fault(path, rule) for path, rule in broken]
    named = data.get("address_map")
    if organisation is not None and isinstance(named, tuple):
        missing = [x for x in FIELDS if x not in named and organisation.size(x) > 1]
        if missing:
            names = ", ".join(missing)
            rule = f"must cover every bit of an address, but has no {names}"
            faults.append(fault("address_map", rule, f"add {names}"))
    if faults or spec is None:
        raise InputError(sort_faults(faults))
    assert organisation is not None  # parts of a spec without faults
    assert times is not None
    assert currents is not None
    assert policy is not None
    return Device(
        spec.name,
        spec.standard,
        spec.source,
        organisation,
        spec.address_map,
        times,
        currents,
        policy,
    )


def _standard_rules(given: TimingSpec, standard: Any) -> Iterator[tuple[str, str]]:
    """Yield what the timings lack, or have too much, for their standard."""
    split = {"tRCDRD": given.t_rcdrd, "tRCDWR": given.t_rcdwr}
    hbm = standard == "HBM2"
    if hbm and given.t_rcd is not None:
        yield "timing.tRCD", "must be left out: HBM2 has tRCDRD and tRCDWR"
    if not hbm and given.t_rcd is None:
        yield "timing.tRCD", "key is missing"
    for name, value in split.items():
        if hbm and value is None:
            yield f"timing.{name}", "key is missing"
        if not hbm and value is not None:
            yield f"timing.{name}", "must be left out: only HBM2 tells reads and writes apart"
    if given.t_ppd and standard != "LPDDR4":
        yield "timing.tPPD", "must be left out: only LPDDR4 has it"


def _timing(spec: TimingSpec) -> Timing:
    """Return the timings; an absent tRCD, which is a fault, breaks no other rule."""
    given = spec.model_dump(exclude={"t_ck_ns", "t_rcd", "t_rcdrd", "t_rcdwr", "t_rc"})
    both = spec.t_rcd or spec.t_rcdrd or spec.t_rcdwr or spec.al + 1
    return Timing(
        t_ck_ns=Fraction(str(spec.t_ck_ns)),
        t_rcd_read=spec.t_rcdrd or both,
        t_rcd_write=spec.t_rcdwr or both,
        t_rc=spec.t_ras + spec.t_rp if spec.t_rc is None else spec.t_rc,
        **given,
    )
