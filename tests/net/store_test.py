#!/usr/bin/env python3
"""store_test.py LATTICE FOLDER - examples/store: users of one machine, and nodes of another, ask a store; and who may not is told the way out."""
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from harness import ENV, LATTICE, WAIT, Node, Skip, case, expect, main, run  # noqa: E402  pylint: disable=all
from spaces import FAMILIES, PORT, Machines, until  # noqa: E402  pylint: disable=all

EXAMPLES = os.path.abspath(sys.argv[2])
POLICY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "examples", "store", "policy")
USERS = {"store": 40001, "alice": 40002, "bob": 40003, "carol": 40004, "dave": 40005}     # of the last the policy says nothing


def of_uids(text):
    """The policy, with the numbers of users that this machine has no names for."""
    return re.sub(r"user (\w+)", lambda m: f"uid {USERS[m.group(1)]}", text)


class Shop:
    """Node 1 with its policy; nodes 3 and 4 on the other machine; the store runs on the first."""

    def __init__(self, net, folder):
        self.net, self.folder, self.stack = net, folder, contextlib.ExitStack()
        self.bin = os.path.join(folder, "bin")  # where other users may go: perhaps the tree lies in no such place
        os.chmod(folder, 0o755)
        os.mkdir(self.bin)
        for file in ("ask", "store"):
            shutil.copy(os.path.join(EXAMPLES, file), self.bin)
        shutil.copy(os.path.join(os.path.dirname(LATTICE), "liblattice-ipc.so.0"), self.bin)
        for file in os.listdir(self.bin):
            os.chmod(os.path.join(self.bin, file), 0o755)
        os.chmod(self.bin, 0o755)
        self.nodes = {name: Node(folder, name, number) for name, number in (("one", 1), ("edge", 3), ("other", 4))}
        for name, node in self.nodes.items():
            node.name = name
        here = FAMILIES["v4"][0].split("/")[0]
        for name in ("edge", "other"):
            self.nodes[name].knows(self.nodes["one"], "--at", f"{here}:{PORT}")
            self.nodes["one"].knows(self.nodes[name])
        self.policy = os.path.join(folder, "policy")
        with open(POLICY, encoding="utf-8") as of, open(self.policy, "w", encoding="utf-8") as to:
            to.write(of_uids(of.read()))

    def __enter__(self):
        self.run_node(0, "one", PORT, "-c", self.policy)
        self.run_node(1, "edge", PORT)
        self.run_node(1, "other", PORT + 1)
        self.store = self.stack.enter_context(subprocess.Popen(
            [os.path.join(self.bin, "store")], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            user=USERS["store"], group=USERS["store"], extra_groups=(), env=self.env("one")))
        self.stack.callback(self.store.kill)
        line = self.store.stdout.readline().decode()
        assert "has the service 'store'" in line, line
        return self

    def __exit__(self, *why):
        return self.stack.__exit__(*why)

    def env(self, node):
        return {**ENV, "LATTICE_SOCKET": os.path.join(self.folder, f"place-{node}", "node.sock"), "LD_LIBRARY_PATH": self.bin,
                "LATTICE_STATE_DIR": os.path.join(self.folder, node)}

    def run_node(self, side, name, port, *more):
        child = self.net.start(side, "node", "run", "-d", self.nodes[name].dir, "--port", port, *more, env=self.env(name))
        child.says(r"processes meet at")

    def ask(self, who, *args, **env):
        """A user of the first machine, or a node of the other."""
        user = {} if who not in USERS else {"user": USERS[who], "group": USERS[who], "extra_groups": ()}
        done = subprocess.run([os.path.join(self.bin, "ask"), *args], stdin=subprocess.DEVNULL, capture_output=True, timeout=WAIT,
                              check=False, env={**self.env(who if who in self.nodes else "one"), **env}, **user)
        return done.returncode, done.stdout.decode(), done.stderr.decode()


ASKED = (   # one after the other
    ("alice keeps something", "alice", ["put", "store", "bread", "fresh"], 0, ""),
    ("and reads it", "alice", ["get", "store", "bread"], 0, "fresh\n"),
    ("bob puts", "bob", ["put", "store", "milk", "sour"], 0, ""),
    ("alice reads what is bob's", "alice", ["get", "store", "milk"], 0, "sour\n"),
    ("dave is in no line", "dave", ["put", "store", "salt", "wet"], 1, "does not let this user in"),
    ("who runs the node may everything", "root", ["get", "store", "bread"], 0, "fresh\n"),
    ("there is no such service", "alice", ["get", "shop", "bread"], 1, "allow = user ...: send' under '[service shop]'"),
    ("the same, for who may know", "root", ["get", "shop", "bread"], 1, "no service of this node is called 'shop'"),
    ("another node", "edge", ["put", "store@1", "bread", "stale"], 0, ""),
    ("what it put", "alice", ["get", "store", "bread"], 0, "stale\n"),
    ("another node calls", "edge", ["get", "store@1", "bread"], 1, "allows the channel but no calls"),
    ("a node that no line names", "other", ["put", "store@1", "bread", "none"], 1, "has no service 'store', or none for this node"),
    ("its word did not come", "alice", ["get", "store", "bread"], 0, "stale\n"),
)


@case
def each_is_allowed_or_told_why_not(folder):
    if os.geteuid() != 0:
        raise Skip("not root: no other user to be")
    with Machines() as net, Shop(net, folder) as shop:
        for why, who, args, status, says in ASKED:
            done = shop.ask(who, *args)
            assert done[0] == status and (done[1] == says if status == 0 else says in done[2]), f"{why}: {done}"
        put = ["put", "store", "salt", "dry"]
        status, _, err = shop.ask("carol", *put)
        assert status == 1 and "[service store]" in err, err
        right = os.path.join(folder, "right")
        grant = ("cap", "grant", "store", "--rights", "send", "--to", f"user:{USERS['carol']}", "--output", right)
        expect(run(*grant, "-d", shop.nodes["one"].dir, env=shop.env("one")), 0)
        os.chown(right, USERS["carol"], USERS["carol"])
        done = shop.ask("carol", *put, CAPABILITY=right)
        assert done[0] == 0 and shop.ask("alice", "get", "store", "salt")[1] == "dry\n", done
        os.chown(right, USERS["dave"], USERS["dave"])
        assert shop.ask("dave", *put, CAPABILITY=right)[0] == 1
        os.chown(right, USERS["bob"], USERS["bob"])     # it names its holder
        done = shop.ask("bob", *put, CAPABILITY=right)
        assert done[0] == 1 and "cap show" in done[2], done
        os.chown(right, USERS["carol"], USERS["carol"])
        expect(run("cap", "revoke", right, "-d", shop.nodes["one"].dir, env=shop.env("one")), 0)
        done = shop.ask("carol", *put, CAPABILITY=right)
        assert done[0] == 1 and "revoked" in done[2], done


if __name__ == "__main__":
    sys.exit(main())
