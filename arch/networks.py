"""Networks by reference: what ships, one layer of it, and files of ours and of other tools.

load_network("vgg16")                  a network that ships (``workload_names``)
load_network("vgg16:conv1_1")          one layer of it
load_network("mine.yaml")              a file, see ``network_file``
load_network("topology.csv")           a SCALE-Sim topology, see ``importers.scalesim``; or a table
                                       of GAMMA, told by its heading
load_network("mapping.m")              a network of MAESTRO, its dataflows left out
load_network("mine.yaml:conv3")        one layer of a file
"""

from __future__ import annotations

from pathlib import Path

from arraysmith.arch.errors import Fault, InputError, nearest
from arraysmith.arch.importers.gamma import is_gamma, read_gamma
from arraysmith.arch.importers.scalesim import read_topology
from arraysmith.arch.network_file import dump_network, parse_network, read_network
from arraysmith.arch.notation.maestro_convert import network_of
from arraysmith.arch.notation.maestro_file import is_maestro, read_maestro_network
from arraysmith.arch.problem import Layer, Network
from arraysmith.arch.spec_reader import is_path
from arraysmith.arch.yaml_positions import read_text

__all__ = ["dump_network", "load_network", "parse_network", "workload_names", "workload_path"]

WORKLOADS = Path(__file__).parent / "workloads"
"""Folder of the networks that ship with the project."""


def workload_names() -> tuple[str, ...]:
    """Return the names of the networks that ship with the project, sorted."""
    return tuple(sorted(path.stem for path in WORKLOADS.glob("*.yaml")))


def workload_path(name: str) -> Path:
    """Return the file of the network ``name``, one of ``workload_names()``."""
    return WORKLOADS / f"{name}.yaml"


def load_network(ref: str | Path) -> Network:
    """Return the network that ``ref`` names; see the head of this module for the forms.

    A word that is neither a name nor looks like a path may still be a file without suffix. Of a
    network with a layer named, one run of that layer is left: its repeat is 1, and it reads the
    network's own input.

    Raises:
        InputError: no such network, file or layer, or a file with faults; carries all of them.
    """
    if isinstance(ref, Path) or ref in workload_names() or Path(ref).is_file():
        return _whole(ref)
    whole, colon, layer = ref.rpartition(":")
    if colon and whole:
        return _one_layer(_whole(whole), layer, ref)
    return _whole(ref)


def _whole(ref: str | Path) -> Network:
    if not isinstance(ref, Path) and ref in workload_names():
        return read_network(workload_path(ref))
    path = Path(ref)
    if path.suffix.lower() == ".csv":
        return read_gamma(ref) if is_gamma(read_text(ref)) else read_topology(ref)
    if is_maestro(path):
        return network_of(read_maestro_network(ref))
    if isinstance(ref, Path) or is_path(ref) or path.is_file():
        return read_network(ref)
    rule = "is neither a network that ships nor a file"
    raise InputError([Fault("workload", ref, rule, nearest(ref, workload_names()))])


def _one_layer(network: Network, name: str, ref: str) -> Network:
    found = {layer.name: layer for layer in network.layers}
    if name not in found:
        rule = f"{network.name} has no such layer"
        raise InputError([Fault("workload", ref, rule, nearest(name, found))])
    return Network(f"{network.name}:{name}", (Layer(found[name].problem),))
