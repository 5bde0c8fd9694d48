"""The command ``validate``."""

from __future__ import annotations

import json
from collections.abc import Callable
from inspect import signature
from pathlib import Path

import click

from arraysmith.arch.errors import Fault, InputError, nearest
from arraysmith.arch.registry import declare_kind, lookup, registered
from arraysmith.validation.comparison import Outcome, ratios_beside, summary

EXIT_BEYOND = 3

declare_kind("suite", "arraysmith.validation.suites")


@click.command()
@click.argument("suite")
@click.option(
    "--cases",
    type=click.Path(path_type=Path),
    help="Folder laid out like the suite's own under validation/reference, or a file of it.",
)
@click.option(
    "--count", type=click.IntRange(min=1), help="Random cases, of a suite that draws them."
)
@click.option("--seed", type=click.IntRange(min=0), help="What they are drawn with.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def validate(
    ctx: click.Context,
    suite: str,
    cases: Path | None,
    *,
    count: int | None,
    seed: int | None,
    as_json: bool,
) -> None:
    """Compare the models with the reference numbers of SUITE.

    Exit code 3 if something is out of tolerance, or nothing was compared.
    """
    names = registered("suite")
    if suite not in names:
        raise InputError([Fault("SUITE", suite, "no such suite", nearest(suite, names))])
    if cases is not None and not cases.exists():
        raise InputError([Fault("--cases", str(cases), "must be a file or folder that exists")])
    run: Callable[..., Outcome] = lookup("suite", suite)
    options = {"count": count, "seed": seed, "cases": cases}
    given = {name: value for name, value in options.items() if value is not None}
    unknown = given.keys() - signature(run).parameters.keys()
    if unknown:
        raise InputError(
            Fault(f"--{name}", str(given[name]), f"{suite} has no such option") for name in unknown
        )
    outcome = run(**given)
    click.echo(json.dumps(outcome.to_dict(), indent=2) if as_json else text(outcome))
    if outcome.beyond or outcome.beyond_mean or not outcome.comparisons:
        ctx.exit(EXIT_BEYOND)


def text(outcome: Outcome) -> str:
    """Return the outcome for people: a line per quantity, then the worst cases by name."""
    width = max([14, *map(len, outcome.quantities)])
    lines = [
        " ".join(
            (
                f"{'quantity':{width}} {'cases':>7} {'exact':>7}",
                f"{'mean error %':>13} {'worst error %':>14} {'allowed %':>10}",
            )
        )
    ]
    for name, group in outcome.quantities.items():
        sums = summary(group)
        allowed = outcome.tolerance_pct.get(name, 0.0)
        lines.append(
            f"{name:{width}} {sums['cases']:7,} {sums['exact']:7,}"
            f" {sums['mean_abs_error_pct']:13.4f} {sums['max_abs_error_pct']:14.4f} {allowed:10.4g}"
        )
    for name, (count, least, middle, most) in ratios_beside(outcome).items():
        lines.append(
            f"default setting beside: {name}: {middle:.3f} of it in the median,"
            f" {least:.3f} to {most:.3f}, {count:,} cases"
        )
    lines += [f"default setting beside: {n:,} {name}" for name, n in outcome.classes.items()]
    lines += [f"note: {note}" for note in outcome.notes]
    lines += [f"left out: {case}: {why}" for case, why in outcome.skipped.items()]
    for item in summary(outcome.comparisons)["worst"]:
        lines.append(
            f"differs: {item['case']}: {item['quantity']}: expected {item['expected']:,.10g},"
            f" got {item['got']:,.10g}"
        )
    verdict = f"{len(outcome.beyond)} out of tolerance" if outcome.beyond else "within tolerance"
    if outcome.beyond_mean:
        verdict = f"{', '.join(outcome.beyond_mean)} out of tolerance in the mean"
    verdict = verdict if outcome.comparisons else "nothing compared"
    sums = summary(outcome.comparisons)
    exact = f"{sums['exact']:,} of {sums['cases']:,} cases exact"
    return "\n".join([*lines, f"{outcome.suite}: {exact}, {verdict}"])
