from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import click
import pytest

from arraysmith.arch import main
from arraysmith.arch.errors import ArraysmithError, Fault, InputError


def raising(error: BaseException) -> click.Command:
    """Return a command that raises ``error``."""

    @click.command()
    def command() -> None:
        raise error

    return command


@click.command()
@click.pass_context
def _leave(ctx: click.Context) -> None:
    ctx.exit(3)


@click.command()
def _fine() -> None:
    click.echo("done")


@pytest.mark.parametrize(
    ("command", "code", "stderr"),
    [
        (_fine, 0, ""),
        (_leave, 3, ""),
        (
            raising(InputError([Fault("a", "1", "rule"), Fault("b", "2", "rule")])),
            2,
            "input: a: 1: rule\ninput: b: 2: rule\n",
        ),
        (raising(ArraysmithError("cannot go on")), 1, "arraysmith: cannot go on\n"),
        (raising(OSError(28, "No space left")), 1, "arraysmith: [Errno 28] No space left\n"),
        (raising(KeyboardInterrupt()), 130, "interrupted\n"),
        (raising(click.UsageError("no such option")), 2, "Error: no such option\n"),
    ],
)
def test_errors_meant_for_users_become_lines_and_exit_codes(
    monkeypatch, capsys, command, code, stderr
):
    monkeypatch.setattr(main.LazyGroup, "get_command", lambda *_: command)
    monkeypatch.setattr(main.LazyGroup, "list_commands", lambda *_: ["x"])
    assert main.run(["x"]) == code
    assert capsys.readouterr().err.lstrip("\n").endswith(stderr)


def test_a_bug_is_not_dressed_up_as_a_user_error(monkeypatch):
    monkeypatch.setattr(main.LazyGroup, "get_command", lambda *_: raising(KeyError("bug")))
    monkeypatch.setattr(main.LazyGroup, "list_commands", lambda *_: ["x"])
    with pytest.raises(KeyError, match="bug"):
        main.run(["x"])


def test_an_unknown_command_is_a_usage_error_with_the_near_matches(capsys):
    assert main.run(["chek"]) == 2
    assert "unknown command 'chek': did you mean check" in capsys.readouterr().err


def test_no_command_prints_the_listing_and_is_bad_input(capsys):
    assert main.run([]) == 2
    assert "Commands:" in "".join(capsys.readouterr())


def test_the_version_is_printed(capsys):
    assert main.run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("arraysmith 0.")


def test_every_installed_command_of_ours_has_a_summary():
    ours = [
        name for name, point in main.command_points().items() if point.dist.name == "arraysmith"
    ]
    assert ours
    assert set(ours) <= set(main._SUMMARIES)


def install(folder: Path, body: str) -> None:
    """Write a distribution that adds the command ``extra`` (and one called ``check``)."""
    (folder / "third_party_command.py").write_text(body)
    info = folder / "third_party_command-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[arraysmith.commands]\n"
        "extra = third_party_command:extra\n"
        "check = third_party_command:extra\n"
    )


def test_other_distributions_add_commands_but_never_replace_ours(
    tmp_path: Path, monkeypatch, capsys
):
    install(tmp_path, "import click\n@click.command()\ndef extra():\n    click.echo('from afar')\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert main.run(["extra"]) == 0
    assert capsys.readouterr().out == "from afar\n"
    assert main.command_points()["check"].value == "arraysmith.arch.cli:check"
    assert main.run(["--help"]) == 0
    assert "(provided by third-party)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("import no_such_library\n", "command extra cannot be loaded: No module named"),
        ("extra = 3\n", "command extra (third_party_command:extra) is not a click command"),
    ],
)
def test_a_command_that_cannot_be_used_says_why(tmp_path: Path, monkeypatch, capsys, body, message):
    install(tmp_path, body)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "third_party_command", raising=False)
    assert main.run(["extra"]) == 1
    assert message in capsys.readouterr().err


def test_an_entry_point_without_a_distribution_still_has_a_summary():
    point = EntryPoint("check", "a:b", main.COMMAND_GROUP)
    assert main.summary("check", point) == main._SUMMARIES["check"]


def test_the_listing_imports_no_command_and_no_heavy_library(tmp_path: Path):
    script = (
        "import sys\n"
        "from arraysmith.arch.main import run\n"
        "assert run(['--help']) == 0\n"
        "heavy = {'numpy', 'numba', 'h5py', 'plotly', 'simpy', 'pydantic', 'yaml'}\n"
        "print(sorted(heavy & set(sys.modules)), 'arraysmith.arch.cli' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.splitlines()[-1] == "[] False"


def test_a_reader_that_goes_away_early_gets_no_traceback(tmp_path: Path):
    command = f"{sys.executable} -m arraysmith.arch list presets | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert done.stderr == ""
    assert done.stdout.strip() in {"0", "1"}
