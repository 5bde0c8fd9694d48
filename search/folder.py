"""The output folder of a search: refused when it holds something else, locked while in use."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from arraysmith.arch.errors import Fault, InputError
from arraysmith.search.ledger import LEDGER

LOCK = "search.lock"
"""Name of the file that says which process works in a folder."""


def check_folder(out: Path, *, resume: bool) -> None:
    """Refuse a folder whose content a new search would mix with, or a file in its place."""
    if out.exists() and not out.is_dir():
        raise InputError([Fault("--out", str(out), "is a file, not a folder")])
    holds = out.is_dir() and any(path.name != LOCK for path in out.iterdir())
    if holds and not resume:
        rule = "folder is not empty"
        hint = "continue what it holds with --resume, or name another folder"
        raise InputError([Fault("--out", str(out), rule, hint)])
    if resume and holds and not (out / LEDGER).is_file():
        rule = f"holds no search to resume ({LEDGER} is missing)"
        raise InputError([Fault("--out", str(out), rule, "name another folder")])
    # Told now: a search that cannot store anything must not work first.
    ground = next(path for path in (out, *out.absolute().parents) if path.exists())
    if not ground.is_dir():
        rule = f"cannot be made: {ground} is a file, not a folder"
        raise InputError([Fault("--out", str(out), rule, "name another folder")])
    if not os.access(ground, os.W_OK | os.X_OK):
        rule = f"cannot be written: {ground} allows it to nobody like you"
        raise InputError([Fault("--out", str(out), rule, "name another folder")])


@contextmanager
def locked(out: Path, note: Callable[[str], None]) -> Iterator[None]:
    """Keep other searches out of a folder that exists.

    The lock is the system's (``flock``): it ends with the process, however that dies. The file
    names the process for people. One left behind by a process of this machine is taken over with a
    note; one of another machine, whose locks may not be seen here, is refused.

    Args:
        out: the folder.
        note: hears about a lock that was taken over.

    Raises:
        InputError: another search works in the folder, or may.
    """
    path = out / LOCK
    file = _opened(path)
    mine = False
    try:
        owner = _owner(file)
        if owner is not None:
            pid, host = owner
            if host != socket.gethostname():
                rule = f"process {pid} on {host} was at work here, which cannot be seen from here"
                hint = f"if it has ended, remove {path} and try again"
                raise InputError([Fault("--out", str(out), rule, hint)])
            note(f"{path.name}: process {pid} ended without removing it; taken over")
        file.seek(0)
        file.truncate()
        file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}) + "\n")
        file.flush()
        mine = True
        yield
    finally:
        if mine:
            path.unlink(missing_ok=True)
        file.close()  # releases the lock, after the name is gone


def _opened(path: Path) -> IO[str]:
    """Return the lock file, locked."""
    while True:
        file = path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = _owner(file)
            file.close()
            who = "another process" if owner is None else f"process {owner[0]} on {owner[1]}"
            rule = f"{who} is at work in it"
            hint = "wait for it, or name another folder"
            raise InputError([Fault("--out", str(path.parent), rule, hint)]) from None
        try:
            same = os.path.samestat(os.fstat(file.fileno()), path.stat())
        except FileNotFoundError:
            same = False
        if same:
            return file
        file.close()  # its owner removed it in between: lock the new one


def _owner(file: IO[str]) -> tuple[int, str] | None:
    """Return (pid, host) that a lock file names; None if it is empty or torn."""
    file.seek(0)
    try:
        plain = json.loads(file.read())
        return int(plain["pid"]), str(plain["host"])
    except (ValueError, KeyError, TypeError):
        return None
