"""
Who holds what stays: asked of a companion process, which takes a dump of this one and reads it.

It knows how to start a companion and what to ask; it refuses to read dumps.  Whatever goes wrong, there is an answer
less and no error: the leak is told without its holder.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from typing import TYPE_CHECKING

from leakscope import native
from leakscope.errors import LeakscopeError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import IO, Any

    from leakscope.model.trial import Leak

DUMP_WITHIN_S = 60.0
_PROGRAM = "import runpy; runpy.run_module('leakscope.companion', run_name='__main__')"
_MOST_SUBJECTS = 5


def with_holders(leaks: Sequence[Leak]) -> list[Leak]:
    """
    The same leaks, with their holders as far as they can be known.

    Parameters
    ----------
    leaks : sequence of Leak
    """
    asked = [at for at, leak in enumerate(leaks) if leak.addresses][:_MOST_SUBJECTS]
    told = _ask([f"{leaks[at].addresses[0]:#x}" for at in asked]) if asked else []
    found = list(leaks)
    for at, holders in zip(asked, told, strict=False):
        found[at] = replace(found[at], holders=tuple(holders))
    return found


def _ask(subjects: list[str]) -> list[list[str]]:
    state = native.own_state()
    if state is None:
        return []
    reader = state["reader"] != 0
    folder = tempfile.mkdtemp(prefix="leakscope-")
    try:
        return _converse(subjects, -1 if reader else state["file"], folder)
    except (OSError, ValueError, LeakscopeError):
        return []
    finally:
        if not reader:
            native.own_unread()
        shutil.rmtree(folder, ignore_errors=True)


def _converse(subjects: list[str], file: int, folder: str) -> list[list[str]]:
    # Where leakscope was found this time it is found again, whatever the working folder holds.
    program = f"import sys; sys.path[:] = {sys.path!r}; {_PROGRAM}"
    companion = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        pass_fds=() if file < 0 else (file,),
    )  # fmt: skip
    assert companion.stdin is not None
    assert companion.stdout is not None
    try:
        request = {"file": file, "pid": os.getpid(), "argv": _argv(), "folder": folder, "subjects": subjects}
        _say(companion.stdin, request)
        if companion.stdout.readline() != "ready\n":
            return []
        _say(companion.stdin, {"dump": native.request_dump(DUMP_WITHIN_S, heap=True)})
        answer: dict[str, list[list[str]]] = json.loads(companion.stdout.readline() or "{}")
        return answer.get("holders", [])
    finally:
        for stream in (companion.stdin, companion.stdout):
            with contextlib.suppress(OSError):
                stream.close()
        companion.kill()
        companion.wait()


def _say(stream: IO[str], words: dict[str, Any]) -> None:
    stream.write(json.dumps(words) + "\n")
    stream.flush()


def _argv() -> list[str]:
    return list(sys.argv) or [""]
