"""Copying an HDF5 file so that its bytes follow from what it holds, not from how it was written.

The format keeps traces of its history: attributes in the order in which they were last set, gaps
where something was removed, places in the order of allocation. A plain copy of an object takes its
header over as it is, with all that.
"""

from __future__ import annotations

import h5py


def pack(source: h5py.Group, target: h5py.Group) -> None:
    """Make everything in ``source`` anew in the empty ``target``, in the order of the names.

    Chunks are copied as they are stored, one after the other, without being decompressed.
    """
    _pack_attributes(source, target)
    for name in sorted(source):
        child = source[name]
        if isinstance(child, h5py.Group):
            pack(child, target.create_group(name))
        else:
            _pack_dataset(child, target, name)


def _pack_attributes(source: h5py.Group | h5py.Dataset, target: h5py.Group | h5py.Dataset) -> None:
    for name in sorted(source.attrs):
        target.attrs.create(name, source.attrs[name], dtype=source.attrs.get_id(name).dtype)


def _pack_dataset(source: h5py.Dataset, target: h5py.Group, name: str) -> None:
    old = source.id
    how = old.get_create_plist()
    how.set_obj_track_times(False)  # a file does not say it of its datasets
    new = h5py.h5d.create(target.id, name.encode(), old.get_type(), old.get_space(), how)
    copy = h5py.Dataset(new)
    _pack_attributes(source, copy)
    if source.chunks is None:
        copy[...] = source[...]
        return
    for number in range(old.get_num_chunks()):
        place = old.get_chunk_info(number).chunk_offset
        filters, chunk = old.read_direct_chunk(place)
        new.write_direct_chunk(place, chunk, filters)
