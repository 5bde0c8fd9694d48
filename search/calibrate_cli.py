"""The command ``calibrate``."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Any

import click

SAMPLES = 24
MOST_STEPS = 100_000


@click.command()
@click.argument("architecture_ref", metavar="ARCH")
@click.option(
    "--workload",
    "workload_refs",
    metavar="WORKLOAD",
    multiple=True,
    required=True,
    help="Network, or one layer of it; may be given several times.",
)
@click.option("--dataflow", "dataflow_ref", metavar="NAME", help="Dataflow to map by.")
@click.option(
    "--samples",
    type=click.IntRange(min=2),
    default=SAMPLES,
    show_default=True,
    metavar="N",
    help="Random mappings of each layer.",
)
@click.option(
    "--most-steps",
    type=click.IntRange(min=1),
    default=MOST_STEPS,
    show_default=True,
    metavar="N",
    help="Steps that one simulation may take; longer mappings are drawn again.",
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
@click.option(
    "--held-out",
    type=float,
    default=0.3,
    show_default=True,
    metavar="SHARE",
    help="Share of the layers that the fit does not see.",
)
@click.option("--out", "out_path", required=True, metavar="FILE", help="Result, JSON; new.")
@click.option(
    "-j",
    "--workers",
    type=click.IntRange(1, 1024),
    help="Processes; the number of cores when left out. Results do not depend on it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def calibrate(
    context: click.Context,
    *,
    architecture_ref: str,
    workload_refs: tuple[str, ...],
    dataflow_ref: str | None,
    samples: int,
    most_steps: int,
    seed: int,
    held_out: float,
    out_path: str,
    workers: int | None,
    as_json: bool,
) -> None:
    """Fit the analytical model of ARCH to simulations of random mappings.

    ARCH is a preset or a file of a spatial design. Some layers are held out of the fit; errors are
    those on them. FILE gets the correction, the training set and the errors; estimate --calibration
    FILE uses it. Interrupted, the same command goes on where it was.
    """
    # Not at the top: the models bring numba, which --help does not need.
    from arraysmith.arch.dataflows import load_dataflow
    from arraysmith.arch.loader import load_architecture
    from arraysmith.arch.networks import load_network
    from arraysmith.search.calibrate import Sampling
    from arraysmith.search.calibrate import calibrate as run
    from arraysmith.search.progress import Bars
    from arraysmith.sim.cli import print_json
    from arraysmith.sim.layers import distinct_layers
    from arraysmith.sim.pool import process_pool

    architecture = load_architecture(architecture_ref)
    problems = {
        layer.problem.renamed(""): layer.problem
        for ref in workload_refs
        for layer in distinct_layers(load_network(ref))
    }
    dataflow = None if dataflow_ref is None else load_dataflow(dataflow_ref, architecture)
    sampling = Sampling(
        architecture, tuple(problems.values()), dataflow, samples, most_steps, held_out, seed
    )
    places = workers or os.cpu_count() or 1
    ahead = 1 if places == 1 else 4 * places
    try:
        with (
            process_pool(places) as executor,
            Bars() as bars,
        ):

            def begin(total: int) -> None:
                bars.stage("simulation", total, "mapping")

            document = run(sampling, Path(out_path), executor, begin, bars.step, ahead)
    except KeyboardInterrupt:
        again = shlex.join(["arraysmith", *sys.argv[1:]])
        click.echo(f"interrupted; continue with: {again}", err=True)
        context.exit(130)
    if as_json:
        print_json({key: value for key, value in document.items() if key != "points"})
    else:
        click.echo(calibration_text(document))


def calibration_text(document: dict[str, Any]) -> str:
    """Return the errors of a calibration as tables: by model, by cause, by layer."""
    from arraysmith.sim.tables import text_table

    def percent(share: float) -> str:
        return f"{100 * share:.2f}"

    def tau(value: float | None) -> str:
        return "" if value is None else f"{value:.4f}"

    apart, trained = document["held_out"], document["trained"]
    models = [
        (
            name,
            percent(row["mean_error"]),
            percent(row["p90_error"]),
            percent(row["max_error"]),
            percent(row["within_3_percent"]),
            tau(row["kendall_tau"]),
            percent(trained["models"][name]["mean_error"]),
        )
        for name, row in apart["models"].items()
    ]
    causes = [
        (name, *(percent(row[x]) for x in ("share", "rehearsal_error", "calibrated_error")))
        for name, row in apart["by_cause"].items()
    ]
    layers = [
        (
            x["layer"],
            "yes" if x["held_out"] else "",
            f"{x['mappings']:,}",
            f"{x['too_long']:,}",
            *(percent(row["mean_error"]) for row in x["models"].values()),
            tau(x["models"]["calibrated"]["kendall_tau"]),
        )
        for x in document["layers"]
    ]
    few = f"{apart['mappings']:,} mappings of {len(apart['layers'])} layers held out"
    of = f"{trained['mappings']:,} of {len(trained['layers'])} in the fit"
    heads = ("cycles against simulation", "mean %", "90 % within %", "largest %", "within 3 %, %")
    return "\n\n".join(
        (
            f"{document['architecture']}: {few}, {of}",
            text_table((*heads, "Kendall tau", "in the fit: mean %"), models),
            text_table(
                ("cause, % of cycles", "simulated", "error rehearsed", "error calibrated"), causes
            ),
            text_table(
                (
                    "layer",
                    "held out",
                    "mappings",
                    "too long",
                    *document["layers"][0]["models"],
                    "tau",
                ),
                layers,
                labels=2,
            ),
        )
    )
