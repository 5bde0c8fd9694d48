from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest

from arraysmith.arch.registry import RegistryError, declare_kind, lookup, register, registered

FRESH = (f"kind{number}" for number in itertools.count())


def test_a_registered_plug_in_is_found_by_kind_and_name():
    kind = next(FRESH)

    @register(kind, "torus")
    class Torus: ...

    assert lookup(kind, "torus") is Torus
    assert registered(kind) == ("torus",)


def test_an_unknown_name_is_an_error_with_the_near_matches():
    kind = next(FRESH)
    register(kind, "torus")(object())
    with pytest.raises(RegistryError, match=f"unknown {kind} 'tours': did you mean torus"):
        lookup(kind, "tours")


def test_an_unknown_kind_is_an_error():
    with pytest.raises(RegistryError, match="unknown kind of plug-in 'kindd'"):
        registered("kindd")


def test_the_same_name_twice_is_an_error_that_names_both():
    kind = next(FRESH)

    @register(kind, "mesh")
    def first() -> None: ...

    def second() -> None: ...

    with pytest.raises(RegistryError, match=r"'mesh' is registered twice: by .*first and .*second"):
        register(kind, "mesh")(second)
    assert lookup(kind, "mesh") is first


def test_the_modules_of_a_kind_are_imported_when_it_is_first_asked_for(tmp_path: Path, monkeypatch):
    kind = next(FRESH)
    package = tmp_path / "plugins_of_a_test"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "one.py").write_text(
        f"from arraysmith.arch.registry import register\nregister({kind!r}, 'one')('the plug-in')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    declare_kind(kind, package.name)
    assert "plugins_of_a_test.one" not in sys.modules
    assert registered(kind) == ("one",)
    assert lookup(kind, "one") == "the plug-in"
    declare_kind(kind, package.name)
    with pytest.raises(RegistryError, match="lives in plugins_of_a_test, not in elsewhere"):
        declare_kind(kind, "elsewhere")


def test_other_distributions_add_plug_ins_by_entry_points(tmp_path: Path, monkeypatch):
    kind = next(FRESH)
    (tmp_path / "third_party.py").write_text(
        f"from arraysmith.arch.registry import register\nregister({kind!r}, 'far')(3)\n"
    )
    info = tmp_path / "third_party-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[arraysmith.{kind}]\nfar = third_party\n")
    monkeypatch.syspath_prepend(tmp_path)
    declare_kind(kind, "")
    assert lookup(kind, "far") == 3


def test_a_plug_in_file_that_is_no_python_is_named_with_its_line(tmp_path: Path, monkeypatch):
    file = tmp_path / "broken_of_a_test.py"
    file.write_text("one = 1\ndef(\n")
    monkeypatch.setenv("ARRAYSMITH_PLUGINS", str(file))
    kind = next(FRESH)
    declare_kind(kind, "")
    with pytest.raises(RegistryError, match=r"broken_of_a_test\.py:2:\d+: is no Python"):
        registered(kind)
    assert "arraysmith_plugin_broken_of_a_test" not in sys.modules
