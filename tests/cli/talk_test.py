#!/usr/bin/env python3
"""Two nodes in two processes: messages, files, pings, and everything that keeps them from talking."""
import base64
import contextlib
import json
import os
import pty
import re
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time

from harness import (ENV, LATTICE, WAIT, Done, Ended, Node, Receiver, Skip, case, copy, deaf_port, expect, main, patient, read, run,
                     two_nodes, write)

PROTOS = ("--udp", "--tcp")


@case
def a_text_both_ways_over_both(folder):
    alice, bob = two_nodes(folder)
    for sender, receiver in ((alice, bob), (bob, alice)):
        with Receiver(receiver, 7, "-n", 4) as recv:
            for proto in PROTOS:
                expect(sender.run("send", f"7@{receiver.name}", "-m", "Gr\u00fc\u00dfe " + proto, proto, *recv.at), 0)
                expect(sender.run("send", f"7@{receiver.number}", "-m", "", proto, *recv.at), 0)
            done = expect(recv.end(), 0)
            assert done.out.decode() == "Gr\u00fc\u00dfe --udp\n\nGr\u00fc\u00dfe --tcp\n\n", done


@case
def lines_arrive_in_order(folder):
    alice, bob = two_nodes(folder)
    lines = b"".join(b"line %d\n" % i for i in range(500))
    with Receiver(bob, 7, "-n", 501) as recv:
        expect(alice.run("send", "7@bob", "-", *recv.at, stdin=lines + b"no end"), 0)
        assert expect(recv.end(), 0).out == lines + b"no end\n"


@case
def files_arrive_whole(folder):
    alice, bob = two_nodes(folder)
    out = os.path.join(folder, "out")
    sizes = (0, 1, 32768, 32769, 1000000)
    with Receiver(bob, 7, "-o", out, "-n", 2 * len(sizes)) as recv:
        for proto in PROTOS:
            for size in sizes:
                source = write(os.path.join(folder, f"in{proto}{size}"), os.urandom(size))
                expect(alice.run("send", "7@bob", "-f", source, proto, *recv.at), 0, why=f"{proto} {size}")
        expect(recv.end(), 0, r"out: 0 bytes from 1@1")
    number = 0
    for proto in PROTOS:
        for size in sizes:
            number += 1
            got = out if number == 1 else f"{out}.{number}"
            assert read(got) == read(os.path.join(folder, f"in{proto}{size}")), f"{got} differs"
    assert len([name for name in os.listdir(folder) if name.startswith("out")]) == 2 * len(sizes)


@case
def a_file_of_unknown_length_and_to_standard_output(folder):
    alice, bob = two_nodes(folder)
    data = os.urandom(300000)
    with Receiver(bob, 7, "-o", os.path.join(folder, "out")) as recv:
        expect(alice.run("send", "7@bob", "-f", "-", *recv.at, stdin=data), 0)
        expect(recv.end(), 0)
    assert read(os.path.join(folder, "out")) == data
    with Receiver(bob, 7, "-n", 1) as recv:
        expect(alice.run("send", "7@bob", "-f", "-", *recv.at, stdin=data), 0)
        assert expect(recv.end(), 0).out == data


@case
def a_file_that_replaces_another(folder):
    alice, bob = two_nodes(folder)
    out, new = os.path.join(folder, "out"), os.path.join(folder, "new")
    write(out, b"old")
    write(new, b"new")
    with Receiver(bob, 7, "-o", out) as recv:
        expect(alice.run("send", "7@bob", "-f", new, *recv.at), 0)
        expect(recv.end(), 0)
    assert read(out) == b"new"


class SlowWay:
    """Carries one TCP connection to @port, of what goes there @piece bytes four times a second. Use it with "with"."""

    def __init__(self, port, piece):
        self.piece, self.ends = piece, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(WAIT)
        self.port, self.to = self.listener.getsockname()[1], port
        self.threads = [threading.Thread(target=self.carry)]
        self.threads[0].start()

    def carry(self):
        with contextlib.suppress(OSError):
            self.ends = [self.listener.accept()[0], socket.create_connection(("127.0.0.1", self.to))]
            self.threads.append(threading.Thread(target=self.pump, args=(*reversed(self.ends), 65536, 0)))
            self.threads[-1].start()
            self.pump(*self.ends, self.piece, 0.25)

    @staticmethod
    def pump(source, sink, piece, pause):
        with contextlib.suppress(OSError):
            while data := source.recv(piece):
                sink.sendall(data)
                time.sleep(pause)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for one in [self.listener, *self.ends]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()
        for one in [self.listener, *self.ends]:
            one.close()


@case
def a_slow_way_is_not_a_broken_one(folder):
    """The acknowledgements of a whole file take three times the longest wait, each of them a small part of it."""
    alice, bob = two_nodes(folder)
    source = write(os.path.join(folder, "in"), os.urandom(900000))
    for timeout in (1, 4, 16, 64):      # on a busy machine a part takes longer, too
        out = os.path.join(folder, f"out{timeout}")
        with Receiver(bob, 7, "-o", out) as recv, SlowWay(recv.port, 75000 // timeout) as way:
            done = alice.run("send", "7@bob", "-f", source, "--tcp", "--at", f"127.0.0.1:{way.port}", "--timeout", timeout)
            if done.status == 0:
                expect(recv.end(), 0)
                assert read(out) == read(source)
                return
    expect(done, 0)


@case
def only_a_file_is_replaced(folder):
    """A device, a pipe or a link under that name would be gone, and be a file: nothing is begun."""
    alice, bob = two_nodes(folder)
    names = {kind: os.path.join(folder, kind) for kind in ("folder", "pipe", "link", "dangling", "socket")}
    os.mkdir(names["folder"])
    os.mkfifo(names["pipe"])
    os.symlink(write(os.path.join(folder, "in"), b"x"), names["link"])
    os.symlink("nowhere", names["dangling"])
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as unix:
        unix.bind(names["socket"])
    for kind, name in [*names.items(), ("a device", "/dev/null")]:
        before = os.lstat(name)
        expect(bob.run("recv", "7", "--port", 0, "--timeout", 1, "-o", name), 1, "is there and is no regular file", why=kind)
        assert os.lstat(name)[:2] == before[:2], kind
    out = os.path.join(folder, "out")
    os.mkfifo(out + ".2")
    with Receiver(bob, 7, "-o", out, "-n", 2) as recv:      # nor is it when its name comes later
        for _ in range(2):
            alice.run("send", "7@bob", "-f", os.path.join(folder, "in"), *recv.at)
        expect(recv.end(), 1, r"out\.2 is there and is no regular file")
    assert read(out) == b"x" and stat.S_ISFIFO(os.lstat(out + ".2").st_mode)


@case
def a_file_of_the_kernels_own(folder):
    """Its length is 0, and there is something in it."""
    alice, bob = two_nodes(folder)
    source, out = "/proc/self/limits", os.path.join(folder, "out")
    if not os.path.exists(source):
        raise Skip("no /proc")
    with Receiver(bob, 7, "-o", out) as recv:
        expect(alice.run("send", "7@bob", "-f", source, *recv.at), 0)
        expect(recv.end(), 0)
    assert read(out).startswith(b"Limit ")


class SlowSender:
    """Sends a file out of a pipe, so that it can be stopped in the middle of it."""

    def __init__(self, node, *args):
        self.child = subprocess.Popen([LATTICE, *patient("send", "7@bob", "-f", "-", "-d", node.dir, *args)],
                                      stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENV)

    def feed(self, data):
        with contextlib.suppress(BrokenPipeError):      # it has ended, with its receiver
            self.child.stdin.write(data)
            self.child.stdin.flush()

    def kill(self):
        self.child.kill()
        self.child.wait(timeout=WAIT)
        with contextlib.suppress(BrokenPipeError):
            self.child.stdin.close()


def with_more_time(try_it):
    """What is about a short wait, but must first be reached within it: the wait is longer until it is."""
    for timeout in (1, 5, 25):
        try:
            return try_it(timeout)
        except Ended:
            continue
    return try_it(125)


@case
def a_file_that_breaks_off_leaves_nothing(folder):
    alice, bob = two_nodes(folder)
    out = os.path.join(folder, "results")
    os.mkdir(out)
    target = os.path.join(out, "out")
    write(target, b"what was there before")

    def try_it(timeout):
        with Receiver(bob, 7, "-o", target, "--timeout", timeout) as recv:
            sender = SlowSender(alice, *recv.at)
            try:
                sender.feed(os.urandom(100000))
                recv.wait_file(out, r"out\..{6}", 1)
            finally:
                sender.kill()
            expect(recv.end(), 1, "broke off", "nothing of it was kept")

    with_more_time(try_it)
    assert os.listdir(out) == ["out"] and read(target) == b"what was there before"


@case
def what_others_send_does_not_keep_a_broken_file_alive(folder):
    alice, bob = two_nodes(folder)
    carol = Node(folder, "carol", 3)
    carol.knows(bob)
    bob.knows(carol)
    out = os.path.join(folder, "out")

    def try_it(timeout):
        with Receiver(bob, 7, "-o", out, "--timeout", timeout) as recv:
            sender = SlowSender(alice, *recv.at)
            try:
                sender.feed(os.urandom(100000))
                recv.wait_file(folder, r"out\..{6}", 1)
            finally:
                sender.kill()
            with subprocess.Popen([LATTICE, *patient("send", "7@bob", "-", "-d", carol.dir, *recv.at)], env=ENV,
                                  bufsize=0, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as talking:
                end = time.monotonic() + WAIT
                while recv.child.poll() is None:
                    assert time.monotonic() < end, "it goes on"
                    with contextlib.suppress(BrokenPipeError):
                        talking.stdin.write(b"still here\n")
                    time.sleep(0.05)
                talking.kill()
            expect(recv.end(), 1, "broke off", "nothing of it was kept")

    with_more_time(try_it)
    assert not os.path.exists(out)


@case
def an_interrupted_receiver_leaves_nothing(folder):
    alice, bob = two_nodes(folder)
    out = os.path.join(folder, "results")
    os.mkdir(out)
    with Receiver(bob, 7, "-o", os.path.join(out, "out")) as recv:
        sender = SlowSender(alice, *recv.at)
        try:
            sender.feed(os.urandom(100000))
            recv.wait_file(out, r"out\..{6}", 1)
            expect(recv.end(signal.SIGINT), 1, "interrupted")
        finally:
            sender.kill()
    assert os.listdir(out) == []


@case
def a_file_that_cannot_be_read_or_written(folder):
    alice, bob = two_nodes(folder)
    expect(alice.run("send", "7@bob", "-f", folder + "/none", "--at", "127.0.0.1:1"), 1, "No such file")
    gone = os.path.join(folder, "none")
    expect(bob.run("recv", "7", "--port", 0, "-o", os.path.join(gone, "out")), 1, "none/out cannot be written: No such file")
    expect(bob.run("recv", "7", "--port", 0, "-o", os.path.join(bob.pub, "out")), 1, "pub/out cannot be written: Not a directory")
    os.mkdir(gone)
    with Receiver(bob, 7, "-o", os.path.join(gone, "out")) as recv:
        os.rmdir(gone)
        source = write(os.path.join(folder, "in"), b"x" * 100)
        alice.run("send", "7@bob", "-f", source, *recv.at)
        expect(recv.end(), 1, "none/out cannot be written")
    with Receiver(bob, 7, "-o", os.path.join(folder, "out")) as recv:
        expect(alice.run("send", "7@bob", "-f", folder, *recv.at), 1, "Is a directory", "given up")
        expect(recv.end(), 1, "its sender gave up")
    assert not os.path.exists(os.path.join(folder, "out"))


@case
def pings(folder):
    alice, bob = two_nodes(folder)
    with Receiver(bob, 7) as recv:
        for proto in PROTOS:
            done = expect(alice.run("ping", "bob", "-c", 50, "-i", 0, proto, "--json", *recv.at), 0)
            result = json.loads(done.out)
            assert result["node"] == 2 and result["transport"] == proto[2:], result
            assert result["sent"] == 50 and result["lost"] == 0 and result["handshake_ns"] > 0, result
            assert 0 < result["min_ns"] <= result["median_ns"] <= result["p99_ns"] <= result["max_ns"], result
            assert result["queue_ns"] + result["crypto_ns"] + result["wire_ns"] == result["median_ns"], result
        done = expect(alice.run("ping", "7@2", "-c", 3, "-i", 0.01, "-v", *recv.at), 0)
        text = done.out.decode()
        assert "node 2" in text or "7@2" in text, text
        assert "handshake" in text and "ping 3:" in text and "3 pings over udp, 0 lost" in text, text
        assert expect(recv.end(signal.SIGTERM), 0).out == b""


@case
def a_terminal_is_shown_the_sender_and_no_control_characters(folder):
    alice, bob = two_nodes(folder)
    master, slave = pty.openpty()
    with Receiver(bob, 7, "-n", 2, out=slave) as recv:
        text = b"\x1b[2Jred\x07 \xc2\x9b1m \x7f gr\xc3\xbcn\ttab \x9b2J\xc3 \xe2\x82\xac \xe2\x82"
        expect(alice.run("send", "7@bob", "-", *recv.at, stdin=text), 0)
        # A file's bytes do not belong on a terminal: it is passed over.
        expect(alice.run("send", "7@bob", "-f", write(os.path.join(folder, "in"), b"bytes"), *recv.at), 0)
        expect(alice.run("send", "7@bob", "-m", "last", "--from", 9, "--type", 5, *recv.at), 0)
        expect(recv.end(), 0, "a file from 1@1 is ignored: -o FILE would keep it")
    os.close(slave)
    shown = b""
    while b"last" not in shown:
        shown += os.read(master, 4096)
    os.close(master)
    assert shown.replace(b"\r\n", b"\n").startswith(
        b"1@1: ?[2Jred? ?1m ? gr\xc3\xbcn?tab ?2J? \xe2\x82\xac ??\n9@1 (type 5): last"), shown


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


@case
def results_as_json(folder):
    alice, bob = two_nodes(folder)
    out = os.path.join(folder, "out")
    texts = ["hello", 'quotes " and \\ and \t', "Gr\u00fc\u00dfe \U0001f600", ""]
    with Receiver(bob, 7, "-n", len(texts) + 1, "--json") as recv:
        for text in texts:
            done = expect(alice.run("send", "7@bob", "-m", text, "--type", 3, "--from", 9, "--json", *recv.at), 0)
            assert lines(done.out) == [{"node": 2, "pid": 7, "messages": 1, "bytes": len(text.encode())}], done
        expect(alice.run("send", "7@bob", "-", *recv.at, stdin=b"\xff\xc0\xaf\n"), 0)
        got = lines(expect(recv.end(), 0).out)
    assert got[:-1] == [{"source": 9, "node": 1, "type": 3, "seq": 1, "lost": 0, "text": text} for text in texts], got
    assert got[-1] == {"source": 1, "node": 1, "type": 0, "seq": 1, "lost": 0, "base64": "/8Cv"}, got
    # What is text and what is not is what Python says it is.
    rows = [b"\x01\x7f\x00\r\x1b[2J", b"\xc2\x80", b"\xc2\x9b2J", b"\xc2\x9f\xc2\xa0", b"\xc1\xbf", b"\xc2", b"\xc2a", b"\xe0\xa0\x80", b"\xe0\x9f\xbf", b"\xed\x9f\xbf",
            b"\xed\xa0\x80", b"\xef\xbf\xbf", b"\xf0\x90\x80\x80", b"\xf0\x8f\xbf\xbf", b"\xf4\x8f\xbf\xbf", b"\xf4\x90\x80\x80",
            b"\xf5\x80\x80\x80", b"\xf0\x90\x80", b"\x80", b"a\xfe", b"ab\xff", b"abc\xff"]
    with Receiver(bob, 7, "-n", len(rows), "--json") as recv:
        expect(alice.run("send", "7@bob", "-", *recv.at, stdin=b"".join(row + b"\n" for row in rows)), 0)
        raw = expect(recv.end(), 0).out
        got = lines(raw)
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]", raw), raw       # a terminal may be what shows it
    for row, one in zip(rows, got, strict=True):
        try:
            assert one.get("text") == row.decode(), (row, one)
        except UnicodeDecodeError:
            assert base64.b64decode(one["base64"], validate=True) == row and "text" not in one, (row, one)
    source = write(os.path.join(folder, "in"), b"x" * 70000)
    with Receiver(bob, 7, "-o", out, "--json") as recv:
        done = expect(alice.run("send", "7@bob", "-f", source, "--json", *recv.at), 0)
        assert lines(done.out) == [{"node": 2, "pid": 7, "files": 1, "bytes": 70000}], done
        assert lines(expect(recv.end(), 0).out) == [{"source": 1, "node": 1, "bytes": 70000, "file": out}]
    with Receiver(bob, 7, "-n", 1, "--json") as recv:   # JSON and a file's bytes do not mix
        expect(alice.run("send", "7@bob", "-f", source, *recv.at), 0)
        expect(alice.run("send", "7@bob", "-m", "last", *recv.at), 0)
        assert [one["text"] for one in lines(expect(recv.end(), 0, "is ignored: -o FILE").out)] == ["last"]


@case
def a_target_by_its_address(folder):
    alice, bob = two_nodes(folder)
    with Receiver(bob, 7, "-n", 2) as recv:
        where = f"127.0.0.1:{recv.port}"
        expect(alice.run("send", f"7@{where}", "-m", "x"), 1, f"no known node is reached at {where}", "peers list",
               f"peers add FILE --at {where}", "--key FILE")
        alice.knows(bob, "--at", where)
        expect(alice.run("send", f"7@{where}", "-m", "one"), 0)
        assert json.loads(expect(alice.run("ping", where, "-c", 1, "--json"), 0).out)["node"] == 2
        expect(alice.run("send", f"7@{where}", "-m", "two", "--tcp"), 0)
        assert expect(recv.end(), 0).out == b"one\ntwo\n"
    carol = Node(folder, "carol", 3)
    alice.knows(carol, "--at", where)
    expect(alice.run("send", f"7@{where}", "-m", "x"), 1, "node 2 and node 3 are both reached at")


@case
def a_key_for_one_run(folder):
    alice, bob, carol = Node(folder, "alice", 1), Node(folder, "bob", 2), Node(folder, "carol", 3)
    bob.knows(alice)
    with Receiver(bob, 7, "-n", 3) as recv:
        where = f"127.0.0.1:{recv.port}"
        expect(alice.run("send", f"7@{where}", "-m", "one", "--key", bob.pub), 0)
        expect(alice.run("send", "7@2", "-m", "two", "--key", bob.pub, "--at", where, "--tcp"), 0)
        expect(alice.run("ping", where, "-c", 1, "--key", bob.pub), 0)
        expect(alice.run("ping", "2", "-c", 1), 1, "ENOKEY")        # nothing of it was kept
        expect(alice.run("send", "7@3", "-m", "x", "--key", bob.pub), 1, "is the key of node 2, and '3' is node 3")
        expect(alice.run("send", f"7@{where}", "-m", "x", "--key", alice.pub), 3, "ECONNREFUSED")    # a pid of our own
        expect(alice.run("send", "7@2", "-m", "x", "--key", bob.pub), 1, "EDESTADDRREQ")
        expect(alice.run("send", "7@2", "-m", "x", "--key", folder), 1, "Is a directory")
        expect(alice.run("send", "7@2", "-m", "x", "--key", os.path.join(alice.dir, "node")), 1, "not a node's public key")
        alice.knows(bob)
        expect(alice.run("send", "7@bob", "-m", "three", "--key", bob.pub, "--at", where), 0)
        assert expect(recv.end(), 0).out == b"one\ntwo\nthree\n"
    mallory = Node(folder, "mallory", 2)
    expect(alice.run("send", f"7@{where}", "-m", "x", "--key", mallory.pub), 1, "EKEYREJECTED", bob.print["fingerprint"],
           mallory.print["fingerprint"], "lattice id")
    assert carol.number == 3


@case
def what_was_acknowledged_is_shown_before_an_interrupt_ends_it(folder):
    alice, bob = two_nodes(folder)
    text = b"".join(b"%d\n" % i for i in range(2000))
    with Receiver(bob, 7) as recv:
        os.kill(recv.child.pid, signal.SIGSTOP)     # so that messages and signal are there at once
        sender = subprocess.Popen([LATTICE, *patient("send", "7@bob", "-", "-d", alice.dir, *recv.at)], stdin=subprocess.PIPE,
                                  env=ENV)
        sender.stdin.write(text)
        sender.stdin.close()
        os.kill(recv.child.pid, signal.SIGCONT)
        assert sender.wait(timeout=WAIT) == 0
        assert expect(recv.end(signal.SIGINT), 0).out == text


@case
def progress_is_for_terminals(folder):
    alice, bob = two_nodes(folder)
    source = write(os.path.join(folder, "in"), os.urandom(200000))
    with Receiver(bob, 7, "-o", os.path.join(folder, "out"), "-n", 2) as recv:
        args = patient("send", "7@bob", "-f", source, *recv.at)
        assert expect(alice.run(*args), 0).err == ""
        master, slave = pty.openpty()
        done = subprocess.run([LATTICE, *args, "-d", alice.dir], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=slave, env=ENV, timeout=WAIT, check=False)
        os.close(slave)
        shown = os.read(master, 4096)
        os.close(master)
        assert done.returncode == 0 and done.stdout == b"" and b"\rsent 0.0 of 0.2 MiB (" in shown, (done, shown)
        assert "\r" not in expect(recv.end(), 0).err


@case
def pings_end_when_nobody_is_there_any_more(folder):
    alice, bob = two_nodes(folder)
    with Receiver(bob, 7) as recv, Running(alice, "ping", "bob", "-c", 1000000, "-i", 0, "-v", "--tcp", *recv.at) as ping:
        assert b"handshake" in ping.line() and b"ping 1:" in ping.line()
        recv.end(signal.SIGKILL)
        out, err = ping.child.communicate(timeout=WAIT)
        assert ping.child.returncode == 3 and b"pings over tcp" in out and b"nothing listens at tcp" in err, (out[-300:], err)


class Running:
    """A command that goes on until it is interrupted. Use it with "with"."""

    def __init__(self, node, *args):
        self.args = [*patient(*args), "-d", node.dir]
        self.child = subprocess.Popen([LATTICE, *self.args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, env=ENV)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait()
        self.child.stdout.close()
        self.child.stderr.close()

    def line(self):
        return self.child.stdout.readline()

    def end(self, sig):
        self.child.send_signal(sig)
        out, err = self.child.communicate(timeout=WAIT)
        return Done(self.args, self.child.returncode, out, err.decode(errors="replace"))


@case
def interrupted_pings_say_what_there_is(folder):
    alice, bob = two_nodes(folder)
    for sig in (signal.SIGINT, signal.SIGTERM):
        with Receiver(bob, 7) as recv, Running(alice, "ping", "bob", "-c", 1000, "-i", 1000, "-v", *recv.at) as ping:
            assert b"handshake" in ping.line() and b"ping 1:" in ping.line()
            done = expect(ping.end(sig), 0)
            assert done.out.startswith(b"1 ping over udp, 0 lost (0.0 %): min "), done
    # Also while it waits for somebody who has gone: what is under way is neither lost nor come.
    with Receiver(bob, 7) as recv, \
            Running(alice, "ping", "bob", "-c", 1000, "-i", 0, "-v", "--timeout", 100000, *recv.at) as ping:
        assert b"handshake" in ping.line() and b"ping 1:" in ping.line()
        os.kill(recv.child.pid, signal.SIGSTOP)
        done = expect(ping.end(signal.SIGINT), 0)
        assert b"pings over udp, 0 lost" in done.out or b"1 ping over udp, 0 lost" in done.out, done
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        with Running(alice, "ping", "bob", "--timeout", 100000, "--at", f"127.0.0.1:{silent.getsockname()[1]}") as ping:
            silent.settimeout(WAIT)
            silent.recv(2048)       # it calls
            expect(ping.end(signal.SIGINT), 1, "interrupted before it had answered")


@case
def the_counters_of_a_node_that_runs(folder):
    alice, bob = two_nodes(folder)
    expect(bob.run("stats"), 3, "no node runs on .* that has a network", "lattice node run")
    expect(run("stats", "-d", os.path.join(folder, "none")), 3, "no node runs on")
    with Receiver(bob, 7, "-n", 2) as recv:
        expect(alice.run("send", "7@bob", "-m", "one", *recv.at), 0)
        rows = lines(expect(bob.run("stats", "--json"), 0).out)
        head, peers = rows[0], [row for row in rows if "peer" in row]
        counters = {row["counter"]: row["value"] for row in rows if "counter" in row}
        assert head["node"] == 2 and head["port"] == recv.port and head["process"] == recv.child.pid, head
        assert [peer["peer"] for peer in peers] == [1] and peers[0]["name"] == "alice" and peers[0]["packets_in"] > 0, peers
        peer = peers[0]
        assert peer["messages_in"] == 1 and peer["message_bytes_in"] == 3 and peer["messages_out"] == 0, peer
        assert re.fullmatch(r"127\.0\.0\.1:\d+", peer["address"]) and peer["window_bytes"] > 0, peer
        assert 0 < peer["rtt_min_ns"] <= peer["rtt_ns"] and peer["state"] in ("idle", "up", "closing"), peer
        causes = [name for name in peer if name.startswith("dropped_")]
        assert len(causes) == 10 and all(peer[name] == 0 for name in causes if name != "dropped_double"), peer
        assert counters["recv.messages"] == 1 and counters["endpoints"] == 1, counters
        assert len(rows) == 1 + len(peers) + len(counters)
        text = expect(bob.run("stats"), 0).out.decode()
        assert f"node 2, port {recv.port}, process {recv.child.pid}" in text and "peer 1 (alice)" in text, text
        assert "messages received by them" in text and "session.replay" not in text, text
        assert "session.replay" in expect(bob.run("stats", "-v"), 0).out.decode()
        expect(bob.run("why", "1->7"), 1, "has no channel 1->7")
        done = expect(alice.run("ping", "bob", "-c", 1, "--stats", "--json", *recv.at), 0)
        assert {row["counter"] for row in lines(done.err)} >= {"net.udp_in", "net.udp_out"}, done
        expect(alice.run("send", "7@bob", "-m", "two", "--stats", *recv.at), 0, r"net.udp_out +[1-9]")
        expect(recv.end(), 0)
    with Receiver(bob, 7, "--stats") as recv:
        recv.end(signal.SIGKILL)    # leaves its socket's name
    expect(bob.run("stats"), 3, "no node runs on")
    with Receiver(bob, 7, "--stats") as recv:
        expect(bob.run("stats"), 0)
        expect(recv.end(signal.SIGINT), 0, r"keys.used +[1-9]")
    assert not os.path.exists(os.path.join(bob.dir, "stats.sock"))


@case
def a_node_that_is_stopped_is_not_waited_for_for_ever(folder):
    _, bob = two_nodes(folder)
    with Receiver(bob, 7) as recv:
        os.kill(recv.child.pid, signal.SIGSTOP)
        os.waitpid(recv.child.pid, os.WUNTRACED)   # each of its threads
        for timeout in (0, 0.2):
            expect(bob.run("stats", "--timeout", timeout), 3, "does not answer: is it stopped")
        os.kill(recv.child.pid, signal.SIGCONT)
        expect(bob.run("stats"), 0)
        expect(recv.end(signal.SIGTERM), 0)


@case
def who_asks_for_counters_and_never_reads(folder):
    """Neither keeps others from being told, nor costs the node a file each."""
    _, bob = two_nodes(folder)
    with Receiver(bob, 7) as recv, contextlib.ExitStack() as stack:
        def files():
            return len(os.listdir(f"/proc/{recv.child.pid}/fd"))

        expect(bob.run("stats"), 0)
        before = files()
        for _ in range(50):
            mute = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            mute.connect(os.path.join(bob.dir, "stats.sock"))
        expect(bob.run("stats"), 0)
        end = time.monotonic() + WAIT
        while files() > before:
            assert time.monotonic() < end, (files(), before)
        assert stat.S_IMODE(os.stat(os.path.join(bob.dir, "stats.sock")).st_mode) == 0o600
        expect(recv.end(signal.SIGTERM), 0)


@case
def standard_streams_that_are_closed_or_full(folder):
    """What is opened next must not be taken for them: neither read from nor printed to."""
    alice, bob = two_nodes(folder)

    def closed(command, close, **more):
        return subprocess.run(["sh", "-c", f'exec "$0" "$@" {close}', LATTICE, *patient(*command)], env=ENV, timeout=WAIT,
                              check=False, stderr=subprocess.PIPE, **more)

    done = closed(["id", "-d", bob.dir], ">&-")
    assert done.returncode == 1 and b"standard output cannot be written: Bad file" in done.stderr, done
    done = closed(["send", "7@bob", "-", "-d", alice.dir, "--at", "127.0.0.1:9"], "<&-")
    assert done.returncode == 1 and b"standard input cannot be read: Bad file" in done.stderr, done
    for close, stdout in ((">&-", None), ("", "/dev/full"), ("<&- >&- 2>&-", None)):
        with contextlib.ExitStack() as stack:
            err = stack.enter_context(tempfile.TemporaryFile())
            out = stack.enter_context(open(stdout, "wb")) if stdout else subprocess.PIPE
            recv = subprocess.Popen(["sh", "-c", f'exec "$0" "$@" {close}', LATTICE, "recv", "7", "-d", bob.dir, "--port", "0",
                                     "--bind", "127.0.0.1"], env=ENV, stdout=out, stderr=err)
            stack.callback(recv.wait)
            stack.callback(recv.kill)
            end = time.monotonic() + WAIT
            rows = []
            while not any(row.get("counter") == "endpoints" and row["value"] == 1 for row in rows):
                assert recv.poll() is None and time.monotonic() < end, close
                rows = lines(bob.run("stats", "--json").out)
            expect(alice.run("send", "7@bob", "-m", "hello", "--at", f"127.0.0.1:{rows[0]['port']}"), 0, why=close)
            assert recv.wait(timeout=WAIT) == 1, close
            err.seek(0)
            assert "2>&-" in close or b"standard output cannot be written: " in err.read(), close
            if recv.stdout:
                recv.stdout.close()
    for name in ("lock", "edit.lock"):
        assert read(os.path.join(bob.dir, name)) == b"", "it was printed there"


# ---- the three likeliest mistakes: each message says where, and names what to do ----

@case
def mistake_the_other_has_another_key(folder):
    """Bob made a new identity; alice has the old key. Over either transport he cannot answer her."""
    alice, bob = two_nodes(folder)
    again = Node(folder, "again", 2)
    again.knows(alice)
    with Receiver(again, 7) as recv:
        for proto in PROTOS:
            at = (proto, "--timeout", 1, *recv.at)
            for command in (["ping", "bob"], ["send", "7@bob", "-m", "x"]):
                expect(alice.run(*command, *at), 3, f"does not answer at {proto[2:]} 127.0.0.1:{recv.port}",
                       "Is 'lattice id' there what 'lattice peers show 2' says here", why=str(command))
        # What the two commands say differs, and adding the key that is right says how.
        assert alice.run("peers", "show", "2").out.split()[-1].decode() != again.print["words"] == \
            expect(run("id", "-d", again.dir), 0).out.split()[-1].decode()
        expect(alice.run("peers", "add", again.pub), 1, "'lattice peers remove 2' first")
        expect(alice.run("peers", "remove", "2"), 0)
        alice.knows(again)
        expect(alice.run("ping", "again", "-c", 1, *recv.at), 0)
    assert bob.number == again.number


@case
def mistake_a_wrong_port(folder):
    alice, bob = two_nodes(folder)
    with Receiver(bob, 7) as recv:
        with deaf_port() as port:
            wrong = ("--at", f"127.0.0.1:{port}")
            for command in (["ping", "bob"], ["send", "7@bob", "-m", "x"]):
                expect(alice.run(*command, "--tcp", *wrong), 3, f"nothing listens at tcp {wrong[1]}",
                       "'lattice recv' there says which port it has", "--at HOST:PORT", why=str(command))
                expect(alice.run(*command, "--udp", "--timeout", 1, *wrong), 3, f"at udp {wrong[1]}",
                       r"'lattice recv'.* says (its|which) port", why=str(command))
        assert f"port {recv.port}" in recv.said()


@case
def mistake_a_peer_that_was_not_added(folder):
    alice, bob = Node(folder, "alice", 1), Node(folder, "bob", 2)
    for command in (["ping", "2"], ["send", "7@2", "-m", "x"]):
        expect(alice.run(*command), 1, "no key is known for node 2", "run 'lattice id --key' there",
               "'lattice peers add' its output here", why=str(command))
    for command in (["ping", "bob"], ["send", "7@bob", "-m", "x"]):
        expect(alice.run(*command), 1, "no node is called 'bob' here", "'lattice peers add' adds one", why=str(command))
    alice.knows(bob)        # but bob does not know alice
    with Receiver(bob, 7) as recv:
        expect(alice.run("ping", "bob", "--timeout", 1, *recv.at), 3, f"does not answer at udp 127.0.0.1:{recv.port}",
               "Is this node's key known there", "'lattice peers add' there")
        strangers, end = 0, time.monotonic() + WAIT
        while strangers == 0:       # and bob's node says that a stranger called, as soon as it comes to it
            assert time.monotonic() < end, "nobody called"
            rows = lines(bob.run("stats", "--json").out)
            strangers = sum(row["value"] for row in rows if row.get("counter") == "session.unknown_id")


# ---- what keeps them from talking ----

@case
def nobody_of_that_name_or_number(folder):
    alice = Node(folder, "alice", 1)
    expect(alice.run("send", "7@bob", "-m", "x"), 1, "no node is called 'bob'", "peers add")
    expect(alice.run("send", "7@2", "-m", "x"), 1, "2", "ENOKEY", "peers add")
    expect(alice.run("ping", "bob"), 1, "no node is called 'bob'")
    expect(alice.run("ping", "2"), 1, "ENOKEY")
    expect(alice.run("ping", "1"), 2, "node 1 is this one")
    expect(alice.run("send", "7", "-m", "x"), 3, "ECONNREFUSED")


@case
def no_address(folder):
    alice, _ = two_nodes(folder)
    expect(alice.run("send", "7@bob", "-m", "x"), 1, "EDESTADDRREQ")
    expect(alice.run("ping", "bob"), 1, "EDESTADDRREQ")
    expect(alice.run("ping", "bob", "--at", "nowhere"), 1, "EINVAL")
    expect(alice.run("ping", "bob", "--at", "does-not-exist.invalid:1"), 1, "ENOENT|EAGAIN")


@case
def nobody_listens(folder):
    alice, _ = two_nodes(folder)
    with deaf_port() as port:
        at = ("--at", f"127.0.0.1:{port}")
        expect(alice.run("send", "7@bob", "-m", "x", "--tcp", *at), 3, "ECONNREFUSED")
        expect(alice.run("ping", "bob", "--tcp", *at), 3, "ECONNREFUSED")
        expect(alice.run("send", "7@bob", "-m", "x", "--udp", "--timeout", 1, *at), 3, "ECONNREFUSED|ETIMEDOUT|EHOSTUNREACH")


@case
def nobody_answers(folder):
    alice, _ = two_nodes(folder)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent, \
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as mute:
        silent.bind(("127.0.0.1", 0))
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        for proto, port in (("--udp", silent.getsockname()[1]), ("--tcp", mute.getsockname()[1])):
            at = (proto, "--at", f"127.0.0.1:{port}", "--timeout", 1)
            expect(alice.run("send", "7@bob", "-m", "x", *at), 3, "ETIMEDOUT|EHOSTUNREACH", why=proto)
            expect(alice.run("ping", "bob", *at), 3, "ETIMEDOUT|EHOSTUNREACH", why=proto)


@case
def nobody_receives_as_that_pid(folder):
    alice, bob = two_nodes(folder)
    with Receiver(bob, 7) as recv:
        expect(alice.run("send", "8@bob", "-m", "x", *recv.at), 3, "8@2", "ECONNREFUSED")
        expect(recv.end(signal.SIGINT), 0)


@case
def a_stranger_gets_no_answer(folder):
    alice, bob = two_nodes(folder)
    eve = Node(folder, "eve", 3)
    eve.knows(bob)          # but bob does not know eve
    with Receiver(bob, 7, "-n", 1) as recv:
        for proto in PROTOS:
            expect(eve.run("send", "7@bob", "-m", "x", proto, "--timeout", 1, *recv.at), 3, "ETIMEDOUT|EHOSTUNREACH|ECONN", why=proto)
        expect(alice.run("send", "7@bob", "-m", "after eve", *recv.at), 0)
        assert expect(recv.end(), 0).out == b"after eve\n"


@case
def another_key_than_the_one_known(folder):
    """Somebody else at bob's address: he has not bob's key, so alice does not talk to him."""
    alice, bob = two_nodes(folder)
    mallory = Node(folder, "mallory", 2)
    mallory.knows(alice)
    with Receiver(mallory, 7) as recv:
        expect(alice.run("send", "7@bob", "-m", "x", "--timeout", 1, *recv.at), 3, "ETIMEDOUT|EHOSTUNREACH|ECONN")
        assert expect(recv.end(signal.SIGINT), 0).out == b""
    assert bob.number == mallory.number


@case
def mesh_key_and_psk_must_agree(folder):
    keys = {"mesh_key": None, "psk": None}
    for what in keys:
        base = os.path.join(folder, what)
        os.mkdir(base)
        alice, bob = two_nodes(base)
        secret = [write(os.path.join(base, f"secret{i}"), b"A" * 42 + (b"E=" if i == 0 else b"I=")) for i in range(2)]
        for mine, his, status in ((0, 0, 0), (0, 1, 3), (0, None, 3)):
            for node, which, other in ((alice, mine, bob), (bob, his, alice)):
                if what == "psk":
                    node.knows(other, *(["--psk", secret[which]] if which is not None else []))
                else:
                    path = os.path.join(node.dir, "mesh_key")
                    if which is None:
                        os.unlink(path)
                    else:
                        write(path, read(secret[which]) + b"\n")
                        os.chmod(path, 0o600)
            with Receiver(bob, 7) as recv:
                expect(alice.run("send", "7@bob", "-m", "x", "--timeout", 1 if status else WAIT, *recv.at), status,
                       why=f"{what}: {mine} here, {his} there")
                done = expect(recv.end(signal.SIGINT), 0)
                assert done.out == (b"" if status else b"x\n"), done


@case
def a_second_node_on_one_directory(folder):
    alice, bob = two_nodes(folder)
    with Receiver(bob, 7) as recv:
        expect(bob.run("recv", "8", "--port", 0), 1, rf"in use by process {recv.child.pid}\b", "EBUSY")
        expect(bob.run("send", "7@alice", "-m", "x", "--port", 0), 1, rf"in use by process {recv.child.pid}\b")
        # Without a wish of its own it goes by way of that process, which knows no address of alice's.
        expect(bob.run("send", "7@alice", "-m", "x"), 1, "no address is known for node 1", "start this machine's node again")
        expect(bob.run("keygen"), 0)        # the keys may still be looked at
        expect(recv.end(signal.SIGINT), 0)
    with Receiver(bob, 7) as recv:
        recv.end(signal.SIGKILL)
    with Receiver(bob, 7) as recv:          # a killed one leaves nothing locked
        expect(alice.run("send", "7@bob", "-m", "x", *recv.at), 0)


@case
def a_port_that_is_taken(folder):
    alice, bob = two_nodes(folder)
    with Receiver(bob, 7) as recv:
        expect(alice.run("recv", "7", "--bind", "127.0.0.1", "--port", recv.port), 1, str(recv.port), "EADDRINUSE")
    expect(alice.run("recv", "7", "--bind", "192.0.2.1", "--port", 0), 1, "192.0.2.1", "EADDRNOTAVAIL")
    expect(alice.run("recv", "7", "--bind", "nonsense", "--port", 0), 1, "nonsense")


@case
def a_message_over_the_limit(folder):
    alice, bob = two_nodes(folder)
    limit = (1 << 20) - 12      # the pids and the type count
    with Receiver(bob, 7, "-n", 1) as recv:
        expect(alice.run("send", "7@bob", "-", *recv.at, stdin=b"x" * (limit + 1)), 1, "EMSGSIZE")
        expect(alice.run("send", "7@bob", "-", *recv.at, stdin=b"x" * limit), 0)
        assert expect(recv.end(), 0).out == b"x" * limit + b"\n"


@case
def interrupted_receivers(folder):
    _, bob = two_nodes(folder)
    for sig in (signal.SIGINT, signal.SIGTERM):
        with Receiver(bob, 7) as recv:
            assert expect(recv.end(sig), 0).out == b""
        with Receiver(bob, 7, "-n", 2) as recv:
            expect(recv.end(sig), 1, "interrupted after 0 messages")


@case
def a_wait_that_ends(folder):
    bob = Node(folder, "bob", 2)
    expect(bob.run("recv", "7", "--port", 0, "--timeout", 0.2), 3, "nothing came within 0.2 s")


@case
def two_senders_at_once(folder):
    alice, bob = two_nodes(folder)
    carol = Node(folder, "carol", 3)
    carol.knows(bob)
    bob.knows(carol)
    with Receiver(bob, 7, "-n", 400) as recv:
        done = {}

        def send(node):
            lines = b"".join(b"%s %d\n" % (node.name.encode(), i) for i in range(200))
            done[node.name] = node.run("send", "7@bob", "-", *recv.at, stdin=lines)

        threads = [threading.Thread(target=send, args=(node,)) for node in (alice, carol)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for name in ("alice", "carol"):
            expect(done[name], 0)
        out = expect(recv.end(), 0).out
    for name in (b"alice", b"carol"):
        mine = [line for line in out.splitlines() if line.startswith(name)]
        assert mine == [b"%s %d" % (name, i) for i in range(200)], name


@case
def one_identity_in_two_places(folder):
    """A copied state directory is the same node twice: whoever calls last is the one that is heard."""
    alice, bob = two_nodes(folder)
    twin = os.path.join(folder, "twin")
    copy(alice.dir, twin)
    with Receiver(bob, 7, "-n", 2) as recv:
        expect(alice.run("send", "7@bob", "-m", "one", *recv.at), 0)
        expect(run("send", "7@bob", "-m", "two", "-d", twin, *recv.at), 0)
        assert expect(recv.end(), 0).out == b"one\ntwo\n"


if __name__ == "__main__":
    sys.exit(main())
