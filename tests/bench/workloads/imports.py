"""Importing: code objects, classes, interned strings, module dicts.  Pure modules are dropped and imported again."""

from __future__ import annotations

import gc
import importlib
import sys

from _workload import main

NAMES = """
argparse ast asyncio base64 bisect calendar cmd code codecs collections colorsys configparser contextlib copy
csv dataclasses datetime decimal difflib dis doctest email email.message email.mime.text email.parser
email.policy enum filecmp fileinput fnmatch fractions ftplib getopt gettext glob gzip heapq hmac html
html.parser http.client http.cookies http.server imaplib inspect ipaddress json keyword linecache locale
logging logging.config mimetypes netrc numbers optparse pathlib pdb pickle pickletools pkgutil plistlib poplib
pprint profile pstats pyclbr pydoc queue quopri random reprlib sched selectors shelve shlex shutil smtplib
socketserver ssl statistics string stringprep subprocess symtable tabnanny tarfile tempfile textwrap timeit
token tokenize trace traceback typing unittest unittest.mock urllib.parse urllib.request uuid wave weakref
webbrowser xml.dom.minidom xml.etree.ElementTree xml.sax xmlrpc.client zipapp zipfile
""".split()


def import_all() -> int:
    """Import every module of the list; return how many names they define."""
    return sum(len(vars(importlib.import_module(name))) for name in NAMES)


def drop_since(before: frozenset[str]) -> None:
    """Forget the pure modules that came in since; compiled ones stay, as they may not be imported twice."""
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None)).endswith(".py"):
            del sys.modules[name]
    gc.collect()


def work(scale: float) -> int:
    """Checksum: names defined in all rounds."""
    total = 0
    for _ in range(max(1, int(4 * scale))):
        before = frozenset(sys.modules)
        total = (total * 31 + import_all()) & 0xFFFFFFFF
        drop_since(before)
    return total


if __name__ == "__main__":
    main(work)
