"""
How a method is wrapped so that what it does to a handle is told, and nothing else changes.

It knows functions, coroutines, class and static methods, and when in a call its handle is known; it refuses to know
whose methods these are.  It is imported inside the traced program: standard library and core only.
"""

from __future__ import annotations

import sys
from functools import partial, update_wrapper
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from leakscope import handing, native

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

ACQUIRED, RETAINED, RELEASED, TOUCHED, _, COLLECTED = range(6)
"""``PoolEvent`` of the core."""
_NOTHING, _FAULT = -1, 2
_AGAIN = 16
_EVENTS = {"retain": RETAINED, "release": RELEASED, "touch": TOUCHED}
_COROUTINE = 0x80
_COUNTS = ("increment", "decrement", "count", "n")


class Pieces:
    """A pool under watch: its number, the class of its handles, that of the pool, and how to size a handle."""

    def __init__(self, number: int, handle: type, pool: type | None, size: Callable[[Any], int]) -> None:
        self.number, self.handle, self.pool, self.size = number, handle, pool, size
        self.core = native.core()
        self.changed: set[type] = set()  # classes whose methods are wrapped, subclasses included
        self.plan: dict[str, tuple[str, ...]] = {}
        self.again = False  # a second release does no harm
        self.collected = True  # somebody tells when a handle is collected
        self.modules = handing.watch_hand_offs()

    def acquired(self, handle: Any) -> None:
        """A handle was lent.  Called by a wrapper: two frames are ours."""
        if len(sys.modules) != self.modules:
            self.modules = handing.watch_hand_offs()
        kind = type(handle)
        if kind not in self.changed and isinstance(handle, self.handle):
            follow(self, kind)
        self.core.pool_event(self.number, ACQUIRED, handle, self.size(handle), 1 if self.collected else 0, 2)


def size_of(cls: type, size: str | int | Callable[[Any], int] | None) -> Callable[[Any], int]:
    """Bytes that a handle lends, 0 if it does not tell; never raises."""
    if size is None:
        size = "nbytes" if hasattr(cls, "nbytes") else "__len__" if hasattr(cls, "__len__") else 0
    asked = size if callable(size) else attrgetter(size) if isinstance(size, str) else None
    if asked is None:
        fixed = size
        return lambda _: fixed  # type: ignore[return-value]

    def measured(handle: Any) -> int:
        try:
            found = asked(handle)
            if type(found) is not int:
                found = int(found() if callable(found) else found)
        except Exception:  # noqa: BLE001 - whatever it is, the program must not notice
            return 0
        return max(0, found)

    return measured


def wrap(pieces: Pieces, plan: Mapping[str, tuple[str, ...]]) -> None:
    """
    Wraps the methods of a plan, verb to names.

    Raises
    ------
    AttributeError
        If a class has no such method.
    TypeError
        If it cannot be changed.
    """
    pieces.plan = dict(plan)
    for verb, names in plan.items():
        for name in names:
            _wrap_method(pieces, _owner(pieces, verb, name), verb, name)
    try:
        _wrap_end(pieces, pieces.handle)
    except TypeError:
        pieces.collected = False  # a class of C, whose handles only its pool knows
    pieces.changed.add(pieces.handle)


def follow(pieces: Pieces, kind: type) -> None:
    """A subclass of the handles' class comes up: what it overrides is wrapped, too."""
    pieces.changed.add(kind)
    for above in kind.__mro__[: kind.__mro__.index(pieces.handle)]:
        for verb, names in pieces.plan.items():
            for name in names:
                if name in above.__dict__:
                    _wrap_method(pieces, above, verb, name)
        if "__del__" in above.__dict__:
            _wrap_end(pieces, above)


def _owner(pieces: Pieces, verb: str, name: str) -> type:
    """Pools lend, handles do the rest; whoever has the method."""
    order = [pieces.handle] if pieces.pool is None else [pieces.handle, pieces.pool]
    for owner in reversed(order) if verb == "acquire" and name != "__init__" else order:
        if hasattr(owner, name):
            return owner
    raise AttributeError(f"there is no method {name!r}")


def _wrap_method(pieces: Pieces, owner: type, verb: str, name: str) -> None:
    found = next(above.__dict__[name] for above in owner.__mro__ if name in above.__dict__)
    method = found.__func__ if isinstance(found, classmethod | staticmethod) else found
    if getattr(method, "__leakscope__", False):
        return
    if not callable(method):
        raise AttributeError(f"{name!r} is no method")
    if verb == "acquire":
        made = _acquiring(pieces, method, itself=name == "__init__")
    else:
        # Of a method of handles the first argument is the handle; of one of the pool it is the second.
        of_handle = owner is pieces.handle or issubclass(owner, pieces.handle)
        first = isinstance(found, staticmethod) or (of_handle and not isinstance(found, classmethod))
        event = _EVENTS[verb] + (_AGAIN if pieces.again and verb == "release" else 0)
        made = _using(pieces, method, event, 0 if first else 1)
    _put(owner, name, made, method, type(found) if isinstance(found, classmethod | staticmethod) else None)


def _put(owner: type, name: str, made: Any, method: Any, kind: Callable[[Any], Any] | None = None) -> None:
    update_wrapper(made, method)
    made.__leakscope__ = True
    setattr(owner, name, made if kind is None else kind(made))


def _wrap_end(pieces: Pieces, owner: type) -> None:
    """The last that is heard of a handle; a finalizer of its own may still release it."""
    inherited: Any = getattr(owner, "__del__", None)
    number, told = pieces.number, pieces.core.pool_event
    if getattr(inherited, "__leakscope__", False):
        return

    def collected(self: Any) -> None:
        told(number, COLLECTED, self, 0, 1, 1)

    def finalized(self: Any) -> None:
        try:
            inherited(self)
        finally:
            told(number, COLLECTED, self, 0, 1, 1)

    collected.__name__ = "__del__"
    _put(owner, "__del__", collected if inherited is None else finalized, inherited or collected)


def _acquiring(pieces: Pieces, method: Callable[..., Any], itself: bool) -> Callable[..., Any]:
    """Between the beginning and the end the pool looks for a handle: what it does to those that came back is no use."""
    number, seeks, found = pieces.number, pieces.core.pool_seeks, pieces.core.pool_found
    acquired = pieces.acquired

    def lent(result: Any, args: tuple[Any, ...]) -> Any:
        own = itself or (result is None and args and isinstance(args[0], pieces.handle))
        return args[0] if own else result

    def acquiring(*args: Any, **kwargs: Any) -> Any:
        outermost = seeks(number)
        try:
            result = method(*args, **kwargs)
        finally:
            found(number)
        if outermost:
            handle = result if result is not None and not itself else lent(result, args)
            if handle is not None:
                acquired(handle)
        return result

    async def acquiring_later(*args: Any, **kwargs: Any) -> Any:
        steps = Steps(method(*args, **kwargs), partial(seeks, number), partial(found, number))
        result = await steps
        if (handle := lent(result, args)) is not None:
            acquired(handle)
        return result

    return acquiring_later if is_coroutine(method) else acquiring


def _using(pieces: Pieces, method: Callable[..., Any], event: int, at: int) -> Callable[..., Any]:
    number, began, ended = pieces.number, pieces.core.pool_began, pieces.core.pool_ended
    certain = event >= _AGAIN
    several = at + 1 if _counts(method, at + 1) else 0

    def handle_of(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        return args[at] if at < len(args) else next(iter(kwargs.values()), None)

    def amount_of(args: tuple[Any, ...]) -> int:
        return args[several] if 0 < several < len(args) and type(args[several]) is int else 1

    def using(*args: Any, **kwargs: Any) -> Any:
        handle = args[at] if at < len(args) else handle_of(args, kwargs)
        amount = amount_of(args) if several else 1
        outermost = began(number, event, handle, amount)
        done = certain or outermost == _FAULT  # then there is nothing to undo
        try:
            result = method(*args, **kwargs)
            done = True
            return result
        finally:
            if outermost:
                ended(number, event, handle, amount, done)

    async def using_later(*args: Any, **kwargs: Any) -> Any:
        handle, amount = handle_of(args, kwargs), amount_of(args)
        outermost = began(number, event, handle, amount)
        if not outermost:
            return await method(*args, **kwargs)
        ended(number, _NOTHING, handle, 1, True)
        before, after = partial(began, number, _NOTHING, handle, 1), partial(ended, number, _NOTHING, handle, 1, True)
        done = certain or outermost == _FAULT
        try:
            result = await Steps(method(*args, **kwargs), before, after)
            done = True
            return result
        finally:
            ended(number, event, handle, amount, done)

    return using_later if is_coroutine(method) else using


class Steps:
    """A coroutine that is driven step by step, with something before and after each: others run between the steps."""

    def __init__(self, coroutine: Any, before: Callable[[], object], after: Callable[[], object]) -> None:
        self._coroutine, self._before, self._after = coroutine, before, after

    def __await__(self) -> Generator[Any, Any, Any]:
        steps = self._coroutine.__await__()
        step, given = steps.send, None
        while True:
            self._before()
            try:
                waits_for = step(given)
            except StopIteration as stop:
                return stop.value
            finally:
                given = None  # an error that is thrown on must not be held by a frame of its own traceback
                self._after()
            try:
                step, given = steps.send, (yield waits_for)
            except GeneratorExit:
                steps.close()
                raise
            except BaseException as error:  # noqa: BLE001 - what is thrown in is thrown on
                step, given = steps.throw, error


def is_coroutine(method: Callable[..., Any]) -> bool:
    """Whether a call of it is to be awaited."""
    code = getattr(method, "__code__", None)
    return code is not None and bool(code.co_flags & _COROUTINE)


def _counts(method: Callable[..., Any], at: int) -> bool:
    """Whether the parameter there says how many references are counted at once."""
    code = getattr(method, "__code__", None)
    names = () if code is None else code.co_varnames[: code.co_argcount]
    return at < len(names) and names[at] in _COUNTS
