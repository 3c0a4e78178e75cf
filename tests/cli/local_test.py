"""Messages between processes of this machine: no key, no port, no node started first."""
import contextlib
import json
import os
import re
import signal
import subprocess
import tempfile
import time

from harness import ENV, LATTICE, WAIT, Node, case, expect, free_port, main, run


class Command:
    """A running command, in a machine of its own: an empty home, and a place to meet."""

    def __init__(self, folder, *args):
        self.env = machine(folder)
        self.args = args
        self.out, self.err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        self.child = subprocess.Popen([LATTICE, *map(str, args)], stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.err,
                                      env=self.env)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end(signal.SIGKILL)
        self.out.close()
        self.err.close()

    @staticmethod
    def read(file):
        with open(f"/proc/self/fd/{file.fileno()}", "rb") as again:
            return again.read().decode(errors="replace")

    def says(self, pattern):
        end = time.monotonic() + WAIT
        while not re.search(pattern, self.read(self.err)):
            assert time.monotonic() < end and self.child.poll() is None, f"{self.args}: {self.read(self.err)}"
            time.sleep(0.01)
        return self

    def end(self, sig=None):
        if sig is not None and self.child.poll() is None:
            self.child.send_signal(sig)
        self.child.wait(timeout=WAIT)
        return self.child.returncode, self.read(self.out)


def machine(folder):
    return {**{k: v for k, v in ENV.items() if not k.startswith("XDG_")}, "HOME": os.path.join(folder, "home"),
            "LATTICE_STATE_DIR": os.path.join(folder, "none"), "LATTICE_SOCKET": os.path.join(folder, "place", "node.sock")}


def here(folder, *args, **more):
    return run(*args, env=machine(folder), **more)


def receiver(folder, *args):
    return Command(folder, "recv", *args).says("receives as pid")


@case
def two_terminals(folder):
    with receiver(folder, 7, "-n", 2) as recv:
        done = expect(here(folder, "send", 7, "-m", "hi", "--json"), 0)
        assert json.loads(done.out)["messages"] == 1
        expect(here(folder, "send", 7, "-", stdin=b"there"), 0)
        assert recv.end() == (0, "hi\nthere\n")
    assert os.listdir(folder) == ["place"], "something was made"
    assert sorted(os.listdir(os.path.join(folder, "place"))) == ["node.key", "node.lock"]


@case
def nobody_receives(folder):
    expect(here(folder, "send", 7, "-m", "hi"), 3, "nobody receives as pid 7")
    expect(here(folder, "node", "status"), 3, "nobody hosts")
    with receiver(folder, 8):
        expect(here(folder, "send", 7, "-m", "hi"), 3, "nobody receives as pid 7")
        expect(here(folder, "recv", 8), 1, r"process \d+ receives as pid 8 already")


@case
def a_receiver_that_is_killed(folder):
    with receiver(folder, 7) as first:
        first.end(signal.SIGKILL)
        expect(here(folder, "send", 7, "-m", "hi"), 3, "nobody receives as pid 7")
        with receiver(folder, 7, "-n", 1) as second:
            expect(here(folder, "send", 7, "-m", "again"), 0)
            assert second.end() == (0, "again\n")


@case
def who_hosts_goes_and_the_others_stay(folder):
    with receiver(folder, 7) as first, receiver(folder, 8, "-n", 1) as second:
        said = [json.loads(line) for line in expect(here(folder, "node", "status", "--json"), 0).out.splitlines()]
        assert said[0]["process"] == first.child.pid
        assert said[0]["socket"] == machine(folder)["LATTICE_SOCKET"]
        assert said[1:] == [{"pid": 7, "process": first.child.pid, "service": ""}, {"pid": 8, "process": second.child.pid, "service": ""}]
        first.end(signal.SIGKILL)
        end = time.monotonic() + WAIT
        while here(folder, "send", 8, "-m", "still here").status != 0:   # until the next one hosts
            assert time.monotonic() < end
        assert second.end() == (0, "still here\n")


@case
def who_hosts_leaves_and_nobody_notices(folder):
    with receiver(folder, 7) as first, receiver(folder, 8, "-n", 2) as second:
        expect(here(folder, "send", 8, "-m", "before"), 0)
        first.end(signal.SIGTERM)
        expect(here(folder, "send", 8, "-m", "after"), 0)
        assert second.end() == (0, "before\nafter\n")
    assert sorted(os.listdir(os.path.join(folder, "place"))) == ["node.key", "node.lock"]


@case
def a_receiver_has_the_pid_that_senders_have(folder):
    with receiver(folder, 1, "-n", 1) as recv:
        expect(here(folder, "send", 1, "--from", 1, "-m", "hi"), 1, "or not as pid 1, which is another's")
        expect(here(folder, "send", 1, "-m", "hi"), 0)
        assert recv.end() == (0, "hi\n")


@case
def a_node_that_only_runs(folder):
    node, port = Node(folder, "alice", 41), free_port()
    with Command(folder, "node", "run", "-d", node.dir, "--port", port, "--bind", "127.0.0.1").says("node 41 runs") as runs:
        said = expect(here(folder, "node", "status"), 0).out.decode()
        assert said.startswith(f"node 41, hosted by process {runs.child.pid} at "), said
        with receiver(folder, 7, "-n", 1) as recv:
            recv.says("node 41 receives as pid 7, from this machine's")
            expect(here(folder, "send", 7, "-m", "hi"), 0)
            assert recv.end() == (0, "hi\n")
        assert runs.end(signal.SIGTERM)[0] == 0
    expect(here(folder, "node", "status"), 3)


@case
def a_node_that_cannot_host(folder):
    node = Node(folder, "alice", 41)
    with receiver(folder, 7) as recv, \
            Command(folder, "node", "run", "-d", node.dir, "--port", 0, "--bind", "127.0.0.1") as runs:
        runs.says("another one hosts")
        recv.end(signal.SIGTERM)
        assert runs.end(signal.SIGINT)[0] == 0


@case
def where_there_is_an_identity_there_is_a_network(folder):
    env = machine(folder)
    expect(run("keygen", "-d", env["LATTICE_STATE_DIR"], "--node", 9), 0)
    with contextlib.ExitStack() as stack:
        recv = stack.enter_context(Command(folder, "recv", 7, "-n", 1, "--bind", "127.0.0.1", "--port", 0))
        recv.says("node 9 receives as pid 7, port [1-9]")
        # A second one is part of the node that runs on that directory.
        more = stack.enter_context(receiver(folder, 8, "-n", 1))
        more.says("node 9 receives as pid 8, from this machine's")
        expect(here(folder, "send", 8, "-m", "eight"), 0)
        expect(here(folder, "send", 7, "-m", "seven"), 0)
        assert more.end() == (0, "eight\n")
        assert recv.end() == (0, "seven\n")


if __name__ == "__main__":
    raise SystemExit(main())
