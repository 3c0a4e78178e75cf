"""The table of doc/RIGHTS.md, cell by cell: who may do what, where, in which state; by real threads, processes, users and nodes."""
import contextlib
import itertools
import os
import re
import sys
import time

from workers import Skip, Worker, case, main, until
import harness
from harness import Node, free_port

harness.LATTICE = os.path.abspath(sys.argv[2])
TABLE = os.path.abspath(sys.argv[3])

WHO = ("stranger", "nobody", "line", "group line", "holder", "another holder", "bearer", "attenuated", "derived")
DOES = ("open", "send", "bulk", "call", "derive", "listen")
TO = ("its pid", "its name", "another pid", "nobody's pid", "another node's")
STATE = ("live", "lacking", "revoked", "parent revoked", "expired", "used up", "cut", "parent cut", "runs out", "too long", "over rate",
         "policy changed", "host restarted", "opened after", "no policy")
COLUMNS = ("thread", "process", "user", "UDP", "TCP")

OWNER, LINE, GROUP_LINE, PLAIN, STRANGER, GROUP, OTHER = 0, 40001, 40002, 40003, 40004, 40050, 40009
USERS = f"uid {LINE}, gid {GROUP}"
PEERS = "peer udp-line, peer tcp-line"     # who never listens here
# Services that lines are about: name, pid, what the line says.
SERVICES = (("lines", 21, "call, bulk, grant"), ("none", 22, "listen"), ("send", 23, "send"), ("size", 24, "send, size 4K"),
            ("rate", 25, "send, rate 1/s"), ("gone", 26, "call"), ("empty", 27, "send"), ("ears", 31, "listen"))
RIGHT, ANOTHER, EMPTY = 7, 8, 9     # pids that no line is about; nobody receives as the last
NEEDS = {"open": "open,send", "send": "open,send", "bulk": "open,send,bulk", "call": "open,send,call", "derive": "open,send,grant"}
LACKS = {"open": "send", "send": "open,call,bulk", "bulk": "open,send", "call": "open,send", "derive": "open,send"}
ALL = "open,send,bulk,call,grant"
SHORT, LONG = 16, 70000


def policy(gone=True):
    text = f"[node]\nattach = uid {PLAIN}\n[service store]\npid = {RIGHT}\n"
    for name, pid, allows in SERVICES:
        whom = USERS if allows == "listen" else f"{USERS}, {PEERS}"
        line = f"allow = {whom}: {allows}\n" if gone or name != "gone" else ""
        text += f"[service {name}]\npid = {pid}\n{line}"
    return text + f"[service still]\npid = 40\nallow = {USERS}: send\n"     # so they stay attached


# ---- the table ----

class Row:
    """A line of a table: patterns, and what they come to in each column; or nothing, if they mean nothing together."""

    def __init__(self, number, cells):
        self.number, self.met = number, False
        self.patterns = [self.read(cell, axis) for cell, axis in zip(cells, (WHO, DOES, TO, STATE))]
        self.wants = dict(zip(COLUMNS, cells[4:])) if len(cells) == 4 + len(COLUMNS) else dict.fromkeys(COLUMNS, "-")

    def read(self, cell, axis):
        but = cell.startswith("any but ")
        words = [word.strip() for word in cell.removeprefix("any but ").split(",")] if cell != "any" else list(axis)
        unknown = set(words) - set(axis)
        assert not unknown, f"line {self.number}: {unknown} is none of {axis}"
        return set(axis) - set(words) if but else set(words)

    def fits(self, key):
        return all(word in pattern for word, pattern in zip(key, self.patterns))


def read_table():
    """The rows, and of each error what its sentence has to have one of."""
    rows, says = [], {}
    with open(TABLE, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            if not line.startswith("|") or cells[0] == "who" or cells[0].startswith("-"):
                continue
            if len(cells) in (5, 4 + len(COLUMNS)):
                rows.append(Row(number, cells))
            elif re.fullmatch(r"`E[A-Z]+`", cells[0]):
                says[cells[0].strip("`")] = re.findall(r"`([^`]*)`", cells[2])
    return rows, says


# ---- the world ----

class World:
    """A node with a policy, who receives there, and all who ask."""

    def __init__(self, folder):
        self.folder, self.stack, self.port, self.slot, self.type = folder, contextlib.ExitStack(), free_port(), 0, 0
        os.chmod(folder, 0o755)
        self.policy = os.path.join(folder, "policy")
        self.nodes = {name: Node(folder, name, number) for number, name in enumerate(("state", "udp", "tcp", "udp-line", "tcp-line"), 1)}
        for name in list(self.nodes)[1:]:
            self.nodes[name].name = name
            self.nodes[name].knows(self.nodes["state"], "--at", f"127.0.0.1:{self.port}", "--" + name[:3])
            self.nodes["state"].knows(self.nodes[name])
        self.write(policy())
        self.askers, self.heard_by = {}, set()

    def __enter__(self):
        self.host = self.start_host()
        for name, user, groups in (("store", None, ()), ("process", None, ()), ("user", PLAIN, ()), ("user-line", LINE, ()),
                                   ("user-group", GROUP_LINE, (GROUP,)), ("stranger", STRANGER, ())):
            self.askers[name] = self.stack.enter_context(Worker(self.folder, user=user, groups=groups))
            if name != "stranger":
                self.askers[name].do("open", "attach", 0)
        for name in list(self.nodes)[1:]:
            place = os.path.join(self.folder, "place-" + name, "node.sock")
            env = {"LATTICE_SOCKET": place, "LATTICE_STATE_DIR": self.nodes[name].dir}
            self.askers[name] = self.stack.enter_context(Worker(self.folder, env=env))
            self.askers[name].do("open", "self", self.nodes[name].number)
        store = self.askers["store"]
        store.do("hear", RIGHT, "store")
        store.do("hear", ANOTHER)
        for name, pid, _ in SERVICES:
            if name not in ("empty", "ears"):
                store.do("hear", pid, name)
        return self

    def __exit__(self, *why):
        self.host.__exit__()
        return self.stack.__exit__(*why)

    def start_host(self, policed=True):
        host = Worker(self.folder)
        host.do("open", "self", 1, self.port, *([self.policy] if policed else []))
        return host

    def write(self, text):
        with open(self.policy, "w", encoding="utf-8") as file:
            file.write(text)

    def reload(self, text):
        self.write(text)
        self.host.do("reload")

    def restart(self, policed=True):
        self.host.__exit__()
        self.host = self.start_host(policed)
        for name in ("store", "process", "user", "user-line", "user-group") if policed else ("store", "process"):
            until(lambda w=self.askers[name]: w.stat("local.up") == 1, f"{name} is not attached again")

    def asker(self, who, column):
        end = {"line": "-line", "group line": "-group"}.get(who, "")
        name = {"thread": "store", "process": "process", "user": "user" + end}.get(column, column.lower() + end)
        return self.askers[name]

    def holder(self, column):
        if column in ("UDP", "TCP"):
            return self.nodes[column.lower()].print["fingerprint"][:32]
        return f"uid:{PLAIN if column == 'user' else OWNER}"


class Cell:
    """One of the table: prepared, and tried."""

    def __init__(self, world, key, column):
        self.world, self.key, self.column = world, key, column
        self.who, self.does, self.to, self.state = key
        self.asker = world.asker(self.who, column)
        self.node = 1 if column in ("UDP", "TCP") else 0
        self.caps = self.who not in ("nobody", "line", "group line")
        self.pid, self.cap, self.parent, self.slot, self.why = RIGHT, "-", None, None, ""

    def aim(self):
        """Whom it is about."""
        if self.who in ("line", "group line"):
            named = {"lacking": "none" if self.does in ("open", "send") else "send", "too long": "size", "over rate": "rate",
                     "policy changed": "gone"}.get(self.state, "lines")
            if self.does == "listen" and self.state == "live":
                named = "ears"
            self.name, self.pid = next((name, pid) for name, pid, _ in SERVICES if name == named)
        else:
            self.name, self.pid = "store", RIGHT
        if self.to == "another pid":
            self.pid = ANOTHER
        if self.to == "nobody's pid":
            self.pid = 27 if "line" in self.who else EMPTY

    def make(self):
        """The capability that it is done by."""
        rights = LACKS[self.does] if self.state == "lacking" else NEEDS[self.does]
        holder = {"another holder": f"uid:{OTHER}", "bearer": "bearer"}.get(self.who, self.world.holder(self.column))
        issuer = self.world.askers["udp-line"] if self.to == "another node's" else self.world.askers["process"]
        for_pid = EMPTY if self.to == "nobody's pid" else RIGHT
        now = int(time.time())
        self.expires = now + 3
        limits = (1 if self.state == "used up" else 0, {"expired": now - 60, "runs out": self.expires}.get(self.state, 0),
                  4096 if self.state == "too long" else 0, 1 if self.state == "over rate" else 0)
        if self.who == "attenuated":
            self.parent = issuer.do("grant", for_pid, ALL, holder, limits[0])
            narrow = [str(n) for n in (limits[2], limits[3], limits[1])]
            self.cap = self.asker.do("narrow", self.parent, rights, *narrow)
        elif self.who == "derived":
            self.parent = issuer.do("grant", for_pid, ALL, "bearer")
            self.cap = issuer.do("derive", self.parent, rights, holder, *limits)
        else:
            self.cap = issuer.do("grant", for_pid, rights, holder, *limits)

    def prepare(self):
        """All that is before the act."""
        self.aim()
        if self.caps:
            self.make()
        if self.state in ("revoked", "parent revoked"):
            self.end()
        elif self.state == "used up" and self.does != "derive":
            self.open()
            assert self.act() == "0", f"{self}: the first use: {self.why}"
            self.close()
        elif self.state in ("cut", "parent cut", "runs out", "policy changed", "host restarted"):
            rc = self.open() or self.act()
            assert rc == "0", f"{self}: before it is {self.state}: {rc} {self.why}"
            if self.state in ("cut", "parent cut"):
                self.end()

    def end(self):
        """What it was allowed by."""
        process = self.world.askers["process"]
        if self.caps:
            process.do("revoke", self.parent if self.state.startswith("parent") else self.cap)
        else:
            uid = {"line": LINE, "group line": GROUP_LINE}[self.who]
            node = self.world.nodes.get(self.column.lower() + "-line")
            process.do("forget", node.print["fingerprint"][:32] if node else f"uid:{uid}")

    def open(self):
        """An error, or nothing."""
        world = self.world
        if self.column == "user" and (self.who == "stranger" or self.state == "no policy"):
            rc, self.why = world.askers["stranger"].ask("open", "attach", 0)
            return rc
        if self.to == "its name":
            rc, rest = self.asker.ask("find", self.name, self.node)
            if rc != "0":
                self.why = rest
                return rc
            assert int(rest) == self.pid, f"{self}: {rest}"
        world.slot += 1
        self.slot = world.slot % 4096
        rc, self.why = self.asker.ask("join", self.slot, 1000 + world.slot, self.pid, self.node, self.cap)
        return rc if rc != "0" else None

    def act(self):
        """An error, or "0"; what is not refused is to be heard."""
        world = self.world
        world.type += 1
        if self.state == "over rate":
            rc, self.why = self.asker.ask("send", self.slot, 0, SHORT)     # until it is open
            if rc == "0":
                rc, self.why = self.asker.ask("flood", self.slot, 0, 2000, 300)
            return "waits" if rc in ("EAGAIN", "ETIMEDOUT") else rc
        if self.does == "call":
            rc, self.why = self.asker.ask("call", self.slot, world.type)
        elif self.state == "runs out" and self.tried:
            rc, self.why = self.asker.ask("wear", self.slot, 0, self.expires + 2)
            return rc
        else:
            length = LONG if self.does == "bulk" else 5000 if self.state == "too long" else SHORT
            rc, self.why = self.asker.ask("send", self.slot, world.type, length)
        if rc == "0":
            world.heard_by.add(world.type)
        return rc

    tried = False

    def attempt(self):
        """What the table is about."""
        world = self.world
        self.tried = True
        if self.state == "no policy" and self.column == "user":
            return self.open()
        if self.does == "derive":
            rc, self.why = self.asker.ask("derive", self.cap, "open,send", "bearer")
            return rc
        if self.does == "listen":
            world.slot += 1     # each as another pid
            rc, self.why = self.asker.ask("listen", 1000 + world.slot if self.who == "nobody" else self.pid)
            return rc
        if self.slot is None or self.state == "used up":
            rc = self.open()
            if rc is not None:
                return rc
        return self.act()

    def close(self):
        if self.slot is not None:
            self.asker.do("part", self.slot)

    def __str__(self):
        return f"{', '.join(self.key)}: {self.column}"


def happen(world, state):
    """To all that is open."""
    if state == "policy changed":
        world.reload(policy(gone=False))
    elif state == "host restarted":
        world.reload(policy())
        world.restart()
    elif state == "no policy":
        world.restart(policed=False)


@case
def each_cell_is_as_the_table_says(folder):
    if os.geteuid() != 0:
        raise Skip("not root: no other user to be")
    rows, says = read_table()
    wrong, count = [], 0
    with World(folder) as world:
        cells = []
        for key in itertools.product(WHO, DOES, TO, STATE):
            row = next((row for row in rows if row.fits(key)), None)
            assert row is not None, f"no row for {key}"
            row.met = True
            cells += [(Cell(world, key, column), row) for column in COLUMNS
                      if row.wants[column] != "-" and (column == "user" or key[0] not in ("group line", "stranger"))]
        late = ("runs out", "policy changed", "host restarted", "opened after", "no policy")
        batches = [[c for c in cells if c[0].state not in late]] + [[c for c in cells if c[0].state == state] for state in late]
        for batch in batches:
            state = batch[0][0].state
            ready = state in late and state != "no policy"
            for cell, _ in batch if ready else ():      # all are open before it happens
                cell.prepare()
            happen(world, state)
            for cell, row in batch:
                if not ready:
                    cell.prepare()
                got, want = cell.attempt(), row.wants[cell.column].split(" ")[0]
                got = "yes" if got == "0" else got
                cell.close()
                count += 1
                if got != want:
                    wrong.append(f"{cell}: {got}, but line {row.number} says {want}: {cell.why}")
                elif got.startswith("E") and not any(word in cell.why for word in says.get(got, ())):
                    wrong.append(f"{cell}: {got}, and its sentence does not tell the way out: {cell.why}")
        store = world.askers["store"]
        heard = {}

        def all_heard():
            heard.update((int(n), int(times)) for n, times in (word.split(":") for word in store.do("heard").split()))
            return world.heard_by <= set(heard)
        until(all_heard, "what was sent has not come")
        heard.pop(0, None)
        assert set(heard) == world.heard_by, f"received, though refused: {sorted(set(heard) - world.heard_by)}"
        assert set(heard.values()) <= {1}, "received twice"
    print(f"{count} cells")
    assert not wrong, f"{len(wrong)} of {count} cells are not as the table says:\n" + "\n".join(wrong)
    assert all(row.met for row in rows), f"no cell: lines {[row.number for row in rows if not row.met]}"


@case
def a_receiver_may_come_back_after_its_senders(folder):
    """To the next host: the channels go on for longer than that waits for either (5 s)."""
    if os.geteuid() != 0:
        raise Skip("not root: no other user to be")
    with World(folder) as world:
        store, user, line = (world.askers[name] for name in ("store", "user", "user-line"))
        cap = world.askers["process"].do("grant", RIGHT, ALL, f"uid:{PLAIN}")
        user.do("join", 1, 1, RIGHT, 0, cap)
        line.do("join", 1, 2, 21, 0, "-")
        for w in (user, line):
            w.do("send", 1, 0, SHORT)
        store.stop()
        world.host.__exit__()
        world.host = world.start_host()
        for w in (user, line):
            w.until("local.attached", 2)
        store.go_on()
        for w in (user, line):
            w.tell("wear", 1, 0, int(time.time()) + 8)
        assert (user.answer(), line.answer()) == (("0", "-"), ("0", "-"))


if __name__ == "__main__":
    raise SystemExit(main())
