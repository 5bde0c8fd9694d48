"""Plug-ins by kind and name.

The owner of a plug-in point declares it once, beside its protocol:

    declare_kind("optimiser", package="arraysmith.search.optimisers")

A plug-in is one module in that package (or in a third party's distribution, named by an entry
point of the group ``arraysmith.optimiser``) with one line:

    @register("optimiser", "random")
    class RandomSearch: ...

Modules of a kind are imported when the first plug-in of that kind is asked for, not before.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import entry_points
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
    entry.found = True
    return entry


def _origin(plugin: object) -> str:
    module = getattr(plugin, "__module__", type(plugin).__module__)
    return f"{module}.{getattr(plugin, '__qualname__', type(plugin).__qualname__)}"
