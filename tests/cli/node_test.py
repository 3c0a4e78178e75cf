#!/usr/bin/env python3
"""node: what a node that runs is asked and told: its status, its policy read again, what it refused."""
import json
import os
import stat

from harness import Running, case, expect, main, two_nodes, write


def policy(folder, text):
    path = write(os.path.join(folder, "policy"), text.encode())
    os.chmod(path, 0o600)
    return path


def status(node):
    """The second object, which its owner is told."""
    return json.loads(expect(node.run("node", "status", "--json"), 0).out.splitlines()[-1])


@case
def the_status_of_one_with_a_policy(folder):
    alice, _ = two_nodes(folder)
    file = policy(folder, "[service store]\nallow = uid 5: send\nallow = uid 6: send\n")
    with Running(alice, "-c", file) as runs:
        said = status(alice)
        assert said["node"] == 1 and said["process"] == runs.child.pid and said["port"] == runs.port
        assert said["policy"] == file and said["rules"] == 2 and said["services"] == 1 and said["policy_read"] > 0
        assert said["peers"] == 1 and said["peers_up"] == 0 and said["audit_records"] == 0 and said["capabilities"] == 0
        expect(alice.run("cap", "grant", "7", "--rights", "send", "--bearer"), 0)
        expect(alice.run("cap", "revoke", "0.1"), 0)
        said = status(alice)
        assert (said["capabilities"], said["capabilities_made"], said["capabilities_ended"]) == (0, 1, 1)
        words = expect(alice.run("node", "status"), 0).out.decode()
        for part in (f"policy: {file}, read 20", "2 rules, 1 services", "peers: 1 known", "capabilities: 0 live, 1 made, 1 revoked"):
            assert part in words, (part, words)
        for name in ("stats.sock", "control.sock"):
            assert stat.S_IMODE(os.stat(os.path.join(alice.dir, name)).st_mode) == 0o600
    with Running(alice):
        assert status(alice)["policy"] is None
        assert b"policy: none" in expect(alice.run("node", "status"), 0).out


@case
def a_policy_is_read_again(folder):
    alice, bob = two_nodes(folder)
    file = policy(folder, "[peer bob]\nallow = any: send\n")
    expect(alice.run("node", "reload"), 3, "no node runs on")
    with Running(alice, "-c", file) as runs:
        at = ("--at", f"127.0.0.1:{runs.port}")
        policy(folder, "[node]\nallow = everybody: send\n")
        done = expect(alice.run("node", "reload"), 1, r"policy, line 2: 'everybody' is nobody", "stays allowed")
        assert done.out == b""
        said = json.loads(expect(alice.run("node", "reload", "--json"), 1).out)
        assert not said["ok"] and said["error"] == "EBADMSG" and "line 2" in said["why"]
        expect(bob.run("send", "7@alice", "-m", "allowed, and nobody is there", *at), 3)
        policy(folder, "[node]\nreach = uid 5\n")
        assert b"was read again; cut: 0 processes, 0 pids" in expect(alice.run("node", "reload"), 0).out
        expect(bob.run("send", "7@alice", "-m", "no", *at), 1, "does not allow it")
        assert status(alice)["rules"] == 1
    with Running(alice):
        expect(alice.run("node", "reload"), 1, "opened without a policy")


@case
def what_it_refused(folder):
    alice, bob = two_nodes(folder)
    with Running(alice, "-c", policy(folder, "[node]\nreach = uid 5\n")) as runs:
        at = ("--at", f"127.0.0.1:{runs.port}")
        assert expect(alice.run("node", "audit"), 0).out == b""
        expect(bob.run("send", "7@alice", "-m", "no", *at), 1)
        line = expect(alice.run("node", "audit"), 0).out.decode()
        assert " refused open: peer 2 (bob) fingerprint " in line and "from pid 1 to pid 7: EACCES: no line of the policy" in line
        said = json.loads(expect(alice.run("node", "audit", "--json"), 0).out)
        assert said["peer"] == 2 and said["record"] == 1
        assert status(alice)["audit_records"] == 1
    expect(alice.run("node", "audit"), 3, "no node runs on")


if __name__ == "__main__":
    raise SystemExit(main())
