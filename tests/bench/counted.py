"""
One workload under valgrind and the recorder, without the rest of leakscope: what is counted is the traced process.

``leakscope run`` cannot be followed by valgrind: valgrind's launcher is a program of its own, so the recorder would
wake up in there and find no Python.  Here valgrind's tool, which is static and cannot be preloaded, is started with the
environment that leakscope gives its child.  Afterwards the ledger must show that the program was recorded.

    python counted.py INTERVAL [no-buffers] LOG SCRIPT SCALE
"""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from leakscope import native
from leakscope.capture.interpreter import recorder_for, this_interpreter
from leakscope.capture.launch import child_environment
from leakscope.model.config import CaptureConfig

FOLDERS = ("/usr/libexec/valgrind", "/usr/lib/valgrind", "/usr/local/libexec/valgrind", "/usr/lib64/valgrind")
PROCESSORS = {"x86_64": "amd64", "aarch64": "arm64"}
RECORDED = (1,)
"""Phases of a ledger: recording, and finished."""
ANSWER_WITHIN_S = 0.05


def tool() -> Path:
    """Path of the static program that counts."""
    name = f"cachegrind-{PROCESSORS[platform.machine()]}-linux"
    for folder in (os.environ.get("VALGRIND_LIB", ""), *FOLDERS):
        if folder and (path := Path(folder) / name).is_file():
            return path
    raise SystemExit(f"{name} is in none of {', '.join(FOLDERS)}: set VALGRIND_LIB")


def main(interval_bytes: int, buffers: bool, log: str, words: list[str]) -> int:
    """Run the workload and return its exit code, or fail if it was not recorded."""
    config = CaptureConfig(interval_bytes=interval_bytes)
    ledger = native.create_ledger(
        interval_bytes=config.interval_bytes,
        exact_bytes=config.exact_bytes,
        max_frames=config.max_frames,
        max_stacks=config.max_stacks,
        heap=False,
        buffers=buffers,
    )
    fd = fcntl.fcntl(ledger.fd, fcntl.F_DUPFD, 100)
    environment = child_environment(os.environ, recorder_for(this_interpreter()), fd, None)
    environment["VALGRIND_LAUNCHER"] = shutil.which("valgrind") or "valgrind"
    counter = [
        str(tool()),
        "--tool=cachegrind",
        "--cache-sim=no",
        "--cachegrind-out-file=/dev/null",
        f"--log-file={log}",
    ]
    process = subprocess.Popen([*counter, sys.executable, *words], env=environment, pass_fds=[fd])
    while process.poll() is None:
        # At its end the program asks for the last dump and waits for it; there is none to be had here.
        if (ticket := ledger.wait_request(ledger.answered(), ANSWER_WITHIN_S)) != ledger.answered():
            ledger.answer_request(ticket, "")
    state = ledger.state()
    if state["phase"] not in RECORDED:
        raise SystemExit(f"nothing was recorded: {state}")
    return process.returncode


if __name__ == "__main__":
    interval, *rest = sys.argv[1:]
    watched = rest[0] != "no-buffers"
    log_path, *script = rest if watched else rest[1:]
    raise SystemExit(main(int(interval), watched, log_path, script))
