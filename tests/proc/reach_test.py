"""Two machines, on each "lattice node run" and processes that are attached to it: they reach each other. Real processes and sockets."""
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

from workers import Skip, Worker, case, main, until
import harness
from harness import ENV, WAIT, Node, expect, free_port, run

harness.LATTICE = os.path.abspath(sys.argv[2])
WAYS = ("--udp", "--tcp")


class Machine:
    """A folder with a place to meet, a state directory, and what runs there."""

    def __init__(self, folder, name, number):
        self.folder, self.name, self.number, self.port = os.path.join(folder, name), name, number, free_port()
        os.mkdir(self.folder)
        self.node = Node(self.folder, "state", number)
        self.node.name = name
        self.env = {"LATTICE_SOCKET": os.path.join(self.folder, "place", "node.sock"), "LATTICE_STATE_DIR": self.node.dir}
        self.host = self.log = None

    def start(self, *options):
        self.log = tempfile.TemporaryFile()
        self.host = subprocess.Popen([harness.LATTICE, "node", "run", "--bind", "127.0.0.1", "--port", str(self.port), *options],
                                     stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env={**ENV, **self.env})
        until(lambda: re.search(r"processes meet at", self.said()) or self.host.poll() is not None, "the host does not start")
        assert self.host.poll() is None, self.said()

    def said(self):
        with open(f"/proc/self/fd/{self.log.fileno()}", "rb") as file:
            return file.read().decode(errors="replace")

    def kill(self, sig=signal.SIGKILL):
        if self.host is not None and self.host.poll() is None:
            self.host.send_signal(sig)
            self.host.wait(timeout=WAIT)
        if self.log is not None:
            assert "Sanitizer" not in self.said(), self.said()
            self.log.close()
        self.host = self.log = None

    def worker(self, how="auto"):
        w = Worker(self.folder, env=self.env)
        assert int(w.do("open", how)) == self.number
        return w

    def stat(self, name):
        """A counter of the host's."""
        done = expect(run("stats", "--json", "-d", self.node.dir), 0)
        found = re.search(rf'"counter":"{re.escape(name)}","value":(\d+)', done.out.decode().replace(" ", ""))
        assert found, f"no counter {name}: {done}"
        return int(found.group(1))

    def run(self, *args, **more):
        return run(*args, env=self.env, **more)


@contextlib.contextmanager
def two(folder, way):
    one, other = Machine(folder, "one", 1), Machine(folder, "other", 2)
    one.node.knows(other.node, "--at", f"127.0.0.1:{other.port}", way)
    other.node.knows(one.node, "--at", f"127.0.0.1:{one.port}", way)
    try:
        one.start()
        other.start()
        yield one, other
    finally:
        one.kill()
        other.kill()


def each_way(function):
    """A case for each transport, in a folder of its own."""
    for way in WAYS:
        def one(folder, way=way):
            with two(folder, way) as machines:
                function(*machines)
        one.__name__ = f"{function.__name__}_{way[2:]}"
        case(one)
    return function


@each_way
def members_reach_each_other(one, other):
    with one.worker() as a, other.worker() as b:
        a.do("listen", 5)
        b.do("listen", 7)
        a.do("join", 0, 5, 7, 2)
        b.do("join", 0, 7, 5, 1)
        for count, length in ((3000, 60), (300, 3000), (40, 200000)):
            for w in (a, b):            # both at once; the lanes hold all of it
                w.tell("send", 0, count, length, -1)
            assert a.answer() == b.answer() == ("0", str(count))
            assert b.do("take", 7, count, -1) == str(count)
            assert a.do("take", 5, count, -1) == str(count)
        assert a.do("flush", 0, -1).split()[:2] == ["3340", "3340"]
        assert b.do("flush", 0, -1).split()[:2] == ["3340", "3340"]
        assert (one.stat("relay.passed_out"), one.stat("relay.passed_in")) == (3340, 3340)


@each_way
def a_peer_may_what_the_policy_says_for_as_long_as_it_does(one, other):
    file = os.path.join(other.folder, "policy")

    def rule(line):
        with open(file, "w", encoding="utf-8") as to:
            to.write(f"[service store]\npid = 7\n{line}\n[service other]\npid = 8\n")

    def reload(count):
        other.host.send_signal(signal.SIGHUP)
        until(lambda: other.said().count("was read again") == count, "the policy is not read again")

    rule("allow = peer one: send, size 4K")
    other.kill()
    other.start("-c", file)
    with one.worker() as a, other.worker() as b:
        b.do("listen", 7)
        b.do("listen", 8)
        a.do("join", 0, 5, 7, 2)
        a.do("join", 1, 5, 8, 2)
        a.do("send", 0, 100, 2000, -1)
        b.do("take", 7, 100, -1)
        until(lambda: a.ask("flush", 1, 60000)[0] == "EACCES" or a.ask("send", 1, 1, 60, -1)[0] == "EACCES",
              "a peer may what no line allows")
        rule("allow = peers: call, bulk")
        reload(1)                       # not narrower: the channel stays
        a.do("send", 0, 10, 2000, -1)
        b.do("take", 7, 10, -1)
        rule("")
        reload(2)
        until(lambda: a.ask("send", 0, 1, 60, -1)[0] == "EKEYREVOKED", "a channel stays that is not allowed any more")
        assert a.ask("flush", 0, -1)[1].split()[1] == "110"
        b.fails("ETIMEDOUT", "take", 7, 1, 200)
        rule("allow = peer 1: send")
        reload(3)
        a.do("part", 0)
        a.do("join", 0, 5, 7, 2)
        a.do("send", 0, 100, 2000, -1)
        b.do("take", 7, 100, -1)


@each_way
def who_may_not_reach_a_node_any_more_is_cut(one, other):
    if os.geteuid() != 0:
        raise Skip("not root: no other user to be")
    alice, file = 40002, os.path.join(one.folder, "policy")

    def rule(text):
        with open(file, "w", encoding="utf-8") as to:
            to.write(text)

    rule(f"[peer other]\nreach = uid {alice}\n")
    for folder in (os.path.dirname(one.folder), one.folder):
        os.chmod(folder, 0o755)
    one.kill()
    one.start("-c", file)
    with Worker(one.folder, env=one.env, user=alice) as a, other.worker() as b:
        b.do("listen", 7)
        a.do("open", "auto")
        a.do("join", 0, 5, 7, 2)
        a.do("send", 0, 100, 2000, -1)
        b.do("take", 7, 100, -1)
        a.do("flush", 0, -1)
        rule(f"[node]\nattach = uid {alice}\n")
        one.host.send_signal(signal.SIGHUP)
        until(lambda: "was read again" in one.said(), "the policy is not read again")
        until(lambda: a.ask("send", 0, 1, 60, -1)[0] == "EKEYREVOKED", "a channel stays that is not allowed any more")
        a.fails("EACCES", "join", 1, 6, 7, 2)


@each_way
def the_command_does(one, other):
    recv = subprocess.Popen([harness.LATTICE, "recv", "7", "-n", "3"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, env={**ENV, **other.env})
    try:
        until(lambda: b"pid 7:" in other.run("node", "status").out, "nobody receives")
        expect(one.run("send", "7@other", "-m", "hello", "--timeout", WAIT), 0)
        done = expect(one.run("ping", "other", "-c", 3, "-i", 0, "--json", "--timeout", WAIT), 0)
        assert b'"lost": 0' in done.out, done
        expect(one.run("send", "7@2", "-m", "again", "--timeout", WAIT), 0)
        none = os.path.join(one.folder, "none")     # who has no identity is part of the node that runs here
        expect(run("send", "7@2", "-m", "more", "--timeout", WAIT, env={**one.env, "LATTICE_STATE_DIR": none}), 0)
        assert not os.path.exists(none)
        assert recv.communicate(timeout=WAIT)[0] == b"hello\nagain\nmore\n"
    finally:
        recv.kill()
        recv.wait()
    expect(one.run("send", "8@other", "-m", "hi", "--timeout", WAIT), 3, "nobody receives as pid 8 there")
    expect(one.run("send", "8@nobody", "-m", "hi"), 1, "no node is called 'nobody'")
    expect(one.run("send", "8@9", "-m", "hi"), 1, "node 9 is not known")
    expect(one.run("ping", "9"), 1, "node 9 is not known")


@each_way
def services_are_found(one, other):
    with one.worker() as a, other.worker("attach") as b, other.worker("attach") as c:
        pid = b.do("serve_as", "store", 0)
        assert a.do("find", "store", 2, -1) == pid
        a.do("join", 0, 5, pid, 2)
        a.do("send", 0, 1, 100, -1)
        assert b.do("take", pid, 1, -1) == "1"
        assert "no service 'shop'" in a.fails("ENOENT", "find", "shop", 2, -1)
        assert "9 is not known" in a.fails("ENOKEY", "find", "shop", 9, -1)
        other.kill()    # what was asked meanwhile is asked again, of the next one
        a.tell("find", "store", 2, -1)
        other.start()
        assert a.answer() == ("0", pid)
        assert c.do("find", "store", 0, -1) == pid
        recv = subprocess.Popen([harness.LATTICE, "recv", "shop", "-n", "2"], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**ENV, **other.env})
        try:
            until(lambda: b"shop" in other.run("node", "status").out, "nobody receives")
            expect(one.run("send", "shop@other", "-m", "from afar", "--timeout", WAIT), 0)
            expect(other.run("send", "shop", "-m", "from here", "--timeout", WAIT), 0)
            assert recv.communicate(timeout=WAIT)[0] == b"from afar\nfrom here\n"
        finally:
            recv.kill()
            recv.wait()
        expect(one.run("send", "shop@other", "-m", "hi", "--timeout", WAIT), 3, "no service 'shop'")
        expect(other.run("send", "shop", "-m", "hi"), 3, "no service of this node is called 'shop'")


@each_way
def nobody_calls_a_member_of_another_node(one, other):
    with one.worker() as a, other.worker() as b:
        b.do("listen", 7)
        a.do("join", 0, 5, 7, 2)
        assert "has not the network itself" in a.fails("EOPNOTSUPP", "call", 0, 10, 10000)
        a.do("send", 0, 1, 100, -1)
        assert b.do("take", 7, 1, -1) == "1"


LENGTHS = (0, 1, 48, 49, 5000, 70000, 1000000)


@contextlib.contextmanager
def served(one, other):
    """a calls pid 7 of b, which has the other machine's network."""
    other.kill()
    with other.worker(f"here {other.port}") as b, one.worker() as a:
        b.do("listen", 7)
        a.do("join", 0, 5, 7, 2)
        yield a, b


@each_way
def a_member_calls_who_has_another_nodes_network(one, other):
    with served(one, other) as (a, b):
        b.tell("serve", 7, 3 * len(LENGTHS), -1)
        for _ in range(3):
            for length in LENGTHS:
                assert a.do("call", 0, length, -1) == str(length)
        assert b.answer() == ("0", str(3 * len(LENGTHS)))
        calls = 3 * len(LENGTHS)
        for n in range(70):             # more than there may be at a time
            a.fails("ETIMEDOUT", "call", 0, 10, 20)
            assert b.do("keep", 7, -1) == "10"
        a.tell("call", 0, 20, -1)
        assert b.do("keep", 7, -1) == "20"
        b.do("reply", 7, 20)
        b.fails("EALREADY", "reply", 7, 20)
        assert a.answer() == ("0", "20")
        a.do("send", 0, 1, 100, -1)
        assert b.do("take", 7, 1, -1) == "1"
        assert a.do("flush", 0, -1).split()[:2] == [str(calls + 72)] * 2
        a.tell("call", 0, 10, -1)
        b.do("keep", 7, -1)
        b.do("deaf", 7)
        assert a.answer()[0] == "EOWNERDEAD"


@each_way
def who_answers_another_node_is_killed(one, other):
    for _ in range(3):
        with served(one, other) as (a, b):
            b.tell("serve", 7, 2, -1)
            assert a.do("call", 0, 300, -1) == "300"
            assert a.do("call", 0, 30, -1) == "30"
            assert b.answer() == ("0", "2")
            a.tell("call", 0, 10, -1)
            b.do("keep", 7, -1)
            b.kill()
            other.start()               # that it comes again is what tells that it was gone
            assert a.answer()[0] in ("ECONNRESET", "EHOSTUNREACH", "EOWNERDEAD")


@each_way
def who_passes_calls_on_is_killed(one, other):
    with served(one, other) as (a, b):
        a.tell("call", 0, 10, -1)
        b.do("keep", 7, -1)
        one.kill()
        assert a.answer()[0] == "EOWNERDEAD"
        a.kill()                        # it would host, without a network
        one.start()
        with one.worker() as c:
            c.do("join", 0, 6, 7, 2)
            c.tell("call", 0, 20, -1)
            assert b.do("keep", 7, -1) == "20"
            b.do("reply", 7, 20)
            assert c.answer() == ("0", "20")


@each_way
def the_short_calls_do(one, other):
    with one.worker() as a, other.worker() as b:
        b.do("short", "listen", 7)
        a.do("short", "connect", 5, 7, 2)
        a.do("short", "send", 5, 7, 42)
        assert b.do("short", "recv", 7) == "42 5"
        b.do("short", "send", 7, 5, 43)     # to who wrote
        assert a.do("short", "recv", 5) == "43 7"
        a.do("short", "down")
        b.do("short", "down")


@each_way
def a_receiver_that_is_stopped_stalls_only_its_own(one, other):
    with one.worker() as a, other.worker() as slow, other.worker() as quick:
        slow.do("listen", 7)
        quick.do("listen", 8)
        a.do("join", 0, 5, 7, 2)
        a.do("join", 1, 5, 8, 2)
        a.do("send", 0, 1, 100, -1)
        assert slow.do("take", 7, 1, -1) == "1"
        slow.stop()
        while True:     # until there is no room anywhere on the way
            a.fails("ETIMEDOUT", "send", 0, 100000, 20000, 500)
            if other.stat("relay.full_in") > 0:
                break
        for _ in range(20):
            a.do("send", 1, 10, 1000, -1)
            assert quick.do("take", 8, 10, -1) == "10"
        sent = int(a.ask("flush", 0, 0)[1].split()[0])
        slow.go_on()
        assert slow.do("take", 7, sent - 1, -1) == str(sent - 1)
        assert a.do("flush", 0, -1).split()[:2] == [str(sent), str(sent)]


@each_way
def a_receiver_is_killed(one, other):
    with one.worker() as a, other.worker() as b:
        b.do("listen", 7)
        a.do("join", 0, 5, 7, 2)
        a.do("send", 0, 100, 100, -1)
        assert b.do("take", 7, 100, -1) == "100"
        b.kill()
        result = "0"
        while result == "0":
            result, why = a.ask("send", 0, 1, 100, -1)
        assert result == "EOWNERDEAD", f"{result} {why}"
        a.do("part", 0)
        until(lambda: other.stat("relay.in") == 0 and one.stat("relay.out") == 0, "relays stay")
        with other.worker() as next_one:
            next_one.do("listen", 7)
            a.do("join", 0, 5, 7, 2)
            a.do("send", 0, 100, 100, -1)
            assert next_one.do("take", 7, 100, -1) == "100"


@each_way
def a_sender_is_killed(one, other):
    """What it was told is accepted arrives, in order; then another comes."""
    with other.worker() as b:
        b.do("listen", 7)
        with one.worker() as a:
            a.do("join", 0, 5, 7, 2)
            a.do("send", 0, 500, 1000, -1)
            a.kill()
        assert b.do("take", 7, 500, -1) == "500"
        until(lambda: one.stat("relay.out") == 0 and other.stat("relay.in") == 0, "relays stay")
        with one.worker() as a:
            a.do("join", 0, 5, 7, 2)
            a.do("send", 0, 10, 1000, -1)
            assert b.do("take", 7, 10, -1) == "10"


@each_way
def the_host_here_is_killed(one, other):
    """Its channels end; who attaches only, and hosts nothing, goes through the next."""
    with one.worker("attach") as a, other.worker() as b:
        b.do("listen", 7)
        a.do("join", 0, 5, 7, 2)
        a.do("send", 0, 100, 100, -1)
        a.do("flush", 0, -1)
        one.kill()
        result = "0"
        while result == "0":
            result, why = a.ask("send", 0, 1, 100, -1)
        assert result == "EOWNERDEAD" and "ran the network is gone" in why, f"{result} {why}"
        assert b.do("take", 7, 100, -1) == "100"
        one.start()
        a.do("part", 0)
        a.do("join", 0, 5, 7, 2)
        a.do("send", 0, 100, 100, -1)
        assert b.do("take", 7, 100, -1) == "100"


@case
def who_hosts_next_has_no_network(folder):
    with two(folder, "--udp") as (one, other), one.worker() as a, other.worker() as b:
        b.do("listen", 7)
        a.do("join", 0, 5, 7, 2)
        a.do("send", 0, 1, 100, -1)
        one.kill()
        until(lambda: a.do("host").split()[0] == str(a.pid), "it does not host")
        why = a.fails("EOPNOTSUPP", "join", 1, 5, 8, 2)
        assert "lattice node run" in why, why


@each_way
def the_host_there_restarts(one, other):
    with one.worker() as a, other.worker("attach") as b:
        b.do("listen", 7)
        a.do("join", 0, 5, 7, 2)
        a.do("send", 0, 100, 100, -1)
        assert b.do("take", 7, 100, -1) == "100"
        other.kill()
        other.start()
        result = "0"
        while result in ("0", "ETIMEDOUT"):
            result, why = a.ask("send", 0, 1, 100, 1000)
        assert result in ("ECONNRESET", "ECONNREFUSED"), f"{result} {why}"
        a.do("part", 0)
        end = time.monotonic() + WAIT
        while True:     # until the receiver has found the next host
            a.do("join", 0, 5, 7, 2)
            result, why = a.ask("send", 0, 1, 100, -1)
            if result == "0":
                break
            assert result == "ECONNREFUSED" and time.monotonic() < end, f"{result} {why}"
            a.do("part", 0)
        a.do("send", 0, 99, 100, -1)
        b.tell("take", 7, 100, -1)
        assert b.answer() == ("0", "100")


@each_way
def two_hundred_channels(one, other):
    with one.worker() as a, other.worker() as b:
        for pid in range(4):
            b.do("listen", 100 + pid)
        for slot in range(200):
            a.do("join", slot, slot + 1, 100 + slot % 4, 2)
        for _ in range(3):
            for slot in range(200):
                a.tell("send", slot, 10, 500, -1)
            for slot in range(200):
                assert a.answer()[0] == "0"
        for pid in range(4):
            assert b.do("take", 100 + pid, 1500, -1) == "1500"
        assert (one.stat("relay.out"), other.stat("relay.in")) == (200, 200)
        for slot in range(200):
            a.do("part", slot)
        until(lambda: one.stat("relay.out") == 0 and other.stat("relay.in") == 0, "relays stay")


if __name__ == "__main__":
    sys.exit(main())
