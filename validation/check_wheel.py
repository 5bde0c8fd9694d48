"""Build the wheel, look at what it installs, and run it from an empty environment.

Fails (exit 1) when the wheel has another top-level name than ``arraysmith`` beside its metadata,
when data files are missing, or when a command does not run.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

DATA = (
    "arraysmith/arch/presets/eyeriss-poster-original.yaml",
    "arraysmith/arch/workloads/vgg16.yaml",
    "arraysmith/arch/dataflows/row_stationary.yaml",
    "arraysmith/arch/technology/tables/sram_cacti7_lstp.csv",
    "arraysmith/search/runs/poster.yaml",
    "arraysmith/arch/py.typed",
)
"""Files without which an installed product does not work, one of each kind."""

COMMANDS = (
    ["--version"],
    ["list", "presets"],
    ["estimate", "scalesim-default", "vgg16:conv1_1", "--dataflow", "ws"],
)


def main() -> int:
    """Return 0 when the wheel is sound; print what is wrong otherwise."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run(
            [sys.executable, "-m", "build", "--wheel", "--outdir", name, str(ROOT)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        (wheel,) = folder.glob("*.whl")
        names = zipfile.ZipFile(wheel).namelist()
        tops = {entry.split("/")[0] for entry in names}
        foreign = {top for top in tops if top != "arraysmith" and not top.endswith(".dist-info")}
        missing = [entry for entry in DATA if entry not in names]
        if foreign or missing:
            print(f"wheel: unexpected top-level names {sorted(foreign)}, missing {missing}")
            return 1
        venv.create(folder / "venv", with_pip=True)
        binaries = folder / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
        subprocess.run(
            [binaries / "python", "-m", "pip", "install", "--quiet", str(wheel)], check=True
        )
        for command in COMMANDS:
            subprocess.run(
                [binaries / "arraysmith", *command],
                check=True,
                cwd=folder,
                stdout=subprocess.DEVNULL,
            )
    print(f"wheel: {wheel.name} has one top-level name and runs from an empty environment")
    return 0


if __name__ == "__main__":
    sys.exit(main())
