"""
Text in Markdown in which nothing of a stranger's is markup.

It knows Markdown's special characters; it refuses to know what is written.
"""

from __future__ import annotations

import re

_CODE = re.compile(r"`[^`]*`")
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!&$@])")


def escaped(text: str) -> str:
    """
    Text in which nothing is markup, except that pairs of backticks still make code.

    Parameters
    ----------
    text : str
        One line.
    """
    pieces, end = [], 0
    for code in _CODE.finditer(text):
        pieces += [_SPECIAL.sub(r"\\\1", text[end : code.start()]), code[0].replace("|", "\\|")]
        end = code.end()
    return "".join([*pieces, _SPECIAL.sub(r"\\\1", text[end:])])


def code(text: str) -> str:
    """Text as code, whatever is in it."""
    if not text:
        return ""
    return f"`{text.replace('`', chr(39)).replace('|', chr(92) + '|')}`"
