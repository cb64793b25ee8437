"""The page that describes .lks files to others: its example works as printed, on a file built from its tables alone."""

from __future__ import annotations

import json
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from leakscope.formats import lks, lks_buffers, lks_heap, lks_pools

DOCUMENT = Path(__file__).parents[2] / "leakscope" / "formats" / "LKS.md"

STRINGS = ["", "main", "app.py", "größer"]
META = {"schema": "leakscope.dump/1", "argv": ["app.py", "--fast"], "elapsed_s": 12.25}
COLUMNS: dict[str, tuple[str, str, list[int] | list[float]]] = {
    "meta": ("u1", "B", list(json.dumps(META).encode())),
    "string.offset": ("u8", "Q", [0, 0, 4, 10, 18]),
    "string.bytes": ("u1", "B", list("".join(STRINGS).encode())),
    "frame.function": ("u4", "I", [1, 3]),
    "frame.file": ("u4", "I", [2, 2]),
    "frame.line": ("i4", "i", [7, 41]),
    "stack.parent": ("u4", "I", [0, 0, 1]),
    "stack.frame": ("u4", "I", [0, 0, 1]),
    "live.stack": ("u4", "I", [2, 1, 2, 0]),
    "live.weight": ("f8", "d", [1000.0, 64.0, 500.5, 8.0]),
    "chunk.kind": ("u1", "B", []),
}


def file_by_the_page() -> bytes:
    """A file with the directory at its end, which the page allows and leakscope's writer never does."""
    body, directory = b"", b""
    for name, (dtype, code, values) in COLUMNS.items():
        column = struct.pack(f"<{len(values)}{code}", *values)
        body += bytes(-len(body) % 64)
        crc = zlib.crc32(column)
        directory += struct.pack("<40s4sIQQ", name.encode(), dtype.encode(), crc, len(values), 64 + len(body))
        body += column
    body += bytes(-len(body) % 64)
    begin, length = 64 + len(body), 64 + len(body) + len(directory)
    magic = bytes.fromhex("89 4C 4B 53 0D 0A 1A 0A")
    header = struct.pack("<8sIIQQII", magic, 1, 64, length, begin, len(COLUMNS), zlib.crc32(directory))
    return header + struct.pack("<I", zlib.crc32(header)) + bytes(20) + body + directory


def run_example(tmp_path: Path, content: bytes) -> subprocess.CompletedProcess[str]:
    [source] = re.findall(r"^```python\n(.*?)^```$", DOCUMENT.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    script, dump = tmp_path / "example.py", tmp_path / "drawn.lks"
    script.write_text(source, "utf-8")
    dump.write_bytes(content)
    return subprocess.run(
        [sys.executable, "-X", "utf8", "-I", str(script), str(dump)],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def test_the_example_prints_the_stacks_with_the_most_memory(tmp_path: Path) -> None:
    result = run_example(tmp_path, file_by_the_page())

    assert result.stderr == ""
    assert result.stdout.splitlines() == [
        "app.py --fast after 12.2 s",
        "1,500 bytes",
        "    größer app.py:41",
        "    main app.py:7",
        "64 bytes",
        "    main app.py:7",
        "8 bytes",
    ]


@pytest.mark.parametrize(
    ("place", "complaint"),
    [(0, "not a .lks file"), (20, "damaged"), (40, "damaged"), (64, "damaged column meta"), (-1, "damaged directory")],
)
def test_the_example_notices_damage(tmp_path: Path, place: int, complaint: str) -> None:
    content = bytearray(file_by_the_page())
    content[place] ^= 1

    assert complaint in run_example(tmp_path, bytes(content)).stderr


def test_the_example_notices_a_missing_end(tmp_path: Path) -> None:
    assert "cut short" in run_example(tmp_path, file_by_the_page()[:-1]).stderr


def test_the_page_names_every_column_with_its_type_and_no_other() -> None:
    assert documented_columns("Columns") == lks.COLUMNS
    assert documented_columns("Objects") == lks_heap.COLUMNS
    assert documented_columns("Pools") == lks_pools.COLUMNS
    assert documented_columns("Buffers") == lks_buffers.COLUMNS


def documented_columns(section_title: str) -> dict[str, str]:
    """Column to type, out of the table: ``| `a.b`, `.c` | u4 | ...``; ``series.*`` lists its fields in the text."""
    columns: dict[str, str] = {}
    section = DOCUMENT.read_text("utf-8").split(f"## {section_title}\n")[1].split("\n## ")[0]
    for names, dtype, meaning in re.findall(r"^\| (`.*?`) \| (\w\d) \| (.*) \|$", section, re.MULTILINE):
        table = ""
        for name in re.findall(r"`([^`]+)`", names):
            table = table or name.partition(".")[0]
            if name == "series.*":
                columns |= {f"series.{field}": dtype for field in re.findall(r"`(\w+)`", meaning)}
            else:
                columns[table + name if name.startswith(".") else name] = dtype
    return columns
