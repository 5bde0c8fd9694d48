"""The command ``search``."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import click


@click.command()
@click.argument("run_ref", metavar="RUN")
@click.option("--out", required=True, metavar="DIR", help="Folder for the results; new or empty.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="In place of the run file's.")
@click.option(
    "-j",
    "--workers",
    type=click.IntRange(1, 1024),
    help="Processes and threads; the number of cores when left out. Results do not depend on it.",
)
@click.option(
    "--cluster",
    metavar="ADDRESS",
    help="Dask scheduler that runs the tasks in place of processes here: tcp://host:port.",
)
@click.option("--resume", is_flag=True, help="Continue the search that DIR holds.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def search(
    context: click.Context,
    *,
    run_ref: str,
    out: str,
    seed: int | None,
    workers: int | None,
    cluster: str | None,
    resume: bool,
    as_json: bool,
) -> None:
    """Search for the best design under a budget.

    RUN is a YAML file or a run that ships with the project (arraysmith list runs). The best designs
    are simulated; DIR gets result.json, report.html, the traces of the winner and the ledger of all
    evaluated designs. A search that was interrupted goes on with --resume.
    """
    # Not at the top: the kernels bring numba, which --help does not need.
    from arraysmith.search.progress import Bars
    from arraysmith.search.run_file import load_run
    from arraysmith.search.runner import run_search
    from arraysmith.search.text import result_text

    run = load_run(run_ref, seed=seed)
    folder = Path(out)
    try:
        with Bars() as bars:
            document = run_search(
                run,
                folder,
                workers=workers or os.cpu_count() or 1,
                resume=resume,
                progress=bars,
                address=cluster,
            )
            speed = bars.speed()
    except KeyboardInterrupt:
        click.echo(f"interrupted; continue with: {resume_command(sys.argv)}", err=True)
        context.exit(130)
    if as_json:
        click.echo(json.dumps(document, indent=2))
    else:
        click.echo(result_text(document, folder, speed))


def resume_command(arguments: list[str]) -> str:
    """Return the command line that continues the one with the given arguments."""
    import shlex

    words = ["arraysmith", *arguments[1:]]
    return shlex.join(words if "--resume" in words else [*words, "--resume"])
