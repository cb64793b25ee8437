"""
A place that grows, in words.

It knows how a place, a thread and a gain are told; it refuses to know why one was chosen.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from leakscope import native
from leakscope.analysis.sources import relative_path
from leakscope.model.finding import Verdict
from leakscope.model.trial import Leak
from leakscope.trials.place import OURS
from leakscope.trials.trend import gain_each
from leakscope.units import format_bytes, format_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakscope.model.allocations import Frame
    from leakscope.trials.meter import Grown, OwnBlock, Stacks

_FRAMES = 8
_ADDRESSES = 3
_LARGE = 512


def leak_of(
    one: Grown, verdict: Verdict, blocks: Sequence[OwnBlock], repetitions: int, stacks: Stacks, reason: str = ""
) -> Leak:
    """
    What is said of a place that grows.

    Parameters
    ----------
    one : Grown
    verdict : Verdict
    blocks : sequence of OwnBlock
        Those that stayed.
    repetitions : int
    stacks : Stacks
    reason : str
        Why it is no proved leak.
    """
    most = max(one.stacks, key=lambda stack: one.stacks[stack])
    stack = named(stacks.frames(most))
    place = stacks.place(most) or one.place
    threads = Counter(block.thread for block in blocks)
    thread = native.own_thread_name(threads.most_common(1)[0][0]) if threads else ""
    each = (max(gain_each(one.blocks), 0.0), max(gain_each(one.bytes), 0.0))
    file = relative_path(place.file, (os.getcwd(),))
    return Leak(
        verdict=verdict,
        sentence=_sentence(verdict, each, place, file, stack, thread, reason, once=repetitions <= 2),
        function=place.function, file=file, line=place.line,
        bytes_each=each[1], blocks_each=each[0], repetitions=repetitions, stack=stack, thread=thread,
        addresses=tuple(block.address for block in sorted(blocks, key=_likely_object)[:_ADDRESSES]),
    )  # fmt: skip


def _likely_object(block: OwnBlock) -> tuple[bool, int]:
    """Bodies of bytearrays and tables of dicts lead to their owners, too; small blocks are the likelier objects."""
    return block.size > _LARGE, -block.address


def named(stack: tuple[Frame, ...]) -> tuple[Frame, ...]:
    """
    A stack with the names of its native functions.

    Parameters
    ----------
    stack : tuple of Frame
    """
    return tuple(
        replace(frame, function=native.symbols(frame.file, [frame.offset])[0]) if frame.kind == "native" else frame
        for frame in stack
    )


def page(leaks: Sequence[Leak], limit_bytes: int, what: str) -> str:
    """
    Leaks that break a limit, in lines.

    Parameters
    ----------
    leaks : sequence of Leak
        At least one.
    limit_bytes : int
    what : str
        What was repeated: ``repetition of this test``.
    """
    total = sum(leak.bytes_each for leak in leaks)
    many = max(leak.repetitions for leak in leaks)
    compared = f"{many} compared, " if many > 2 else ""
    each = f"with each {what}" if many > 2 else f"after this {what}"
    lines = [f"leakscope: {format_bytes(total)} stay {each} ({compared}limit {format_bytes(limit_bytes)})"]
    for leak in leaks:
        lines += ["", f"{leak.verdict.value}  {leak.sentence}"]
        lines += [f"  held by {holder}" for holder in leak.holders]
        lines += [f"  {line}" for line in _stack(leak.stack)]
    return "\n".join(lines)


def without_harness(stack: tuple[Frame, ...]) -> tuple[Frame, ...]:
    """
    The part of a stack below leakscope and pytest, which call the work.

    Parameters
    ----------
    stack : tuple of Frame
        Innermost first.
    """
    for at, frame in enumerate(stack):
        if frame.file.startswith(OURS) or f"{os.sep}_pytest{os.sep}" in frame.file:
            return stack[:at]
    return stack


def _stack(stack: tuple[Frame, ...]) -> list[str]:
    roots = (os.getcwd(),)
    lines: list[str] = []
    for frame in without_harness(stack)[:_FRAMES]:
        line = f":{frame.line}" if frame.line else ""
        lines.append(f"{relative_path(frame.file, roots)}{line}  {frame.function or '?'}")
    return lines


def _sentence(
    verdict: Verdict, each: tuple[float, float], place: Frame, file: str, stack: tuple[Frame, ...], thread: str,
    reason: str, *, once: bool,
) -> str:  # fmt: skip
    gain = f"{_blocks(each[0])}, {format_bytes(each[1])}," if each[0] > 0 else f"{format_bytes(each[1])} more"
    verb = "leak" if verdict is Verdict.LEAK else "stay"
    when = "alive after this block" if once else "with each repetition"
    words = f"{gain} {verb} {when}, asked for by `{place.function or '?'}` in {file}:{place.line}"
    inner = stack[0] if stack else place
    if inner != place:
        words += f" ({_inner(inner)})"
    if thread and thread != "MainThread":
        words += f", by thread {thread}"
    return f"{words}; {reason}" if reason else words


def _inner(frame: Frame) -> str:
    if frame.kind == "native":
        return f"{frame.function or 'a function without a name'} of {os.path.basename(frame.file)}"
    return f"in `{frame.function}` of {relative_path(frame.file, (os.getcwd(),))}:{frame.line}"


def _blocks(count: float) -> str:
    shown = format_count(count) if abs(count - round(count)) < 0.05 else f"{count:.1f}"
    return f"{shown} {'block' if shown == '1' else 'blocks'}"
