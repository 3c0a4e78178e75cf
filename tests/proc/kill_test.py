"""Processes are killed at random while they talk: kill_test.py WORKER [KILLS [SEED]].

Three processes share a node: one sends, one receives, one does nothing; one of them hosts. In each round the sender is at
work, and one of them, or two, are killed, whatever they are doing. What must hold:

- the receiver gets what was sent in order, without a gap or a double, and of a dead sender all that it had published;
- the sender of a dead receiver is told so;
- nobody else notices, whoever hosted;
- when a round is over, whoever lives has as many descriptors and mappings as before.
"""
import os
import random
import sys
import tempfile
import time

from workers import Ended, Worker, place, until

WHO = ("sender", "receiver", "other")


def opened(folder):
    w = Worker(folder)
    w.do("open", "auto")
    return w


def mappings(w):
    with open(f"/proc/{w.pid}/maps", encoding="utf-8") as maps:
        return sum("memfd:" in line for line in maps)


class Round:
    def __init__(self, folder, rng):
        self.folder, self.rng = folder, rng
        self.at = {}
        self.joined = False
        self.quiet = {}     # what a process has while it is in no link: by itself, and as host

    def ready(self):
        for who in WHO:
            if who not in self.at:
                self.at[who] = opened(self.folder)
                if who == "receiver":
                    until(lambda: self.at["receiver"].ask("listen", 7)[0] == "0", "a dead process keeps its pid")
                self.joined = self.joined and who == "other"
        if not self.joined:
            self.at["sender"].do("part", 0)
            until(lambda: self.at["sender"].ask("join", 0, 1, 7)[0] == "0", "the receiver is not found")
            self.joined = True

    def run(self):
        self.ready()
        sender, receiver = self.at["sender"], self.at["receiver"]
        victims = self.rng.sample(WHO, 1 if self.rng.random() < 0.8 else 2)
        count, size = self.rng.choice((1, 10, 100, 1000)), self.rng.choice((8, 40, 100, 1000, 3500))
        sender.tell("send", 0, count, size, -1)
        if "sender" in victims:
            receiver.tell("drain", 7)
        else:
            receiver.tell("take", 7, count, -1)
        time.sleep(self.rng.random() * self.rng.choice((0, 0.001, 0.005)))
        for who in victims:
            self.at[who].kill()
        what = f"{victims}, {count} messages of {size} bytes"
        if "sender" not in victims:
            result, rest = sender.answer()
            done = int(rest.split()[0])
            assert (result, done) == ("0", count) or (result == "EOWNERDEAD" and "receiver" in victims), \
                f"{what}: the sender has {result} {rest}"
        if "receiver" not in victims:
            result, rest = receiver.answer()
            done = int(rest.split()[0])
            assert result == "0" and (done == count or ("sender" in victims and done < count)), \
                f"{what}: the receiver has {result} {rest}\n{receiver.said()}"
        for who in victims:
            self.at.pop(who).__exit__()
        if set(victims) & {"sender", "receiver"}:
            self.joined = False
            self.check_quiet(what)

    def check_quiet(self, what):
        """No link is left; then neither is its memory, nor its descriptors."""
        for who, w in self.at.items():
            if who == "sender":
                w.do("part", 0)
            until(lambda w=w: w.stat("links") == 0 and w.stat("links.out") == 0 and w.stat("links.in") == 0,
                  f"{what}: a link to a dead process stays")
        alive = {str(w.pid) for w in self.at.values()}
        for w in self.at.values():
            until(lambda w=w: w.do("host") in alive, f"{what}: no host is found")
        for who, w in self.at.items():
            # As host it has a few more for each member: so only while it is the only one is there a number.
            if w.stat("local.hosted") and len(self.at) == 1:
                until(lambda w=w: w.stat("host.members") == 1, "a dead member stays")
            elif w.stat("local.hosted"):
                continue
            key = (who, bool(w.stat("local.hosted")))
            has = (int(w.do("fds")), mappings(w))
            assert has == self.quiet.setdefault(key, has), f"{what}: {key} has {has}, not {self.quiet[key]}"


def left_behind(folder):
    """What is in the place of those who were killed, and in the machine's shared memory."""
    names = set(os.listdir(os.path.dirname(place(folder))))
    return names - {"node.lock", "node.key", "node.sock"} | {n for n in os.listdir("/dev/shm") if "lattice" in n}


def run(kills, seed):
    rng = random.Random(seed)
    killed, told = 0, 0
    with tempfile.TemporaryDirectory(prefix="lattice-kill-") as folder:
        scene = Round(folder, rng)
        try:
            while killed < kills:
                before = len(scene.at)
                scene.run()
                killed += len(WHO) - len(scene.at)
                assert before <= len(WHO)
                if killed - told >= 1000:
                    told = killed
                    print(f"{killed} killed", flush=True)
        finally:
            for w in scene.at.values():
                w.__exit__()
        assert not left_behind(folder), left_behind(folder)
    return killed


def main():
    kills = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.SystemRandom().randrange(1 << 32)
    name = f"{kills}_kills"
    print(f"[ RUN      ] {name}, seed {seed}", flush=True)
    began = time.monotonic()
    try:
        killed = run(kills, seed)
    except (AssertionError, Ended) as why:
        print(f"{why}\n[  FAILED  ] {name}, seed {seed}")
        return 1
    print(f"{killed} killed in {time.monotonic() - began:.1f} s\n[       OK ] {name}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
