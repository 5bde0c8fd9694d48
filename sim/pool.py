"""Executors of one machine: processes that die with their parent, or none at all."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from typing import ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")


class InlineExecutor(Executor):
    """Runs every task at once in the calling thread: what one worker means."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run ``fn`` now; its error is raised here, where the traceback is whole."""
        future: Future[T] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


@contextmanager
def process_pool(workers: int) -> Iterator[Executor]:
    """Give an executor of ``workers`` processes; one worker runs in this process.

    Processes are spawned, not forked: the parent may have threads and open files. On an error (or
    Ctrl-C) all tasks are dropped, and processes end at once, whatever they are at: a layer may take
    minutes.
    """
    if workers == 1:
        yield InlineExecutor()
        return
    context = multiprocessing.get_context("spawn")
    leash, hold = context.Pipe(duplex=False)
    executor = ProcessPoolExecutor(
        workers, mp_context=context, initializer=_enter, initargs=(leash,)
    )
    with leash, hold:
        try:
            yield executor
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            raise  # and let go of the workers
        executor.shutdown()


def _enter(leash: Connection) -> None:
    """Prepare a worker: Ctrl-C is the parent's business, who ends it by letting go, or by dying."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def leave() -> None:
        wait([leash])  # nothing is ever sent: it is ready when the other end is closed
        os._exit(1)

    threading.Thread(target=leave, daemon=True).start()
