#!/usr/bin/env python3
"""Two nodes, their sockets, and lattice-chaos between them: what befalls their packets follows from a seed, and so do the messages.

relay_test.py ORACLE CHAOS [FIRST COUNT [SECONDS]] - the seeds, and how long each sends. Each seed is a line of output.
"""
import json
import os
import random
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from relays import WAIT, Chaos  # noqa: E402  pylint: disable=all

ORACLE = os.path.abspath(sys.argv[1])
FIRST, COUNT = (int(sys.argv[3]), int(sys.argv[4])) if len(sys.argv) > 4 else (1, 3)
SECONDS = int(sys.argv[5]) if len(sys.argv) > 5 else 2
LONG = 50       # each seed of so many has a blackout of a minute


def faults(seed):
    """(transport, options of lattice-chaos)"""
    draw = random.Random(seed)
    if seed % 4 == 0:
        # Smaller pieces would make it so slow that no packet gets through before the next cut.
        options = ["--cut", 100, "--split", draw.choice([500, 2000, 65535])]
        options += ["--delay", draw.choice([0, 1, 10])]
        if draw.random() < 0.3:
            options += ["--blackout", f"{draw.randrange(100, 3000)}@{draw.randrange(0, 3000)}"]
        return "tcp", options
    options = ["--loss", draw.randrange(0, 21), "--dup", 10, "--reorder", 25, "--corrupt", 1]
    options += ["--delay", draw.choice([0, 1, 5, 20]), "--jitter", draw.choice([0, 1, 5])]
    if draw.random() < 0.5:
        options += ["--burst", draw.choice([0.1, 0.2, 0.5]), "--burst-length", draw.randrange(2, 51)]
    if draw.random() < 0.3:
        options += ["--truncate", 1]
    if draw.random() < 0.2:
        options += ["--mtu", f"{draw.choice([1232, 1400, 1460])}@{draw.randrange(0, 2000)}"]
    if draw.random() < 0.2:
        options += ["--rebind", draw.randrange(3000, 10000)]    # an address moves with a handshake, once a second
    if draw.random() < 0.2:
        options += ["--rate", draw.choice([200, 1000, 5000]), "--queue", draw.choice([16, 64, 256])]
    if seed % LONG == 1 and seed > LONG:
        options += ["--blackout", f"60000@{draw.randrange(0, 1000 * SECONDS)}"]
    elif draw.random() < 0.3:
        options += ["--blackout", f"{draw.randrange(100, 3000)}@{draw.randrange(0, 1000 * SECONDS)}"]
    if draw.random() < 0.2:
        options += ["--weather", draw.randrange(200, 1000)]
    return "udp", options


def run(seed):
    """(whether all was well, what the oracle says)"""
    mode, options = faults(seed)
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="lattice-relay-") as place:
        env = {**os.environ, "LATTICE_SOCKET": os.path.join(place, "node.sock")}
        oracle = subprocess.Popen([ORACLE, mode, str(SECONDS), str(seed)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, env=env)
        try:
            port = int(oracle.stdout.readline().split()[1])
            with Chaos(mode, port, "--seed", seed, *options) as chaos:
                out, err = oracle.communicate(f"{chaos.port}\n", timeout=3 * WAIT)
        except (subprocess.TimeoutExpired, IndexError):
            oracle.kill()
            out, err = oracle.communicate()
            err += "it does not end"
        finally:
            if oracle.poll() is None:
                oracle.kill()
                oracle.wait()
    said = json.loads(out) if out.strip().startswith("{") else {}
    well = oracle.returncode == 0 and said.get("violations") == 0 and said.get("reliable", 0) > 0 and not err
    print(f"seed {seed}: {mode} {' '.join(map(str, options))}: {out.strip() or 'nothing said'} in {time.monotonic() - begin:.1f} s",
          flush=True)
    if not well:
        print(f"seed {seed}: FAILED, status {oracle.returncode}: {err.strip()}\nrun it again: make relay FIRST={seed} SEEDS=1", flush=True)
    return well, said


def main():
    total = {"reliable": 0, "lossy": 0, "lost": 0, "handshakes": 0, "violations": 0}
    failed = 0
    for seed in range(FIRST, FIRST + COUNT):
        well, said = run(seed)
        failed += not well
        for name in total:
            total[name] += said.get(name, 0)
    print(f"{COUNT} seeds, {failed} failed: {json.dumps(total)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
