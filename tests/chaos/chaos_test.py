#!/usr/bin/env python3
"""lattice-chaos itself, between plain sockets: what it does to packets is what was asked, and nothing else."""
import os
import re
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from relays import CHAOS, WAIT, Chaos, until  # noqa: E402  pylint: disable=all
from harness import Skip, case, main  # noqa: E402  pylint: disable=all

MANUAL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "man", "lattice-chaos.1")


def udp(port=None):
    """A socket that waits in bounded time; with a port, connected to it."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(WAIT)
    if port is None:
        sock.bind(("127.0.0.1", 0))
    else:
        sock.connect(("127.0.0.1", port))
    return sock


def listener():
    sock = socket.socket()
    sock.settimeout(WAIT)
    sock.bind(("127.0.0.1", 0))
    sock.listen(8)
    return sock


def port_of(sock):
    return sock.getsockname()[1]


@case
def wrong_usage(_):
    rows = [
        ([], "udp, tcp or tun"),
        (["icmp"], "none of udp, tcp and tun"),
        (["udp"], "both are needed"),
        (["udp", "--quux"], "no option --quux"),
        (["udp", "--loss"], "--loss wants a value"),
        (["udp", "--loss", "101"], "'101' is not what --loss takes"),
        (["udp", "--loss", "0.05"], "'0.05' is not"),
        (["udp", "--to", "localhost:1"], "'localhost:1' is not"),
        (["udp", "--blackout", "5"], "'5' is not"),
        (["udp", "--mtu", "0"], "'0' is not"),
        (["udp", "more"], "'more' is too much"),
        (["tcp", "--loss", "1"], "--loss is nothing that happens with tcp"),
        (["udp", "--cut", "1"], "--cut is nothing that happens with udp"),
        (["tun"], "--netns names"),
        (["tun", "--netns", "a", "--netns", "b", "--netns", "c"], "'c' is not"),
        (["tun", "--netns", "a", "--address", "10.0.0.1"], "twice or not at all"),
    ]
    for args, says in rows:
        done = subprocess.run([CHAOS, *args], capture_output=True, text=True, timeout=WAIT, check=False)
        assert done.returncode == 2 and says in done.stderr and not done.stdout, (args, done)
    done = subprocess.run([CHAOS, "--help"], capture_output=True, text=True, timeout=WAIT, check=False)
    assert done.returncode == 0 and "--blackout" in done.stdout and not done.stderr, done


@case
def the_manual_page_has_every_option(_):
    with open(MANUAL, encoding="utf-8") as file:
        manual = set(re.findall(r"--[a-z-]+", file.read().replace("\\-", "-")))
    said = subprocess.run([CHAOS, "--help"], capture_output=True, text=True, timeout=WAIT, check=True).stdout
    assert set(re.findall(r"^  (--[a-z-]+)", said, re.M)) == manual, manual


@case
def what_cannot_be_had(_):
    with udp() as taken:
        rows = [
            (["udp", "--listen", f"127.0.0.1:{port_of(taken)}", "--to", "127.0.0.1:9"], "cannot listen on 127.0.0.1:"),
            (["tun", "--netns", "lat-no-such"], "network namespace lat-no-such: "),
        ]
        for args, says in rows:
            done = subprocess.run([CHAOS, *args], capture_output=True, text=True, timeout=WAIT, check=False)
            assert done.returncode == 1 and says in done.stderr and not done.stdout, (args, done)


@case
def without_faults_all_arrives(_):
    with udp() as server, Chaos("udp", port_of(server)) as chaos:
        clients = [udp(chaos.port) for _ in range(3)]
        for number in range(100):
            for i, client in enumerate(clients):
                client.send(b"%d from %d" % (number, i))
                data, where = server.recvfrom(65536)
                assert data == b"%d from %d" % (number, i), data
                server.sendto(b"re: " + data, where)
                assert client.recv(65536) == b"re: " + data
        for client in clients:
            client.close()
    for way in ("up", "down"):
        assert chaos.stats[way]["packets"] == chaos.stats[way]["delivered"] == 300, chaos.stats
        assert chaos.stats[way]["bytes"] == chaos.stats[way]["delivered_bytes"], chaos.stats
    assert chaos.stats["clients"] == 3 and chaos.stats["mode"] == "udp", chaos.stats


@case
def doubled_and_damaged(_):
    sent = bytes(range(256)) * 4
    with udp() as server, Chaos("udp", port_of(server), "--dup", 100, "--corrupt", 100, "--way", "up") as chaos:
        with udp(chaos.port) as client:
            client.send(sent)
            where = None
            for _ in range(2):
                data, where = server.recvfrom(65536)
                assert sum(bin(a ^ b).count("1") for a, b in zip(data, sent)) == 1 and len(data) == len(sent)
            server.sendto(sent, where)
            assert client.recv(65536) == sent
    assert chaos.stats["up"]["doubled"] == 1 and chaos.stats["up"]["corrupted"] == 2, chaos.stats
    assert chaos.stats["down"]["doubled"] == chaos.stats["down"]["corrupted"] == 0, chaos.stats


@case
def cut_off_and_too_long(_):
    with udp() as server, Chaos("udp", port_of(server), "--truncate", 100, "--mtu", 1000) as chaos, udp(chaos.port) as client:
        client.send(bytes(1001))
        client.send(b"x" * 1000)
        data = server.recv(65536)
        assert len(data) < 1000 and data == b"x" * len(data), data
    assert chaos.stats["up"]["too_long"] == 1 and chaos.stats["up"]["truncated"] == 1, chaos.stats


@case
def a_blackout_ends(_):
    with udp() as server, Chaos("udp", port_of(server), "--blackout", "100@0") as chaos, udp(chaos.port) as client:
        server.settimeout(0.01)

        def through():
            client.send(b"?")
            try:
                return server.recv(16)
            except TimeoutError:
                return None
        until("it is over", through)
    assert chaos.stats["up"]["black"] > 0, chaos.stats


@case
def a_seed_does_the_same_again(_):
    def run(seed):
        with udp() as server, Chaos("udp", port_of(server), "--loss", 30, "--seed", seed, "--way", "up") as chaos:
            with udp(chaos.port) as client:
                server.settimeout(0.05)
                got = []
                for number in range(64):
                    client.send(b"%d" % number)
                until("all were looked at", lambda: _more(server, got) is None)
        return got

    def _more(server, got):
        try:
            got.append(server.recv(16))
            return got
        except TimeoutError:
            return None
    # What is late only because the machine is busy would show as lost: then it is asked again.
    until("the same twice, and not for another seed", lambda: run(7) == run(7) != run(8))


@case
def a_rebinding_changes_the_source(_):
    with udp() as server, Chaos("udp", port_of(server)) as chaos, udp(chaos.port) as client:
        client.send(b"one")
        first = server.recvfrom(16)[1]
        chaos.strike()

        def moved():
            client.send(b"two")
            where = server.recvfrom(16)[1]
            return where if where != first else None
        second = until("another port", moved)
        server.sendto(b"back", second)
        assert client.recv(16) == b"back"
    assert chaos.stats["strikes"] == 1, chaos.stats


@case
def a_stream_in_pieces_is_whole(_):
    sent = os.urandom(200_000)
    for args in ([], ["--split", 700], ["--delay", 1, "--jitter", 2], ["--rate", 2000]):
        with listener() as server, Chaos("tcp", port_of(server), *args) as chaos:
            client = socket.create_connection(("127.0.0.1", chaos.port), WAIT)
            there = server.accept()[0]
            there.settimeout(WAIT)
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)     # the other direction goes on
            got = b""
            while piece := there.recv(65536):
                got += piece
            there.sendall(got[:1000])
            there.close()
            back = b""
            while piece := client.recv(65536):
                back += piece
            client.close()
        assert got == sent and back == sent[:1000], args
        assert chaos.stats["up"]["delivered_bytes"] == len(sent), chaos.stats


@case
def a_cut_is_a_reset(_):
    with listener() as server, Chaos("tcp", port_of(server)) as chaos:
        client = socket.create_connection(("127.0.0.1", chaos.port), WAIT)
        there = server.accept()[0]
        there.settimeout(WAIT)
        client.sendall(b"hello")
        assert there.recv(16) == b"hello"
        chaos.strike()
        for end in (client, there):
            try:
                assert not end.recv(16), "more than was sent"
                raise AssertionError("it ended in good order")
            except ConnectionResetError:
                end.close()
    assert chaos.stats["strikes"] == 1, chaos.stats


@case
def nobody_listens(_):
    with listener() as server:
        port = port_of(server)
    with Chaos("tcp", port) as chaos:
        try:
            with socket.create_connection(("127.0.0.1", chaos.port), WAIT) as client:
                assert client.recv(16) == b""
        except ConnectionResetError:    # in either call
            pass


@case
def two_namespaces_are_joined(_):
    spaces = [f"lat-chaos-{os.getpid()}-{side}" for side in "ab"]
    made = []
    try:
        for space in spaces:
            try:
                done = subprocess.run(["ip", "netns", "add", space], capture_output=True, text=True, timeout=WAIT, check=False)
            except FileNotFoundError:
                raise Skip("there is no ip(8) here") from None
            if done.returncode != 0:
                raise Skip(f"namespaces cannot be made here: {done.stderr.strip()}")
            made.append(space)
        if not os.path.exists("/dev/net/tun"):
            raise Skip("there is no /dev/net/tun here")
        try:
            chaos = Chaos("tun", None, "--netns", spaces[0], "--netns", spaces[1], "--dup", 100)
        except AssertionError as why:
            if "permitted" in str(why) or "No such device" in str(why):
                raise Skip(f"TUN devices cannot be made here: {why}") from None
            raise
        with chaos:
            server = ("import socket; s = socket.socket(); s.bind(('10.79.0.2', 5000)); s.listen(); print('ready', flush=True); "
                      "c = s.accept()[0]; d = c.recv(65536); c.sendall(d[::-1]); c.close()")
            client = ("import socket; s = socket.create_connection(('10.79.0.2', 5000), 60); s.sendall(b'abc'); "
                      "print(s.recv(16).decode())")
            there = subprocess.Popen(["ip", "netns", "exec", spaces[1], sys.executable, "-c", server], stdout=subprocess.PIPE)
            try:
                assert there.stdout.readline() == b"ready\n"
                here = subprocess.run(["ip", "netns", "exec", spaces[0], sys.executable, "-c", client], capture_output=True,
                                      text=True, timeout=WAIT, check=False)
                assert here.stdout == "cba\n", here
                assert there.wait(timeout=WAIT) == 0
            finally:
                if there.poll() is None:
                    there.kill()
                there.communicate()
        assert chaos.stats["up"]["doubled"] == chaos.stats["up"]["packets"] > 0, chaos.stats
    finally:
        for space in made:
            subprocess.run(["ip", "netns", "del", space], capture_output=True, timeout=WAIT, check=False)


if __name__ == "__main__":
    sys.exit(main())
