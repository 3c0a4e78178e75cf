#!/usr/bin/env python3
"""keygen and peers: what is made, what is kept, what is refused."""
import json
import os
import re
import stat
import subprocess
import sys

from harness import ENV, LATTICE, WAIT, Node, case, expect, main, read, run, write


@case
def keygen_makes_once_and_prints_again(folder):
    where = os.path.join(folder, "deep", "er")
    first = expect(run("keygen", "-d", where, "--node", 7), 0)
    assert first.err == "" and b"node = 7" in first.out
    assert stat.S_IMODE(os.stat(where).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(os.path.join(where, "identity")).st_mode) == 0o600
    seed = [line for line in read(os.path.join(where, "identity")).splitlines() if line.startswith(b"seed")][0]
    assert seed.split()[-1] not in first.out, "the secret was printed"
    again = expect(run("keygen", "-d", where), 0, "has an identity already")
    assert again.out == first.out
    expect(run("keygen", "-d", where, "--node", 7), 0, "has an identity already")
    other = expect(run("keygen", "-d", where, "--node", 8), 1, "is node 7 already", r"for node 8 take another")
    assert other.out == b""
    assert expect(run("keygen", env={"LATTICE_STATE_DIR": where}), 0).out == first.out


@case
def an_identity_that_cannot_be_trusted(folder):
    node = Node(folder, "a", 1)
    path = os.path.join(node.dir, "identity")
    os.chmod(path, 0o644)
    for command in (["keygen"], ["recv", "7", "--port", "0"], ["ping", "2"]):
        expect(node.run(*command), 1, "others may read it", "chmod 600", why=str(command))
    os.chmod(path, 0o600)
    write(path, read(path)[:-30])
    expect(node.run("keygen"), 1, r"identity, line \d: fingerprint")
    expect(node.run("recv", "7", "--port", "0"), 1, r"identity, line \d: fingerprint")


@case
def a_directory_that_is_none(folder):
    path = write(os.path.join(folder, "file"), b"x")
    expect(run("keygen", "-d", path), 1, "file cannot be")
    expect(run("keygen", "-d", path + "/below"), 1, "below cannot be made")
    expect(run("keygen", "-d", folder + "/" + "x" * 5000), 1, "too long")


def listed(node):
    """What peers list --json says: an object per line."""
    return [json.loads(line) for line in expect(node.run("peers", "list", "--json"), 0).out.splitlines()]


@case
def an_identity_is_shown(folder):
    where = os.path.join(folder, "n")
    expect(run("id", "-d", where), 1, "has no identity: 'lattice keygen' makes one")
    made = json.loads(expect(run("keygen", "-d", where, "--node", 7, "--json"), 0).out)
    text = expect(run("id", "-d", where, "--key"), 0).out.decode()
    assert made == json.loads(expect(run("id", "-d", where, "--key", "--json"), 0).out)
    assert made["node"] == 7 and made["text"] == text and f"fingerprint = {made['fingerprint']}" in text
    assert re.fullmatch(r"([bdfghjklmnprstvz][aiou]){2}[bdfghjklmnprstvz](-([bdfghjklmnprstvz][aiou]){2}"
                        r"[bdfghjklmnprstvz]){7}", made["words"]), made
    shown = expect(run("id", "-d", where), 0).out.decode()
    assert shown == f"node        7\nfingerprint {made['fingerprint']}\nwords       {made['words']}\n"
    del made["text"]
    assert made == json.loads(expect(run("id", "-d", where, "--json"), 0).out)


@case
def both_ends_see_the_same_words(folder):
    a, b = Node(folder, "a", 1), Node(folder, "b", 2)
    for done in (a.run("peers", "add", b.pub, "--name", "bob"), a.run("peers", "show", "bob"), a.run("peers", "show", "2")):
        text = expect(done, 0).out.decode()
        assert f"fingerprint {b.print['fingerprint']}\nwords       {b.print['words']}\n" in text, text
    assert json.loads(expect(a.run("peers", "show", "bob", "--json"), 0).out) == listed(a)[0]
    expect(a.run("peers", "show", "bab"), 1, "no node is called 'bab'", "peers list")
    expect(a.run("peers", "show", "3"), 1, "does not know node 3", "peers list")


@case
def peers_are_removed(folder):
    a, b, other = Node(folder, "a", 1), Node(folder, "b", 2), Node(folder, "other", 2)
    a.knows(b)
    done = expect(a.run("peers", "add", other.pub), 1, b.print["fingerprint"], other.print["fingerprint"],
                  "'lattice id' there", "'lattice peers remove 2' first", "EKEYREJECTED")
    assert json.loads(expect(a.run("peers", "remove", "b", "--json"), 0).out) == {"removed": 2}
    expect(a.run("peers", "remove", "b"), 1, "no node is called 'b'")
    expect(a.run("peers", "remove", "2"), 1, "does not know node 2")
    assert b"node 2 is forgotten" in (a.knows(other), expect(a.run("peers", "remove", "2"), 0))[1].out
    a.knows(b)
    write(os.path.join(a.dir, "peers", "2"), b"rubbish")    # what cannot be read can be removed
    expect(a.run("peers", "show", "2"), 1, "peers/2, line 1")
    expect(a.run("peers", "remove", "2"), 0)
    assert listed(a) == [], done


@case
def a_fingerprint_first_and_its_key_later(folder):
    a, b, other = Node(folder, "a", 1), Node(folder, "b", 2), Node(folder, "other", 2)
    hexa = b.print["fingerprint"]
    done = expect(a.run("peers", "add", "--node", 2, "--fingerprint", hexa.upper(), "--name", "bob", "--at", "h:1", "--tcp-transient"), 0)
    assert b"missing: run 'lattice id --key' there" in done.out
    want = {"node": 2, "name": "bob", "endpoint": "h:1", "transport": "tcp-transient", "psk": False, "key": False, **b.print}
    assert listed(a) == [want]
    assert b"(key missing)" in a.run("peers", "list").out
    for command in (["ping", "bob"], ["send", "7@bob", "-m", "x"]):
        expect(a.run(*command), 1, "its key is missing: ask for 'lattice id --key' there", "ENOKEY", why=str(command))
    expect(a.run("peers", "add", other.pub), 1, hexa, other.print["fingerprint"], "EKEYREJECTED")
    expect(a.run("peers", "add", b.pub, "--fingerprint", other.print["fingerprint"]), 1, "EKEYREJECTED")
    expect(a.run("peers", "add", b.pub, "--node", 3), 1, "is the key of node 2, not of node 3")
    assert listed(a) == [want]
    expect(a.run("peers", "add", b.pub), 0)     # and what was said of it before stays
    assert listed(a) == [{**want, "key": True}]


@case
def peers_come_and_are_listed(folder):
    a, b, c = Node(folder, "a", 1), Node(folder, "b", 20), Node(folder, "c", 3)
    assert expect(a.run("peers", "list"), 0, "no other node is known").out == b""
    assert listed(a) == []
    psk = write(os.path.join(folder, "psk"), b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=\n")
    done = expect(a.run("peers", "add", b.pub, "--name", "bob", "--at", "[::1]:15000", "--tcp", "--psk", psk), 0)
    assert re.search(rb"node +20 \(bob\)\nreached +at \[::1\]:15000 over TCP\npsk +yes\nkey +here\nfingerprint", done.out), done
    done = expect(a.run("peers", "add", "-", stdin=read(c.pub)), 0)
    assert re.search(rb"node +3\nreached +it calls us over UDP\npsk +no\n", done.out), done
    assert listed(a) == [
        {"node": 3, "name": "", "endpoint": "", "transport": "udp", "psk": False, "key": True, **c.print},
        {"node": 20, "name": "bob", "endpoint": "[::1]:15000", "transport": "tcp", "psk": True, "key": True, **b.print}]
    text = expect(a.run("peers", "list"), 0).out.decode()
    assert "bob" in text and "(it calls us)" in text and "AAAA" not in text
    expect(a.run("peers", "add", b.pub), 0)   # the same again, without anything: replaced
    assert listed(a)[1] == {"node": 20, "name": "", "endpoint": "", "transport": "udp", "psk": False, "key": True, **b.print}


def with_key(pub, old, new):
    return read(pub).replace(old, new, 1)


@case
def peers_that_are_refused(folder):
    a, b, c = Node(folder, "a", 1), Node(folder, "b", 2), Node(folder, "c", 3)
    a.knows(b)
    before = read(os.path.join(a.dir, "peers", "2"))
    short = write(os.path.join(folder, "short"), b"AAAA\n")
    rows = [
        ("a file that is not there", [folder + "/none"], b"", "none: No such file"),
        ("a directory", [folder], b"", "Is a directory"),
        ("nothing", ["-"], b"", "not a node's public key.*without 'node'"),
        ("something else", ["-"], b"hello\n", "not a node's public key.*line 1"),
        ("far too much", ["-"], b"\n" * 20000, "too long"),
        ("half a key", ["-"], read(c.pub)[:1000], "not 1216 bytes in base64"),
        ("a changed fingerprint", ["-"], with_key(c.pub, b"fingerprint = ", b"fingerprint = 0"), "line 4"),
        ("our own key", [a.pub], b"", "own key"),
        ("our own number", ["-"], with_key(c.pub, b"node = 3", b"node = 1"), "own number"),
        ("another key for a number", ["-"], with_key(c.pub, b"node = 3", b"node = 2"), "known by the fingerprint.*remove 2' first"),
        ("another number for a key", ["-"], with_key(b.pub, b"node = 2", b"node = 4"), "the key of node 2"),
        ("a name twice", [c.pub, "--name", "b"], b"", "node 2 is called 'b' already"),
        ("a name that is a number", [c.pub, "--name", "12"], b"", "not a number alone"),
        ("a name that cannot be", [c.pub, "--name", "a b"], b"", "letters, digits"),
        ("an address without a port", [c.pub, "--at", "localhost"], b"", "host:port"),
        ("an address with port 0", [c.pub, "--at", "localhost:0"], b"", "host:port"),
        ("a psk that is not there", [c.pub, "--psk", folder + "/none"], b"", "No such file"),
        ("a psk that is too short", [c.pub, "--psk", short], b"", "not 32 bytes in base64"),
    ]
    for why, args, stdin, says in rows:
        expect(a.run("peers", "add", *args, stdin=stdin), 1, says, why=why)
    assert os.listdir(os.path.join(a.dir, "peers")) == ["2"]
    assert read(os.path.join(a.dir, "peers", "2")) == before


@case
def a_damaged_peer_is_named_with_its_line(folder):
    a, b = Node(folder, "a", 1), Node(folder, "b", 2)
    a.knows(b)
    path = os.path.join(a.dir, "peers", "2")
    write(path, read(path).replace(b" = udp\n", b" = smoke-signals\n"))
    for command in (["peers", "list"], ["send", "7@b", "-m", "x"], ["ping", "2"], ["recv", "7", "--port", "0"]):
        expect(a.run(*command), 1, r"peers/2, line 4: transport is not udp, tcp or tcp-transient", why=str(command))


@case
def two_keygens_at_once_make_one(folder):
    where = os.path.join(folder, "n")
    children = [subprocess.Popen([LATTICE, "keygen", "-d", where, "--node", "5"], stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL, env=ENV) for _ in range(6)]
    texts = {child.communicate(timeout=WAIT)[0] for child in children}
    assert len(texts) == 1 and all(child.returncode == 0 for child in children), texts


if __name__ == "__main__":
    sys.exit(main())
