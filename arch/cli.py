"""Commands about descriptions: ``check``, ``show``, ``list`` and ``schema``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from arraysmith.arch.errors import Fault, InputError, nearest
from arraysmith.arch.kinds import (
    file_kind,
    listed_kinds,
    listed_names,
    load_file,
    schema_names,
    schema_of,
)
from arraysmith.arch.main import command_points

if TYPE_CHECKING:
    from arraysmith.arch.architecture import Architecture
    from arraysmith.arch.problem import Problem

JSON_OPTION = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--architecture", metavar="ARCH", help="Design that mapping files shall run on.")
@click.option("--workload", metavar="LAYER", help="Layer that mapping files shall run.")
@JSON_OPTION
@click.pass_context
def check(
    ctx: click.Context,
    files: tuple[str, ...],
    architecture: str | None,
    workload: str | None,
    *,
    as_json: bool,
) -> None:
    """Read input files of any kind and report everything wrong with them.

    With --architecture and --workload, mapping files also report every rule that they break there.

    Prints a line per good file on stdout and a line per fault on stderr, as
    file:line:column: field: value: rule: hint. Exits with 2 if there is any fault.
    """
    if (architecture is None) != (workload is None):
        raise click.UsageError("--architecture and --workload go together")
    use = None
    if architecture is not None and workload is not None:
        from arraysmith.arch.architecture_file import load_architecture

        use = load_architecture(architecture), _one_problem(workload)
    results = [_checked(file, use) for file in files]
    if as_json:
        click.echo(json.dumps({"files": results}, indent=2))
    else:
        for result in results:
            if result["ok"]:
                click.echo(f"{result['file']}: {result['kind']}: ok")
            for assumption in result["assumptions"]:
                click.echo(f"{result['file']}: assumed: {assumption}")
            for fault in result["faults"]:
                click.echo(str(Fault(**fault)), err=True)
    if not all(result["ok"] for result in results):
        ctx.exit(2)


def _one_problem(ref: str) -> Problem:
    """Return the problem of the one layer that ``ref`` names."""
    from arraysmith.arch.networks import load_network

    layers = load_network(ref).layers
    if len(layers) != 1:
        rule = f"a mapping is for one layer, this has {len(layers)}"
        raise InputError([Fault("--workload", ref, rule, f"for example {ref}:{layers[0].name}")])
    return layers[0].problem


def _checked(file: str, use: tuple[Architecture, Problem] | None) -> dict[str, Any]:
    """Return what is known of one file, as plain data.

    ``use``: the design and the layer that a mapping is for; None if nobody says.
    """
    kind = None
    faults: tuple[Fault, ...] = ()
    assumptions: tuple[str, ...] = ()
    try:
        kind = file_kind(file)
        _, value = load_file(file)
        assumptions = getattr(value, "assumptions", ())
        if use is not None:
            from arraysmith.arch.mapping_check import holds_mapping, mapping_faults

            if holds_mapping(file, kind):
                faults = mapping_faults(file, *use)
    except InputError as error:
        faults = error.faults
    return {
        "file": file,
        "kind": kind,
        "ok": not faults,
        "assumptions": list(assumptions),
        "faults": [asdict(fault) for fault in faults],
    }


@click.command()
@click.argument("name")
@click.option("--json", "form", flag_value="json", help="Print one JSON document.")
@click.option("--yaml", "form", flag_value="yaml", help="Print YAML that can be read again.")
def show(name: str, form: str | None) -> None:
    """Print a preset, workload, layer (vgg16:conv1_1), dataflow, technology or file."""
    # Not at the top: these read tables and models, which check and list can do without.
    from arraysmith.arch.show import find

    shown = find(name)
    if form == "json":
        click.echo(json.dumps(shown.document(), indent=2))
    elif form == "yaml":
        click.echo(shown.yaml(), nl=False)
    else:
        click.echo(shown.text())


@click.command("list")
@click.argument("kind", required=False, shell_complete=lambda *given: _start(_kinds(), given[2]))
@JSON_OPTION
def list_(kind: str | None, *, as_json: bool) -> None:
    """List what ships with the project: presets, workloads, dataflows, technologies ...

    Without a KIND, lists the kinds.
    """
    kinds = _kinds()
    if kind is None:
        names = kinds
    elif kind == "commands":
        names = tuple(sorted(command_points()))
    elif kind in kinds:
        names = listed_names(kind)
    else:
        raise InputError([Fault("KIND", kind, "unknown kind", nearest(kind, kinds))])
    click.echo(json.dumps(names, indent=2) if as_json else "\n".join(names))


def _kinds() -> tuple[str, ...]:
    return tuple(sorted({*listed_kinds(), "commands"}))


def _start(names: tuple[str, ...], typed: str) -> list[str]:
    return [name for name in names if name.startswith(typed)]


@click.command()
@click.argument("kind", shell_complete=lambda *given: _start(schema_names(), given[2]))
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to this file instead of stdout.",
)
def schema(kind: str, out: Path | None) -> None:
    """Print the JSON schema of a kind of file, for completion and checks in editors.

    Name it in the first line of a file: # yaml-language-server: $schema=FILE
    """
    kinds = schema_names()
    if kind not in kinds:
        raise InputError([Fault("KIND", kind, "unknown kind of file", nearest(kind, kinds))])
    text = json.dumps(schema_of(kind), indent=2)
    if out is None:
        click.echo(text)
    else:
        out.write_text(text + "\n", encoding="utf-8")
