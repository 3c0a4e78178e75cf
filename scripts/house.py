"""What the check scripts share: the rooms and their arrows, the source files, C without its comments."""
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# The arrows: which rooms a room may name in room_uses. A new arrow is a decision: it changes this
# table and doc/ARCHITECTURE.md in one commit.
ARROWS = {
    "base": set(),
    "os": {"base"},
    "sync": {"os"},
    "crypto": {"base"},
    "wire": {"base"},
    "cap": {"crypto"},
    "session": {"crypto", "wire", "cap"},
    "fastpath": {"os", "sync"},
    "net": {"wire", "os", "sync"},
    "graph": {"cap", "sync"},
    "sched": {"fastpath", "graph"},
}
ARROWS["node"] = set(ARROWS)
# These see <lattice/...> and their own folder only.
PUBLIC_ONLY = ("src/cli", "examples")

SKIPPED = 77            # exit status by which Meson knows a test that could not run


def sees(room, arrows=None):
    """The room itself and every room it may include."""
    arrows = ARROWS if arrows is None else arrows
    seen, todo = set(), [room]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo.extend(arrows.get(name, ()))
    return seen


def sources(root, *folders, ext=(".c", ".h")):
    """Paths, relative to root, of the files below the folders, sorted."""
    found = []
    for folder in folders:
        for here, dirs, files in os.walk(os.path.join(root, folder)):
            dirs[:] = sorted(d for d in dirs if d != "build" and not d.startswith("."))
            found += [os.path.relpath(os.path.join(here, f), root) for f in files if f.endswith(ext)]
    return sorted(found)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return file.read()


def is_test(path):
    return path.endswith(("_test.c", "_harness.h")) or path.startswith(("tests/", "fuzz/")) or path == "src/base/test.h"


_TOKENS = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def code_only(text):
    """The text with comments and literals blanked; every line keeps its number."""
    def blank(match):
        token = match.group(0)
        lines = "\n" * token.count("\n")
        if token.startswith("/"):
            return " " + lines
        return token[0] + token[0] + lines
    return _TOKENS.sub(blank, text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def report(what, problems):
    """Print the problems (each a line, file:line first) and give the exit status."""
    for problem in problems:
        print(problem)
    if problems:
        print(f"{what}: {len(problems)} problem(s)")
        return 1
    print(f"{what}: fine")
    return 0


def expect(name, ok, said=""):
    """One step of a self-test."""
    print(f"{'ok' if ok else 'FAILED'}: {name}")
    if not ok:
        if said:
            print(said)
        sys.exit(1)


def tree(files):
    """A temporary tree with these files ({path: text}); use it with `with`."""
    folder = tempfile.TemporaryDirectory(prefix="lattice-check-")
    for path, text in files.items():
        full = os.path.join(folder.name, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)
    return folder


def run(*command, **more):
    """(status, output) of a command; its two streams are one."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **more)
    return done.returncode, done.stdout
