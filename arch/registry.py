"""Plug-ins by kind and name.

The owner of a plug-in point declares it once, beside its protocol:

    declare_kind("optimiser", package="arraysmith.search.optimisers")

A plug-in is one module in that package (or in a third party's distribution, named by an entry
point of the group ``arraysmith.optimiser``) with one line:

    @register("optimiser", "random")
    class RandomSearch: ...

Modules of a kind are imported when the first plug-in of that kind is asked for, not before.

A plug-in that is a file of one's own needs no distribution: the environment variable
``ARRAYSMITH_PLUGINS`` names files, separated as in ``PATH``; those ending in ``.py`` are run then.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, TypeVar

from arraysmith.arch.errors import ArraysmithError, nearest

T = TypeVar("T")


@dataclass
class _Kind:
    """Plug-ins of one kind, and where more of them may be found."""

    package: str = ""
    found: bool = False
    plugins: dict[str, Any] = field(default_factory=dict)


_KINDS: dict[str, _Kind] = {}

PLUGINS_VARIABLE = "ARRAYSMITH_PLUGINS"
"""Environment variable that names files of plug-ins, inherited by worker processes."""


class RegistryError(ArraysmithError):
    """A name registered twice, or asked for and not there."""


def declare_kind(kind: str, package: str) -> None:
    """Say that plug-ins of ``kind`` live in the modules of ``package``.

    Declaring the same again changes nothing.

    Raises:
        RegistryError: the kind was declared with another package.
    """
    entry = _KINDS.setdefault(kind, _Kind())
    if entry.package not in {"", package}:
        raise RegistryError(f"kind {kind!r} lives in {entry.package}, not in {package}")
    entry.package = package


def register(kind: str, name: str) -> Callable[[T], T]:
    """Return a decorator that makes a class or function known as ``name`` among ``kind``.

    Raises:
        RegistryError: when decorating, if the name is taken by something else.
    """

    def keep(plugin: T) -> T:
        plugins = _KINDS.setdefault(kind, _Kind()).plugins
        if name in plugins:
            taken = plugins[name]
            raise RegistryError(
                f"{kind} {name!r} is registered twice: by {_origin(taken)} and {_origin(plugin)}"
            )
        plugins[name] = plugin
        return plugin

    return keep


def lookup(kind: str, name: str) -> Any:
    """Return the plug-in ``name`` of ``kind``.

    Raises:
        RegistryError: no such kind or name; the message has the near matches.
    """
    plugins = _discovered(kind).plugins
    if name not in plugins:
        raise RegistryError(f"unknown {kind} {name!r}: {nearest(name, plugins)}")
    return plugins[name]


def registered(kind: str) -> tuple[str, ...]:
    """Return the names of all plug-ins of ``kind``, sorted.

    Raises:
        RegistryError: no such kind.
    """
    return tuple(sorted(_discovered(kind).plugins))


def entry_point_group(kind: str) -> str:
    """Return the entry-point group in which other distributions name plug-ins of ``kind``."""
    return f"arraysmith.{kind}"


def _discovered(kind: str) -> _Kind:
    """Return a kind after importing every module that may hold plug-ins of it."""
    if kind not in _KINDS:
        raise RegistryError(f"unknown kind of plug-in {kind!r}: {nearest(kind, _KINDS)}")
    entry = _KINDS[kind]
    if entry.found:
        return entry
    if entry.package:
        package = importlib.import_module(entry.package)
        for module in pkgutil.iter_modules(package.__path__, f"{entry.package}."):
            importlib.import_module(module.name)
    for point in entry_points(group=entry_point_group(kind)):
        point.load()  # the module registers itself on import
    for path in plugin_files(".py"):
        _run_file(path)
    entry.found = True
    return entry


def plugin_files(suffix: str) -> tuple[Path, ...]:
    """Return the files with ``suffix`` that ``ARRAYSMITH_PLUGINS`` names, in its order.

    Raises:
        RegistryError: one of them does not exist.
    """
    named = [Path(x) for x in os.environ.get(PLUGINS_VARIABLE, "").split(os.pathsep) if x]
    found = tuple(path.resolve() for path in named if path.suffix == suffix)
    for path in found:
        if not path.is_file():
            raise RegistryError(f"{PLUGINS_VARIABLE} names {path}, which is not a file")
    return found


def _run_file(path: Path) -> None:
    """Import a file as a module, once per process."""
    name = f"arraysmith_plugin_{path.stem}"
    known = sys.modules.get(name)
    if known is not None:
        if getattr(known, "__file__", None) != str(path):
            raise RegistryError(f"{PLUGINS_VARIABLE} names two files called {path.name}")
        return
    spec = spec_from_file_location(name, path)
    assert spec is not None  # a file that ends in .py has a loader
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        del sys.modules[name]
        place = f"{path}:{error.lineno}:{error.offset}"
        raise RegistryError(f"{place}: is no Python: {error.msg}") from None
    except BaseException:
        del sys.modules[name]
        raise


def _origin(plugin: object) -> str:
    module = getattr(plugin, "__module__", type(plugin).__module__)
    return f"{module}.{getattr(plugin, '__qualname__', type(plugin).__qualname__)}"
