"""
Every kind of object of ``zoo_kinds`` made anew round after round, beside threads that are busy with something; the
last line printed names the dumps.

    python zoo.py
"""

import asyncio
import contextvars
import gc
import itertools
import json
import threading
import time

from zoo_kinds import BUILDERS, waiting

import leakscope

ROUNDS = 20
SETTLE_S = 0.3
ZOO = {}


def build():
    ZOO.clear()
    for builder in BUILDERS:
        ZOO[builder.__name__] = builder()


class Threads:
    """A thread inside a generator, one inside C code, and an event loop with waiting tasks."""

    def __init__(self):
        self.end = threading.Event()
        self.loop = None
        self.ready = threading.Barrier(4)
        self.threads = [
            threading.Thread(target=target, daemon=True) for target in (self.generate, self.wait, self.tasks)
        ]
        for thread in self.threads:
            thread.start()
        self.ready.wait()

    def generate(self):
        def waits():
            local = [threading.current_thread()]
            yield local
            self.ready.wait()
            self.end.wait()
            yield local

        list(itertools.chain(waits(), sorted([[2], [1]], key=lambda value: [value, self][0])))

    def wait(self):
        content = {"held": [1, 2, 3]}
        self.ready.wait()
        self.end.wait()
        del content

    def tasks(self):
        async def main():
            self.loop, self.stop = asyncio.get_running_loop(), asyncio.Event()
            variable = contextvars.ContextVar("in_task")
            variable.set([1])
            waiting_tasks = [asyncio.ensure_future(waiting(self.stop)) for _ in range(20)]
            future = self.loop.create_future()
            future.add_done_callback(lambda _: None)
            self.loop.call_later(1000, print, "never")
            await asyncio.sleep(0)
            self.ready.wait()
            await self.stop.wait()
            future.cancel()
            await asyncio.gather(*waiting_tasks)

        asyncio.run(main())

    def stop_all(self):
        self.end.set()
        self.loop.call_soon_threadsafe(self.stop.set)
        for thread in self.threads:
            thread.join()


def dump_after(rounds):
    for _ in range(rounds):
        build()
    threads = Threads()
    gc.collect()
    time.sleep(SETTLE_S)
    try:
        return leakscope.dump()
    finally:
        threads.stop_all()


def main():
    dump_after(3)
    print(json.dumps([dump_after(2), dump_after(ROUNDS), dump_after(ROUNDS)]))


main()
