"""Dicts kept at one line while another line churns dicts; writes the addresses of the kept ones to the given file."""

import sys
from pathlib import Path

COUNT, CHURN = 20_000, 60
KEPT = [None] * COUNT

for number in range(COUNT):
    churned = [{"number": i} for i in range(CHURN)]  # <- churn
    del churned
    KEPT[number] = {"number": number}  # <- leak

Path(sys.argv[1]).write_text(" ".join(str(id(kept)) for kept in KEPT))
