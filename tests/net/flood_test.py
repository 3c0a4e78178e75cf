#!/usr/bin/env python3
"""flood_test.py LATTICE FLOOD [RATE [SECONDS]] - a node under a flood of hellos from another namespace; prints its figures.

Two "machines" on one cable. One has the node; on the other are its peer, which sends messages at a quarter of what it can without
a flood, a stranger to the load, which makes a handshake meanwhile, and the flood, from 65,536 addresses. The same flood falls
on a bare UDP socket that is offered as much, for comparison. Both machines share this one's processors.
"""
import json
import re
import statistics
import sys

import spaces
from spaces import PORT, Machines, ip
import harness              # where it is, spaces knows
from harness import case, main

FLOOD = sys.argv[2]
RATE = int(sys.argv[3]) if len(sys.argv) > 3 else 20000
SECONDS = int(sys.argv[4]) if len(sys.argv) > 4 else 3
KINDS = sys.argv[5:] or ["bogus", "known"]
HERE = "10.77.0.2"


class Floods(Machines):
    def plug_in(self):
        super().plug_in()
        # Answers to the forged addresses leave by the cable, and end there.
        ip("-n", self.space[1], "route", "add", "10.88.0.0/16", "via", "10.77.0.1")
        ip("-n", self.space[0], "route", "add", "blackhole", "10.88.0.0/16")

    def program(self, side, *args):
        lattice, spaces.LATTICE = spaces.LATTICE, FLOOD
        try:
            return self.start(side, *args)
        finally:
            spaces.LATTICE = lattice


def number(child, what):
    status, text = child.end()
    assert status == 0, text
    return int(re.search(what + r" (-?\d+)", text).group(1))


def received(net, served, offered):
    """What arrived of what was offered."""
    sent = number(offered, "offered")
    status, text = served.end()
    assert status == 0, text
    return sent, int(re.search(r"messages (\d+)", text).group(1)), text


def one(net, victim, peer, guest, kind, rate, offered):
    """A node under a flood: (offered, received, memory, handshakes in ms, hellos sent)."""
    seconds = SECONDS if kind else 2
    serve = net.program(1, "serve", victim.dir, PORT, seconds + 4)
    serve.says("ready")
    if kind:
        flood = net.program(0, "hellos", kind, HERE, PORT, rate, seconds + 1, victim.dir, peer.dir)
        flood.says("ready")
    offer = net.program(0, "offer", peer.dir, 0, offered, seconds)
    handshakes = []
    while kind and offer.alive():       # one after the other, each by a process of its own
        status, text = net.run(0, "ping", "victim", "-d", guest.dir, "--port", 0, "-c", 1, "--timeout", 10, "--json")
        handshakes.append(json.loads(text)["handshake_ns"] / 1e6 if status == 0 else 10000)
    sent, got, text = received(net, serve, offer)
    hellos = number(flood, "sent") if kind else 0
    memory = int(re.search(r"rss (-?\d+)", text).group(1))
    return sent, got, memory, handshakes, hellos / (seconds + 1)


def bare(net, victim, peer, kind, rate, offered):
    sink = net.program(1, "sink", PORT, SECONDS + 4)
    sink.says("ready")
    flood = net.program(0, "hellos", kind, HERE, PORT, rate, SECONDS + 1, victim.dir, peer.dir)
    flood.says("ready")
    blast = net.program(0, "blast", HERE, PORT, offered, SECONDS)
    sent, got, _ = received(net, sink, blast)
    number(flood, "sent")
    return sent, got


@case
def traffic_memory_and_handshakes(folder):
    victim, peer, guest = harness.Node(folder, "victim", 1), harness.Node(folder, "peer", 2), harness.Node(folder, "guest", 3)
    for node in (peer, guest):
        victim.knows(node)
        node.knows(victim, "--at", f"{HERE}:{PORT}")
    with Floods() as net:
        _, most, _, _, _ = one(net, victim, peer, guest, None, 0, 0)
        quarter = most / 2 / 4
        print(f"without a flood: {most / 2:.0f} messages of 1000 bytes a second; a quarter of it is offered")
        for kind in KINDS:
            _, got, memory, handshakes, hellos = one(net, victim, peer, guest, kind, RATE, quarter)
            _, bare_got = bare(net, victim, peer, kind, RATE, quarter)
            kept, bare_kept = got / (quarter * SECONDS), bare_got / (quarter * SECONDS)
            print(f"{kind}: {hellos:.0f} hellos/s: {100 * kept:.1f} % of what was offered arrives (a bare socket: {100 * bare_kept:.1f} %), "
                  f"memory {memory / 1024:+.0f} KiB, {len(handshakes)} handshakes, median {statistics.median(handshakes):.0f} ms, "
                  f"longest {max(handshakes):.0f} ms", flush=True)
            assert memory <= 4 << 20, "memory grows"
            assert got > 0, "nothing gets through"
            assert min(handshakes) < 10000, "no handshake"


if __name__ == "__main__":
    sys.exit(main())
