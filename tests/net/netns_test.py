#!/usr/bin/env python3
"""Two nodes on two "machines" (spaces.py)."""
import json
import os
import re
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from harness import WAIT, case, expect, main, run, two_nodes  # noqa: E402  pylint: disable=all
from spaces import FAMILIES, PORT, Machines, ip, until  # noqa: E402  pylint: disable=all


@case
def pings_over_every_way(folder):
    alice, bob = two_nodes(folder)
    with Machines() as net:
        recv = net.receiver(bob)
        for family, proto in net.ways():
            status, text = net.run(0, "ping", "bob", "-d", alice.dir, "-c", 20, "-i", 0, "--timeout", WAIT, "--json", proto, *net.at(family))
            assert status == 0, f"{family} {proto}: {text}"
            result = json.loads(text)
            assert result["transport"] == proto[2:] and result["sent"] == 20, f"{family} {proto}: {text}"
            assert result["lost"] == 0, f"{family} {proto}: {text}"
        assert recv.end(signal.SIGTERM)[0] == 0


@case
def messages_over_every_way(folder):
    alice, bob = two_nodes(folder)
    with Machines() as net:
        recv = net.receiver(bob, "-n", 4, "--json")
        for family, proto in net.ways():
            status, text = net.run(0, "send", "7@bob", "-m", family + proto, "-d", alice.dir, proto, *net.at(family))
            assert status == 0, f"{family} {proto}: {text}"
        status, text = recv.end()
        assert status == 0 and [json.loads(line)["text"] for line in text.splitlines() if line.startswith("{")] == [
            family + proto for family, proto in net.ways()], text


def link_down_and_up(folder, side):
    """While alice pings, @side's interface goes down and comes back: pings are lost meanwhile, and come again."""
    alice, bob = two_nodes(folder)
    with Machines() as net:
        net.receiver(bob)
        for family, proto in net.ways():
            why = f"{family} {proto}"
            ping = net.start(0, "ping", "bob", "-d", alice.dir, "-c", 100000, "-i", 0.02, "--timeout", 3, "-v", proto,
                             *net.at(family))
            until(f"{why}: pings", lambda p=ping: p.count(r"ping \d+: [\d.]+ [um]s") >= 5, ping)
            net.down(side)
            net.wait_state(side, "DOWN")
            until(f"{why}: the gap shows", lambda p=ping: p.count("no answer in time") >= 1, ping)
            net.up(side)
            net.wait_state(0, "UP")
            before = ping.count(r"ping \d+: [\d.]+ [um]s")
            until(f"{why}: pings again", lambda p=ping, n=before: p.count(r"ping \d+: [\d.]+ [um]s") >= n + 5, ping)
            status, text = ping.end(signal.SIGINT)
            assert status == 0 and re.search(r"pings over " + proto[2:], text), f"{why}: {text}"


@case
def the_link_here_goes_down_and_up(folder):
    link_down_and_up(folder, 0)


@case
def the_link_there_goes_down_and_up(folder):
    link_down_and_up(folder, 1)


@case
def a_message_waits_for_the_link(folder):
    """Sent while the link is down, it arrives when it is up, and once."""
    alice, bob = two_nodes(folder)
    with Machines() as net:
        recv = net.receiver(bob, "-n", 4, "--json")
        for family, proto in net.ways():
            net.down(1)
            net.wait_state(1, "DOWN")
            send = net.start(0, "send", "7@bob", "-m", family + proto, "-d", alice.dir, "--timeout", WAIT, "-v", proto,
                             *net.at(family))
            # It has begun to call: its node shows a peer without a session.
            until("it calls", lambda d=alice.dir: '"up":false' in run("stats", "--json", "-d", d).out.decode().replace(" ", ""),
                  send)
            net.up(1)
            status, text = send.end()
            assert status == 0, f"{family} {proto}: {text}"
        status, text = recv.end()
        assert status == 0 and [json.loads(line)["text"] for line in text.splitlines() if line.startswith("{")] == [
            family + proto for family, proto in net.ways()], text


@case
def the_interface_is_removed(folder):
    """The nodes at both its ends run on, and talk again through the one that comes in its place."""
    alice, bob = two_nodes(folder)
    with Machines() as net:
        recv = net.receiver(bob)
        for family, proto in net.ways():
            ping = net.start(0, "ping", "bob", "-d", alice.dir, "-c", 100000, "-i", 0.02, "--timeout", 3, "-v", proto,
                             *net.at(family))
            until("pings", lambda p=ping: p.count(r"ping \d+: [\d.]+ [um]s") >= 5, ping)
            net.pull_out()
            until("the gap shows", lambda p=ping: p.count("no answer in time") >= 1, ping)
            assert recv.alive(), recv.text()
            expect(run("stats", "-d", bob.dir), 0)
            net.plug_in()
            before = ping.count(r"ping \d+: [\d.]+ [um]s")
            until("pings again", lambda p=ping, n=before: p.count(r"ping \d+: [\d.]+ [um]s") >= n + 5, ping)
            assert ping.end(signal.SIGINT)[0] == 0
        assert recv.end(signal.SIGTERM)[0] == 0


# The interfaces' MTUs, the sender's and the receiver's, and the longest packet that gets through, over IPv4 and IPv6.
PATHS = ((1500, 1500, 1472, 1452), (1500, 1460, 1432, 1232), (1500, 1280, 1232, 1232), (1460, 1500, 1432, 1232), (9000, 9000, 8952, 8952))


@case
def the_path_maximum_is_found(folder):
    """By pings alone, whether the sender's interface says so or longer packets vanish; and a file comes through."""
    alice, bob = two_nodes(folder)
    source = os.path.join(folder, "source")
    with open(source, "wb") as file:
        file.write(os.urandom(3_000_000))
    for mtus in PATHS:
        for family, want in zip(FAMILIES, mtus[2:]):
            why = f"{mtus[:2]} {family}"
            with Machines() as net:
                for side in (0, 1):
                    ip("-n", net.space[side], "link", "set", "cable", "mtu", str(mtus[side]))
                    net.up(side)
                target = os.path.join(folder, "target")
                recv = net.receiver(bob, "-n", 1, "-o", target)
                ping = net.start(0, "ping", "bob", "-d", alice.dir, "-c", 100000, "-i", 0.02, "-v", "--udp", *net.at(family))

                def longest():
                    rows = [json.loads(line) for line in run("stats", "--json", "-d", alice.dir).out.decode().splitlines()]
                    return next((row["packet_max"] for row in rows if "peer" in row), 0)

                until(f"{why}: {want} bytes", lambda: longest() == want, ping)
                before = ping.count(r"ping \d+: [\d.]+ [um]s")
                until(f"{why}: pings", lambda n=before: ping.count(r"ping \d+: [\d.]+ [um]s") >= n + 20, ping)
                assert longest() == want, f"{why}: {longest()}"
                assert ping.end(signal.SIGINT)[0] == 0
                status, text = net.run(0, "send", "7@bob", "-f", source, "-d", alice.dir, "--timeout", WAIT, "--udp", *net.at(family))
                assert status == 0, f"{why}: {text}"
                assert recv.end()[0] == 0
                with open(source, "rb") as one, open(target, "rb") as two:
                    assert one.read() == two.read(), why


@case
def attached_processes_over_every_way(folder):
    """On both machines a node runs, and what sends and receives is attached to it."""
    alice, bob = two_nodes(folder)
    env = [{"LATTICE_STATE_DIR": node.dir, "LATTICE_SOCKET": os.path.join(folder, node.name + "-place", "node.sock")}
           for node in (alice, bob)]
    with Machines() as net:
        for family, proto in net.ways():
            why = f"{family} {proto}"
            alice.knows(bob, proto, *net.at(family))
            hosts = [net.start(side, "node", "run", "--port", PORT, env=env[side]) for side in (0, 1)]
            for host in hosts:
                host.says("processes meet at")
            recv = net.start(1, "recv", 7, "-n", 2, "--json", env=env[1])
            recv.says("receives as pid 7")
            for text in ("first", "second"):
                status, said = net.start(0, "send", "7@bob", "-m", text, "--timeout", WAIT, env=env[0]).end()
                assert status == 0, f"{why}: {said}"
            status, said = net.start(0, "ping", "bob", "-c", 5, "-i", 0, "--timeout", WAIT, "--json", env=env[0]).end()
            assert status == 0 and json.loads(said)["transport"] == proto[2:], f"{why}: {said}"
            status, said = recv.end()
            got = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
            assert status == 0 and [one["text"] for one in got] == ["first", "second"], f"{why}: {said}"
            assert all(one["node"] == 1 for one in got), f"{why}: {said}"
            for host in hosts:
                assert host.end(signal.SIGTERM)[0] == 0, why


if __name__ == "__main__":
    sys.exit(main())
