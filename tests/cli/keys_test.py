#!/usr/bin/env python3
"""keygen and peers: what is made, what is kept, what is refused."""
import json
import os
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


@case
def peers_come_and_are_listed(folder):
    a, b, c = Node(folder, "a", 1), Node(folder, "b", 20), Node(folder, "c", 3)
    assert expect(a.run("peers", "list"), 0, "no other node is known").out == b""
    assert json.loads(expect(a.run("peers", "list", "--json"), 0).out) == []
    psk = write(os.path.join(folder, "psk"), b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=\n")
    done = expect(a.run("peers", "add", b.pub, "--name", "bob", "--at", "[::1]:15000", "--tcp", "--psk", psk), 0)
    assert b"node 20 (bob): at [::1]:15000 over TCP, fingerprint" in done.out
    done = expect(a.run("peers", "add", "-", stdin=read(c.pub)), 0)
    assert b"node 3: it calls us over UDP" in done.out
    assert json.loads(expect(a.run("peers", "list", "--json"), 0).out) == [
        {"node": 3, "name": "", "endpoint": "", "transport": "udp", "psk": False},
        {"node": 20, "name": "bob", "endpoint": "[::1]:15000", "transport": "tcp", "psk": True}]
    text = expect(a.run("peers", "list"), 0).out.decode()
    assert "bob" in text and "(it calls us)" in text and "AAAA" not in text
    expect(a.run("peers", "add", b.pub), 0)   # the same again, without anything: replaced
    assert json.loads(a.run("peers", "list", "--json").out)[1] == {
        "node": 20, "name": "", "endpoint": "", "transport": "udp", "psk": False}


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
        ("another key for a number", ["-"], with_key(c.pub, b"node = 3", b"node = 2"), "known with another key.*peers/2 first"),
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
    write(path, read(path).replace(b"udp", b"smoke-signals"))
    for command in (["peers", "list"], ["send", "7@b", "-m", "x"], ["ping", "2"], ["recv", "7", "--port", "0"]):
        expect(a.run(*command), 1, r"peers/2, line 4: the value is too long", why=str(command))


@case
def two_keygens_at_once_make_one(folder):
    where = os.path.join(folder, "n")
    children = [subprocess.Popen([LATTICE, "keygen", "-d", where, "--node", "5"], stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL, env=ENV) for _ in range(6)]
    texts = {child.communicate(timeout=WAIT)[0] for child in children}
    assert len(texts) == 1 and all(child.returncode == 0 for child in children), texts


if __name__ == "__main__":
    sys.exit(main())
