"""Handles that change threads or tasks: each way of the standard library is seen, and works as before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from handle_view import PoolView
from recording import PYTHONS, label, line_of, record, written

PROGRAM = """
import asyncio, concurrent.futures, leakscope, queue, threading

class Packet:
    def __init__(self, size):
        self.memory = bytearray(size)
    def release(self):
        self.memory = None

leakscope.watch_pool(Packet, release="release", size=lambda packet: len(packet.memory), name="packets")
kept, simple, plain, loop = [], queue.SimpleQueue(), queue.Queue(), asyncio.new_event_loop()
executor = concurrent.futures.ThreadPoolExecutor(1)
def keep(one):
    kept.append(one)
async def keep_soon(one):
    kept.append(one)
def passed_by(thread):
    thread.start()
    thread.join()
leakscope.dump()
given = Packet(4096)
WAY  # <- handed
loop.call_soon(loop.stop)
loop.run_forever()
for filled in (simple, plain):
    while not filled.empty():
        kept.append(filled.get())
assert kept == [given], kept
leakscope.dump()
"""
WAYS = {
    "Queue": "plain.put(given)",
    "Queue, by name": "plain.put(item=given)",
    "SimpleQueue": "simple.put(given)",
    "SimpleQueue, by name": "simple.put(item=given)",
    "Thread": "passed_by(threading.Thread(target=keep, args=(given,)))",
    "Thread, by name": "passed_by(threading.Thread(target=keep, kwargs={'one': given}))",
    "task": "loop.run_until_complete(loop.create_task(keep_soon(given)))",
    "call_soon_threadsafe": "loop.call_soon_threadsafe(keep, given)",
    "executor": "executor.submit(keep, given).result()",
}
IN_PYTHON_3_11 = {"task"}
"""Before, a coroutine's variables are not its own for the collector."""


@pytest.mark.parametrize("python", PYTHONS, ids=label)
@pytest.mark.parametrize("way", WAYS)
def test_a_hand_off_is_seen_where_it_is_done(tmp_path: Path, python: str, way: str) -> None:
    program = written(PROGRAM.replace("WAY", WAYS[way]), tmp_path)

    ended = record(str(program.read_text()), tmp_path, python=python, options=("--exact",))

    assert (ended.exit_code, ended.stderr) == (0, "")
    [handle] = PoolView(ended.dump).handles("held")
    if not (way in IN_PYTHON_3_11 and label(python).startswith("3.10")):
        assert ("handed off", line_of(program, "handed"), "MainThread") in handle.touches


def test_a_simple_queue_refuses_what_it_refused_before(tmp_path: Path) -> None:
    refused = """
for wrong in (lambda: simple.put(), lambda: simple.put(1, 2, 3, 4), lambda: simple.put(thing=1)):
    try:
        wrong()
    except TypeError as error:
        print(error)
raise SystemExit
"""
    program = written(PROGRAM.partition("leakscope.dump()")[0] + refused, tmp_path)

    bare = subprocess.run([sys.executable, program], capture_output=True, text=True, cwd=tmp_path)
    ended = record(str(program.read_text()), tmp_path, options=("--exact",))

    assert (ended.stdout, ended.stderr, ended.exit_code) == (bare.stdout, bare.stderr, 0)
    assert len(bare.stdout.splitlines()) == 3
