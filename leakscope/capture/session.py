"""
What a program that runs under the recorder can ask for.

It knows one wish, a dump now; it refuses to know what becomes of it: the parent writes the file.  It is imported
inside the traced program, so it uses the standard library and the core only.
"""

from __future__ import annotations

from leakscope import native, observing

DEFAULT_TIMEOUT_S = 60.0


def dump(timeout_s: float = DEFAULT_TIMEOUT_S, heap: bool = True) -> str:
    """
    The path of a dump of this process, complete when this returns.

    The calling thread waits; other threads go on, once the heap is frozen for the walk over the objects.  Libraries
    whose pools tell of themselves (pyarrow, torch) are asked before.

    Parameters
    ----------
    timeout_s : float
        Seconds to wait for the parent.
    heap : bool
        With the object graph, unless the run was started with ``--no-heap``.

    Returns
    -------
    str
        Path of the ``.lks`` file.

    Raises
    ------
    CaptureError
        If this program does not run under ``leakscope run``, or the dump could not be taken.
    """
    if not timeout_s > 0:
        raise ValueError("timeout_s must be above zero")
    observing.observe()
    return native.request_dump(timeout_s, heap)
