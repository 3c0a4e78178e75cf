"""Who may do what by the node's policy: processes of several users, as root makes them."""
import contextlib
import json
import os
import re

from workers import Skip, Worker, case, main, place, until

STORE, ALICE, BOB, EVE, OPS = 40001, 40002, 40003, 40004, 40050
POLICY = f"""
[node]
allow = gid {OPS}: send
[service store]
pid = 7
allow = uid {STORE}: listen
allow = uid {ALICE}: send
[service other]
pid = 8
allow = uid {STORE}: listen
"""


class Place:
    """A folder that other users may enter, and a host in it that is root's."""

    def __init__(self, folder, policy=POLICY):
        if os.geteuid() != 0:
            raise Skip("not root: no other user to be")
        self.folder, self.stack = folder, contextlib.ExitStack()
        os.chmod(folder, 0o755)
        self.file = os.path.join(folder, "policy")
        self.write(policy)
        self.host = self.stack.enter_context(Worker(folder))
        self.host.do("open", "self", 0, self.file)

    def __enter__(self):
        return self

    def __exit__(self, *why):
        return self.stack.__exit__(*why)

    def write(self, text):
        with open(self.file, "w", encoding="utf-8") as file:
            file.write(text)

    def reload(self, text):
        self.write(text)
        self.host.do("reload")

    def user(self, uid, groups=()):
        """A process that has opened nothing."""
        return self.stack.enter_context(Worker(self.folder, user=uid, groups=groups))

    def opened(self, uid, groups=()):
        w = self.user(uid, groups)
        w.do("open", "auto")
        return w


@case
def what_no_line_allows_is_refused(folder):
    with Place(folder) as p:
        assert os.stat(place(folder)).st_mode & 0o777 == 0o666
        assert os.stat(os.path.dirname(place(folder))).st_mode & 0o777 == 0o711
        assert all(os.stat(place(folder)[:-4] + end).st_mode & 0o77 == 0 for end in ("lock", "key"))
        store, alice = p.opened(STORE), p.opened(ALICE)
        assert "does not let this user in" in p.user(EVE).fails("EACCES", "open", "auto")
        store.do("listen", 7)
        store.do("listen", 8)
        alice.fails("EACCES", "listen", 7)
        alice.fails("EACCES", "listen", 9)
        store.fails("EACCES", "listen", 9)
        alice.do("join", 0, 1, 7, 0)
        alice.do("say", 0, "hello")
        assert store.do("hear", 7, 60000).split() == ["1", "hello"]
        assert "policy" in alice.fails("EACCES", "join", 1, 1, 8, 0)
        alice.fails("EACCES", "join", 1, 1, 9, 0)         # nobody is there: that is not told, either
        alice.fails("EACCES", "join", 1, 1, 7, 5)         # another node
        p.opened(STORE).fails("EACCES", "join", 0, 1, 7, 0)       # who listens may not send by that
        assert "root" in alice.fails("EACCES", "graph")           # who is there, and with whom, is the owner's
        assert p.host.do("graph").split()[1] == "0"
        assert p.host.stat("host.refused") >= 8


@case
def a_group_may_what_its_line_says(folder):
    with Place(folder) as p:
        store, bob = p.opened(STORE), p.opened(BOB, groups=[3, OPS])
        store.do("listen", 8)
        bob.do("join", 0, 1, 8, 0)
        bob.do("send", 0, 1000, 8, 60000)
        store.do("take", 8, 1000, 60000)
        bob.fails("EACCES", "listen", 8)
        bob.fails("ECONNREFUSED", "join", 1, 1, 9, 0)


@case
def nobody_speaks_as_a_service_but_who_may_be_it(folder):
    with Place(folder) as p:
        store, alice, bob = p.opened(STORE), p.opened(ALICE), p.opened(BOB, groups=[OPS])
        store.do("listen", 7)
        alice.fails("EACCES", "join", 0, 8, 7, 0)         # nobody receives as 8 now
        bob.fails("EACCES", "join", 0, 8, 7, 0)
        alice.do("join", 0, 9, 7, 0)
        p.host.do("listen", 20)
        bob.fails("EACCES", "join", 1, 20, 7, 0)          # somebody's who receives


@case
def the_nodes_own_user_may_everything(folder):
    with Place(folder) as p:
        root = p.stack.enter_context(Worker(folder))
        root.do("open", "auto")
        root.do("listen", 9)
        store, bob = p.opened(STORE), p.opened(BOB, groups=[OPS])
        store.do("listen", 7)
        root.do("join", 0, 1, 7, 0)
        root.do("say", 0, "root")
        assert store.do("hear", 7, 60000).split() == ["1", "root"]
        bob.do("join", 0, 1, 9, 0)
        bob.do("say", 0, "bob")
        assert root.do("hear", 9, 60000).split() == ["1", "bob"]


@case
def a_policy_with_a_mistake_changes_nothing(folder):
    with Place(folder) as p:
        store, alice = p.opened(STORE), p.opened(ALICE)
        store.do("listen", 7)
        p.write(POLICY + "allow = everybody: send\n")
        why = p.host.fails("EBADMSG", "reload")
        assert re.search(r"policy, line 11: 'everybody' is nobody", why), why
        alice.do("join", 0, 1, 7, 0)
        os.chmod(p.file, 0o666)
        assert "others may write" in p.host.fails("EACCES", "reload")
        os.chmod(p.file, 0o644)
        os.chown(p.file, ALICE, -1)
        assert "root's or this" in p.host.fails("EACCES", "reload")
        os.remove(p.file)
        p.host.fails("ENOENT", "reload")
        alice.do("join", 1, 2, 7, 0)
        assert "without a policy" in alice.fails("EOPNOTSUPP", "reload")
    with Worker(folder) as w:
        assert "cannot be read" in w.fails("ENOENT", "open", "self", 0, os.path.join(folder, "none"))
        assert "hosts" in w.fails("EINVAL", "open", "auto", 0, os.path.join(folder, "none"))


@case
def a_policy_is_read_again(folder):
    with Place(folder) as p:
        store, bob = p.opened(STORE), p.opened(BOB, groups=[OPS])
        store.do("listen", 7)
        eve = p.user(EVE)
        eve.fails("EACCES", "open", "auto")
        p.reload(f"[service store]\npid = 7\nallow = uid {EVE}: send, listen\nallow = uid {STORE}: send\n")
        eve.do("open", "auto")
        store.until("local.pids_lost", 1)
        eve.do("listen", 7)
        store.do("join", 0, 1, 7, 0)
        store.do("say", 0, "mine?")
        assert eve.do("hear", 7, 60000).split() == ["1", "mine?"]
        until(lambda: bob.stat("local.up") == 0, "who may not be attached any more still is")
        p.reload(POLICY)
        until(lambda: bob.stat("local.up") == 1, "who may be attached again is not")
        until(lambda: eve.stat("local.up") == 0, "who may not be attached any more still is")


@case
def a_policy_that_is_read_again_cuts_what_it_does_not_allow_any_more(folder):
    """And nothing else: what is allowed goes on, by the same channel."""
    with Place(folder) as p:
        store, alice, bob = p.opened(STORE), p.opened(ALICE), p.opened(BOB, groups=[OPS])
        store.do("listen", 7)
        store.do("listen", 8)
        alice.do("join", 0, 1, 7, 0)
        bob.do("join", 0, 2, 7, 0)
        bob.do("join", 1, 3, 8, 0)
        for who, slot, text in ((alice, 0, "a"), (bob, 0, "b"), (bob, 1, "c")):
            who.do("say", slot, text)
        assert [store.do("hear", pid, 60000).split()[1] for pid in (7, 7, 8)] == ["a", "b", "c"]
        bob.do("say", 0, "unread")
        p.reload(POLICY.replace(f"allow = gid {OPS}: send", f"attach = gid {OPS}"))
        why = bob.fails("EKEYREVOKED", "say", 0, "more")
        assert "revoked" in why, why
        bob.fails("EKEYREVOKED", "say", 1, "more")
        bob.fails("EACCES", "join", 2, 4, 7, 0)
        alice.do("say", 0, "still")
        assert store.do("hear", 7, 60000).split() == ["1", "still"]     # and not "unread"
        p.reload(POLICY)
        bob.fails("EKEYREVOKED", "say", 0, "again")
        bob.do("join", 2, 4, 7, 0)
        bob.do("say", 2, "anew")
        assert store.do("hear", 7, 60000).split() == ["4", "anew"]
        alice.do("say", 0, "last")
        assert store.do("hear", 7, 60000).split() == ["1", "last"]


@case
def who_waits_is_told_when_the_policy_cuts_his_channel(folder):
    with Place(folder) as p:
        store, alice = p.opened(STORE), p.opened(ALICE)
        store.do("listen", 7)
        alice.do("join", 0, 1, 7, 0)
        alice.tell("send", 0, 1000000, 60000, 60000)        # until there is no room
        p.reload(POLICY.replace("[service store]", f"attach = uid {ALICE}\n[service store]")
                       .replace(f"allow = uid {ALICE}: send\n", ""))
        result, rest = alice.answer()
        assert result == "EKEYREVOKED", (result, rest)


@case
def a_badge_and_a_size_are_those_of_the_line(folder):
    with Place(folder, POLICY.replace(f"uid {ALICE}: send", f"uid {ALICE}: send, badge 17, size 100")) as p:
        store, alice, bob = p.opened(STORE), p.opened(ALICE), p.opened(BOB, groups=[OPS])
        store.do("listen", 7)
        alice.do("join", 0, 1, 7, 0)
        bob.do("join", 0, 2, 7, 0)
        alice.do("say", 0, "x")
        assert store.do("badge", 7, 60000).split() == ["17"]
        bob.do("say", 0, "x")
        assert store.do("badge", 7, 60000).split() == ["0"]
        alice.fails("EMSGSIZE", "say", 0, "x" * 101)


@case
def what_is_not_ones_business_is_not_listed(folder):
    """However much of it there is."""
    with Place(folder, f"[node]\nallow = uid {STORE}: listen\n[service last]\npid = 400\nallow = uid {ALICE}: send\n"
                       f"allow = uid {STORE}: listen\n") as p:
        store, alice = p.opened(STORE), p.opened(ALICE)
        for pid in range(100, 300):
            store.do("listen", pid)
        store.do("listen", 400)
        alice.fails("EACCES", "listen", 5)
        assert alice.do("receivers").split() == ["400"]
        assert len(store.do("receivers").split()) > 100
        p.reload(f"[node]\nattach = uid {ALICE}\nallow = uid {STORE}: send\n[service some]\npid = 150\nallow = uid {STORE}: listen\n")
        store.until("local.pids_lost", 200)
        assert store.do("receivers").split() == ["150"]
        assert alice.do("receivers").split() == []


@case
def one_user_does_not_keep_out_the_others(folder):
    """Connections that say nothing: the oldest of who has the most makes room."""
    with Place(folder) as p:
        alice = p.user(ALICE)
        flood = p.user(EVE)
        flood.do("crowd", place(folder), 200)
        alice.do("open", "auto")
        p.host.until("host.dropped", 100)
        p.opened(STORE).do("listen", 7)
        alice.do("join", 0, 1, 7, 0)


def same(a, b):
    """But for when and which."""
    return all(a.get(key) == b.get(key) for key in {*a, *b} - {"time", "record"})


class Audit:
    """The records that are written, as they come."""

    def __init__(self, path):
        self.path = path
        self.seen = 0
        self.last = None

    def all(self):
        with open(self.path, encoding="ascii") as file:
            return [json.loads(line) for line in file if line.endswith("\n")]

    def next(self, **want):
        """Until the next record is there; it has to be this."""
        got = last = self.last
        while got is None or same(got, last):       # who is not let in knocks again
            until(lambda: len(self.all()) > self.seen, f"no record of {want}")
            got = self.all()[self.seen]
            self.seen += 1
            if last is None:
                break
        self.last = got
        assert {key: got.get(key) for key in want} == want, (want, got)
        assert got["time"].endswith("Z") and got["record"] == self.seen and got["why"]
        return got


def audited(folder):
    """A host that writes records, its policy, and where they are."""
    path = os.path.join(folder, "audit")
    policy = POLICY.replace("[node]\n", f"[node]\naudit = {path}\naudit_format = json\n")
    return Place(folder, policy), policy, path


@case
def each_refusal_is_a_record(folder):
    """One of each kind, by processes of other users."""
    p, policy, path = audited(folder)
    with p:
        assert os.stat(path).st_mode & 0o777 == 0o600
        audit = Audit(path)
        eve, alice = p.user(EVE), p.opened(ALICE)
        eve.fails("EACCES", "open", "auto")
        audit.next(act="attach", uid=EVE, gid=EVE, process=eve.pid, error="EACCES")
        who = {"uid": ALICE, "gid": ALICE, "process": alice.pid, "error": "EACCES"}
        alice.fails("EACCES", "listen", 9)
        assert "listen" in audit.next(act="listen", to=9, service="", **who)["why"]
        alice.fails("EACCES", "join", 0, 3, 8, 0)
        record = audit.next(act="open", **{"from": 3}, to=8, **who)
        assert "capability" not in record and "policy" in record["why"]
        alice.fails("EACCES", "join", 0, 1, 7, 5)
        audit.next(act="open", node=5, **who)
        alice.fails("EACCES", "serve_as", "store", 0)
        audit.next(act="listen", service="store", **who)
        alice.fails("EACCES", "find", "other", 0, 1000)
        audit.next(act="resolve", service="other", **who)
        # The policy is read again: who may not be attached any more is told of, in a new file.
        os.rename(path, path + ".1")
        p.reload(policy.replace(f"allow = uid {ALICE}: send\n", ""))
        until(lambda: os.path.exists(path) and Audit(path).all(), "nothing is written after it was moved away")
        assert Audit(path).all()[0]["act"] == "stay"
        assert len(Audit(path + ".1").all()) == audit.seen


@case
def a_flood_of_refusals_is_bounded(folder):
    p, _, path = audited(folder)
    with p:
        alice, store = p.opened(ALICE), p.opened(STORE)
        for _ in range(2000):
            alice.fails("EACCES", "listen", 9)
        store.fails("EACCES", "listen", 9)              # another is heard all the same
        audit = Audit(path)
        until(lambda: any(r["uid"] == STORE for r in audit.all()), "who does not flood is not heard")
        until(lambda: any(r["act"] == "suppressed" for r in audit.all()), "what was left out is not told")
        assert os.path.getsize(path) < 100000
        assert p.host.stat("host.refused") >= 2001
        assert p.host.stat("audit.suppressed") >= 1900 and p.host.stat("audit.unwritten") == 0


if __name__ == "__main__":
    raise SystemExit(main())
