"""Two "machines": network namespaces, joined by a cable that can be pulled out.

Needs root, ip(8), and the right to make namespaces. Names carry this process's number; addresses exist in
the namespaces only; what was made is removed again, whatever happens.
"""
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from harness import ENV, LATTICE, WAIT, Skip  # noqa: E402  pylint: disable=all

PORT = 15000
PROTOS = ("--udp", "--tcp")
FAMILIES = {"v4": ("10.77.0.1/24", "10.77.0.2/24"), "v6": ("fd00:77::1/64", "fd00:77::2/64")}
_count = 0


def ip(*args, need=True):
    done = subprocess.run(["ip", *args], capture_output=True, text=True, timeout=WAIT, check=False)
    if need:
        assert done.returncode == 0, f"ip {' '.join(args)}: {done.stderr}"
    return done


def until(what, holds, child=None):
    """Waits for a condition, in bounded time; its value."""
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        value = holds()
        if value:
            return value
        assert child is None or child.alive(), f"{what}: it ended: {child.text()}"
        time.sleep(0.01)
    raise AssertionError(f"not in {WAIT} s: {what}" + (f": {child.text()}" if child else ""))


class Child:
    """A lattice command in a namespace, its output in a file that can be read meanwhile."""

    def __init__(self, space, *args, env=None):
        self.file = tempfile.NamedTemporaryFile()
        self.child = subprocess.Popen(["ip", "netns", "exec", space, LATTICE, *map(str, args)], stdin=subprocess.DEVNULL,
                                      stdout=self.file, stderr=subprocess.STDOUT, env={**ENV, **(env or {})})

    def text(self):
        with open(self.file.name, "rb") as file:
            return file.read().decode(errors="replace")

    def alive(self):
        return self.child.poll() is None

    def says(self, pattern):
        return until(f"'{pattern}'", lambda: re.search(pattern, self.text()), self)

    def count(self, pattern):
        return len(re.findall(pattern, self.text()))

    def end(self, sig=None):
        if sig is not None and self.alive():
            self.child.send_signal(sig)
        try:
            status = self.child.wait(timeout=WAIT)
        finally:
            if self.alive():
                self.child.kill()
                self.child.wait()
        text = self.text()
        self.file.close()
        assert "Sanitizer" not in text, text
        return status, text


class Machines:
    """Two namespaces, self.space[0] and [1], and the cable between them."""

    def __init__(self):
        global _count
        _count += 1
        self.space = [f"lat-{os.getpid()}-{_count}-{side}" for side in "ab"]
        self.children = []

    def __enter__(self):
        try:
            for space in self.space:
                made = ip("netns", "add", space, need=False)
                if made.returncode != 0:
                    raise Skip(f"namespaces cannot be made here: {made.stderr.strip()}")
                inside = ip("-n", space, "link", "set", "lo", "up", need=False)
                if inside.returncode != 0:  # in a plain chroot: its root is no mount point
                    raise Skip(f"namespaces cannot be entered here: {inside.stderr.strip()}")
            self.plug_in()
        except FileNotFoundError:
            raise Skip("there is no ip(8) here") from None
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for child in self.children:
            if child.alive():
                child.child.kill()
                child.child.wait()
        for space in self.space:
            with contextlib.suppress(FileNotFoundError):
                ip("netns", "del", space, need=False)

    def plug_in(self):
        """Both ends are made inside, so that nothing of this machine is touched."""
        ip("-n", self.space[0], "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", self.space[1])
        for side in (0, 1):
            self.up(side)
        for side in (0, 1):
            self.wait_state(side, "UP")

    def up(self, side):
        ip("-n", self.space[side], "link", "set", "cable", "up")
        for pair in FAMILIES.values():      # an interface that went down has lost its v6 address
            family = ("-6", "nodad") if ":" in pair[side] else ("-4",)
            ip(family[0], "-n", self.space[side], "addr", "replace", pair[side], "dev", "cable", *family[1:])

    def down(self, side):
        ip("-n", self.space[side], "link", "set", "cable", "down")

    def wait_state(self, side, state):
        until(f"the cable is {state}", lambda: json.loads(
            ip("-j", "-n", self.space[side], "link", "show", "cable").stdout)[0]["operstate"] == state)

    def pull_out(self):
        ip("-n", self.space[0], "link", "del", "cable")

    def start(self, side, *args, env=None):
        child = Child(self.space[side], *args, env=env)
        self.children.append(child)
        return child

    def receiver(self, node, *args):
        child = self.start(1, "recv", 7, "-d", node.dir, "--port", PORT, *args)
        child.says(r"receives as pid 7")
        return child

    def run(self, side, *args):
        """(status, output) of a command that ends by itself."""
        return self.start(side, *args).end()

    def at(self, family):
        address = FAMILIES[family][1].split("/")[0]
        return ("--at", f"[{address}]:{PORT}" if ":" in address else f"{address}:{PORT}")

    def ways(self):
        return [(family, proto) for family in FAMILIES for proto in PROTOS]
