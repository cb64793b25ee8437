"""Every kind of exporter, and what a program can see of who may use it: prints the same with and without a recorder."""

from __future__ import annotations

import array
import ctypes
import gc
import hashlib
import io
import mmap
import os
import pickle
import struct
import sys
import tempfile
import threading
import time
import weakref
import zlib

try:
    import _testcapi  # type: ignore[import-not-found]
except ImportError:
    _testcapi = None
try:
    import numpy
except ImportError:
    numpy = None  # type: ignore[assignment]


def tried(what: str, call: object, *words: object) -> None:
    """Print what a call gives, or which error it raises."""
    try:
        print(what, repr(call(*words)))  # type: ignore[operator]
    except Exception as error:  # noqa: BLE001 - the message is what is compared
        print(what, type(error).__name__, error)


def exporters() -> dict[str, object]:
    """One of each kind, fresh."""

    class Sub(bytearray):
        pass

    class Letters(array.array):
        pass

    found: dict[str, object] = {
        "bytes": b"0123456789abcdef", "bytearray": bytearray(b"0123456789abcdef"), "subclass": Sub(b"0123456789abcdef"),
        "array": array.array("i", range(4)), "array subclass": Letters("b", b"0123"), "mmap": mmap.mmap(-1, 4096),
        "memoryview": memoryview(bytearray(16)), "slice": memoryview(bytearray(64))[8:24:2],
        "ctypes": (ctypes.c_int * 4)(), "bytesio": io.BytesIO(b"0123456789abcdef").getbuffer(),
        "pickle": pickle.PickleBuffer(bytearray(16)),
    }  # fmt: skip
    if numpy is not None:
        found |= {"ndarray": numpy.arange(4), "scalar": numpy.float64(2), "rows": numpy.zeros((4, 4))[1:3]}
    return found


def consumers() -> None:
    """Whatever takes a buffer, with each exporter."""
    calls = [
        zlib.crc32, bytes, bytearray, memoryview, len, os.fspath, lambda it: type(hash(it)), lambda it: it[:2],
        lambda it: hashlib.sha256(it).hexdigest()[:8], lambda it: b"".join([it, it])[:4], lambda it: b"x" + it,
        lambda it: struct.unpack_from("<h", it), lambda it: memoryview(it).cast("B")[:3].tobytes(),
        lambda it: int.from_bytes(memoryview(it).cast("B")[:2], "big"), lambda it: str(it, "latin-1")[:2],
        lambda it: memoryview(it).readonly,
    ]  # fmt: skip
    for name, exporter in exporters().items():
        for number, call in enumerate(calls):
            tried(f"{name} {number}", lambda it, call=call: str(call(it)).partition(" at 0x")[0], exporter)
    if _testcapi is None:
        return
    for name, exporter in exporters().items():
        for kind in ("y_hash", "s_hash", "z_hash", "y_star", "s_star", "z_star", "w_star", "y", "s"):
            if hasattr(_testcapi, f"getargs_{kind}"):
                tried(f"{name} {kind}", getattr(_testcapi, f"getargs_{kind}"), exporter)


def resizing() -> None:
    """Who is exported cannot be resized, closed or given up; who is not any more can."""
    for made, change in (
        (bytearray(8), lambda it: it.extend(b"more")),
        (array.array("b", b"01234567"), lambda it: it.append(3)),
        (mmap.mmap(-1, 4096), lambda it: it.close()),
        (io.BytesIO(b"01234567"), lambda it: it.write(b"0" * 99)),
    ):
        view = memoryview(made.getbuffer() if isinstance(made, io.BytesIO) else made)
        tried(f"{type(made).__name__} while it is exported", change, made)
        part = view[:3]
        view.release()
        tried(f"{type(made).__name__} while a part is", change, made)
        part.release()
        if not isinstance(made, io.BytesIO):
            tried(f"{type(made).__name__} afterwards", change, made)
    view = memoryview(memoryview(bytearray(8)))
    with view:
        tried("a view in use", view.release)
    tried("a view after its release", bytes, view)


def python_buffers() -> None:
    """Classes with methods for the protocol (3.12 and later), which may change while they are in use."""

    class Plain:
        def __init__(self) -> None:
            self.data = bytearray(b"plain")

        def __buffer__(self, flags: int) -> memoryview:
            return memoryview(self.data)

    class Both(Plain):
        def __release_buffer__(self, view: memoryview) -> None:
            print("released", bytes(view))
            view.release()

    class Over(bytearray):
        def __buffer__(self, flags: int) -> memoryview:
            print("over")
            return super().__buffer__(flags)  # type: ignore[misc]

        def __release_buffer__(self, view: memoryview) -> None:
            print("given back")
            super().__release_buffer__(view)  # type: ignore[misc]

    class Raising:
        def __buffer__(self, flags: int) -> memoryview:
            raise ValueError("no buffer today")

    for kind in (Plain, Both, lambda: Over(b"over!"), Raising):
        made = kind()
        tried("as bytes", lambda it: bytes(memoryview(it)), made)
        tried("in C", zlib.crc32, made)
        tried("by hand", lambda it: bytes(it.__buffer__(0)), made)
        tried("twice", lambda it: [bytes(memoryview(it)), bytes(memoryview(it)[1:])], made)
    held = memoryview(Both())
    del Both.__release_buffer__
    Plain.__buffer__ = lambda self, flags: memoryview(b"other")  # type: ignore[method-assign]
    tried("changed", lambda: (bytes(held), bytes(memoryview(Both()))))
    held.release()
    del Plain.__buffer__
    tried("taken away", lambda: memoryview(Both()))
    for name in ("bytearray", "memoryview"):
        made = getattr(__builtins__, name)(b"by hand")
        tried(f"{name} by hand", lambda it: bytes(it.__buffer__(0)), made)
        tried(f"{name} given back", lambda it: it.__release_buffer__(it.__buffer__(0)), made)


def passing_types() -> None:
    """Types that come and go, and objects that outlive none of them."""
    gone = []
    for number in range(200):
        made = type(f"Passing{number}", (bytearray,), {})
        with memoryview(made(b"passing")) as view:
            assert bytes(view) == b"passing"
        gone.append(weakref.ref(made))
    del made, view
    gc.collect()
    print(sum(each() is not None for each in gone), "of 200 types are left")


def threads() -> None:
    """Views taken in one thread and given back in another."""
    data = bytearray(1000)
    views = [memoryview(data)[at : at + 10] for at in range(100)]
    workers = [threading.Thread(target=lambda at=at: [view.release() for view in views[at::4]]) for at in range(4)]
    others = len(os.listdir("/proc/self/task"))
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    while len(os.listdir("/proc/self/task")) > others:
        time.sleep(0)  # a joined thread may still be ending, and Python 3.12 warns of that at a fork
    data.append(1)
    print("resized to", len(data))


def forked() -> None:
    """A child that goes on using what it inherited."""
    data = bytearray(100)
    view = memoryview(data)
    child = os.fork()
    if child == 0:
        view.release()
        data.append(1)
        os._exit(len(data))
    print("the child ended with", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    tried("the parent's is its own", data.append, 1)


def files() -> None:
    """System calls into buffers."""
    with tempfile.TemporaryFile() as file:
        file.write(memoryview(b"into a file"))
        file.seek(0)
        into = bytearray(8)
        print(file.readinto(memoryview(into)[2:]), into, file.readinto(into), into)


def main() -> None:
    consumers()
    resizing()
    if sys.version_info >= (3, 12):
        python_buffers()
    passing_types()
    threads()
    forked()
    files()


if __name__ == "__main__":
    main()
