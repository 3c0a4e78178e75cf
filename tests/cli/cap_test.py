#!/usr/bin/env python3
"""cap: what is granted is what was said, is narrowed, shown, listed and ended; and what is refused."""
import base64
import json
import os
import signal
import stat
import sys
import time

from harness import WAIT, Node, Receiver, Running, case, expect, main, read, run, two_nodes, write



def wait_for_lines(path, count):
    """The first so many objects of a file, once they are there."""
    end = time.monotonic() + WAIT
    while True:
        lines = read(path).splitlines() if os.path.exists(path) else []
        if len(lines) >= count:
            return [json.loads(line) for line in lines]
        assert time.monotonic() < end, lines
        time.sleep(0.01)


GRANT = ("cap", "grant", "7", "--rights", "send,call")


def shown(text, node=None):
    """What cap show --json says of a capability."""
    where = ("-d", node.dir) if node is not None else ()
    return json.loads(expect(run("cap", "show", "-", "--json", *where, stdin=text), 0).out)


@case
def granted_to_a_peer(folder):
    alice, bob = two_nodes(folder)
    text = expect(alice.run(*GRANT, "--to", "bob", "--badge", 42, "--as", 3, "--rate", "100/s", "--max-bytes", 4096), 0).out
    assert text.startswith(b"lattice-cap:") and text.count(b"\n") == 1
    said = shown(text, alice)
    assert said["node"] == 1 and said["to"] == 7 and said["from"] == 3
    assert said["rights"] == ["send", "open", "call"] and said["rate"] == 100 and said["max_bytes"] == 4096
    assert said["holder"] == "node 2 (bob)" and not said["bearer"] and said["expires"] == 0
    assert "badge" not in said      # the issuer's own
    words = expect(run("cap", "show", "-", "-d", alice.dir, stdin=text), 0).out.decode()
    for part in ("id       " + said["id"] + " of node 1", "to       pid 7", "from     pid 3", "holder   node 2 (bob)",
                 "allows   send, open, call", "longest  4096 bytes", "rate     100 messages a second", "expires  never"):
        assert part in words, (part, words)
    # By number and by fingerprint it is the same holder.
    for who in ("2", bob.print["fingerprint"]):
        assert shown(expect(alice.run(*GRANT, "--to", who), 0).out, alice)["holder"] == "node 2 (bob)"
    assert bob.print["fingerprint"][:32] in shown(text)["holder"]       # who does not know bob


@case
def granted_to_others(folder):
    alice = Node(folder, "alice", 1)
    assert shown(expect(alice.run(*GRANT, "--bearer"), 0).out)["bearer"]
    assert shown(expect(alice.run(*GRANT, "--to", "user:65000"), 0).out)["holder"].startswith("user 65000")
    assert shown(expect(alice.run(*GRANT, "--to", "user:root"), 0).out)["holder"] == "user 0 (root)"
    expect(alice.run(*GRANT, "--to", "user:no-such-user"), 1, "there is no user 'no-such-user'")
    expect(alice.run(*GRANT, "--to", "carol"), 1, "no node is called 'carol'")
    expect(alice.run(*GRANT, "--to", "9"), 1, "node 9")


@case
def granted_for_a_service(folder):
    """By the pid that it will have; or, once it runs, by the one that it has."""
    alice = Node(folder, "alice", 1)
    will = shown(expect(alice.run("cap", "grant", "store", "--rights", "send", "--bearer"), 0).out)["to"]
    with Receiver(alice, "store") as store:
        text = expect(alice.run("cap", "grant", "store", "--rights", "send", "--bearer"), 0).out
        assert shown(text)["to"] == will and f"'store', pid {will}" in store.said()


@case
def sent_by_a_capability(folder):
    """To another node, and on this one; by the pid, and by the service's name; until it is revoked."""
    alice, bob = two_nodes(folder)
    right = os.path.join(folder, "right")
    with Receiver(bob, "store") as store:
        at = ("--at", f"127.0.0.1:{store.port}")
        expect(bob.run("cap", "grant", "store", "--rights", "send", "--to", "alice", "--output", right), 0)
        pid = shown(read(right))["to"]
        for target in ("store@bob", f"{pid}@bob"):
            expect(alice.run("send", target, "-m", "by right", "--cap", right, *at), 0)
        expect(alice.run("send", "8@bob", "-m", "no", "--cap", right, *at), 1, "does not allow it")
        expect(alice.run("send", "store@bob", "-m", "by a pipe", "--cap", "-", *at, stdin=read(right)), 0)
        expect(alice.run("send", "store@bob", "-", "--cap", "-", *at, stdin=read(right)), 2, "cannot be both")
        expect(alice.run("send", "store@bob", "-f", "-", "--cap", "-", *at, stdin=read(right)), 2, "cannot be both")
        expect(alice.run("send", "store@bob", "-m", "no", "--cap", "-", *at, stdin=b"hello"), 1, "not a capability")
        expect(alice.run("send", "store@bob", "-m", "no", "--cap", os.path.join(folder, "none"), *at), 1, "no capability")
        expect(bob.run("cap", "revoke", right), 0)
        expect(alice.run("send", "store@bob", "-m", "no", "--cap", right, *at), 1, "revoked")
        expect(alice.run("send", "store@bob", "-m", "by being alice", *at), 0)
        assert store.end(signal.SIGTERM).out == b"by right\nby right\nby a pipe\nby being alice\n"


@case
def what_is_said_wrongly(folder):
    alice = Node(folder, "alice", 1)
    for args, says in (
            (("0", "--rights", "send", "--bearer"), "neither a pid"),
            (("a/b", "--rights", "send", "--bearer"), "neither a pid"),
            (("7", "--bearer"), "--rights says"),
            (("7", "--rights", "send"), "either --to, or --bearer"),
            (("7", "--rights", "send", "--bearer", "--to", "2"), "either --to, or --bearer"),
            (("7", "--rights", "fly", "--bearer"), "'fly' is none of the rights"),
            (("7", "--rights", "send,", "--bearer"), "ends with a comma"),
            (("7", "--rights", ",send", "--bearer"), "'' is none of the rights"),
            (("7", "--rights", "send call", "--bearer"), "'send call' is none"),
            (("7", "--rights", "x" * 300, "--bearer"), "is none of the rights"),
            (("7", "--rights", "send", "--bearer", "--rate", "0/s"), "--rate cannot be"),
            (("7", "--rights", "send", "--bearer", "--rate", "5/m"), "--rate cannot be"),
            (("7", "--rights", "send", "--bearer", "--rate", "/s"), "--rate cannot be"),
            (("7", "--rights", "send", "--bearer", "--rate", "9" * 40), "--rate cannot be"),
            (("7", "--rights", "send", "--bearer", "--expires", "7"), "--expires cannot be"),
            (("7", "--rights", "send", "--bearer", "--expires", "d"), "--expires cannot be"),
            (("7", "--rights", "send", "--bearer", "--expires", "0d"), "--expires cannot be"),
            (("7", "--rights", "send", "--bearer", "--expires", "1.5d"), "--expires cannot be"),
            (("7", "--rights", "send", "--bearer", "--expires", "9" * 40 + "d"), "--expires cannot be"),
            (("7", "--rights", "send", "--bearer", "--max-bytes", "11"), "--max-bytes cannot be")):
        done = expect(alice.run("cap", "grant", *args), 2, says, why=str(args))
        assert done.out == b""
    assert not os.path.exists(os.path.join(alice.dir, "capabilities"))


@case
def narrowed_in_a_file(folder):
    alice, _ = two_nodes(folder)
    first, second = os.path.join(folder, "first"), os.path.join(folder, "second")
    expect(alice.run(*GRANT, "--bearer", "--expires", "7d", "--output", first), 0)
    assert stat.S_IMODE(os.stat(first).st_mode) == 0o600
    assert b"# to pid 7 of node 1: send, open, call\n" in read(first)
    before = listed(alice)
    expect(alice.run(*GRANT, "--bearer", "--output", first), 1, "is there already", "--force")
    expect(run("cap", "attenuate", first, "--rights", "send", "--output", first), 1, "is there already")
    assert listed(alice) == before      # nothing was made for a file that could not be
    expect(alice.run(*GRANT, "--bearer", "--expires", "7d", "--output", first, "--force"), 0)
    assert stat.S_IMODE(os.stat(first).st_mode) == 0o600 and len(listed(alice)) == len(before) + 1
    expect(run("cap", "attenuate", first, "--rights", "send", "--expires", "1h", "--rate", "5", "--output", second), 0)
    wide, narrow = shown(read(first)), shown(read(second))
    assert narrow["rights"] == ["send", "open"] and narrow["rate"] == 5 and narrow["expires"] < wide["expires"]
    assert narrow["limits_added"] == 3 and narrow["id"] == wide["id"]
    expect(run("cap", "attenuate", second, "--rights", "send,call"), 1, "narrowed, never widened")
    expect(run("cap", "attenuate", second, "--expires", "7d"), 1, "expires before that")
    expect(run("cap", "attenuate", second, "--rate", "6/s"), 1, "rate is less")
    expect(run("cap", "attenuate", second), 1, "nothing was said")
    os.chmod(first, 0o644)
    expect(run("cap", "show", first), 1, "others may use the file", "chmod 600")
    expect(run("cap", "attenuate", first, "--rate", "6/s"), 1, "others may use the file")
    expect(run("cap", "show", os.path.join(folder, "none")), 1, "cannot be read")
    for content, says in ((b"", "there is no capability"), (b"hello\n", "not a capability"), (read(second)[:-30], "cut or mistyped"),
                          (read(first) + read(second), "two capabilities")):
        os.chmod(first, 0o600)
        path = write(os.path.join(folder, "bad"), content)
        os.chmod(path, 0o600)
        expect(run("cap", "show", path), 1, says)
        expect(run("cap", "show", "-", stdin=content), 1, says)


def listed(node):
    return [json.loads(line) for line in expect(node.run("cap", "list", "--json"), 0).out.splitlines()]


@case
def listed_and_revoked(folder):
    alice, _ = two_nodes(folder)
    other = Node(folder, "other", 5)
    assert listed(alice) == []
    one = expect(alice.run(*GRANT, "--to", "bob", "--badge", 9), 0).out
    two = expect(alice.run(*GRANT, "--bearer", "--uses", 3), 0).out
    found = listed(alice)
    assert [row["id"] for row in found] == [shown(one)["id"], shown(two)["id"]]
    assert found[0]["badge"] == 9 and found[1]["uses"] == 3 and found[0]["holder"] == "node 2 (bob)"
    assert b"; badge 9\n" in expect(alice.run("cap", "list"), 0).out
    done = expect(alice.run("cap", "revoke", found[0]["id"], "--wait"), 0)
    assert b"1 capability has ended; no channel" in done.out
    expect(alice.run("cap", "revoke", found[0]["id"]), 1, "no such capability, or it was revoked before")
    expect(other.run("cap", "revoke", "-"), 1, "there is no capability")
    path = write(os.path.join(folder, "two"), two)
    os.chmod(path, 0o600)
    expect(other.run("cap", "revoke", path), 1, "capability of node 1, and this is node 5")
    said = json.loads(expect(alice.run("cap", "revoke", path, "--json"), 0).out)
    assert said["ended"] == 1 and said["channels"] == 0
    assert listed(alice) == []
    # All of one holder's.
    for _ in range(3):
        expect(alice.run(*GRANT, "--to", "bob"), 0)
    keep = shown(expect(alice.run(*GRANT, "--bearer"), 0).out)["id"]
    assert b"3 capabilities have ended" in expect(alice.run("cap", "revoke", "--peer", "bob"), 0, "open again").out
    assert [row["id"] for row in listed(alice)] == [keep]
    expect(alice.run("cap", "revoke", "--peer", "carol"), 1, "no node is called")
    expect(alice.run("cap", "revoke"), 2, "either ID or FILE, or --peer")
    expect(alice.run("cap", "revoke", keep, "--peer", "bob"), 2, "either ID or FILE, or --peer")
    expect(alice.run("cap", "revoke", "0.99"), 1, "no such capability")


@case
def a_forged_file_revokes_nothing(folder):
    """Its id is that of another's capability; its key is not."""
    alice, _ = two_nodes(folder)
    ours, forged = os.path.join(folder, "ours"), os.path.join(folder, "forged")
    mallory = Node(folder, "mallory", 1)        # the same number, another key
    expect(mallory.run(*GRANT, "--bearer", "--output", forged), 0)
    expect(alice.run("cap", "revoke", forged), 1, "nothing was revoked.*it is forged, or was changed", "cap list")
    expect(alice.run(*GRANT, "--to", "bob", "--output", ours), 0)
    assert shown(read(forged))["id"] == shown(read(ours))["id"] == listed(alice)[0]["id"]
    expect(alice.run("cap", "revoke", forged, "--wait"), 1, "nothing was revoked.*it is forged, or was changed")
    with Receiver(alice, 7):        # and the one that runs
        expect(alice.run("cap", "revoke", forged), 1, "it is forged, or was changed")
        assert len(listed(alice)) == 1
        assert b"1 capability has ended" in expect(alice.run("cap", "revoke", ours), 0).out
        expect(alice.run("cap", "revoke", ours), 1, "no such capability, or it was revoked before")
    assert listed(alice) == []


@case
def a_node_that_runs_is_asked(folder):
    alice, _ = two_nodes(folder)
    with Receiver(alice, 7):
        text = expect(alice.run(*GRANT, "--to", "bob"), 0).out
        assert [row["id"] for row in listed(alice)] == [shown(text)["id"]]
        expect(alice.run("cap", "revoke", shown(text)["id"], "--wait"), 0)
        kept = expect(alice.run(*GRANT, "--bearer"), 0).out
    assert [row["id"] for row in listed(alice)] == [shown(kept)["id"]]        # by the next one


@case
def what_is_refused_is_recorded(folder):
    """A capability that a peer, or a process here, shows in vain: why, by its id, and never its key."""
    alice, bob = two_nodes(folder)
    path, texts = os.path.join(folder, "audit"), {}

    def granted(name, *args):
        texts[name] = expect(alice.run("cap", "grant", "7", "--rights", "send", *args), 0).out
        file = write(os.path.join(folder, name), texts[name])
        os.chmod(file, 0o600)
        return file

    with Running(alice, "--audit", path, "--audit-format", "json") as runs:
        at = ("--at", f"127.0.0.1:{runs.port}")
        revoked = granted("revoked", "--to", "bob")
        expect(alice.run("cap", "revoke", revoked), 0)
        other = Node(folder, "other", 1)        # the same number, another key
        other.knows(bob)
        forged = os.path.join(folder, "forged")
        expect(other.run("cap", "grant", "7", "--rights", "send", "--to", "bob", "--output", forged), 0)
        rows = (("forged", forged, "1", 1, "forged"),
                ("revoked", revoked, "1", 1, "was revoked"),
                ("holder", granted("holder", "--to", other.print["fingerprint"]), "1", 1, "another holder's"),
                ("pid", granted("pid", "--to", "bob", "--as", 5), "1", 1, "another sender's pid"))
        for name, file, source, status, _ in rows:
            expect(bob.run("send", "7@alice", "-m", "no", "--from", source, "--cap", file, *at), status, why=name)
        expect(bob.run("send", "8@alice", "-m", "no", "--cap", granted("dst", "--bearer"), *at), 1)
        expect(bob.run("send", "7@alice", "-m", "no", "--cap", granted("uid", "--to", "user:65534"), *at), 1)
        records = wait_for_lines(path, len(rows) + 2)
        for row, record in zip(rows, records):
            assert record["act"] == "open" and record["peer"] == 2 and record["name"] == "bob", record
            assert bob.print["fingerprint"].startswith(record["fingerprint"]) and record["to"] == 7 and record["from"] == 1
            assert row[4] in record["why"] and record["capability"], (row, record)
        assert "another pid" in records[-2]["why"] and "another holder" in records[-1]["why"]
        assert records[1]["capability"] == shown(texts["revoked"])["id"] and records[1]["error"] == "EKEYREVOKED"
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        # A file that is moved away is made again.
        os.rename(path, path + ".1")
        runs.child.send_signal(signal.SIGHUP)
        runs.wait_says("opened anew")
        expect(bob.run("send", "7@alice", "-m", "no", "--cap", forged, *at), 1)
        wait_for_lines(path, 1)
    whole = read(path) + read(path + ".1")
    texts["forged"] = read(forged).splitlines()[-1]
    for name, text in texts.items():            # no piece of a capability's bytes, as text or in hexadecimal
        raw = base64.urlsafe_b64decode(text.strip().split(b":", 1)[1] + b"==")
        for i in range(66, 66 + 32 - 8):
            assert raw[i:i + 8].hex().encode() not in whole, name
        for i in range(20, len(text) - 16, 8):
            assert text[i:i + 16] not in whole, name
    os.symlink(path, path + ".link")
    expect(alice.run("node", "run", "--port", 0, "--audit", path + ".link"), 1, "symbolic link")
    expect(alice.run("node", "run", "--audit-format", "json"), 2, "goes with --audit")
    expect(alice.run("node", "run", "--audit", path, "--audit-format", "xml"), 2, "text or json")


@case
def its_file(folder):
    """Damaged, world-readable, another node's: refused, with the way out."""
    alice, other = Node(folder, "alice", 1), Node(folder, "other", 5)
    path = os.path.join(alice.dir, "capabilities")
    for node in (alice, other):
        for _ in range(3):
            expect(node.run(*GRANT, "--bearer"), 0)
    good = read(path)
    os.chmod(path, 0o640)
    expect(alice.run("cap", "list"), 1, "holds the key of all capabilities and others may use it", "chmod 600")
    expect(alice.run("recv", "7", "--port", "0"), 1, "others may use it")
    os.chmod(path, 0o600)
    for content, says in ((b"", "is cut"), (good[:100], "is cut"), (good[:2048], "is cut, or damaged"), (good[:-1], "is cut, or damaged"),
                          (good[:-128], "is cut, or damaged"), (b"x" + good[1:], "is damaged"),
                          (good[:2100] + b"x" + good[2101:], "is cut, or damaged"),
                          (read(os.path.join(other.dir, "capabilities")), "belongs to node 5")):
        write(path, content)
        expect(alice.run("cap", "list"), 1, says, "remove it", why=says)
        assert read(path) == content
    write(path, good)
    assert len(listed(alice)) == 3
    write(path, good + b"half a record")        # as a crash leaves it
    assert len(listed(alice)) == 3
    expect(alice.run(*GRANT, "--bearer"), 0)
    assert len(listed(alice)) == 4
    os.unlink(path)
    assert listed(alice) == []


@case
def where_there_is_nothing_to_grant_by(folder):
    where = os.path.join(folder, "none")
    expect(run(*GRANT, "--bearer", "-d", where), 1, "no node runs here", "keygen")
    expect(run("cap", "list", "-d", where), 1, "no node runs here")
    assert not os.path.exists(where)


if __name__ == "__main__":
    sys.exit(main())
