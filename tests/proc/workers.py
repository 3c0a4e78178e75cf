"""Processes that do what they are told (worker.c), killed, stopped and left to go on. Every wait is bounded by WAIT."""
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from harness import ENV, WAIT, Skip, case, main  # noqa: E402,F401  pylint: disable=all

WORKER = os.path.abspath(sys.argv[1])


def until(condition, why):
    """Until it holds."""
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end, why
        time.sleep(0.002)


class Ended(Exception):
    """The worker is gone."""


def where_others_may(folder):
    """The worker and its library in a folder that other users may enter: perhaps the tree lies in none."""
    library = "liblattice-ipc.so.0"
    place_of_it = os.path.join(folder, "bin")
    if not os.path.isdir(place_of_it):
        os.mkdir(place_of_it)
        shutil.copy(WORKER, place_of_it)
        shutil.copy(os.path.join(os.path.dirname(WORKER), "..", "..", "src", library), place_of_it)
        for file in os.listdir(place_of_it):
            os.chmod(os.path.join(place_of_it, file), 0o755)
        os.chmod(place_of_it, 0o755)
    return os.path.join(place_of_it, os.path.basename(WORKER)), {"LD_LIBRARY_PATH": place_of_it}


class Worker:
    """One process; use it with "with"."""

    def __init__(self, folder, *, env=None, user=None, groups=(), before=()):
        self.log = tempfile.TemporaryFile()
        program = WORKER
        if user is not None:
            program, found = where_others_may(folder)
            env = {**found, **(env or {})}
        self.child = subprocess.Popen([*before, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
                                      env={**ENV, "LATTICE_SOCKET": os.path.join(folder, "place", "node.sock"),
                                           "LATTICE_STATE_DIR": os.path.join(folder, "state"), **(env or {})},
                                      bufsize=0, **({} if user is None else {"user": user, "group": user, "extra_groups": groups}))
        self.left = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        for file in (self.child.stdin, self.child.stdout, self.log):
            try:
                file.close()
            except OSError:
                pass

    @property
    def pid(self):
        return self.child.pid

    def said(self):
        with open(f"/proc/self/fd/{self.log.fileno()}", "rb") as file:
            return file.read().decode(errors="replace")

    def tell(self, *words):
        """Without waiting for the answer."""
        try:
            self.child.stdin.write((" ".join(map(str, words)) + "\n").encode())
        except OSError as why:
            raise Ended(f"{words}: {why}") from why

    def answer(self, wait=WAIT):
        """(result, rest of the line) of what was told last."""
        end = time.monotonic() + wait
        while b"\n" not in self.left:
            ready, _, _ = select.select([self.child.stdout], [], [], max(0, end - time.monotonic()))
            if not ready:
                raise AssertionError(f"no answer: {self.said()}")
            more = os.read(self.child.stdout.fileno(), 65536)
            if not more:
                raise Ended(self.said())
            self.left += more
        line, self.left = self.left.split(b"\n", 1)
        result, _, rest = line.decode(errors="replace").partition(" ")
        return result, rest

    def ask(self, *words):
        self.tell(*words)
        return self.answer()

    def do(self, *words):
        """It has to succeed; what it says then."""
        result, rest = self.ask(*words)
        assert result == "0", f"{words}: {result} {rest}\n{self.said()}"
        return rest

    def fails(self, name, *words):
        """It has to fail with that error; the sentence."""
        result, rest = self.ask(*words)
        assert result == name, f"{words}: {name} wanted, not {result} {rest}\n{self.said()}"
        return rest

    def stat(self, name):
        result, rest = self.ask("stat", name)
        return int(rest.split()[0]) if result == "0" else None

    def until(self, name, least):
        """Until that counter is so much."""
        until(lambda: (self.stat(name) or 0) >= least, f"{name} does not come to be {least}: {self.pid}")

    def stop(self):
        """Until it has stopped."""
        self.child.send_signal(signal.SIGSTOP)
        os.waitpid(self.pid, os.WUNTRACED)

    def go_on(self):
        self.child.send_signal(signal.SIGCONT)

    def kill(self, sig=signal.SIGKILL):
        if self.child.poll() is None:
            self.child.send_signal(sig)
            self.child.wait(timeout=WAIT)
        return self.child.returncode

    def quit(self):
        self.tell("quit")
        assert self.child.wait(timeout=WAIT) == 0, self.said()


def opened(folder, **more):
    w = Worker(folder, **more)
    w.number = int(w.do("open", "auto"))
    return w


def place(folder):
    return os.path.join(folder, "place", "node.sock")


def connect(folder):
    """A connection of our own to the host."""
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.settimeout(WAIT)
    s.connect(place(folder))
    return s


def hung_up(s):
    """Until the other side has: what it still said."""
    said = []
    while True:
        try:
            more = s.recv(4096)
        except ConnectionResetError:
            continue
        if not more:
            return said
        said.append(more)
