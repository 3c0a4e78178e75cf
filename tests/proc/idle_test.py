"""Who has nothing to do does nothing: no thread of either process is woken, and no CPU time is used. Real processes."""
import os
import time

from workers import case, main, opened, until

CHANNELS = 1000
IDLE_S = 10


def turns(worker):
    """How often its threads have gone to sleep so far, and the CPU time they have used, in ticks."""
    sleeps = ticks = 0
    folder = f"/proc/{worker.pid}/task"
    for thread in os.listdir(folder):
        with open(f"{folder}/{thread}/status", encoding="ascii") as file:
            sleeps += sum(int(line.split()[1]) for line in file if line.startswith("voluntary_ctxt_switches"))
        with open(f"{folder}/{thread}/stat", encoding="ascii") as file:
            ticks += sum(map(int, file.read().rpartition(")")[2].split()[11:13]))
    return sleeps, ticks


def settled(worker):
    """turns(), once all its threads sleep for good."""
    last = [None]

    def same():
        before, last[0] = last[0], turns(worker)
        time.sleep(0.5)
        return before == last[0]

    until(same, "it does not come to rest")
    return last[0]


def stays_asleep(*workers):
    before = [settled(w) for w in workers]
    end = time.monotonic() + IDLE_S
    while time.monotonic() < end:
        time.sleep(end - time.monotonic())
    assert [turns(w) for w in workers] == before, f"(sleeps, ticks) were {before}, are {[turns(w) for w in workers]}"


@case
def a_thousand_channels_in_which_nothing_is_sent(folder):
    with opened(folder) as host, opened(folder) as other:
        other.do("listen", 7)
        for slot in range(CHANNELS):
            host.do("join", slot, slot + 10, 7)
            host.do("say", slot, "x")
            assert other.do("hear", 7, -1) == f"{slot + 10} x"
        other.tell("hear", 7, -1)
        stays_asleep(host, other)
        host.do("say", CHANNELS - 1, "awake")
        assert other.answer() == ("0", f"{CHANNELS + 9} awake")


if __name__ == "__main__":
    raise SystemExit(main())
