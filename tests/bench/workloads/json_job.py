"""JSON there and back: documents of nested dicts, lists, strings and numbers, made and dropped in the C accelerator."""

from __future__ import annotations

import json
import zlib
from typing import Any

from _workload import main


def document(number: int) -> dict[str, Any]:
    """One order with a customer and lines."""
    return {
        "id": number,
        "customer": {"name": f"customer {number % 97}", "mail": f"c{number % 97}@example.org", "vip": number % 7 == 0},
        "lines": [
            {"sku": f"SKU-{number * 13 + i:06d}", "amount": i + 1, "price": (number * i % 1000) / 100, "note": None}
            for i in range(8)
        ],
        "tags": ["new", "paid", f"batch-{number // 50}"],
    }


def work(scale: float) -> int:
    """Checksum of the texts and of what was read back."""
    total = 0
    for turn in range(int(65 * scale)):
        documents = [document(turn * 300 + i) for i in range(300)]
        text = json.dumps(documents, sort_keys=True)
        again = json.loads(text)
        total = zlib.crc32(text.encode(), total) ^ sum(len(order["lines"]) for order in again)
    return total


if __name__ == "__main__":
    main(work)
