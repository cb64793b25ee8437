"""SQLite in memory: native malloc below, rows of small Python objects above."""

from __future__ import annotations

import sqlite3
import zlib

from _workload import main

SCHEMA = """
CREATE TABLE visit (id INTEGER PRIMARY KEY, user TEXT, page TEXT, took REAL);
CREATE INDEX visit_user ON visit (user);
"""
QUERY = "SELECT user, page, COUNT(*), ROUND(SUM(took), 3) FROM visit GROUP BY user, page ORDER BY user, page"


def fill(connection: sqlite3.Connection, first: int, count: int) -> None:
    """Insert rows and change some."""
    rows = ((i, f"user-{i * 7 % 113}", f"/page/{i * 13 % 41}", i % 500 / 1000) for i in range(first, first + count))
    connection.executemany("INSERT INTO visit VALUES (?, ?, ?, ?)", rows)
    connection.execute("UPDATE visit SET took = took * 2 WHERE user = ?", (f"user-{first % 113}",))
    connection.commit()


def work(scale: float) -> int:
    """Checksum of every group after each filling, and of the remaining rows."""
    total = 0
    for turn in range(max(1, int(3 * scale))):
        connection = sqlite3.connect(":memory:")
        connection.executescript(SCHEMA)
        for block in range(4):
            fill(connection, block * 10_000 + turn, 10_000)
            total = zlib.crc32(repr(connection.execute(QUERY).fetchall()).encode(), total)
        connection.execute("DELETE FROM visit WHERE id % 3 = 0")
        total ^= sum(len(page) for (page,) in connection.execute("SELECT page FROM visit"))
        connection.close()
    return total


if __name__ == "__main__":
    main(work)
