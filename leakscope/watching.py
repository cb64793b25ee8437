"""
A program's own pool, taught to leakscope: the methods that lend and take back its handles are wrapped.

It knows which method does what to which handle, and tells the core; it refuses to know what is a fault.  It is imported
inside the traced program, so it uses the standard library and the core only, and what it wraps behaves as before: same
results, exceptions and signatures, one frame more on the stack.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from leakscope import native, wrapping
from leakscope.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T", bound=type)
_WATCHED = 0


def watch_pool(
    cls: T,
    *,
    acquire: str | Iterable[str] = "__init__",
    retain: str | Iterable[str] = (),
    release: str | Iterable[str] = (),
    touch: str | Iterable[str] = (),
    size: str | int | Callable[[Any], int] | None = None,
    name: str | None = None,
    pool: type | None = None,
    again: bool = False,
) -> T:
    """
    The class itself; from now on it is known who acquired, retained and released each handle, and in which thread.

    In a program that is not recorded nothing is done, at no cost.

    Parameters
    ----------
    cls : type
        Class of the handles: what the program holds while it uses a piece of the pool.
    acquire : str or iterable of str
        Methods that lend a handle: of `pool`, or of `cls`.  What they return is the handle; of ``__init__``, and of a
        method of `cls` that returns no handle, the object itself.
    retain, release, touch : str or iterable of str
        Methods that count one reference more, one less, or use the handle: of `cls`, or of `pool` with the handle as
        first argument.  ``release`` of a handle that is not retained gives it back.
    size : str, int or callable, optional
        Bytes that a handle lends: name of an attribute or method, a number, or a function of the handle.  By default
        ``nbytes`` or the length, if it has one.
    name : str, optional
        What to call the pool; by default the class's name.
    pool : type, optional
        Class of the pool, if it has some of the methods.
    again : bool
        Whether a handle may be released again without harm, as most ``close()`` may: then that is no fault.

    Raises
    ------
    UsageError
        If there is no such method, or the class cannot be changed.

    Notes
    -----
    Watch a class before its handles are made: what was acquired earlier is not known.  A method that counts several
    references at once is understood if its first parameter is called ``increment``, ``decrement``, ``count`` or ``n``.
    Where `cls` cannot be changed (``bytearray``), only methods of `pool` are wrapped, and handles that are collected
    without a release are noticed only when their memory is lent again.
    """
    if not native.recording():
        return cls
    title = name or cls.__qualname__
    number = native.core().pool_open(title, f"{cls.__module__}:{cls.__qualname__}", _WATCHED)
    if number < 0:
        return cls
    plan = {"acquire": acquire, "retain": retain, "release": release, "touch": touch}
    listed = {verb: (names,) if isinstance(names, str) else tuple(names) for verb, names in plan.items()}
    try:
        pieces = wrapping.Pieces(number, cls, pool, wrapping.size_of(cls, size))
        pieces.again = again
        wrapping.wrap(pieces, listed)
    except (AttributeError, TypeError) as error:
        raise UsageError(f"{title}: cannot be watched: {error}", "name methods of a class written in Python") from error
    return cls
