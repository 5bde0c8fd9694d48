"""Where a result comes from: the same words in every output, and no clock on the wall.

Equal inputs and equal code give equal provenance, so that outputs can be compared byte by byte.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.architecture_file import architecture_document
from arraysmith.arch.problem import Problem

CHECKOUT = Path(__file__).resolve().parents[1]
"""Folder that holds the packages when they run from a checkout."""


def tool_version() -> str:
    """Return the version of arraysmith."""
    return version("arraysmith")


@cache
def git_state() -> str | None:
    """Return commit (and ``-dirty`` when tracked files differ); None when not in a checkout.

    Asked once per process: all that one run writes shall name the same state.
    """
    git = shutil.which("git")
    if git is None or not (CHECKOUT / ".git").exists():
        return None
    command = [git, "-C", str(CHECKOUT), "describe", "--always", "--dirty", "--abbrev=12"]
    done = subprocess.run(  # noqa: S603 - a fixed command; nothing in it comes from a user
        [*command, "--exclude", "*"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else None


def provenance(
    architecture: Architecture,
    *,
    model: str,
    setting: str,
    seed: int | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Return the provenance of a result as plain data.

    Args:
        architecture: stored as the data of its file, every number resolved.
        model: ``analytical`` or ``cycle``.
        setting: named rule set of the model.
        seed: of whatever drew random numbers; None when nothing did.
        more: what else made the result what it is; plain data.
    """
    return {
        "tool": "arraysmith",
        "tool_version": tool_version(),
        "git": git_state(),
        "model": model,
        "setting": setting,
        "seed": seed,
        "architecture": architecture_document(architecture, "resolved by arraysmith"),
        **_devices(architecture),
        **more,
    }


def _devices(architecture: Architecture) -> dict[str, Any]:
    """Return the DRAM of a design, every number resolved; nothing if it has none."""
    dram = architecture.memories[0].dram
    if dram is None:
        return {}
    return {"dram": json.loads(json.dumps(asdict(dram.device), default=str))}  # fractions as text


def problem_document(problem: Problem) -> dict[str, Any]:
    """Return a problem as plain data: sizes by dim, and the axes of each tensor.

    An axis is ``{"index": [[dim, coefficient], ...], "extent": words, "offset": minus padding}``.
    """
    return {
        "name": problem.name,
        "operator": problem.operator,
        "sizes": problem.size,
        "tensors": {
            tensor.name: {
                "word_bits": tensor.word_bits,
                "axes": [
                    {
                        "index": [list(term) for term in axis.terms],
                        "extent": axis.extent,
                        "offset": axis.offset,
                    }
                    for axis in tensor.axes
                ],
            }
            for tensor in problem.tensors
        },
    }
