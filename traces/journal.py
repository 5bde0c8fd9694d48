"""A file for HDF5 to write into that is readable at every moment, whatever ends the process.

HDF5 changes its own tables in place, so a file whose writer was killed is often unreadable. Here
nothing of what was committed is overwritten: what lies behind the last commit goes to the disk at
once, changes before it are kept in memory, page by page. ``commit`` writes these pages into a
journal beside the file, then into the file, then removes the journal. Whoever reads the file takes
pages out of a journal first, if there is a whole one. A process that dies leaves the state of its
last commit. (A machine that dies may leave less: nothing waits for the disk.)
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

PAGE = 4096
_HEAD = struct.Struct("<8sQQ")  # magic, size of the file, pages
_NUMBER = struct.Struct("<Q")
_CRC = struct.Struct("<I")
_MAGIC = b"asjrnl01"


def journal_path(path: Path) -> Path:
    """Return where the journal of a file lies."""
    return path.with_name(path.name + ".journal")


class CommittedFile(io.RawIOBase):
    """A file object for ``h5py.File``; ``commit`` after ``h5py.File.flush``."""

    def __init__(self, path: Path, *, write: bool) -> None:
        """Open a committed file to read, or start a new one, which appears with the first commit.

        Raises:
            OSError: it cannot be read or written.
        """
        super().__init__()
        self._path = path
        self._position = 0
        self._pages: dict[int, bytearray] = {}
        self._border = 0
        self._new = path.with_name(path.name + ".new") if write else None
        if self._new is not None:
            self._disk = os.open(self._new, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
            self._size = 0
        else:
            self._disk = os.open(path, os.O_RDONLY)
            self._size = os.fstat(self._disk).st_size
            self._take_journal()

    def commit(self) -> None:
        """Make the state of now the one that stays."""
        if self._new is not None:
            journal_path(self._path).unlink(missing_ok=True)
            self._new.replace(self._path)
            self._new = None
        elif self._pages:
            self._write_journal()
            for number, page in self._pages.items():
                self._put(memoryview(page), number * PAGE)
            os.ftruncate(self._disk, self._size)
            journal_path(self._path).unlink()
        self._pages.clear()
        # A page that the last commit reaches into is kept in memory whole.
        self._border = -(-self._size // PAGE) * PAGE

    def discard(self) -> None:
        """Close, and leave nothing behind."""
        self.close()
        for path in (self._new, self._path, journal_path(self._path)):
            if path is not None:
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close; changes since the last commit are lost."""
        if not self.closed:
            os.close(self._disk)
        super().close()

    def readable(self) -> bool:
        """Return True."""
        return True

    def writable(self) -> bool:
        """Return True; a file opened to read refuses later."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move to ``offset``, from the start, here or the end; return the new place."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """Return the place."""
        return self._position

    def truncate(self, size: int | None = None, /) -> int:
        """Set the size; what was committed stays on the disk until the next commit."""
        wanted, place = self._position if size is None else size, self._position
        lost = min(self._size, self._border) - wanted
        if lost > 0:
            # What is cut off shall read as zero if the file grows again.
            self._position = wanted
            self.write(memoryview(bytes(lost)))
            self._position = place
        self._size = wanted
        os.ftruncate(self._disk, max(self._size, self._border))
        return self._size

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # h5py gives these
        """Fill ``buffer`` from here on; return the bytes there were."""
        view = memoryview(buffer).cast("B")
        count = max(0, min(len(view), self._size - self._position))
        start, stop = self._position, self._position + count
        found = os.pread(self._disk, count, start)
        view[: len(found)] = found
        # Past what the disk has yet, a file reads as zero.
        view[len(found) : count] = bytes(count - len(found))
        if self._pages:
            for number in range(start // PAGE, -(-stop // PAGE)):
                page = self._pages.get(number)
                if page is not None:
                    low, high = max(start, number * PAGE), min(stop, (number + 1) * PAGE)
                    view[low - start : high - start] = page[
                        low - number * PAGE : high - number * PAGE
                    ]
        self._position = stop
        return count

    def write(self, data: memoryview, /) -> int:  # type: ignore[override]  # h5py gives these
        """Write from here on; return the bytes written."""
        view = memoryview(data).cast("B")
        start, stop = self._position, self._position + len(view)
        at = start
        while at < min(stop, self._border):
            number = at // PAGE
            high = min(stop, (number + 1) * PAGE)
            page = self._pages.get(number)
            if page is None:
                page = self._pages[number] = bytearray(PAGE)
                page[:] = os.pread(self._disk, PAGE, number * PAGE).ljust(PAGE, b"\0")
            page[at - number * PAGE : high - number * PAGE] = view[at - start : high - start]
            at = high
        if at < stop:
            self._put(view[at - start :], at)
        self._position = stop
        self._size = max(self._size, stop)
        return len(view)

    def _put(self, data: memoryview, at: int) -> None:
        while data:
            count = os.pwrite(self._disk, data, at)
            data, at = data[count:], at + count

    def _write_journal(self) -> None:
        parts = [_HEAD.pack(_MAGIC, self._size, len(self._pages))]
        for number, page in self._pages.items():
            parts += [_NUMBER.pack(number), bytes(page)]
        content = b"".join(parts)
        journal_path(self._path).write_bytes(content + _CRC.pack(zlib.crc32(content)))

    def _take_journal(self) -> None:
        try:
            content = journal_path(self._path).read_bytes()
        except FileNotFoundError:
            return
        body, end = content[: -_CRC.size], content[-_CRC.size :]
        if len(body) < _HEAD.size or _CRC.pack(zlib.crc32(body)) != end:
            return  # it was not finished, so the file is as committed
        magic, size, pages = _HEAD.unpack_from(body)
        if magic != _MAGIC or len(body) != _HEAD.size + pages * (_NUMBER.size + PAGE):
            return
        self._size = size
        for index in range(pages):
            at = _HEAD.size + index * (_NUMBER.size + PAGE)
            (number,) = _NUMBER.unpack_from(body, at)
            at += _NUMBER.size
            self._pages[number] = bytearray(body[at : at + PAGE])
