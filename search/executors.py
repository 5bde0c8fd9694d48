"""Where the tasks of a search run: this process, processes of this machine, or a Dask cluster.

All of them are ``concurrent.futures`` executors, and what runs on them does not tell them apart.
The cluster needs the extra ``dask``; its workers need this program in the same version, and no
shared files. A worker that dies loses nothing: its tasks are done by others.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from arraysmith.arch.errors import Fault, InputError
from arraysmith.sim.pool import process_pool

CONNECT_SECONDS = 10
"""How long to wait for the scheduler of a cluster."""

_QUEUES = {"slurm": ("SLURMCluster", "sbatch"), "lsf": ("LSFCluster", "bsub")}
"""Class of dask-jobqueue, and the program that it submits with."""


@dataclass(frozen=True)
class Workers:
    """An executor, and what is known of it.

    Attributes:
        executor: runs tasks.
        count: tasks that run side by side, at least 1.
        remote: whether tasks run in other processes than the threads of this one could.
    """

    executor: Executor
    count: int
    remote: bool


@contextmanager
def workers_of(
    count: int, address: str | None = None, cluster: dict[str, Any] | None = None
) -> Iterator[Workers]:
    """Give the executor that is asked for; the first of address, cluster, processes.

    Args:
        count: processes of this machine, at least 1.
        address: of a Dask scheduler.
        cluster: section ``cluster`` of a run file.

    Raises:
        InputError: the cluster cannot be reached, or the extra is not installed.
    """
    if address is not None:
        with _dask(address, "--cluster", None) as workers:
            yield workers
    elif cluster:
        with _dask(cluster.get("address"), "cluster", cluster) as workers:
            yield workers
    else:
        with process_pool(count) as executor:
            yield Workers(executor, count, remote=False)


@contextmanager
def _dask(address: str | None, field: str, section: dict[str, Any] | None) -> Iterator[Workers]:
    if find_spec("distributed") is None:
        rule = "needs what is not installed: distributed"
        hint = "install it with: pip install 'arraysmith[dask]'"
        raise InputError([Fault(field, address or "", rule, hint)])
    from distributed import Client  # an extra, and slow to import

    jobs = None
    if address is None:
        assert section is not None
        jobs = _submitted(section)
    try:
        client = Client(jobs or address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        rule = f"cannot be reached: {error}"
        hint = "start a scheduler there (dask scheduler), for example tcp://host:8786"
        raise InputError([Fault(field, address or "", rule, hint)]) from None
    try:
        count = max(1, sum(client.ncores().values()))
        yield Workers(client.get_executor(pure=False), count, remote=True)
    finally:
        client.close()
        if jobs is not None:
            jobs.close()


def _submitted(section: dict[str, Any]) -> Any:
    """Return a cluster of jobs that are submitted to a queue."""
    kind = next((name for name in _QUEUES if section.get(name) is not None), None)
    if kind is None:
        rule = f"must have one of address, {', '.join(_QUEUES)}"
        raise InputError(
            [Fault("cluster", "", rule, "for example slurm: {cores: 8, memory: 16 GB}")]
        )
    name, program = _QUEUES[kind]
    if shutil.which(program) is None:
        rule = f"cannot be reached: there is no {program} on the path"
        raise InputError(
            [Fault(f"cluster.{kind}", "", rule, "search from a node that submits jobs")]
        )
    import dask_jobqueue

    try:
        jobs = getattr(dask_jobqueue, name)(**section[kind])
        jobs.scale(jobs=int(section.get("jobs", 2)))
    except (TypeError, ValueError, OSError, RuntimeError) as error:
        rule = f"is not accepted by {name}: {error}"
        raise InputError([Fault(f"cluster.{kind}", "", rule, "see dask-jobqueue")]) from None
    return jobs
