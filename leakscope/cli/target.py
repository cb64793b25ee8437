"""
Where our options end and the program begins.

It knows command lines as lists of words; it refuses to know what an option means.  Python's own rule is kept: the
program is the first word that is no option, or what ``-m`` or ``-c`` names, and everything after it is the program's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_TARGET_OPTIONS = frozenset({"-m", "-c"})


def split(words: Sequence[str], valued: Collection[str]) -> tuple[list[str], list[str]]:
    """
    Our words and the program's words.

    Parameters
    ----------
    words : sequence of str
        Everything after ``leakscope run``.
    valued : collection of str
        Our options that take a value, with their dashes.

    Returns
    -------
    own, target : list of str
        The target begins with ``-m``, ``-c``, or a path; it is empty if there is none.

    Examples
    --------
    >>> split(["-o", "out", "app.py", "-o", "x"], {"-o"})
    (['-o', 'out'], ['app.py', '-o', 'x'])
    """
    position = 0
    while position < len(words):
        word = words[position]
        if word == "--":
            return list(words[:position]), _spread(words[position + 1 :])
        if word == "-" or not word.startswith("-"):
            return list(words[:position]), list(words[position:])
        if word.startswith("--"):
            position += 2 if word in valued else 1
            continue
        before, rest = _cluster(word, valued)
        if rest is not None:
            own = [*words[:position], *([before] if before else [])]
            return own, _spread([rest, *words[position + 1 :]])
        position += 2 if before in valued else 1
    return list(words), []


def _cluster(word: str, valued: Collection[str]) -> tuple[str, str | None]:
    """
    A word of short options: what of it is ours, and from where on it is the program's.

    For ``-qm`` that is ``-q`` and ``-m``; for a word whose last letter awaits a value that letter's option; for others
    the word.
    """
    for index, letter in enumerate(word[1:], start=1):
        option = f"-{letter}"
        if option in _TARGET_OPTIONS:
            return (word[:index] if index > 1 else ""), option + word[index + 1 :]
        if option in valued:
            return (option if index == len(word) - 1 else word), None
    return word, None


def _spread(words: Sequence[str]) -> list[str]:
    """``-mjson.tool`` as two words."""
    if words and words[0][:2] in _TARGET_OPTIONS and len(words[0]) > 2:
        return [words[0][:2], words[0][2:], *words[1:]]
    return list(words)
