"""
Starting a program under the recorder, seeing it through, and learning how it ended.

It knows the environment the recorder expects, processes and signals; it refuses to know what is recorded.

The program is started as a shell would start it: same process group, terminal, streams, limits, working folder, signal
mask and ignored signals, and the same inherited files.  The one difference is the ledger's descriptor, which the
recorder closes before the interpreter starts.
"""

from __future__ import annotations

import fcntl
import os
import signal
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from leakscope import native
from leakscope.capture.attending import Attendance
from leakscope.capture.budget import Budget
from leakscope.capture.death import OomWitness, death_of
from leakscope.capture.dumps import DumpFolder
from leakscope.capture.meta import RunFacts
from leakscope.capture.signals import FOLLOWED_STOPS, WATCHED, check_dump_signal, hands_on, is_stopped, send, stop_too
from leakscope.capture.watch import RECORDING, Watch
from leakscope.errors import CaptureError
from leakscope.model.recording import Child, End, Recording

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from leakscope._core import Ledger
    from leakscope.capture.follow import Follower
    from leakscope.model.config import CaptureConfig
    from leakscope.model.recording import Progress

HANDED_OVER_FROM = 100
"""Smallest number of the ledger's descriptor in the program."""
LOOK_EVERY_S = 0.5
"""How late it may be noticed that the program stopped or ended, if nobody says so."""
_OURS = ("LEAKSCOPE_LEDGER", "LEAKSCOPE_PRELOAD_WAS", "LEAKSCOPE_SOCKET", "LEAKSCOPE_CONFIG", "LEAKSCOPE_POOLS")


@dataclass(frozen=True, slots=True)
class Program:
    """
    What to run.

    Attributes
    ----------
    executable : str
        The interpreter.
    arguments : tuple of str
        Everything after the interpreter: its own options, the program, the program's arguments.
    argv : tuple of str
        The program and its arguments, for the report.
    recorder : Path
        The library that records.
    """

    executable: str
    arguments: tuple[str, ...]
    argv: tuple[str, ...]
    recorder: Path


def record(
    program: Program,
    config: CaptureConfig,
    folder: Callable[[int], Path],
    progress: Callable[[Progress], None] | None = None,
    attend: Callable[[Attendance], None] | None = None,
) -> Recording:
    """
    Run a program under the recorder, from start to end.

    Parameters
    ----------
    program : Program
    config : CaptureConfig
    folder : callable
        The folder for the dumps, from the process id of the program.
    progress : callable, optional
        Told a few times a second how it goes.
    attend : callable, optional
        Called with the running program in a thread of its own; waited for at the end.

    Returns
    -------
    Recording

    Raises
    ------
    CaptureError
        If the program could not be started.
    UsageError
        If the signal that asks for a dump cannot be waited for.

    Notes
    -----
    Signals are blocked in this process meanwhile and waited for, so no handler ever runs.  Threads started before do
    not know about that: call this before importing what starts threads.
    """
    check_dump_signal(config.dump_on_signal)
    ledger = native.create_ledger(
        interval_bytes=config.interval_bytes,
        exact_bytes=config.exact_bytes,
        max_frames=config.max_frames,
        max_stacks=config.max_stacks,
        heap=config.heap,
        values=config.values,
        buffers=config.buffers,
        chunk_bytes=config.chunk_bytes,
    )
    facts = RunFacts(program.argv, os.getcwd())
    budget = Budget()
    witness = OomWitness()
    follower = _follower(config, facts, budget, witness)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    try:
        _load_what_takes_long()
        pid = _start(program, ledger, follower.address if follower else None, before, config.pools)
        watch = Watch(ledger, pid, DumpFolder(folder(pid), config.keep_dumps), facts, config, budget, progress)
        if follower is not None:
            follower.start(watch.folder.path)
        watch.start()
        children = follower.living if follower is not None else tuple
        attendant = threading.Thread(target=attend, args=(Attendance(watch, children),)) if attend is not None else None
        if attendant is not None:
            attendant.start()
        try:
            end = _see_through(pid, config.dump_on_signal, watch)
            return _conclude(end, watch, follower, witness, budget)
        finally:
            watch.abandon()
            if attendant is not None:
                attendant.join()
    finally:
        _let_go_of(config.dump_on_signal)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if follower is not None:
            follower.close()


def _load_what_takes_long() -> None:
    """
    What the first dump needs: loaded while the program runs it would leave a tenth of a second without samples.

    Signals are blocked by now.  NumPy starts threads, and those would take signals that this one waits for.
    """
    from leakscope.capture import chunks  # noqa: F401


def _let_go_of(dump_signal: int | None) -> None:
    """Whoever asks for a dump of a program that has just ended must not end its report."""
    if dump_signal is not None and signal.getsignal(dump_signal) == signal.SIG_DFL:
        signal.signal(dump_signal, signal.SIG_IGN)


def _follower(config: CaptureConfig, facts: RunFacts, budget: Budget, witness: OomWitness) -> Follower | None:
    if not config.follow:
        return None
    # Sockets and selectors take longer to load than all the rest.
    from leakscope.capture.follow import Follower

    return Follower(config, facts, budget, witness)


def child_environment(
    environment: Mapping[str, str], recorder: Path, ledger_fd: int, socket: str | None, pools: Sequence[str] = ()
) -> dict[str, str]:
    """
    The environment that wakes the recorder; it takes its own variables away before the program can see them.

    Parameters
    ----------
    environment : mapping
        The environment as the program should see it.
    recorder : Path
    ledger_fd : int
    socket : str or None
        Where followed children report.
    pools : sequence of str
        A line for each pool to watch.
    """
    preload = environment.get("LD_PRELOAD", "")
    child = {name: value for name, value in environment.items() if name not in _OURS}
    child["LD_PRELOAD"] = f"{recorder}:{preload}" if preload else str(recorder)
    child["LEAKSCOPE_LEDGER"] = str(ledger_fd)
    if "LD_PRELOAD" in environment:
        child["LEAKSCOPE_PRELOAD_WAS"] = preload
    if socket is not None:
        child["LEAKSCOPE_SOCKET"] = socket
    if pools:
        child["LEAKSCOPE_POOLS"] = "\n".join(pools)
    return child


def _start(
    program: Program, ledger: Ledger, socket: str | None, mask: Collection[int], pools: Sequence[str] = ()
) -> int:
    """The process id of the program."""
    fd = _inheritable_copy(ledger.fd)
    environment = child_environment(os.environ, program.recorder, fd, socket, pools)
    try:
        return os.posix_spawn(
            program.executable,
            [program.executable, *program.arguments],
            environment,
            setsigmask=mask,
            # Python ignores these two at its start; what it starts should not inherit that.
            setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),
        )
    except OSError as error:
        raise CaptureError(
            f"{program.executable}: cannot be started: {error.strerror}", "choose another --python"
        ) from error
    finally:
        os.close(fd)


def _inheritable_copy(fd: int) -> int:
    """A number far from those a program gets or expects, and none of the standard streams: one may be closed."""
    try:
        return fcntl.fcntl(fd, fcntl.F_DUPFD, HANDED_OVER_FROM)
    except OSError:
        return fcntl.fcntl(fd, fcntl.F_DUPFD, 3)


def _see_through(pid: int, dump_signal: int | None, watch: Watch) -> End:
    """Hand on signals and take dumps on request until the program has ended."""
    # Ignored, as some parents leave it, it would let the kernel forget how the program ended.
    if signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    leader = os.getsid(0) == os.getpid()
    asked_to_stop = False
    while True:
        # A thread of somebody else in this process may have taken the signal that the program stopped or ended.
        info = signal.sigtimedwait(WATCHED, LOOK_EVERY_S)
        if info is None or info.si_signo == signal.SIGCHLD:
            for change in _changes(pid):
                if isinstance(change, End):
                    return change
                if change in FOLLOWED_STOPS or asked_to_stop:
                    asked_to_stop = False
                    stop_too()
            continue
        number = info.si_signo
        if number == dump_signal:
            watch.want("signal")
        else:
            asked_to_stop = asked_to_stop or number == signal.SIGTSTP
            stopped = number == signal.SIGCONT and is_stopped(pid)
            if hands_on(number, info.si_code, info.si_pid, pid, stopped=stopped, session_leader=leader):
                send(pid, number)


def _changes(pid: int) -> Iterator[End | int]:
    """What happened to the program since: the signals that stopped it, or its end.  It stays a zombie meanwhile."""
    while True:
        flags = os.WEXITED | os.WSTOPPED | os.WNOHANG
        seen = os.waitid(os.P_PID, pid, flags | os.WNOWAIT)
        if seen is None:
            return
        if seen.si_code == os.CLD_STOPPED:
            os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG)
            yield seen.si_status
        else:
            killed = seen.si_code in {os.CLD_KILLED, os.CLD_DUMPED}
            dumped = seen.si_code == os.CLD_DUMPED
            yield End(0, seen.si_status, dumped) if killed else End(seen.si_status)
            return


def _conclude(end: End, watch: Watch, follower: Follower | None, witness: OomWitness, budget: Budget) -> Recording:
    """Take the last dumps.  The process id is given back only when nobody looks at it any more."""
    recorded = watch.state()["phase"] == RECORDING
    death = death_of(end, finished=watch.finished() or not recorded, oom=witness.verdict())
    state = watch.finish(death)
    children = follower.finish() if follower is not None else ()
    os.waitpid(watch.pid, 0)
    problems = [*watch.problems, *(follower.problems if follower is not None else ())]
    return Recording(
        end=end,
        death=death,
        folder=watch.folder.path,
        dumps=watch.folder.dumps,
        children=tuple(Child(child.pid, child.folder.path, child.folder.dumps) for child in children),
        recorded=recorded,
        problem=str(state["problem"]),
        problems=tuple(problems),
        elapsed_s=float(state["elapsed_s"]) if recorded else 0.0,
        sampling_cpu_s=budget.spent_s,
    )
