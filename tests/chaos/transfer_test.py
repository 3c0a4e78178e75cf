#!/usr/bin/env python3
"""A file goes from node to node through lattice-chaos, and arrives as it was. A third argument is its size in MiB."""
import hashlib
import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from relays import Chaos  # noqa: E402  pylint: disable=all
from harness import WAIT, Receiver, case, expect, main, run, two_nodes  # noqa: E402  pylint: disable=all

MIB = int(sys.argv[3]) if len(sys.argv) > 3 else 8
WHOLE = MIB >= 256


def make(path):
    digest = hashlib.sha256()
    with open(path, "wb") as file:
        for _ in range(MIB):
            chunk = os.urandom(1 << 20)
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()


def digest_of(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def transfer(folder, mode, *faults):
    """What lattice-chaos says of a transfer under these faults."""
    alice, bob = two_nodes(folder)
    source, target = os.path.join(folder, "in"), os.path.join(folder, "out")
    digest = make(source)
    # The receiver stays until the sender knows: one that ends at once may not come to say that it has everything.
    with Receiver(bob, 7, "-o", target) as recv, Chaos(mode, recv.port, *faults) as chaos:
        expect(alice.run("send", "7@bob", "-f", source, f"--{mode}", "--at", f"127.0.0.1:{chaos.port}"), 0)
        recv.wait_says("bytes from")
        expect(recv.end(signal.SIGTERM), 0)
    assert digest_of(target) == digest, "another file"
    print(f"{MIB} MiB in {chaos.stats['seconds']} s: {chaos.stats}")
    return chaos.stats


@case
def over_udp_that_loses_and_reorders(folder):
    """5 % lost, 10 % overtaken, and nothing at all for 5 s (for the short file 1 s)."""
    stats = transfer(folder, "udp", "--loss", 5, "--reorder", 10, "--blackout", "5000@2000" if WHOLE else "1000@20")
    up = stats["up"]
    assert up["lost"] > 0 and up["late"] > 0 and up["black"] > 0, stats


@case
def over_tcp_that_is_cut(folder):
    """Every 100 ms. The short file is made to last for some of them."""
    stats = transfer(folder, "tcp", "--cut", 100, *(() if WHOLE else ("--rate", 16384)))
    assert stats["strikes"] > (10 if WHOLE else 0), stats


@case
def over_tcp_in_pieces(folder):
    """No frame comes in one piece, and the connection is cut as well."""
    if not WHOLE:
        transfer(folder, "tcp", "--split", 1000, "--cut", 200, "--jitter", 0.5)


if __name__ == "__main__":
    sys.exit(main())
