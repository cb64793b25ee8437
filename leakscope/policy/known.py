"""
What is known of well-known libraries: memory they keep on purpose, which no user of theirs can do anything about.

It knows the file that comes with leakscope; it refuses to hold anything that was not measured, see the file.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from leakscope.model.policy import Suppression
from leakscope.policy.reading import suppressions_from

FILE = Path(__file__).with_name("known_libraries.json")


def known_suppressions() -> tuple[Suppression, ...]:
    """Suppressions that come with leakscope."""
    document = json.loads(FILE.read_text("utf-8"))
    entries = [{key: entry[key] for key in entry if key != "measured"} for entry in document["suppress"]]
    return tuple(replace(entry, origin="leakscope") for entry in suppressions_from(entries, str(FILE)))
