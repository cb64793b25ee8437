"""
A process beside one that records itself: it takes a dump of it and says who holds what.

It knows the words on its standard streams; it refuses to be used by people.  The recorded process must load neither
NumPy nor our analysis, so it asks this one: ``{"file", "pid", "argv", "folder", "subjects"}`` as JSON, answered by
``ready``; then ``{"dump"}``, answered by ``{"holders"}``, a list of paths for each subject.
"""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from leakscope import api
from leakscope.capture.adopting import adopted
from leakscope.errors import LeakscopeError

if TYPE_CHECKING:
    from typing import TextIO

    from leakscope.model.dump import Dump

_PATHS = 2


def main(requests: TextIO, answers: TextIO) -> None:
    """
    Answer one process.

    Parameters
    ----------
    requests, answers : text streams
    """
    asked = json.loads(requests.readline())
    service = contextlib.nullcontext() if asked["file"] < 0 else adopted(
        asked["file"], asked["pid"], asked["argv"], Path(asked["folder"])
    )  # fmt: skip
    with service:
        _say(answers, "ready")
        taken = json.loads(requests.readline())
    (dump,) = api.load([taken["dump"]], verify=False)
    _say(answers, json.dumps({"holders": [_holders(dump, subject) for subject in asked["subjects"]]}))


def _holders(dump: Dump, subject: str) -> list[str]:
    try:
        return [path.text for path in api.path(dump, subject, limit=_PATHS).paths]
    except LeakscopeError:
        return []


def _say(answers: TextIO, words: str) -> None:
    answers.write(words + "\n")
    answers.flush()


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
