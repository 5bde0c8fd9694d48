"""A packed file says what it holds, not how it came to hold it."""

import h5py
import numpy as np

from arraysmith.traces.packing import pack


def packed(path, fill):
    """The bytes of a file filled by a function, and packed."""
    with h5py.File(path / "source.h5", "w", libver="earliest") as source:
        fill(source)
        with h5py.File(path / "target.h5", "w", libver="earliest") as target:
            pack(source, target)
    return (path / "target.h5").read_bytes()


def table(group, name, rows, chunk):
    return group.create_dataset(
        name, (rows,), "<i8", chunks=(chunk,), maxshape=(None,), compression="gzip", shuffle=True
    )


def straight(file):
    file.attrs["one"], file.attrs["two"] = "text", 7
    group = file.create_group("group/inner")
    group.attrs["names"], group.attrs["index"] = ("a", "b"), 3
    table(group, "t", 50, 8)[:] = np.arange(50)
    group["plain"] = np.arange(5)


def roundabout(file):
    group = file.create_group("group/inner")
    group["plain"] = np.arange(5)
    table(group, "t", 9, 100)[:] = 1
    group.attrs["index"] = 2
    file.flush()
    del group["t"]
    grows = table(group, "t", 10, 8)
    grows[:] = np.arange(10)
    file.flush()
    grows.resize((50,))
    grows[10:] = np.arange(10, 50)
    group.attrs["names"], group.attrs["index"] = ("a", "b"), 3
    file.attrs["two"], file.attrs["one"] = 7, "text"


def test_equal_contents_give_equal_bytes_whatever_their_history(tmp_path):
    assert packed(tmp_path, straight) == packed(tmp_path, roundabout)


def test_everything_is_there_as_it_was(tmp_path):
    packed(tmp_path, roundabout)
    with h5py.File(tmp_path / "target.h5") as file:
        assert dict(file.attrs) == {"one": "text", "two": 7}
        group = file["group/inner"]
        assert (list(group.attrs["names"]), group.attrs["index"]) == (["a", "b"], 3)
        data = group["t"]
        assert (data.chunks, data.maxshape, data.compression) == ((8,), (None,), "gzip")
        assert np.array_equal(data, np.arange(50))
        assert np.array_equal(group["plain"], np.arange(5))
