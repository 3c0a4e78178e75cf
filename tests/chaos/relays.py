"""A running lattice-chaos, for the tests that need one between their ends."""
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from harness import WAIT  # noqa: E402  pylint: disable=all

CHAOS = os.path.abspath(sys.argv[2])


def until(what, holds):
    """Waits for a condition, in bounded time; its value."""
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        value = holds()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"not in {WAIT} s: {what}")


class Chaos:
    """Relays to @to, a port of the loopback (or none: it joins namespaces). Use it with "with"; .stats is there after it."""

    def __init__(self, mode, to, *args):
        self.err = tempfile.NamedTemporaryFile()
        ways = [] if to is None else ["--listen", "127.0.0.1:0", "--to", f"127.0.0.1:{to}"]
        self.args = [CHAOS, mode, *ways, "--json", *map(str, args)]
        self.child = subprocess.Popen(self.args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.err)
        self.stats = None
        try:
            ready = until(f"{self.args} is ready", self.ready)
            self.port = None if to is None else int(ready.group(1))
        except BaseException:
            self.end(signal.SIGKILL)
            raise

    def said(self):
        with open(self.err.name, encoding="utf-8", errors="replace") as file:
            return file.read()

    def ready(self):
        ended = self.child.poll() is not None
        found = re.search(r"listens on 127\.0\.0\.1:(\d+)|joins ", self.said())
        assert found or not ended, f"it ended: {self.said()}"
        return found

    def strike(self):
        self.child.send_signal(signal.SIGUSR1)

    def end(self, how=signal.SIGTERM):
        if self.child.poll() is None:
            self.child.send_signal(how)
        try:
            out = self.child.communicate(timeout=WAIT)[0]
        finally:
            if self.child.poll() is None:
                self.child.kill()
                self.child.wait()
        if how == signal.SIGTERM:
            said = self.said()
            assert self.child.returncode == 0 and "Sanitizer" not in said, (self.child.returncode, said)
            self.stats = json.loads(out)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.end(signal.SIGTERM if kind is None else signal.SIGKILL)
        self.err.close()
