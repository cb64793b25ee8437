"""Instances kept at one line while another line churns them; writes the addresses of the kept to the given file."""

import sys
from pathlib import Path

COUNT, CHURN = 20_000, 60
KEPT = [None] * COUNT


class Thing:
    """An instance whose attributes are set from outside, so that its line is the one that makes it."""


for number in range(COUNT):
    churned = [Thing() for i in range(CHURN)]  # <- churn
    del churned
    KEPT[number] = Thing()  # <- leak

Path(sys.argv[1]).write_text(" ".join(str(id(kept)) for kept in KEPT))
