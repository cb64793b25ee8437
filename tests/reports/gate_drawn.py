"""What a gate says, drawn: one that failed in all ways, one that passed, one without evidence, one full of traps."""

from __future__ import annotations

from dataclasses import replace

from gating import KIB, finding, report

from leakscope.model.allocations import Frame
from leakscope.model.finding import Subject
from leakscope.model.gate import GateResult, Trial
from leakscope.model.policy import DEFAULT_LIMITS, Baseline, BaselineEntry, Limit, Policy, Suppression
from leakscope.model.report import Source
from leakscope.policy import gate

STD = "/usr/lib/python3.11"
SITE = f"/src/.venv/{STD[5:]}/site-packages"


def sources(number: int) -> tuple[Source, ...]:
    return tuple(
        Source(
            f"leakscope-gate/run-{number}/000{n}.lks", "cpython", "3.11.7", ("app.py",), 7, n, "exit", 0.0, 1.5 * n, 1
        )
        for n in (1, 2)
    )


def called(result: GateResult, command: str = "-m app --port 80", **changes: object) -> GateResult:
    return replace(
        result, folder="/src", root="/src", command=command, arguments=f"--iterations 100 -- {command}",
        tool_version="0.1.0", **changes,  # type: ignore[arg-type]
    )  # fmt: skip


def failing() -> GateResult:
    """Two new leaks, one of them a library's; growth within its limit, a known one, a suppressed one; a stale entry."""
    held = (("module app.cache", "CACHE", "Cache . entries [dict value]", "app.Session"),)
    web = Frame("App.handle", "/src/app/web.py", 44)

    def found(work: int) -> tuple[object, ...]:
        return (
            finding(
                "Cache.add", gain=300 * work, count=work, fingerprint="1a2b3c4d5e6f7081", code="LS608", rule="piling",
                holders=held, advice=("give the dict a bound",),
                subject=Subject("objects", "app.Session", "app.cache", "Cache.add", "app/cache.py", 12),
                stack=(
                    Frame("Session.__init__", f"{SITE}/orm/session.py", 3), Frame("Cache.add", "/src/app/cache.py", 12),
                    web,
                ),
            ),
            finding(
                "istr", gain=80 * work, count=work, fingerprint="2222222222222222",
                subject=Subject(
                    "objects", "multidict.istr", "multidict", "add", "multidict/__init__.py", 9, "_m.so", "istr_new"
                ),
                stack=(
                    Frame("istr_new", f"{SITE}/_m.so", 0, "native"), Frame("add", f"{SITE}/multidict/__init__.py", 9),
                    Frame("loads", f"{STD}/json/__init__.py", 346), web,
                ),
            ),
            finding("b", gain=2 * KIB, fingerprint="3333333333333333", verdict="GROWTH", code="LS501", rule="growth"),
            finding("c", gain=work, fingerprint="4444444444444444"),
            finding("d", gain=work, fingerprint="5555555555555555"),
            finding(
                "e", gain=99 * KIB, fingerprint="6666666666666666", verdict="FRAGMENTATION", code="LS201",
                rule="fragmentation",
            ),
            finding("f", gain=KIB, fingerprint="7777777777777777", verdict="UNKNOWN"),
        )  # fmt: skip

    trials = [
        Trial(report(*found(work), sources=sources(number)), work, elapsed_s=1.5)  # type: ignore[arg-type]
        for number, work in ((1, 100), (2, 200))
    ]
    known = (
        BaselineEntry("4444444444444444", "LS601", "app.C, `c` in app/c.py", "ticket 12", "2026-01-31"),
        BaselineEntry("9999999999999999", "LS601", "app.G, `g` in app/g.py", "", "2026-02-01"),
    )
    return called(gate(trials, Policy(suppressions=(Suppression("by design", type="app.D"),)), Baseline(known)))


def passing() -> GateResult:
    """Nothing found."""
    return called(gate([Trial(report(), 100, elapsed_s=1.5)]))


def inconclusive() -> GateResult:
    """Too short, whatever was tried."""
    sentence = "Too short to tell growth from a start: 2 samples in 12 ms."
    trials = [
        Trial(report(verdict="UNKNOWN", sentence=sentence, live=(0, 100 * work)), work, elapsed_s=0.1)
        for work in (100, 6400)
    ]
    return called(gate(trials, Policy(repeats=1)), "app.py")


def breached() -> GateResult:
    """A limit of the whole program is passed, by nothing that has a name."""
    policy = Policy(repeats=1, limits=(*DEFAULT_LIMITS, Limit("total", "*", bytes=KIB)))
    return called(gate([Trial(report(live=(0, 9 * KIB), sources=sources(1)), elapsed_s=1.0)], policy), "app/main.py x")


def hostile() -> GateResult:
    """Names that a stranger chose."""
    names = [
        "a%b\r\nc::error::x", "f,g:h", "\x1b[31mred\x07", "<script>&\"'", "|`x`|*_~#[l](u)", "\u202eright", "é\udcff",
        "x" * 3000, "]]>", "日本語",
    ]  # fmt: skip
    found = [
        finding(
            name, fingerprint=f"{number:016x}", sentence=f"{name} leaks.", advice=(name,), holders=((name, name),),
            subject=Subject("objects", name, name, name, f"{name}.py", 3), stack=(Frame(name, f"/src/{name}.py", 3),),
        )
        for number, name in enumerate(names, 1)
    ]  # fmt: skip
    return called(gate([Trial(report(*found), elapsed_s=1.0)], Policy(repeats=1)), "a\x1b[2J\nb")


GATES = {
    "failing": failing, "passing": passing, "inconclusive": inconclusive, "breached": breached, "hostile": hostile,
}  # fmt: skip
