#!/usr/bin/env python3
"""secret_test.py PROGRAM SOURCE_ROOT - no branch and no address in our code depends on a secret, as far as memcheck sees.

A report counts as ours when the first frame outside the C library and valgrind is in a file of this tree; what libsodium does with its
own secrets is told, and not judged. Two deliberate mistakes show that a report would be noticed.
"""
import os
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml

PROGRAM, ROOT = sys.argv[1], os.path.realpath(sys.argv[2])
KINDS = ("UninitCondition", "UninitValue")
OTHERS = ("memcmp", "__memcmp_sse4_1", "__memcmp_avx2_movbe", "bcmp", "memcpy", "memmove", "memset")
ROWS = [    # why, what, whether a report in our code is wanted
    ("a memcmp of a secret is noticed", "memcmp", True),
    ("a branch on a secret is noticed", "branch", True),
    ("the library", "fine", False),
]


def frames(error):
    stack = error.find("stack")
    return [] if stack is None else stack.findall("frame")


def place(frame):
    """The file of this tree, wherever the compiler was told that the tree lies."""
    parts = os.path.join(frame.findtext("dir", ""), frame.findtext("file", "")).split("/")
    for i, part in enumerate(parts):
        if part in ("src", "tests") and os.path.isfile(os.path.join(ROOT, *parts[i:])):
            return "/".join(parts[i:]) + ":" + frame.findtext("line", "?")
    return None


def ours(error):
    """Where in our code, or None."""
    for frame in frames(error):
        if frame.findtext("fn", "?") not in OTHERS:
            return place(frame)
    return None


def run(what, folder):
    log = os.path.join(folder, what)
    done = subprocess.run(["valgrind", "--error-limit=no", "--xml=yes", "--xml-file=" + log, PROGRAM, what], capture_output=True, text=True,
                          timeout=280, check=False)
    assert done.returncode == 0, f"{what}: status {done.returncode}: {done.stderr}"
    errors = [e for e in xml.parse(log).getroot().iter("error") if e.findtext("kind") in KINDS]
    return [(ours(e), next((f.findtext("fn", "?") for f in frames(e)), "?")) for e in errors]


def main():
    if shutil.which("valgrind") is None:
        print("skipped: there is no valgrind here")
        return 77
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for why, what, wanted in ROWS:
            found = run(what, folder)
            mine = sorted({place for place, _ in found if place is not None})
            others = sorted({name for place, name in found if place is None})
            good = bool(mine) == wanted
            print(f"{'ok' if good else 'FAILED'}: {why}: {len(mine)} places in our code, elsewhere: {', '.join(others) or 'none'}"
                  + "".join(f"\n    {place}" for place in mine), flush=True)
            failed += not good
    return 1 if failed else 0


sys.exit(main())
