"""``leakscope gate``: what passes and what fails, which code it exits with, and where the reports go."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import textwrap
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from builders import save
from launching import leakscope
from simulation import Life, recorded

END = 40.0
PLAIN = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("GITHUB_", "CI_", "LEAKSCOPE_")) and name not in {"COLUMNS", "NO_COLOR", "FORCE_COLOR"}
}
LEAKY = """
    import sys

    class Session:
        def __init__(self, number):
            self.data = bytes(500)

    class Shop:
        def __init__(self):
            self.sessions = {}

        def visit(self, number):
            self.sessions[number] = Session(number)  # the leak
            LIMIT

    SHOP = Shop()
    for number in range(int(sys.argv[1])):
        SHOP.visit(number)
        sorted(range(200), key=lambda n: -n)
"""


def gate(*words: str, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return leakscope("gate", *words, cwd=cwd, env={**PLAIN, **(env or {})}, timeout=120)


@pytest.fixture(scope="module")
def dumps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three dumps of a run that grows by 3.9 MiB."""
    here = tmp_path_factory.mktemp("run")
    life = Life()
    for at in np.arange(0, END, 0.01):
        life.add("main@app.py:3 > handle@app/cache.py:41", 1024, float(at))
    for number, end in enumerate((10.0, 25.0, END), 1):
        save(recorded(life, end, number=number, cwd=str(here)), here / f"{number:04}.lks")
    return here


def shop(folder: Path, limit: str = "") -> Path:
    path = folder / "shop.py"
    path.write_text(textwrap.dedent(LEAKY).replace("LIMIT", limit))
    return path


# ------------------------------------------------------------------------------------------------- dumps


def test_dumps_that_grow_fail(dumps: Path) -> None:
    done = gate("0001.lks", "0002.lks", "0003.lks", cwd=dumps)

    assert (done.returncode, done.stderr) == (1, "")
    assert " FAILED   1 place that grows in 1 run\n" in done.stdout
    assert "next: leakscope diff 0001.lks 0002.lks 0003.lks" in done.stdout


def test_the_policy_of_the_project_is_applied_and_the_command_line_comes_first(dumps: Path, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.leakscope.gate.limits]\ngrowth = '4 MiB'\n")
    strict = tmp_path / "strict.toml"
    strict.write_text("[limits]\ngrowth = '1 MiB'\n")
    words = [str(dumps / f"000{number}.lks") for number in (1, 2, 3)]

    assert gate(*words, cwd=tmp_path).returncode == 0
    assert gate("--policy", str(strict), *words, cwd=tmp_path).returncode == 1


def test_an_unknown_key_of_the_policy_is_wrong_configuration(dumps: Path, tmp_path: Path) -> None:
    for text, hint in (("limit = 1", "limits"), ("limits = {leek = 1}", "leak"), ("basline = 'x'", "baseline")):
        (tmp_path / "pyproject.toml").write_text(f"[tool.leakscope.gate]\n{text}\n")

        done = gate(str(dumps / "0001.lks"), cwd=tmp_path)

        assert done.returncode == 2
        assert f"hint: did you mean '{hint}'?" in done.stderr


def test_a_baseline_is_written_passes_and_tells_what_is_gone(dumps: Path, tmp_path: Path) -> None:
    words = [str(dumps / f"000{number}.lks") for number in (1, 2, 3)]

    updated = gate("--update-baseline", "--note", "ticket 9", *words, cwd=tmp_path)
    after = gate(*words, cwd=tmp_path)
    file = tmp_path / "leakscope-baseline.json"
    file.write_text(file.read_text().replace(next(iter(json.loads(file.read_text())["known"])), "0123456789abcdef"))
    other = gate(*words, cwd=tmp_path)

    assert (updated.returncode, updated.stderr) == (
        0, "leakscope: leakscope-baseline.json: 1 new, 0 no longer seen and left out\n",
    )  # fmt: skip
    entry = next(iter(json.loads(file.read_text())["known"].values()))
    assert (entry["what"], entry["note"]) == ("`handle` in app/cache.py", "ticket 9")
    assert after.returncode == 0
    assert "; 1 known\n" in after.stdout
    assert "ticket 9" in after.stdout
    assert other.returncode == 1
    assert "In the baseline, but not seen" in other.stdout


def test_several_reports_at_once_and_all_say_the_same(dumps: Path, tmp_path: Path) -> None:
    words = [str(dumps / f"000{number}.lks") for number in (1, 2, 3)]
    formats = ("sarif=out/a.sarif", "junit=a.xml", "gitlab=gl.json", "json=a.json", "markdown=a.md", "terminal=a.txt")

    done = gate(*(f"--report={text}" for text in formats), "--report", "github", *words, cwd=tmp_path)

    assert done.returncode == 1
    assert done.stdout.count("::error title=GROWTH in handle") == 1
    print_of = json.loads((tmp_path / "a.json").read_text())["decisions"][0]["fingerprint"]
    results = json.loads((tmp_path / "out/a.sarif").read_text())["runs"][0]["results"]
    assert [result["partialFingerprints"]["leakscope/v1"] for result in results] == [print_of]
    assert json.loads((tmp_path / "gl.json").read_text())[0]["fingerprint"] == print_of
    assert ElementTree.parse(tmp_path / "a.xml").find("testsuite[@failures='1']") is not None
    assert (tmp_path / "a.txt").read_text() + "::error" in done.stdout
    assert stat.S_IMODE((tmp_path / "a.json").stat().st_mode) == 0o600


def test_a_report_without_a_file_gets_one(dumps: Path, tmp_path: Path) -> None:
    done = gate("--report", "sarif", str(dumps / "0001.lks"), "--quiet", cwd=tmp_path)

    assert done.stdout == ""
    assert (tmp_path / "leakscope-gate.sarif").is_file()


def test_in_a_github_action_annotations_and_summary_come_by_themselves(dumps: Path, tmp_path: Path) -> None:
    words = [str(dumps / f"000{number}.lks") for number in (1, 2, 3)]
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    env = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary), "GITHUB_WORKSPACE": str(tmp_path)}

    done = gate(*words, cwd=tmp_path, env=env)

    assert "::error title=GROWTH in handle [LS501]" in done.stdout
    assert summary.read_text().startswith("before\n## ❌ leakscope gate: failed\n")


def test_json_is_one_document_and_nothing_else(dumps: Path) -> None:
    done = gate("0001.lks", "0003.lks", "--json", cwd=dumps, env={"GITHUB_ACTIONS": "true"})

    assert json.loads(done.stdout)["schema"] == "leakscope.gate/1"
    assert "::error" in done.stderr


# ------------------------------------------------------------------------------------------- usage and failures


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "error: there is nothing to run"),
        (("--report", "sarf", "x"), 2, "hint: did you mean 'sarif'?"),
        (("--for", "3s", "-c", "1"), 2, "error: --for and --ready are about a server and its load"),
        (("nowhere.py",), 2, "error: there is no file and no command 'nowhere.py'"),
        (("--policy", "none.toml", "-c", "1"), 2, "error: none.toml: No such file"),
        (
            ("--quiet", "-c", "raise SystemExit(7)"),
            4,
            "error: the program exited with code 7 before there was a verdict",
        ),
        (("--quiet", "--load", "false", "-c", "1"), 4, "error: the server ended before it was ready"),
    ],
)
def test_what_goes_wrong_is_one_line_and_a_code(tmp_path: Path, words: tuple[str, ...], code: int, said: str) -> None:
    done = gate(*words, cwd=tmp_path)

    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_limit_per_iteration_needs_iterations(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.leakscope.gate.limits]\ntotal = '1 KiB/iteration'\n")

    done = gate("-c", "1", cwd=tmp_path)

    assert done.returncode == 2
    assert "which this gate does not count" in done.stderr


def test_a_program_too_short_to_tell_is_inconclusive_and_leaves_its_dumps(tmp_path: Path) -> None:
    done = gate("-c", "pass", cwd=tmp_path)

    assert done.returncode == 3
    assert "put {iterations} where" in done.stdout
    assert (tmp_path / "leakscope-gate" / ".gitignore").read_text() == "*\n"
    assert gate("--inconclusive", "pass", "-c", "pass", cwd=tmp_path).returncode == 0
    assert not (tmp_path / "leakscope-gate").exists()


# ------------------------------------------------------------------------------------------------- programs


WORKERS = """
    import multiprocessing, sys

    KEPT = []

    def leaks(number):
        KEPT.append([number] * 20)

    def is_clean(number):
        return len([number] * 20)

    if __name__ == "__main__":
        multiprocessing.set_start_method("spawn")
        with multiprocessing.Pool(2) as pool:
            for _ in pool.imap_unordered(globals()[sys.argv[2]], range(int(sys.argv[1])), 50):
                pass
            pool.close()
            pool.join()
"""


@pytest.mark.slow
def test_worker_processes_that_leak_fail_the_gate_and_clean_ones_pass(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(textwrap.dedent(WORKERS))

    leaky, clean = (
        gate("--iterations", "40000", "--", "app.py", "{iterations}", work, cwd=tmp_path)
        for work in ("leaks", "is_clean")
    )

    assert leaky.returncode == 1, leaky.stdout + leaky.stderr
    assert "child processes judged" in leaky.stdout
    assert "app.py:7" in leaky.stdout
    assert clean.returncode == 0, clean.stdout + clean.stderr


@pytest.mark.slow
def test_a_leak_fails_a_fixed_one_passes_and_json_is_apart_from_what_the_program_prints(tmp_path: Path) -> None:
    program = shop(tmp_path)
    with program.open("a") as file:
        file.write("print('hello')\n")
    words = ("--json", "--iterations", "2000", "--", "shop.py", "{iterations}")

    leaky = gate(*words, cwd=tmp_path)
    shop(tmp_path, "self.sessions.pop(number - 100, None)")
    fixed = gate(*words, cwd=tmp_path)

    said = json.loads(leaky.stdout)
    assert (leaky.returncode, said["status"], said["decisions"][0]["outcome"]) == (1, "failed", "new")
    line = next(number for number, text in enumerate(program.read_text().splitlines(), 1) if "the leak" in text)
    assert (said["decisions"][0]["path"], said["decisions"][0]["line"]) == ("shop.py", line)
    assert "hello" in leaky.stderr
    assert [trial["work"] for trial in said["trials"]][-1] > 2000
    assert (fixed.returncode, json.loads(fixed.stdout)["status"]) == (0, "passed")


@pytest.mark.slow
def test_a_program_that_reads_its_iterations_from_the_environment_is_told_to_do_more(tmp_path: Path) -> None:
    program = shop(tmp_path)
    program.write_text(program.read_text().replace("sys.argv[1]", "__import__('os').environ['LEAKSCOPE_ITERATIONS']"))

    assert gate("--iterations", "20000", "--quiet", "shop.py", cwd=tmp_path).returncode == 1


@pytest.mark.slow
def test_a_program_that_does_not_listen_is_judged_by_coming_back(tmp_path: Path) -> None:
    program = shop(tmp_path)
    program.write_text(program.read_text().replace("int(sys.argv[1])", "40000"))

    done = gate("--iterations", "10", "shop.py", cwd=tmp_path)

    assert done.returncode == 1
    assert "the program did not do more when told to" in done.stderr
    assert "seen again in a second run" in done.stdout


SERVER = """
    import http.server, sys

    SEEN = {}

    class Visit:
        def __init__(self, path):
            self.path, self.body = path, bytes(1000)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            SEEN[len(SEEN)] = Visit(self.path)
            LIMIT
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    open("port", "w").write(str(server.server_port))
    server.serve_forever()
"""
CLIENT = """
    import http.client, sys

    link = http.client.HTTPConnection("127.0.0.1", int(open("port").read()))
    for number in range(int(sys.argv[1])):
        link.request("GET", f"/{number}")
        link.getresponse().read()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("limit", "much", "code"),
    [
        ("pass", ("{iterations}", "--iterations", "2000"), 1),
        ("len(SEEN) > 50 and SEEN.clear()", ("{iterations}", "--iterations", "2000"), 0),
        ("len(SEEN) > 50 and SEEN.clear()", ("400", "--for", "2s"), 0),
    ],
)
def test_a_server_is_judged_under_its_load_and_stopped(
    tmp_path: Path, limit: str, much: tuple[str, ...], code: int
) -> None:
    (tmp_path / "server.py").write_text(textwrap.dedent(SERVER).replace("LIMIT", limit))
    (tmp_path / "client.py").write_text(textwrap.dedent(CLIENT))
    load = f"exec {sys.executable} client.py {much[0]}"

    done = gate("--load", load, *much[1:], "--warmup", "0.5s", "--repeats", "2", "--", "server.py", cwd=tmp_path)

    assert done.returncode == code, done.stdout + done.stderr


def test_a_load_that_fails_is_no_verdict(tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text(textwrap.dedent(SERVER).replace("LIMIT", "pass"))

    done = gate("--load", "exit 9", "--for", "2s", "server.py", cwd=tmp_path)

    assert (done.returncode, "the load exited with code 9: exit 9" in done.stderr) == (4, True)
