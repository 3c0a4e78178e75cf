"""Channels between processes: messages, closing, death. Real processes."""
import os
import shutil

from workers import Worker, case, main, opened, place, until


@case
def messages_go_from_one_to_another(folder):
    with opened(folder) as a, opened(folder) as b:
        b.do("listen", 7)
        a.do("join", 0, 1, 7)
        a.do("say", 0, "hello")
        assert b.do("hear", 7, -1) == "1 hello"
        a.tell("send", 0, 20000, 100, -1)
        assert b.do("take", 7, 20000, -1) == "20000"
        a.answer()
        assert a.do("flush", 0, -1).split()[:2] == ["20001", "20001"]
        assert a.stat("links") == b.stat("links") == 1
        assert (a.stat("links.out"), b.stat("links.in")) == (1, 1)


@case
def blocks_are_lent_and_taken(folder):
    with opened(folder) as a, opened(folder) as b:
        b.do("listen", 7)
        a.do("join", 0, 1, 7)
        for flags in (0, 1):
            for n, length in enumerate((1, 300, 5000, 1000000)):
                a.do("lend", 0, length, n + 1)
                assert b.do("borrow", 7, flags) == f"{length} {n + 1}"
        a.do("flush", 0, -1)
        assert a.stat("tier.spill_hits") == 8
        assert a.stat("tier.spill_bytes") == 0


@case
def both_ways_and_many_channels_share_a_link(folder):
    with opened(folder) as a, opened(folder) as b:
        for pid in range(1, 21):
            a.do("listen", pid)
            b.do("listen", 100 + pid)
        for pid in range(1, 21):
            a.do("join", pid, pid, 100 + pid)
            b.do("join", pid, 100 + pid, pid)
        for pid in range(1, 21):
            a.tell("send", pid, 30, 40, -1)
            b.tell("send", pid, 30, 40, -1)
        for w in (a, b):
            for _ in range(20):
                assert w.answer()[0] == "0"
        for pid in range(1, 21):
            assert a.do("take", pid, 30, -1) == "30"
            assert b.do("take", 100 + pid, 30, -1) == "30"
        assert a.stat("links.made") == b.stat("links.made")
        assert (a.stat("links.out"), a.stat("links.in")) == (20, 20)
        for pid in range(1, 21):
            a.do("part", pid)
        until(lambda: (a.stat("links.out"), b.stat("links.in")) == (0, 0), "closed channels stay")


@case
def messages_of_all_lengths(folder):
    """Each through another tier."""
    with opened(folder) as a, opened(folder) as b:
        b.do("listen", 7)
        a.do("join", 0, 1, 7)
        for size in (8, 48, 49, 288, 289, 4000, 20000, 200000, 500000):
            a.tell("send", 0, 20, size, -1)
            assert b.do("take", 7, 20, -1) == "20", size
            assert a.answer() == ("0", "20")
        a.do("flush", 0, -1)


@case
def nobody_is_there(folder):
    with opened(folder) as a, opened(folder) as b, opened(folder) as c:
        assert "pid 7" in a.fails("ECONNREFUSED", "join", 0, 1, 7)
        b.do("listen", 7)
        a.do("listen", 8)
        assert "pid 8" in c.fails("EACCES", "join", 0, 8, 7)
        a.do("join", 0, 8, 7)
        a.fails("EEXIST", "join", 1, 8, 7)
        c.do("join", 0, 1, 7)
        a.do("join", 1, 1, 7)


@case
def an_endpoint_that_closes_is_told(folder):
    with opened(folder) as a, opened(folder) as b:
        b.do("listen", 7)
        a.do("join", 0, 1, 7)
        a.do("send", 0, 10, 40, 0)
        assert b.do("take", 7, 4, -1) == "4"
        b.do("deaf", 7)
        until(lambda: a.ask("send", 0, 1, 40, 0)[0] == "EOWNERDEAD", "it is not told")
        assert a.ask("flush", 0, 0)[1].split()[1] == "4"
        b.do("listen", 7)
        a.do("part", 0)
        a.do("join", 0, 1, 7)
        a.do("send", 0, 3, 40, 0)
        assert b.do("take", 7, 3, -1) == "3"


@case
def what_a_dead_sender_published_is_received(folder):
    with opened(folder) as a, opened(folder) as b:
        b.do("listen", 7)
        a.do("join", 0, 1, 7)
        a.do("send", 0, 30, 40, 0)
        a.kill()
        assert b.do("take", 7, 30, -1) == "30"
        assert b.ask("take", 7, 1, 0)[0] == "ENOMSG"
        until(lambda: b.stat("links") == 0 and b.stat("links.in") == 0, "the dead one's link stays")


@case
def a_dead_receiver_is_told(folder):
    with opened(folder) as a, opened(folder) as b:
        b.do("listen", 7)
        a.do("join", 0, 1, 7)
        a.tell("send", 0, 1000000, 40, -1)   # waits for room
        b.do("take", 7, 1000, -1)
        b.kill()
        result, rest = a.answer()
        assert result == "EOWNERDEAD", (result, rest)
        a.do("part", 0)
        until(lambda: a.stat("links") == 0, "the dead one's link stays")


@case
def channels_go_on_without_their_host(folder):
    with opened(folder) as host, opened(folder) as a, opened(folder) as b:
        b.do("listen", 7)
        a.do("join", 0, 1, 7)
        a.do("send", 0, 10, 40, -1)
        host.kill()
        a.do("send", 0, 10, 40, -1)
        assert b.do("take", 7, 20, -1) == "20"
        for w in (a, b):
            w.until("local.attached", 2)
        a.do("send", 0, 10, 40, -1)
        assert b.do("take", 7, 10, -1) == "10"
        a.do("join", 1, 2, 7)
        a.do("send", 1, 10, 40, -1)
        assert b.do("take", 7, 10, -1) == "10"
        assert a.stat("links.made") == 1


@case
def what_nobody_hosts_for_long_is_closed(folder):
    """There is no place to meet any more: after five seconds in which neither side has a host."""
    with opened(folder) as host, opened(folder) as a, opened(folder) as b:
        b.do("listen", 7)
        a.do("join", 0, 1, 7)
        a.do("send", 0, 10, 40, -1)
        shutil.rmtree(os.path.dirname(place(folder)))
        with open(os.path.dirname(place(folder)), "wb"):
            pass
        host.kill()
        a.do("send", 0, 10, 40, -1)
        assert b.do("take", 7, 20, -1) == "20"
        until(lambda: a.ask("send", 0, 1, 40, 0)[0] == "ECONNRESET", "it goes on without a host")
        b.ask("drain", 7)
        until(lambda: b.stat("links") == 0, "the link stays")
        os.unlink(os.path.dirname(place(folder)))
        for w in (a, b):
            w.until("local.up", 1)
        a.do("part", 0)
        a.do("join", 0, 1, 7)
        a.do("send", 0, 10, 40, -1)


@case
def channels_wait_for_those_who_come_back(folder):
    """A channel to a pid that has not been claimed again from the next host is not refused at once."""
    with opened(folder) as host, opened(folder) as a, opened(folder) as b:
        b.do("listen", 7)
        b.stop()
        host.kill()
        a.until("local.hosted", 1)
        a.tell("join", 0, 1, 7)
        b.go_on()
        result, rest = a.answer()
        if result != "0":   # the machine is slower than the host waits
            assert result == "ECONNREFUSED", (result, rest)
            b.until("local.up", 1)
            a.do("join", 0, 1, 7)
        a.do("send", 0, 5, 40, -1)
        assert b.do("take", 7, 5, -1) == "5"


@case
def one_that_is_stopped_is_waited_for(folder):
    with opened(folder) as a, opened(folder) as b:
        b.do("listen", 7)
        a.do("join", 0, 1, 7)
        b.stop()
        result, rest = a.ask("send", 0, 1000000, 40, 50)
        assert result == "ETIMEDOUT", (result, rest)
        sent = int(rest.split()[0])
        b.go_on()
        assert b.do("take", 7, sent, -1) == str(sent)
        a.do("send", 0, 5, 40, -1)
        assert b.do("take", 7, 5, -1) == "5"


@case
def nothing_is_left(folder):
    """Neither descriptors nor memory of those who came and went."""
    with opened(folder) as a:
        a.do("listen", 7)
        before = None
        for i in range(12):
            with opened(folder) as b:
                b.do("join", 0, 1, 7)
                b.do("listen", 8)
                b.do("send", 0, 3, 40, -1)
                a.do("join", 0, 1, 8)
                a.do("take", 7, 3, -1)
                if i % 2:
                    b.kill()
                else:
                    b.quit()
            a.do("part", 0)
            until(lambda: a.stat("links") == 0 and a.stat("host.members") == 1, "what was left is kept")
            fds = int(a.do("fds"))
            before = fds if i == 1 else before
            assert i < 1 or fds == before, f"{fds} descriptors, {before} before"
            with open(f"/proc/{a.pid}/maps", encoding="utf-8") as maps:
                shared = [line for line in maps if "memfd:lattice" in line]
            # The page of who hosts, as it writes it, and as it reads it.
            assert i < 1 or len(shared) == 2 and all("lattice-lives" in line for line in shared), shared
    assert not [name for name in os.listdir("/dev/shm") if "lattice" in name]


@case
def the_short_calls_lead_to_other_processes(folder):
    with Worker(folder) as a, Worker(folder) as b:
        b.do("short", "listen", 7)
        a.do("short", "connect", 1, 7)
        a.do("short", "send", 1, 7, 42)
        assert b.do("short", "recv", 7) == "42 1"
        b.do("short", "send", 7, 1, 43)
        assert a.do("short", "recv", 1) == "43 7"
        b.kill()
        until(lambda: a.ask("short", "send", 1, 7, 44)[0] != "0", "it is not told that the other is gone")
        a.do("short", "down")


@case
def closing_the_node_ends_what_it_has(folder):
    with opened(folder) as a, opened(folder) as b:
        b.do("listen", 7)
        a.do("join", 0, 1, 7)
        a.do("send", 0, 5, 40, 0)
        a.do("close")
        assert b.do("take", 7, 5, -1) == "5"
        until(lambda: b.stat("links") == 0, "a link to nobody")
        a.do("open", "auto")
        a.do("join", 0, 1, 7)
        a.do("send", 0, 5, 40, 0)
        b.do("close")
        until(lambda: a.ask("send", 0, 1, 40, 0)[0] == "EOWNERDEAD", "it is not told")


if __name__ == "__main__":
    raise SystemExit(main())
