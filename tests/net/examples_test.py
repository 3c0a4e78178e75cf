#!/usr/bin/env python3
"""examples_test.py LATTICE FOLDER - the examples, run as their first lines say."""
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from harness import ENV, WAIT, Node, case, deaf_port, expect, free_port, main, run  # noqa: E402  pylint: disable=all

EXAMPLES = os.path.abspath(sys.argv[2])


class Program:
    """A running example, its output in a file that can be read meanwhile."""

    def __init__(self, name, *args, state=None, stdin=subprocess.DEVNULL):
        self.file = tempfile.TemporaryFile()
        env = {**ENV, "LATTICE_STATE_DIR": state} if state else ENV
        self.child = subprocess.Popen([os.path.join(EXAMPLES, name), *map(str, args)], stdin=stdin, stdout=self.file,
                                      stderr=subprocess.STDOUT, env=env)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait()
        self.file.close()

    def text(self):
        with open(f"/proc/self/fd/{self.file.fileno()}", "rb") as file:
            return file.read().decode(errors="replace")

    def says(self, pattern):
        end = time.monotonic() + WAIT
        while time.monotonic() < end:
            if found := re.search(pattern, self.text()):
                return found
            assert self.child.poll() is None, f"'{pattern}' was not said: {self.text()[-2000:]}"
            time.sleep(0.01)
        raise AssertionError(f"'{pattern}' was not said: {self.text()[-2000:]}")

    def answers(self, least):
        """Waits until it has had so many; how many it has."""
        end = time.monotonic() + WAIT
        while (count := self.text().count(": type 42")) < least:
            assert time.monotonic() < end and self.child.poll() is None, f"{least} answers wanted: {self.text()[-2000:]}"
            time.sleep(0.01)
        return count

    def end(self, sig=None):
        if sig is not None:
            self.child.send_signal(sig)
        status = self.child.wait(timeout=WAIT)
        assert "Sanitizer" not in self.text(), self.text()
        return status


def acquainted(folder):
    """(ping's, pong's) nodes: pong is node 1, as ping takes it to be."""
    ping, pong = Node(folder, "ping", 2), Node(folder, "pong", 1)
    ping.knows(pong)
    pong.knows(ping)
    return ping, pong


WAYS = [(host, proto) for host in ("127.0.0.1", "::1", "localhost") for proto in ("udp", "tcp")]


@case
def hello_and_local(_):
    for name, says in (("hello", "pid 1 says: hello"), ("local", "pid 7 received message 1 of pid 1"),
                       ("loan", "pid 7 has 1000000 bytes of pid 1")):
        with Program(name) as program:
            assert program.end() == 0 and says in program.text(), program.text()


@case
def the_appliance_names_its_ring(_):
    """It does not hang, and says which services wait for each other; without the wrong arrow nothing is said."""
    with Program("appliance") as program:
        assert program.end() == 1 and "billing -> orders -> stock -> billing (EDEADLK)" in program.text(), program.text()
    with Program("appliance", "fixed") as program:
        assert program.end() == 0 and program.text() == "the order is answered, by the work of 19\n", program.text()


@case
def a_store_is_asked(_):
    with Program("store", "shop") as store:
        pid = store.says(r"has the service 'shop', pid (\d+)").group(1)
        for args, status, says in ((("put", "shop", "bread", "fresh"), 0, ""), (("get", "shop", "bread"), 0, "fresh\n"),
                                   (("get", "shop", "milk"), 1, "nothing is kept as 'milk'"),
                                   (("put", "shop", "k" * 64, "v"), 0, ""), (("get", "shop", "k" * 64), 1, "nothing is kept"),
                                   (("put", "shop", "bread", "stale"), 0, ""), (("get", "shop", "bread"), 0, "stale\n"),
                                   (("put", "store", "bread", "fresh"), 1, "no service of this node is called 'store'"),
                                   (("get", "shop"), 2, "usage")):
            with Program("ask", *args) as ask:
                assert ask.end() == status and says in ask.text(), f"{args}: {ask.text()}"
        with Program("store", "shop") as second:
            assert second.end() == 1 and "is the service 'shop' already" in second.text(), second.text()
        expect(run("send", pid, "-m", "x" * 100000), 0)     # of no type that it knows
        with Program("ask", "get", "shop", "bread") as ask:
            assert ask.end() == 0 and ask.text() == "stale\n", ask.text()


@case
def ping_and_pong_over_every_way(folder):
    ping, pong = acquainted(folder)
    port = free_port()
    with Program("pong", port, state=pong.dir) as answering:
        answering.says("node 1 listens as pid 1")
        for host, proto in WAYS:
            with Program("ping", 1, host, port, proto, 3, free_port(), state=ping.dir) as asking:
                assert asking.end() == 0, f"{host} {proto}: {asking.text()}"
                assert re.findall(r"answer (\d): type 42 from pid 1\n", asking.text()) == ["1", "2", "3"], asking.text()
        assert answering.end(signal.SIGTERM) == 0, answering.text()


@case
def pong_is_killed_and_started_again(folder):
    ping, pong = acquainted(folder)
    for host, proto in WAYS[:4]:
        port = free_port()
        with Program("ping", 1, host, port, proto, 1000000, free_port(), state=ping.dir) as asking:
            with Program("pong", port, state=pong.dir) as first:
                first.says("listens")
                asking.answers(3)
                first.end(signal.SIGKILL)
            before = asking.answers(3)
            with Program("pong", port, state=pong.dir) as second:
                second.says("listens")
                asking.answers(before + 3)


@case
def ping_says_what_is_wrong(folder):
    ping = Node(folder, "ping", 2)
    pong = Node(folder, "pong", 1)
    own = free_port()

    def says(*args):
        with Program("ping", *args, state=ping.dir) as asking:
            assert asking.end() == 1, asking.text()
            return asking.text()

    assert re.search("ENOKEY", says(1, "127.0.0.1", 1, "udp", 1, own))
    ping.knows(pong)
    assert re.search("ENOENT|EAGAIN", says(1, "no-such-name.invalid", 1, "udp", 1, own))
    assert re.search("EINVAL", says(1, "127.0.0.1", 0, "udp", 1, own))
    with deaf_port() as port:
        assert re.search("ECONNREFUSED", says(1, "127.0.0.1", port, "tcp", 1, own))
    with Program("pong", own, state=pong.dir) as answering:
        answering.says("listens")
        assert re.search("EADDRINUSE", says(1, "127.0.0.1", own, "udp", 1, own))


@case
def an_endpoint_in_an_event_loop(_):
    read, write = os.pipe()
    with Program("epoll", stdin=read) as program:
        os.close(read)
        program.says("pid 1 says: tick")
        os.write(write, b"a line\n")
        program.says("pid 1 says: a line\n")
        os.write(write, b"no end")
        program.says("pid 1 says: no end\n")
        os.close(write)
        assert program.end() == 0, program.text()


@case
def a_scheduler_of_the_programs_own(_):
    with Program("coroutines") as program:
        assert program.end() == 0, program.text()
        said = program.text().splitlines()
    assert said[-1] == "ping 1000, pong 1000, ticks 3", said  # before it, a sanitizer may say what it thinks of swapcontext


if __name__ == "__main__":
    sys.exit(main())
