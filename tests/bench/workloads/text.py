"""Text work: split, match, count, replace and join words of a generated book.  Many strings of many lengths."""

from __future__ import annotations

import random
import re
import zlib
from collections import Counter

from _workload import main

SYLLABLES = "ka lo mi ne ru sa ti vo xe zu ar en is ol um".split()
LONG_WORD = re.compile(r"\b(\w{3})(\w{3,})\b")


def book(words: int, rng: random.Random) -> str:
    """Return ``words`` words in sentences of a dozen."""
    parts = []
    for i in range(words):
        word = "".join(rng.choices(SYLLABLES, k=1 + i % 5))
        parts.append(word.capitalize() + "." if i % 12 == 11 else word)
    return " ".join(parts)


def chapter(text: str) -> str:
    """Rework one chapter: mark long words, count, and list the most frequent ones under it."""
    marked = LONG_WORD.sub(lambda match: f"{match[2]}-{match[1]}", text)
    sentences = [sentence.strip().lower() for sentence in marked.split(".") if sentence]
    counts = Counter(word for sentence in sentences for word in sentence.split())
    index = [f"{word:<20}{count:>6}" for word, count in counts.most_common(50)]
    return "\n".join(reversed(sentences)) + "\n" + "\n".join(index)


def work(scale: float) -> int:
    """Checksum of all reworked chapters."""
    text = book(6000, random.Random(7))
    total = 0
    for turn in range(int(160 * scale)):
        start = turn * 37 % 4000
        total = zlib.crc32(chapter(text[start:] + text[:start]).encode(), total)
    return total


if __name__ == "__main__":
    main(work)
