"""Everything that reads a description from a file, under one name.

``load_architecture`` and ``load_mapping`` read the files of this folder; ``read_spec`` reads any
other kind of file into a model that derives from ``Spec``.
"""

from __future__ import annotations

from arraysmith.arch.architecture_file import (
    architecture_document,
    dump_architecture,
    load_architecture,
    parse_architecture,
    preset_names,
    preset_path,
)
from arraysmith.arch.mapping_file import (
    dump_mapping,
    load_mapping,
    mapping_document,
    parse_mapping,
)
from arraysmith.arch.spec_reader import (
    Spec,
    SpecError,
    collect,
    is_path,
    kind_of,
    parse_spec,
    part,
    read_spec,
    sort_faults,
    spec_of,
)
from arraysmith.arch.yaml_positions import (
    Document,
    Positions,
    dump_document,
    parse_document,
    read_document,
)

__all__ = [
    "Document",
    "Positions",
    "Spec",
    "SpecError",
    "architecture_document",
    "collect",
    "dump_architecture",
    "dump_document",
    "dump_mapping",
    "is_path",
    "kind_of",
    "load_architecture",
    "load_mapping",
    "mapping_document",
    "parse_architecture",
    "parse_document",
    "parse_mapping",
    "parse_spec",
    "part",
    "preset_names",
    "preset_path",
    "read_document",
    "read_spec",
    "sort_faults",
    "spec_of",
]
