"""
The gate on a bench of real leaks: it has to fail on each leaking version, and pass on each fixed one and each control.

The bench is a folder with a folder for each case: ``case.toml`` (requirements of the leaking and the fixed version, the
iterations) and ``workload.py N``; its own ``_lib`` makes the environments, one for each version.  Each is run bare and
under the gate, as often as asked for, and what the gate says is compared with what is expected.  An exit code that is
neither of the two (inconclusive, failed) counts against the gate, and so does a run that differs from another one.

    python tests/acceptance/gate_bench.py BENCH [--runs 3] [--out FILE] [--leakscope BIN] [CASE...]

The leakscope that is named needs recorders for the interpreters of the cases.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

LIMIT_S = 900.0
OLDEST = (3, 10)
PASSED, FAILED = 0, 1
EXPECTED = {"leak": FAILED, "clean": PASSED, "fragmentation": PASSED}


@dataclass(frozen=True)
class Seen:
    """One run of the gate."""

    case: str
    variant: str
    expected: int
    code: int
    bare_s: float
    gate_s: float
    works: tuple[float, ...]
    findings: tuple[str, ...]
    said: str

    @property
    def right(self) -> bool:
        """Whether the gate said what it should."""
        return self.code == self.expected


def main() -> None:
    """Run the bench and print a line for each run, then the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench", type=Path)
    parser.add_argument("cases", nargs="*")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--out", type=Path, help="a line of JSON for each run is added to it")
    parser.add_argument("--leakscope", default=str(Path(sys.executable).with_name("leakscope")))
    options = parser.parse_intermixed_args()
    sys.path.insert(0, str(options.bench.resolve()))
    from _lib.common import ensure_venv, load_cases, run_env  # type: ignore[import-not-found]

    seen: list[Seen] = []
    for number in range(options.runs):
        for case in load_cases(ids=options.cases, split="open"):
            for variant in scored(case):
                one = run(case, variant, ensure_venv(case, variant), run_env(case), options.leakscope)
                seen.append(one)
                print(f"{number + 1} {line(one)}", flush=True)
                if options.out:
                    with options.out.open("a") as file:
                        file.write(json.dumps(asdict(one)) + "\n")
    print("\n".join(table(seen)))
    sys.exit(any(not one.right for one in seen))


def scored(case: Mapping[str, Any]) -> Iterator[str]:
    """Variants of a case that can be recorded and have one right answer."""
    for variant in case.variants():  # type: ignore[attr-defined]
        version = tuple(int(part) for part in case.python(variant).split(".")[:2])  # type: ignore[attr-defined]
        if version >= OLDEST and case.expected(variant) in EXPECTED:  # type: ignore[attr-defined]
            yield variant


def run(case: Any, variant: str, python: str, environment: Mapping[str, str], leakscope: str) -> Seen:
    """One run, bare and under the gate."""
    iterations = str(case["iterations"])
    began = time.monotonic()
    subprocess.run(
        [python, case.workload, iterations], env=environment, capture_output=True, timeout=LIMIT_S, check=True
    )
    between = time.monotonic()
    with TemporaryDirectory(prefix="gate-") as folder:
        words = [leakscope, "gate", "--json", "-o", "dumps", "--python", python, "--iterations", iterations]
        done = subprocess.run(
            [*words, "--", case.workload, "{iterations}"],
            cwd=folder, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False,
        )  # fmt: skip
    ended = time.monotonic()
    said: dict[str, Any] = json.loads(done.stdout) if done.stdout else {}
    return Seen(
        case=case["id"], variant=variant, expected=EXPECTED[case.expected(variant)], code=done.returncode,
        bare_s=round(between - began, 2), gate_s=round(ended - between, 2),
        works=tuple(trial["work"] for trial in said.get("trials", ()) if trial["work"] is not None),
        findings=tuple(
            f"{each['outcome']}: {each['code']} {each['verdict']} {each['sentence'][:120]}"
            for each in said.get("decisions", ())
        ),
        said=said.get("sentence", done.stderr.strip()[-300:]),
    )  # fmt: skip


def line(one: Seen) -> str:
    """A run in a line, and what was found if it is wrong."""
    mark = "ok   " if one.right else "WRONG"
    text = f"{mark} {one.case:26} {one.variant:5} bare {one.bare_s:6.2f} s  gate {one.gate_s:6.2f} s  {one.said[:110]}"
    return text if one.right else "\n      ".join([text, *one.findings[:4]])


def table(seen: list[Seen]) -> Iterator[str]:
    """Rights and wrongs by kind of program, what differed between runs, and how long it took."""
    kinds = {"leaking": ("bad",), "fixed": ("fixed",), "controls": ("only",)}
    yield f"{'':10} runs  right  inconclusive  other  bare s  gate s"
    for kind, variants in kinds.items():
        rows = [one for one in seen if one.variant in variants]
        right = sum(one.right for one in rows)
        thin = sum(one.code == 3 for one in rows)
        bare, gate = sum(one.bare_s for one in rows), sum(one.gate_s for one in rows)
        yield f"{kind:10} {len(rows):4}  {right:5}  {thin:12}  {len(rows) - right - thin:5}  {bare:6.1f}  {gate:6.1f}"
    codes: dict[tuple[str, str], set[int]] = {}
    for one in seen:
        codes.setdefault((one.case, one.variant), set()).add(one.code)
    for (case, variant), different in codes.items():
        if len(different) > 1:
            yield f"differs between runs: {case} {variant}: exit codes {sorted(different)}"


if __name__ == "__main__":
    os.environ.setdefault("PYTHONHASHSEED", "0")
    main()
