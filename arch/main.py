"""The command ``arraysmith``: finds commands, imports the chosen one, turns errors into exit codes.

Commands are entry points of the group ``arraysmith.commands``, so that this module knows no upper
layer and other distributions can add commands. Exit codes: 0 fine, 1 failure, 2 bad input, 3
validation out of tolerance (set by the command), 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points, version

import click
from click.shell_completion import CompletionItem

from arraysmith.arch.errors import ArraysmithError, InputError, nearest

COMMAND_GROUP = "arraysmith.commands"

# What the listing says of our own commands. Asking the commands themselves would import them all,
# and with them every heavy library.
_SUMMARIES = {
    "check": "Read input files and report everything wrong with them.",
    "show": "Print a preset, workload, dataflow, technology or file.",
    "list": "List what ships with the project, by kind.",
    "schema": "Print the JSON schema of a kind of file, for editors.",
    "estimate": "Estimate cycles and energy of a workload in closed form.",
    "simulate": "Simulate a workload cycle by cycle.",
    "chip": "Simulate several arrays that share an off-chip memory.",
    "search": "Search for the best design under a budget.",
    "calibrate": "Fit the analytical model of a design to simulations.",
    "trace": "Look into trace files and convert them.",
    "report": "Write the result of a run as one HTML file.",
    "noc": "Measure load-latency curves of a network on chip.",
    "validate": "Compare the models with reference numbers.",
}
_OWN = "arraysmith"

EXIT_FAILURE, EXIT_INPUT, EXIT_INTERRUPTED = 1, 2, 130


def command_points() -> dict[str, EntryPoint]:
    """Return the entry point of every installed command by name; our own win over others."""
    points: dict[str, EntryPoint] = {}
    for point in entry_points(group=COMMAND_GROUP):
        if point.name not in points or _distribution(point) == _OWN:
            points[point.name] = point
    return points


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else ""


def summary(name: str, point: EntryPoint) -> str:
    """Return the line that the listing shows for a command, without importing it."""
    owner = _distribution(point)
    if owner in {_OWN, ""} and name in _SUMMARIES:
        return _SUMMARIES[name]
    return f"(provided by {owner})"


class LazyGroup(click.Group):
    """A group whose commands are imported only when they are run or completed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  (click's signature)
        """Return the names of the installed commands, our own in the order of their use."""
        return [name for name, _ in _ordered(command_points())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  (click's signature)
        """Import and return a command; None when there is none of that name."""
        point = command_points().get(cmd_name)
        if point is None:
            return None
        try:
            command = point.load()
        except ModuleNotFoundError as error:
            raise ArraysmithError(f"command {cmd_name} cannot be loaded: {error}") from error
        if not isinstance(command, click.Command):
            raise ArraysmithError(f"command {cmd_name} ({point.value}) is not a click command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that ``args`` name; an unknown one is a usage error with a hint."""
        known = self.list_commands(ctx)
        if args and not args[0].startswith("-") and args[0] not in known:
            ctx.fail(f"unknown command {args[0]!r}: {nearest(args[0], known)}")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete names of commands from the summaries, and options; imports no command."""
        names = [
            CompletionItem(name, help=summary(name, point))
            for name, point in _ordered(command_points())
            if name.startswith(incomplete)
        ]
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  (click's signature)
        """Write the listing of ``--help`` from the static summaries."""
        rows = [(name, summary(name, point)) for name, point in _ordered(command_points())]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


def _ordered(points: dict[str, EntryPoint]) -> list[tuple[str, EntryPoint]]:
    ours = [name for name in _SUMMARIES if name in points]
    return [(name, points[name]) for name in (*ours, *sorted(set(points) - set(ours)))]


def _print_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:  # noqa: ARG001  (click's signature)
    if value and not ctx.resilient_parsing:
        click.echo(f"arraysmith {version(_OWN)}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version and exit.",
)
def cli() -> None:
    """Find DNN accelerators under a resource budget and prove them cycle by cycle."""


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code; errors meant for users go to stderr."""
    try:
        result = cli.main(list(arguments), prog_name="arraysmith", standalone_mode=False)
        sys.stdout.flush()
    except InputError as error:
        for fault in error.faults:
            click.echo(str(fault), err=True)
        return EXIT_INPUT
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) went away. Python would complain again when it flushes on exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILURE
    except MemoryError as error:
        click.echo(f"arraysmith: out of memory: {error or 'use smaller sizes'}", err=True)
        return EXIT_FAILURE
    except (ArraysmithError, OSError) as error:
        click.echo(f"arraysmith: {error}", err=True)
        return EXIT_FAILURE
    # Commands return nothing; an exit code comes from ctx.exit(code).
    return result if isinstance(result, int) else 0


def main() -> None:
    """Run the command line of this process and exit."""
    sys.exit(run(sys.argv[1:]))
