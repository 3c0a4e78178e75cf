"""What the tests of the command share: running it, nodes in temporary directories, receivers that are waited for.

Each test prints a line per case, as cmocka does, so that cases are counted. Every wait is bounded, no child is left.
"""
import contextlib
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

LATTICE = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else "lattice"
WAIT = 180         # seconds; reached only when something is broken. Sanitizers are slow, and so is a busy machine
# Where its processes meet: no other test's do.
PLACE = tempfile.TemporaryDirectory(prefix="lattice-place-")
ENV = {k: v for k, v in os.environ.items() if k != "LATTICE_STATE_DIR"}
ENV["LATTICE_SOCKET"] = os.path.join(PLACE.name, "node.sock")

_cases = []


class Skip(Exception):
    """This machine lacks something."""


def case(function):
    _cases.append(function)
    return function


def main():
    failed = 0
    for function in _cases:
        name = function.__name__
        print(f"[ RUN      ] {name}", flush=True)
        try:
            with tempfile.TemporaryDirectory(prefix="lattice-cli-") as folder:
                function(folder)
            print(f"[       OK ] {name}", flush=True)
        except Skip as why:
            print(f"skipped: {why}\n[  SKIPPED ] {name}", flush=True)
        except Exception:   # pylint: disable=broad-except
            traceback.print_exc(file=sys.stdout)
            print(f"[  FAILED  ] {name}", flush=True)
            failed += 1
    return 1 if failed or not _cases else 0


class Done:
    """A command that has ended."""

    def __init__(self, args, status, out, err):
        self.args, self.status, self.out, self.err = args, status, out, err

    def __str__(self):
        return f"lattice {' '.join(map(str, self.args))}\n status {self.status}\n out {self.out[:400]!r}\n err {self.err[:1200]!r}"


def patient(*args):
    """A command's arguments: what waits for another node waits long, unless the test is about waiting."""
    waits = args[0] in ("send", "ping", "stats") and "--timeout" not in args and "--help" not in args
    return [*map(str, args), *(["--timeout", str(WAIT)] if waits else [])]


def run(*args, stdin=b"", env=None):
    done = subprocess.run([LATTICE, *map(str, args)], input=stdin, capture_output=True, timeout=2 * WAIT,
                          check=False, env={**ENV, **(env or {})})
    return Done(args, done.returncode, done.stdout, done.stderr.decode(errors="replace"))


def expect(done, status, *says, why=""):
    """That a command ended with @status and that each of @says (patterns) is on its standard error."""
    assert done.status == status, f"{why}: status {status} wanted\n{done}"
    for pattern in says:
        assert re.search(pattern, done.err), f"{why}: '{pattern}' is not in what it says\n{done}"
    assert "Sanitizer" not in done.err, str(done)
    return done


def free_port():
    """Below the ports that the kernel hands out by itself, so that no connection takes it before it is bound again."""
    for _ in range(100):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, \
                socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp:
            port = random.SystemRandom().randrange(10240, 32768)
            with contextlib.suppress(OSError):
                udp.bind(("0.0.0.0", port))
                tcp.bind(("0.0.0.0", port))
                return port
    raise Skip("no free port")


@contextlib.contextmanager
def deaf_port():
    """A TCP port that refuses connections, and that nobody else can get meanwhile."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp:
        tcp.bind(("127.0.0.1", 0))      # and does not listen
        yield tcp.getsockname()[1]


class Node:
    """A state directory with an identity."""

    def __init__(self, folder, name, number):
        self.dir, self.name, self.number = os.path.join(folder, name), name, number
        self.pub = self.dir + ".pub"
        done = expect(run("keygen", "-d", self.dir, "--node", number), 0)
        with open(self.pub, "wb") as file:
            file.write(done.out)
        said = json.loads(expect(self.run("id", "--json"), 0).out)
        self.print = {"fingerprint": said["fingerprint"], "words": said["words"]}

    def knows(self, other, *args):
        expect(run("peers", "add", other.pub, "-d", self.dir, "--name", other.name, *args), 0)

    def run(self, *args, **more):
        return run(*patient(*args), "-d", self.dir, **more)


def two_nodes(folder):
    """(alice, bob); bob will be told where he is by at()."""
    alice, bob = Node(folder, "alice", 1), Node(folder, "bob", 2)
    alice.knows(bob)
    bob.knows(alice)
    return alice, bob


class Ended(AssertionError):
    """A receiver has ended before it was to."""


class Receiver:
    """A running 'lattice recv', ready when the constructor returns. Use it with "with"."""

    def __init__(self, node, pid, *args, out=None):
        self.args = ["recv", pid, "-d", node.dir, "--bind", "127.0.0.1", "--port", 0, *args]
        self.start(r"receives as .*, port (\d+)", out)

    def start(self, ready, out=None):
        """What self.args say; ready once it has said that, with its port."""
        self.out = tempfile.TemporaryFile()
        self.err = tempfile.TemporaryFile()
        self.child = subprocess.Popen([LATTICE, *map(str, self.args)], stdin=subprocess.DEVNULL,
                                      stdout=self.out if out is None else out, stderr=self.err, env=ENV)
        try:
            self.port = int(self.wait_says(ready).group(1))
        except BaseException:
            self.end(signal.SIGKILL)
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end(signal.SIGKILL)

    @property
    def at(self):
        return ("--at", f"127.0.0.1:{self.port}")

    def _read(self, file):
        file.seek(0)
        return file.read()

    def said(self):
        with open(f"/proc/self/fd/{self.err.fileno()}", "rb") as file:
            return file.read().decode(errors="replace")

    def wait_says(self, pattern):
        """Until it has said that on standard error."""
        end = time.monotonic() + WAIT
        while time.monotonic() < end:
            ended = self.child.poll() is not None       # first: what it said before it ended is there
            found = re.search(pattern, self.said())
            if found:
                return found
            if ended:
                raise Ended(f"it ended: {self.said()}")
            time.sleep(0.01)
        raise AssertionError(f"'{pattern}' was not said: {self.said()}")

    def wait_file(self, folder, pattern, least):
        """Until there is a file in @folder whose name matches, of at least so many bytes."""
        end = time.monotonic() + WAIT
        while time.monotonic() < end:
            for name in os.listdir(folder):
                with contextlib.suppress(FileNotFoundError):    # it went meanwhile
                    if re.fullmatch(pattern, name) and os.path.getsize(os.path.join(folder, name)) >= least:
                        return name
            if self.child.poll() is not None:
                raise Ended(f"it ended: {self.said()}")
            time.sleep(0.01)
        raise AssertionError(f"no {pattern} of {least} bytes in {os.listdir(folder)}")

    def end(self, sig=None):
        """Waits for its end, after @sig if given."""
        if sig is not None and self.child.poll() is None:
            self.child.send_signal(sig)
        try:
            self.child.wait(timeout=WAIT)
        finally:
            if self.child.poll() is None:
                self.child.kill()
                self.child.wait()
        if self.out.closed:
            return None
        done = Done(self.args, self.child.returncode, self._read(self.out), self.said())
        self.out.close()
        self.err.close()
        return done


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)
    return path


def read(path):
    with open(path, "rb") as file:
        return file.read()


def copy(source, target):
    shutil.copytree(source, target)


class Running(Receiver):
    """A running 'lattice node run'."""

    def __init__(self, node, *args):        # pylint: disable=super-init-not-called
        self.args = ["node", "run", "-d", node.dir, "--bind", "127.0.0.1", "--port", 0, *args]
        self.start(r"runs, port (\d+)")
