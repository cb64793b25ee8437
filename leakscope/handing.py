"""
Where handles change threads: queues, executors, threads and tasks say what is put into them.

It knows the functions of the standard library that pass something to another thread or task; it refuses to look for
handles in more than what is passed on itself and what that refers to directly.  It is imported inside the traced
program, and only modules that the program imported are touched.
"""

from __future__ import annotations

import sys
from functools import update_wrapper
from typing import TYPE_CHECKING, Any

from leakscope import native

if TYPE_CHECKING:
    from collections.abc import Callable

# Module, class, method: what is passed on is an argument of it.  A task has its own in the variables of its coroutine.
PLACES = (
    ("queue", "Queue", "put"),
    ("asyncio.queues", "Queue", "put_nowait"),
    ("concurrent.futures.thread", "ThreadPoolExecutor", "submit"),
    ("threading", "Thread", "__init__"),
    ("asyncio.base_events", "BaseEventLoop", "create_task"),
    ("asyncio.base_events", "BaseEventLoop", "call_soon_threadsafe"),
)


def watch_hand_offs() -> int:
    """
    From now on each of `PLACES` that the program has tells which handles it was given, and so does ``SimpleQueue``.

    Returns
    -------
    int
        How many modules the program has: as long as there are no more, there is nothing to do again.
    """
    for module, owner, name in PLACES:
        cls = getattr(sys.modules.get(module), owner, None)
        method = getattr(cls, name, None)
        if cls is not None and method is not None and not hasattr(method, "__leakscope__"):
            setattr(cls, name, _telling(method))
    simple = getattr(sys.modules.get("_queue"), "SimpleQueue", None)
    if simple is not None:
        native.core().pool_watch_simple_queue(simple)
    return len(sys.modules)


def _telling(method: Callable[..., Any]) -> Callable[..., Any]:
    told = native.core().pool_handed

    def telling(*args: Any, **kwargs: Any) -> Any:
        told(args[1] if len(args) == 2 else args[1:])
        for value in kwargs.values():
            told(value)
        return method(*args, **kwargs)

    update_wrapper(telling, method)
    telling.__leakscope__ = True  # type: ignore[attr-defined]
    return telling
