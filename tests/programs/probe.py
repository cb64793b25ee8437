"""Prints all that a program can see of how it was started, as JSON; with the argument ``fail`` it then fails."""

import gc
import io
import json
import os
import signal
import sys
import threading
import traceback


def look():
    """Facts that must not depend on whether a recorder is there."""
    try:
        int("x")
    except ValueError:
        text = traceback.format_exc()
    return {
        "argv": sys.argv,
        "orig_argv": sys.orig_argv,
        "name": __name__,
        "file": globals().get("__file__"),
        "package": __package__,
        "spec": str(getattr(__spec__, "name", __spec__)),
        "loader": type(globals().get("__loader__")).__name__,
        "main": sorted(vars(sys.modules["__main__"])),
        "path": sys.path,
        "modules": sorted(sys.modules),
        "flags": str(sys.flags),
        "xoptions": sorted(sys._xoptions.items()),
        "warnoptions": sys.warnoptions,
        "executable": sys.executable,
        "prefix": sys.prefix,
        "environment": {key: value for key, value in sorted(os.environ.items()) if key != "_"},
        "cwd": os.getcwd(),
        "umask": os.umask(0o022),
        "files": sorted(os.listdir("/proc/self/fd")),
        "threads": [thread.name for thread in threading.enumerate()],
        "tasks": len(os.listdir("/proc/self/task")),
        "signals": {number: str(signal.getsignal(number)) for number in range(1, 32)},
        "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        "trace": [sys.gettrace(), sys.getprofile(), sys.getswitchinterval(), sys.getrecursionlimit()],
        "gc": [gc.isenabled(), gc.get_threshold(), len(gc.callbacks)],
        "streams": [type(stream).__name__ + str(stream.isatty()) for stream in (sys.stdin, sys.stdout, sys.stderr)],
        "buffers": [isinstance(sys.stdout, io.TextIOWrapper), sys.stdout.line_buffering, sys.stdout.encoding],
        "group": [os.getpgrp() == os.getpid(), os.getsid(0) == os.getpid()],
        "traceback": text,
    }


print(json.dumps(look()))
if "fail" in sys.argv:
    raise ValueError("on purpose")
