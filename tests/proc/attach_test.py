"""Who hosts, who receives as which pid, and what happens when the host is gone. Real processes."""
import os
import re
import shutil
import stat
import struct
import subprocess

from workers import Skip, Worker, case, connect, hung_up, main, opened, place, until


@case
def one_hosts_and_the_others_attach(folder):
    with opened(folder) as a, opened(folder) as b, opened(folder) as c:
        assert [w.stat("local.hosted") for w in (a, b, c)] == [1, 0, 0]
        assert a.number == b.number == c.number
        a.do("listen", 7)
        b.do("listen", 8)
        why = b.fails("EADDRINUSE", "listen", 7)
        assert f"process {a.pid} " in why, why
        assert f"process {b.pid} " in c.fails("EADDRINUSE", "listen", 8)
        b.do("deaf", 8)
        c.do("listen", 8)
        a.until("host.pids", 2)
        assert a.stat("host.members") == 3


@case
def a_pid_is_free_when_its_process_is_gone(folder):
    with opened(folder) as a, opened(folder) as b:
        b.do("listen", 8)
        b.kill()
        until(lambda: a.ask("listen", 8)[0] == "0", "the pid of a dead process is not free")
        assert a.stat("host.members") == 1


@case
def the_next_one_hosts_and_pids_stay(folder):
    with opened(folder) as a, opened(folder) as b, opened(folder) as c:
        b.do("listen", 8)
        c.do("listen", 9)
        a.kill()
        for w in (b, c):
            w.until("local.attached", 2)
        host = b if b.stat("local.hosted") else c
        host.until("host.pids", 2)
        assert b.stat("local.hosted") + c.stat("local.hosted") == 1
        with opened(folder) as d:
            assert d.number == a.number
            d.fails("EADDRINUSE", "listen", 8)
            d.fails("EADDRINUSE", "listen", 9)
            d.do("listen", 10)
        assert [w.stat("local.pids_lost") for w in (b, c)] == [0, 0]


@case
def a_host_that_closes_leaves_nothing(folder):
    with opened(folder) as a:
        assert stat.S_IMODE(os.stat(os.path.dirname(place(folder))).st_mode) == 0o700
        a.do("close")
        assert sorted(os.listdir(os.path.dirname(place(folder)))) == ["node.key", "node.lock"]
        a.do("open", "auto")
        a.quit()
    with opened(folder) as b:
        assert b.stat("local.hosted") == 1


@case
def who_had_a_pid_gets_it_back_or_hears_that_not(folder):
    """Its owner was stopped when the host died, and another took the pid at the next host."""
    with opened(folder) as a, opened(folder) as owner, opened(folder) as other:
        owner.do("listen", 7)
        owner.stop()
        a.kill()
        other.until("local.attached", 2)
        other.do("listen", 7)
        owner.go_on()
        owner.until("local.attached", 2)
        # In time its ticket counts (claims_test.c has both sides of the edge): one of the two has lost.
        until(lambda: 1 in (owner.stat("local.pids_lost"), other.stat("local.pids_lost")), "both have the pid")
        loser, keeper = (owner, other) if owner.stat("local.pids_lost") else (other, owner)
        why = loser.fails("ESHUTDOWN", "take", 7, 1, -1)
        assert "another process" in why, why
        assert f"process {keeper.pid} " in loser.fails("EADDRINUSE", "listen", 7)
        assert keeper.stat("local.pids_lost") == 0


@case
def a_service_is_found_by_its_name(folder):
    with opened(folder) as a, opened(folder) as b, opened(folder) as c:
        pid = b.do("serve_as", "store", 0)
        assert [w.do("find", "store", 0, -1) for w in (a, b, c)] == [pid] * 3
        assert str(b.pid) in c.fails("EEXIST", "serve_as", "store", 9)
        assert "42" in c.fails("EINVAL", "serve_as", "42", 9)
        c.fails("EINVAL", "find", "a@b", 0, -1)
        assert "'lattice recv shop'" in c.fails("ENOENT", "find", "shop", 0, -1)
        assert c.do("serve_as", "shop", 9) == "9"
        assert a.do("find", "shop", 0, -1) == "9"
        c.do("deaf", 9)
        until(lambda: a.ask("find", "shop", 0, -1)[0] == "ENOENT", "the name of an endpoint that is closed")
        b.kill()    # a name dies with its process, and then is free
        until(lambda: a.ask("find", "store", 0, -1)[0] == "ENOENT", "the name of a dead process")
        assert c.do("serve_as", "store", 0) == pid


@case
def services_stay_from_host_to_host(folder):
    with opened(folder) as a, opened(folder) as b, opened(folder) as c:
        pid = b.do("serve_as", "store", 0)
        b.stop()
        a.kill()
        c.tell("find", "store", 0, -1)  # waits for the next host, and there for who had the name; not for ever
        b.go_on()
        assert c.answer()[0] in ("0", "ENOENT")
        until(lambda: c.ask("find", "store", 0, -1) == ("0", pid), "the service after another host came")
        assert b.do("find", "store", 0, -1) == pid


@case
def who_had_a_name_gets_it_back_or_hears_that_not(folder):
    """Its owner was stopped when the host died, and another took the name at the next host."""
    with opened(folder) as a, opened(folder) as owner, opened(folder) as other:
        pid = owner.do("serve_as", "store", 0)
        owner.stop()
        a.kill()
        other.until("local.attached", 2)
        other.do("serve_as", "store", 9)
        owner.go_on()
        until(lambda: 1 in (owner.stat("local.pids_lost"), other.stat("local.pids_lost")), "both have the name")
        if owner.stat("local.pids_lost"):
            loser, lost, left = owner, pid, "9"
        else:
            loser, lost, left = other, "9", pid
        assert "another process" in loser.fails("ESHUTDOWN", "take", lost, 1, -1)
        assert loser.do("find", "store", 0, -1) == left


@case
def a_place_that_is_removed_is_made_again(folder):
    with opened(folder) as a, opened(folder) as b:
        b.do("listen", 7)
        a.stop()
        shutil.rmtree(os.path.dirname(place(folder)))
        a.kill()
        b.until("local.hosted", 1)
        with opened(folder) as c:
            c.fails("EADDRINUSE", "listen", 7)


@case
def hosts_follow_each_other(folder):
    """Whoever hosts is killed, until one is left; each keeps its pid, whoever comes anew finds them."""
    members = [opened(folder) for _ in range(12)]
    try:
        for i, w in enumerate(members):
            w.do("listen", i + 1)
        while len(members) > 1:
            until(lambda: any(w.stat("local.hosted") for w in members), "nobody hosts")
            host = next(w for w in members if w.stat("local.hosted"))
            members.remove(host)
            host.kill()
            host.__exit__()
            for w in members:
                w.until("local.up", 1)
                assert w.stat("local.pids_lost") == 0
            with opened(folder) as new:
                free = sum(new.ask("listen", pid)[0] == "0" for pid in range(1, 13))
                assert free == 12 - len(members), free
    finally:
        for w in members:
            w.__exit__()


@case
def a_child_does_not_keep_the_door(folder):
    """Forked from the host, it lives on with copies of what the host had open."""
    with opened(folder) as a, opened(folder) as b:
        child, said = a.do("fork").split()[:2]
        try:
            assert said == "EPERM", said
            a.kill()
            b.until("local.hosted", 1)
            b.do("listen", 7)
        finally:
            os.kill(int(child), 9)


@case
def another_number_is_refused(folder):
    with opened(folder) as a, Worker(folder) as b:
        why = b.fails("EINVAL", "open", "auto", a.number + 1)
        assert str(a.number) in why, why
        b.do("open", "auto", a.number)


@case
def with_a_network_too(folder):
    with Worker(folder) as a, Worker(folder, env={"LATTICE_STATE_DIR": os.path.join(folder, "other")}) as b:
        number = a.do("open", "self", 5)
        b.do("open", "self", 6)
        assert (a.stat("local.hosted"), a.stat("local.elsewhere")) == (1, 0)
        assert (b.stat("local.hosted"), b.stat("local.elsewhere")) == (None, 1)
        assert f"process {a.pid} hosts" in b.said()
        with opened(folder) as c:
            assert c.number == int(number) == 5


def of_notes(name):
    """A number of struct lat_note (src/node/note.h)."""
    with open(os.path.join(os.path.dirname(__file__), "../../src/node/note.h"), encoding="utf-8") as header:
        return int(re.search(rf"\b{name} = (\d+)", header.read()).group(1))


VERSION, COUNTS, NAME = of_notes("LAT_NOTE_VERSION"), of_notes("LAT_NOTE_COUNTS"), of_notes("LAT_NOTE_NAME")
RIGHT = 296     # struct lat_cap_right, and what aligns the counts


def note(*, kind, token=0, dst=0, member=0):
    """As struct lat_note."""
    return struct.pack(f"=HHIiiiIIIIiII16xQQQ32x{NAME}x{RIGHT}x{8 * COUNTS}x", VERSION, kind, token, 0, 0, dst, 0, 0, 0, 0, 0, 0, 0, member,
                       0, 0)


@case
def whoever_breaks_a_rule_is_dropped(folder):
    with opened(folder) as a, opened(folder) as b:
        hello = note(kind=1, member=77)
        with connect(folder) as s:  # what is right is answered
            s.send(note(kind=1, member=78))
            assert struct.unpack_from("=HHIi", s.recv(4096)) == (VERSION, 2, 0, 0)
        before = 0
        for packets in ([b"x"], [hello + b"x"], [hello[:-1]], [hello, hello], [b"\0" * len(hello)], [note(kind=3, token=1, dst=7)]):
            with connect(folder) as s:
                for packet in packets:
                    s.send(packet)
                hung_up(s)
            before += 1
            a.until("host.dropped", before)
        assert f"process {os.getpid()} is dropped" in a.said()
        # Those who say nothing do not keep others out.
        crowd = [connect(folder) for _ in range(200)]
        b.do("listen", 7)
        with opened(folder) as c:
            c.fails("EADDRINUSE", "listen", 7)
        for s in crowd:
            s.close()


@case
def strangers_do_not_get_in(folder):
    if os.geteuid() != 0:
        raise Skip("not root: no other user to be")
    os.chmod(folder, 0o755)
    os.mkdir(os.path.dirname(place(folder)))
    os.chmod(os.path.dirname(place(folder)), 0o1777)
    with opened(folder) as a, Worker(folder, user=65534) as stranger:
        stranger.fails("EACCES", "open", "auto")
        os.chmod(place(folder), 0o777)
        with Worker(folder, user=65534) as again:
            again.fails("EACCES", "open", "auto")
        a.do("listen", 7)
    # A place that belongs to the stranger, or that everybody may change.
    os.chmod(os.path.dirname(place(folder)), 0o777)
    with Worker(folder) as w:
        assert "everybody may replace" in w.fails("EPERM", "open", "auto")
    os.chown(os.path.dirname(place(folder)), 65534, 65534)
    os.chmod(os.path.dirname(place(folder)), 0o700)
    with Worker(folder) as w:
        w.fails("EPERM", "open", "auto")


@case
def a_host_that_is_stopped_is_named(folder):
    with opened(folder) as a, Worker(folder) as b:
        a.stop()
        why = b.fails("ETIMEDOUT", "open", "auto")
        assert f"process {a.pid}," in why, why
        a.go_on()
        b.do("open", "auto")


@case
def nothing_is_left_open(folder):
    with opened(folder) as a, Worker(folder) as b:
        before = b.do("fds")
        for _ in range(20):
            b.do("open", "auto")
            b.do("listen", 8)
            b.do("close")
        assert b.do("fds") == before
        a.until("host.members", 1)


@case
def a_container_shares_the_directory(folder):
    """In namespaces of its own, where the directory has another name."""
    if shutil.which("unshare") is None:
        raise Skip("there is no unshare(1)")
    here, inside = os.path.dirname(place(folder)), os.path.join(folder, "inside")
    os.mkdir(inside)
    with opened(folder) as a:
        enter = ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c",
                 f'mount --bind "{here}" "{inside}" && exec "$0"']
        if subprocess.run([*enter, "true"], capture_output=True, check=False).returncode != 0:
            raise Skip("namespaces of users, mounts and processes are not permitted here")
        a.do("listen", 7)
        with opened(folder, before=enter, env={"LATTICE_SOCKET": os.path.join(inside, "node.sock")}) as b:
            assert b.number == a.number
            b.fails("EADDRINUSE", "listen", 7)
            b.do("listen", 8)
            a.fails("EADDRINUSE", "listen", 8)
            a.kill()
            b.until("local.hosted", 1)
            with opened(folder) as c:
                c.fails("EADDRINUSE", "listen", 8)


if __name__ == "__main__":
    raise SystemExit(main())
