#!/usr/bin/env python3
"""Peers that behave badly, on the loopback interface: they do not read, break off, come again and again, or claim a number."""
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from harness import (ENV, LATTICE, WAIT, Node, Receiver, case, copy, expect, main, read, run, two_nodes,  # noqa: E402
                     write)  # pylint: disable=all

SENT = 6 << 20
RELAYED = ("--tcp", "--timeout", WAIT)


class Relay:
    """
    Forwards TCP to @port; what it does to its nth connection, plan(n) says: None: all goes through. ("reset", bytes):
    resets both sides once so much of the caller's has gone through. ("hold", bytes): then it reads no more, of
    either side, and closes nothing.
    """

    def __init__(self, port, plan):
        self.to, self.plan, self.count, self.done, self.held = port, plan, 0, 0, threading.Event()
        self.open, self.lock = [], threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def at(self):
        return ("--at", f"127.0.0.1:{self.port}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        with self.lock:
            for one in self.open:
                self._shut(one)

    @staticmethod
    def _shut(one, reset=False):
        try:
            if reset:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                one.close()
            else:
                one.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.to))
            except OSError:
                return
            with self.lock:
                self.open += [near, far]
                self.count += 1
                plan = self.plan(self.count)
            still = threading.Event()
            threading.Thread(target=self._forward, args=(near, far, plan, still), daemon=True).start()
            threading.Thread(target=self._forward, args=(far, near, None, still), daemon=True).start()

    def _forward(self, source, target, plan, still):
        left = plan[1] if plan else 0
        try:
            while data := source.recv(min(65536, left) if plan else 65536):
                if still.is_set():
                    return
                target.sendall(data)
                left -= len(data)
                if plan and left == 0 and plan[0] == "reset":
                    self.done += 1
                    self._shut(source, True)
                    self._shut(target, True)
                    return
                if plan and left == 0:
                    still.set()
                    self.held.set()
                    return
        except OSError:
            pass
        self._shut(source)
        self._shut(target)


def send_file_through(folder, plan, least):
    """A file arrives whole though the connection breaks; @least connections were made. The relay."""
    alice, bob = two_nodes(folder)
    source = write(os.path.join(folder, "in"), os.urandom(SENT))
    out = os.path.join(folder, "out")
    with Receiver(bob, 7, "-o", out) as recv, Relay(recv.port, plan) as relay:
        expect(alice.run("send", "7@bob", "-f", source, *RELAYED, *relay.at), 0)
        expect(recv.end(), 0)
        assert hashlib.sha256(read(out)).digest() == hashlib.sha256(read(source)).digest()
        assert relay.count >= least, f"{relay.count} connections"
        return relay


@case
def one_that_resets_in_mid_frame(folder):
    # Odd lengths: a frame is hardly ever whole. The handshake's packets break off too.
    lengths = [1, 700, 1233, 3001, 4444, 99991, 250007, 499979, 900001]
    relay = send_file_through(folder, lambda n: ("reset", lengths[n - 1]) if n <= len(lengths) else None, 5)
    assert relay.done >= 5, relay.done


@case
def one_that_stops_reading(folder):
    """And writes no more: the kernel takes what nobody reads, so only the silence shows. It goes on by another connection."""
    relay = send_file_through(folder, lambda n: ("hold", 1 << 20) if n == 1 else None, 2)
    assert relay.held.is_set()


@case
def one_that_accepts_and_says_nothing(folder):
    alice, _ = two_nodes(folder)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        heard = []

        def accept():
            try:
                while True:
                    heard.append(mute.accept()[0])
            except OSError:
                pass

        threading.Thread(target=accept, daemon=True).start()
        at = ("--tcp", "--at", f"127.0.0.1:{mute.getsockname()[1]}", "--timeout", 1)
        expect(alice.run("send", "7@bob", "-m", "x", *at), 3, "ETIMEDOUT|EHOSTUNREACH")
        expect(alice.run("ping", "bob", *at), 3, "ETIMEDOUT|EHOSTUNREACH")
        mute.shutdown(socket.SHUT_RDWR)
    assert heard


@case
def one_that_comes_again_and_again(folder):
    """Strangers that connect, say a little or nothing, and go: whoever is known is served meanwhile, over the same port."""
    alice, bob = two_nodes(folder)
    said = [b"", b"\0", b"\xff\xff", b"\0\0", b"\x18\0" + b"\x63" * 24, b"\xd0\x04\x01\x01" + b"\0" * 60, os.urandom(3000)]
    with Receiver(bob, 7) as recv:
        ping = subprocess.Popen([LATTICE, "ping", "bob", "-d", alice.dir, "-c", "100000", "-i", "0.001", "--tcp", "--json",
                                 "--timeout", str(WAIT), *recv.at], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=ENV)
        try:
            wait_up(alice)
            for i in range(400):
                try:
                    with socket.create_connection(("127.0.0.1", recv.port)) as stranger:
                        stranger.sendall(said[i % len(said)])
                        if i % 2:
                            stranger.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                except OSError:     # it has closed before we had finished
                    pass
            ping.send_signal(signal.SIGINT)
            result = json.loads(ping.communicate(timeout=WAIT)[0])
        finally:
            ping.kill()
            ping.wait()
        assert result["sent"] > 0 and result["lost"] == 0, result
        expect(recv.end(signal.SIGTERM), 0)


@case
def strangers_that_stay(folder):
    """More connections than strangers may have: what is over is refused, and UDP knows nothing of it."""
    alice, bob = two_nodes(folder)
    with Receiver(bob, 7) as recv:
        held = [socket.create_connection(("127.0.0.1", recv.port)) for _ in range(100)]
        expect(alice.run("ping", "bob", "-c", 5, "-i", 0, "--udp", *recv.at), 0)
        # Over TCP she gets in as soon as the strangers' time is up.
        expect(alice.run("send", "7@bob", "-m", "x", *RELAYED, *recv.at), 0)
        for one in held:
            one.close()
        expect(recv.end(signal.SIGTERM), 0)


def wait_up(node):
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        done = run("stats", "--json", "-d", node.dir)
        if done.status == 0 and b'"up":true' in done.out.replace(b" ", b""):
            return
        time.sleep(0.01)
    raise AssertionError(f"no session: {done}")


# ---- two nodes that claim one number: the key decides ----

@case
def another_key_under_a_known_number(folder):
    """Mallory has made himself node 2, as bob is. Alice knows bob's key: mallory is nobody to her, wherever he stands."""
    alice, bob = two_nodes(folder)
    mallory = Node(os.path.join(folder), "mallory", 2)
    mallory.knows(alice)
    # He stands at bob's address: she calls, and gets no answer.
    with Receiver(mallory, 7) as recv:
        for proto in ("--udp", "--tcp"):
            expect(alice.run("send", "7@2", "-m", "x", proto, "--timeout", 1, *recv.at), 3, "ETIMEDOUT|EHOSTUNREACH|ECONNRESET",
                   why=proto)
        assert expect(recv.end(signal.SIGTERM), 0).out == b""
    # He calls her: no answer either. Bob, who has the key, is served.
    with Receiver(alice, 7, "-n", 1) as recv:
        for proto in ("--udp", "--tcp"):
            expect(mallory.run("send", "7@1", "-m", "x", proto, "--timeout", 1, *recv.at), 3, "ETIMEDOUT|EHOSTUNREACH|ECONNRESET",
                   why=proto)
        expect(bob.run("send", "7@1", "-m", "from bob", *recv.at), 0)
        assert expect(recv.end(), 0).out == b"from bob\n"
    # His key does not replace bob's, nor does bob's key get a second number.
    expect(run("peers", "add", mallory.pub, "-d", alice.dir), 1, "EKEYREJECTED", "fingerprint|peers remove")
    expect(bob.run("send", "7@1", "-m", "x", "--timeout", 1, "--at", "127.0.0.1:9"), 3)


@case
def a_number_that_is_not_the_one_configured(folder):
    """Bob is node 2, and alice was told 3: the handshake proves the key, and the number differs."""
    alice, bob = Node(folder, "alice", 1), Node(folder, "bob", 2)
    wrong = write(os.path.join(folder, "wrong.pub"), read(bob.pub).replace(b"node = 2", b"node = 3"))
    bob.knows(alice)
    expect(run("peers", "add", wrong, "-d", alice.dir, "--name", "bob"), 0)
    with Receiver(bob, 7) as recv:
        for proto in ("--udp", "--tcp"):
            expect(alice.run("ping", "bob", proto, *recv.at), 1, "number differ", "EPROTO", why=proto)
        assert expect(recv.end(signal.SIGTERM), 0).out == b""


@case
def one_identity_twice(folder):
    """Two processes with bob's key: the state directory lets one run; a copy of it takes over when it is called or calls."""
    alice, bob = two_nodes(folder)
    double = Node.__new__(Node)
    double.dir, double.name, double.number, double.pub = os.path.join(folder, "double"), "bob", 2, bob.pub
    copy(bob.dir, double.dir)
    with Receiver(bob, 7, "-n", 2) as first:
        expect(run("recv", 8, "-d", bob.dir, "--port", 0), 1, "EBUSY")
        expect(alice.run("send", "7@bob", "-m", "to the first", *first.at), 0)
        with Receiver(double, 7, "-n", 1) as second:
            expect(alice.run("send", "7@bob", "-m", "to the second", *second.at), 0)
            assert expect(second.end(), 0).out == b"to the second\n"
        expect(alice.run("send", "7@bob", "-m", "to the first again", *first.at), 0)
        assert expect(first.end(), 0).out == b"to the first\nto the first again\n"


if __name__ == "__main__":
    sys.exit(main())
