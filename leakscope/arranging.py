"""
Pools that the user named: watched as soon as the program has their classes, which need not know of leakscope.

It knows one line for each pool and how modules are imported; it refuses to import any itself.  It is loaded before the
program's first line, and only if somebody named a pool: standard library and core only.
"""

from __future__ import annotations

import atexit
import builtins
import sys
from typing import TYPE_CHECKING, Any

from leakscope import observing, watching
from leakscope.errors import LeakscopeError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

_MAIN = "__main__"
_LISTS = ("acquire", "retain", "release", "touch")


def arrange(text: str) -> None:
    """
    Have pools watched when their classes come up.

    Parameters
    ----------
    text : str
        A line for each: ``module:Class``, then words with their values, between tabs; or the name of a library whose
        pools tell of themselves.
    """
    lines = [line for line in text.splitlines() if line]
    if any(line in observing.OBSERVERS for line in lines):
        atexit.register(observing.observe)  # runs before the dump at the exit, and after the program's own
    wanted = _Wanted([_Pool(line.split("\t")) for line in lines if line not in observing.OBSERVERS])
    wanted.look()
    if wanted.waiting:
        sys.meta_path.insert(0, _Finder(wanted))
    if any(name.startswith(f"{_MAIN}:") for pool in wanted.waiting for name in pool.classes):
        _look_at_classes(wanted)


class _Pool:
    """One line."""

    def __init__(self, fields: Sequence[str]) -> None:
        words = dict(field.partition("=")[::2] for field in fields[1:])
        self.cls, self.pool = fields[0], words.pop("pool", "")
        self.classes = [name for name in (self.cls, self.pool) if name]
        self.words: dict[str, Any] = {word: value.split() if word in _LISTS else value for word, value in words.items()}
        if self.words.get("size", "").isdecimal():
            self.words["size"] = int(self.words["size"])

    def watch(self, found: dict[str, type]) -> None:
        try:
            watching.watch_pool(found[self.cls], pool=found[self.pool] if self.pool else None, **self.words)
        except LeakscopeError as error:
            print(f"leakscope: {error}", file=sys.__stderr__)


class _Wanted:
    """Pools whose classes have not all come up."""

    def __init__(self, pools: list[_Pool]) -> None:
        self.waiting = pools
        self.made: dict[str, type] = {}  # classes of the main script, which are seen before they have a name there

    def modules(self) -> set[str]:
        return {name.partition(":")[0] for pool in self.waiting for name in pool.classes}

    def look(self) -> None:
        """Watch those whose classes are there."""
        for pool in list(self.waiting):
            found = {name: cls for name in pool.classes if (cls := self._find(name)) is not None}
            if len(found) == len(pool.classes):
                self.waiting.remove(pool)
                pool.watch(found)

    def _find(self, name: str) -> type | None:
        if name in self.made:
            return self.made[name]
        module, _, path = name.partition(":")
        found: Any = sys.modules.get(module)
        for part in path.split("."):
            found = getattr(found, part, None)
        return found if isinstance(found, type) else None


class _Finder:
    """Asks the others for the modules that are waited for, and looks at them when they have run."""

    def __init__(self, wanted: _Wanted) -> None:
        self._wanted = wanted

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """As of any finder; nothing for modules that nobody waits for."""
        if name not in self._wanted.modules():
            return None
        for finder in list(sys.meta_path):
            find = getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find(name, path, target) if find is not None and finder is not self else None
            if spec is not None:
                self._listen(spec.loader)
                return spec
        return None

    def _listen(self, loader: Any) -> None:
        run = getattr(loader, "exec_module", None)
        if run is None:
            return

        def exec_module(module: ModuleType) -> None:
            del loader.exec_module  # as it was
            run(module)
            self._wanted.look()

        try:
            loader.exec_module = exec_module
        except AttributeError:  # a loader that is a class of C, as that of built-in modules
            return


def _look_at_classes(wanted: _Wanted) -> None:
    """The main script is not imported: its classes are seen when they are made."""
    build = builtins.__build_class__

    def building(function: Any, name: str, /, *bases: Any, **words: Any) -> Any:
        made = build(function, name, *bases, **words)
        if isinstance(made, type) and made.__module__ == _MAIN:
            wanted.made[f"{_MAIN}:{made.__qualname__}"] = made
            wanted.look()
            if not wanted.waiting:
                builtins.__build_class__ = build
                wanted.made.clear()
        return made

    builtins.__build_class__ = building
