"""
The verbs: run, dump, load, judge, render, tracking; what the command line does, a notebook does with the same calls.

It knows the order of things; it refuses to do any of them itself.  Everything is loaded on first use, because a traced
program that calls `dump` comes through here, too.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, TypeVar

from leakscope.errors import DiskFull, DumpNotWritten, UsageError
from leakscope.trials import verb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from os import PathLike
    from typing import Any

    from leakscope.model.config import CaptureConfig
    from leakscope.model.dump import Dump
    from leakscope.model.gate import GateResult, Trial
    from leakscope.model.holding import Holding
    from leakscope.model.policy import Baseline, Policy
    from leakscope.model.recording import Progress, Recording
    from leakscope.model.report import Grouping, Report
    from leakscope.model.rule_page import RulePage

T = TypeVar("T", bound=type)

_FINGERPRINT = re.compile(r"[0-9a-f]{8,16}")


def run(
    target: Sequence[str],
    *,
    config: CaptureConfig | None = None,
    output: str | PathLike[str] | None = None,
    force: bool = False,
    python: str | None = None,
    python_args: Sequence[str] = (),
    progress: Callable[[Progress], None] | None = None,
    attend: Callable[[Any], None] | None = None,
) -> Recording:
    """
    What became of a program that ran under the recorder; its dumps are in ``Recording.folder``.

    Parameters
    ----------
    target : sequence of str
        What would follow ``python``: ``app.py arg``, ``-m module arg`` or ``-c code arg``.
    config : CaptureConfig, optional
        What to record, and when to dump.
    output : path, optional
        Folder for the dumps; by default ``leakscope-APP.PID`` in the current folder.
    force : bool
        Replace an earlier run in that folder.
    python : str, optional
        Another interpreter: a path, or a name in PATH.
    python_args : sequence of str
        Options of the interpreter, before the target.
    progress : callable, optional
        Told a few times a second how it goes, in another thread.
    attend : callable, optional
        Called with the running program, in a thread of its own; see ``capture.attending``.

    Returns
    -------
    Recording

    Raises
    ------
    UsageError
        If the target is empty, or the folder is taken or cannot be written to.
    CaptureError
        If this platform or interpreter cannot be recorded, or the interpreter cannot be started.
    """
    from pathlib import Path

    from leakscope.capture import dumps, interpreter, launch
    from leakscope.model.config import CaptureConfig

    if not target:
        raise UsageError("there is nothing to run", "name a program: leakscope run app.py")
    chosen = interpreter.this_interpreter() if python is None else interpreter.ask_interpreter(python)
    recorder = interpreter.recorder_for(chosen)
    if output is None:
        dumps.check_writable(Path.cwd())
    else:
        dumps.claim_folder(Path(output), force)
    program = launch.Program(chosen.executable, (*python_args, *target), tuple(target), recorder)
    name = target[1] if target[0] == "-m" and len(target) > 1 else target[0]
    return launch.record(
        program,
        config or CaptureConfig(),
        lambda pid: Path(output) if output is not None else dumps.free_folder(name, pid),
        progress,
        attend,
    )


def dump(timeout_s: float = 60.0, heap: bool = True) -> str:
    """
    The path of a dump of this very process, which runs under ``leakscope run``.

    Parameters
    ----------
    timeout_s : float
        Seconds to wait for the parent that writes it.
    heap : bool
        With the object graph, unless the run was started with ``--no-heap``.

    Raises
    ------
    CaptureError
        If this process is not recorded, or there was no answer in time.
    """
    from leakscope.capture import session

    return session.dump(timeout_s, heap)


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
    The class of a pool's handles; each of these has a history from now on.

    Nothing is done, at no cost, in a program that does not.

    Parameters
    ----------
    cls : type
        Class of the handles.
    acquire, retain, release, touch, size, name, pool, again
        As in ``leakscope.watching.watch_pool``: names of methods of the handle or the pool.

    Raises
    ------
    UsageError
        If there is no such method, or the class cannot be changed.
    """
    from leakscope import watching

    return watching.watch_pool(
        cls, acquire=acquire, retain=retain, release=release, touch=touch, size=size, name=name, pool=pool, again=again
    )


def load(paths: Iterable[str | PathLike[str]], *, verify: bool = True) -> list[Dump]:
    """
    The dumps behind paths, in the order given.

    Parameters
    ----------
    paths : iterable of path
        Dump files of any known format; the folder of a run stands for all dumps in it.
    verify : bool
        Check every checksum: one pass over each file.

    Raises
    ------
    DumpUnreadable, DumpFormatError
        At the first that cannot be read.
    """
    from leakscope.formats import dumps_of, open_dump

    return [open_dump(name, verify) for path in paths for name in dumps_of(path)]


def judge(
    dumps: Sequence[Dump], *, by: Grouping = "line", top: int = 10, objects: bool = False, collected: bool = False
) -> Report:
    """
    What the dumps say about the memory of a program.

    Parameters
    ----------
    dumps : sequence of Dump
        At least one; of one run in any order, of several runs in the order to compare them in.
    by : {"line", "stack", "module", "thread", "library"}
        What the rows of the top tables are.
    top : int
        Most rows of each.
    objects : bool
        With tables about objects, where dumps have an object graph: who retains most, what nobody accounts for, what
        waits for the collector.  Without it there is a summary.
    collected : bool
        These tables as they would be after a collection.

    Raises
    ------
    UsageError
        If there is none.
    """
    from leakscope.verdict import judge as conclude

    if not dumps:
        raise UsageError("there is no dump to judge", "name at least one dump")
    return conclude(dumps, by=by, top=top, objects=objects, collected=collected)


def explain(code: str | None = None) -> tuple[RulePage, ...]:
    """
    The pages of the rules: what each says, why, what it needs and when it keeps silent.

    Parameters
    ----------
    code : str, optional
        Of one rule, or its name; by default all, in the order of their codes.

    Raises
    ------
    UsageError
        If there is no such rule.
    """
    from leakscope.rules import RULES
    from leakscope.trials.repetition import PAGE

    pages = sorted((*(rule.page for rule in RULES), PAGE), key=lambda page: page.code)
    found = tuple(page for page in pages if code is None or code.lower() in (page.code.lower(), page.name))
    if not found:
        raise UsageError(f"there is no rule {code!r}", "leakscope explain lists them")
    return found


def gate(trials: Sequence[Trial], policy: Policy | None = None, baseline: Baseline | None = None) -> GateResult:
    """
    What follows from judged runs of a program: pass, fail, or too little evidence.

    Parameters
    ----------
    trials : sequence of Trial
        At least one, in the order they were run, each with as much work as the one before or more.
    policy : Policy, optional
        By default leaks fail, and growth above 64 KiB.
    baseline : Baseline, optional
        What is known already.

    Returns
    -------
    GateResult
        ``undecided`` if a further run would tell more.

    Raises
    ------
    UsageError
        If there is no trial.
    """
    from leakscope.policy import gate as decide

    if not trials:
        raise UsageError("there is nothing to decide about", "name a program or dumps: leakscope gate -- app.py")
    return decide(trials, policy, baseline)


def path(dump: Dump, subject: str, *, limit: int = 5) -> Holding:
    """
    Who holds something in a dump: paths from the roots, those alike merged, and who made it.

    Parameters
    ----------
    dump : Dump
        With an object graph.
    subject : str
        A type (full or short name), an address (``0x7f...``), a line (``app.py:12``) or function that made objects, or
        the fingerprint of a finding of this dump.
    limit : int
        Most paths.

    Raises
    ------
    NotEnoughData
        If the dump has no object graph, or does not say where objects were made.
    UsageError
        If the subject means nothing in the dump, or several things.
    """
    from leakscope.analysis.holding import find_holding

    if dump.load_heap is not None and _FINGERPRINT.fullmatch(subject):
        subject = _subject_of(judge([dump]), subject)
    return find_holding(dump, subject, limit)


def _subject_of(report: Report, fingerprint: str) -> str:
    """The type or line that a finding is about."""
    for finding in report.findings:
        if finding.fingerprint.startswith(fingerprint):
            about = finding.subject
            place = f"{about.file}:{about.line}" if about.file and about.line else about.function
            known = about.type or place
            if known:
                return known
    raise UsageError(
        f"no finding of this dump alone has the fingerprint {fingerprint}",
        "name the type or the line that the finding names; findings of several dumps need all of them",
    )


def render_path(holding: Holding, format: str = "terminal", **options: Any) -> str:  # noqa: A002
    """
    Who holds something as text.

    Parameters
    ----------
    holding : Holding
    format : {"terminal", "json", "dot"}
    **options
        The terminal's ``width`` and ``color``.

    Raises
    ------
    UsageError
        If there is no such format.
    """
    from leakscope.reports import holding as page
    from leakscope.reports import holding_dot

    formats: dict[str, Callable[..., str]] = {
        "terminal": page.render, "json": page.as_json, "dot": holding_dot.as_dot,
    }  # fmt: skip
    if format not in formats:
        raise UsageError(f"there is no format {format!r} for paths", f"choose one of: {', '.join(formats)}")
    return formats[format](holding, **options)


def render(report: Report, format: str = "terminal", **options: Any) -> str:  # noqa: A002 - the word users know
    """
    A report as text.

    Parameters
    ----------
    report : Report
    format : str
        Name of a report format: ``terminal``, ``json``, ``markdown``.
    **options
        What the format takes besides: the terminal's ``width``, ``color``, ``plain``.

    Raises
    ------
    UsageError
        If there is no such format.
    """
    from leakscope.reports import REPORTS

    for known in REPORTS:
        if known.name == format:
            return known.render(report, **options)
    names = ", ".join(known.name for known in REPORTS)
    raise UsageError(f"there is no report format {format!r}", f"choose one of: {names}")


def save(text: str, path: str | PathLike[str]) -> None:
    """
    Write a rendered report, readable by its owner only: it names files and arguments.

    Parameters
    ----------
    text : str
    path : path
        Replaced if it exists, atomically.

    Raises
    ------
    DiskFull, DumpNotWritten
        Nothing is left at ``path`` that was not there before.
    """
    import contextlib
    import errno

    unfinished = f"{os.fspath(path)}.{os.getpid()}.part"
    try:
        with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(unfinished, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(unfinished)
        kind = DiskFull if error.errno in {errno.ENOSPC, errno.EDQUOT} else DumpNotWritten
        raise kind(
            f"{os.fspath(path)}: {error.strerror}",
            "the dumps are complete; free some room and judge them again with 'leakscope diff'",
        ) from error


tracking = verb.tracking
