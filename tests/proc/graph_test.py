"""'lattice graph': what several processes are to each other, as a tree, as JSON, as a picture, once and again and again. Real processes."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys

from workers import ENV, WAIT, Worker, case, main, opened, place, until

LATTICE, APPLIANCE = os.path.abspath(sys.argv[2]), os.path.abspath(sys.argv[3])


def env(folder, **more):
    return {**ENV, "LATTICE_SOCKET": place(folder), "LATTICE_STATE_DIR": os.path.join(folder, "state"), **more}


def graph(folder, *args, status=0, **more):
    done = subprocess.run([LATTICE, "graph", *args], env=env(folder, **more), stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=WAIT, check=False)
    assert done.returncode == status, f"{args}: {done.returncode} {done.stderr.decode()}"
    return done.stdout.decode() if status == 0 else done.stderr.decode()


def parsed(folder):
    return json.loads(graph(folder, "--json"))


def calls(g, src, dst):
    return [c["calls"] for c in g["channels"] if (c["src"], c["dst"]) == (src, dst)]


@case
def who_sends_to_whom_in_which_process(folder):
    with opened(folder) as a, opened(folder) as b, opened(folder) as c:
        b.do("serve_as", "store", 7)
        b.do("listen", 9)
        a.do("join", 0, 1, 7)
        a.do("join", 1, 1, 9)
        c.do("join", 0, 2, 7)
        b.do("join", 0, 7, 9)
        g = parsed(folder)
        assert g["node"] == a.number and not g["cut"], g
        assert {p["process"] for p in g["processes"]} >= {a.pid, b.pid, c.pid}, g
        assert not any(p["silent"] for p in g["processes"]), g
        assert [(p["pid"], p["process"], p["name"]) for p in g["pids"]] == [(7, b.pid, "store"), (9, b.pid, "")], g
        assert sorted((k["process"], k["src"], k["dst"], k["calls"]) for k in g["channels"]) == sorted(
            [(a.pid, 1, 7, 0), (a.pid, 1, 9, 0), (c.pid, 2, 7, 0), (b.pid, 7, 9, 0)]), g
        tree = graph(folder)
        assert tree.startswith(f"node {a.number}\n"), tree
        assert f"process {a.pid}\n  1\n    -> store (7)\n    -> 9\n" in tree, tree
        assert f"process {b.pid}\n  store (7)\n    -> 9\n  9\n" in tree, tree
        assert f"process {c.pid}\n  2\n    -> store (7)\n" in tree, tree
        a.kill()
        until(lambda: a.pid not in [p["process"] for p in parsed(folder)["processes"]], "who died is shown")
        assert a.pid not in [k["process"] for k in parsed(folder)["channels"]]


@case
def a_call_that_waits(folder):
    with opened(folder) as a, opened(folder) as b:
        b.do("listen", 7)
        a.do("join", 0, 1, 7)
        a.tell("call", 0, 10, -1)
        b.do("keep", 7, -1)
        assert calls(parsed(folder), 1, 7) == [1]
        assert "    -> 7, 1 call waits\n" in graph(folder)
        b.do("reply", 7, 10)
        a.answer()
        assert calls(parsed(folder), 1, 7) == [0]


@case
def who_is_stopped_is_named(folder):
    with opened(folder) as a, opened(folder) as b:
        b.do("listen", 7)
        b.stop()
        g = parsed(folder)
        assert [p["process"] for p in g["processes"] if p["silent"]] == [b.pid], g
        assert f"process {b.pid}, which does not answer: is it stopped?\n  7\n" in graph(folder)
        b.go_on()
        until(lambda: not any(p["silent"] for p in parsed(folder)["processes"]), "who goes on stays silent")
        a.stop()        # it hosts
        assert "ETIMEDOUT" in graph(folder, "--timeout", "0.5", status=3)
        a.go_on()
        graph(folder)


@case
def many_look_at_once(folder):
    with opened(folder) as a, opened(folder) as b:
        b.do("listen", 7)
        looks = [subprocess.Popen([LATTICE, "graph", "--json"], env=env(folder), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
                 for _ in range(12)]
        for look in looks:
            out, _ = look.communicate(timeout=WAIT)
            assert look.returncode == 0 and [p["pid"] for p in json.loads(out)["pids"]] == [7]
        assert a.do("graph").split()[1] == "0"


@case
def a_ring_that_was_refused_is_drawn(folder):
    with subprocess.Popen([APPLIANCE, "stay"], env=env(folder), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as stays:
        try:
            said = stays.stdout.readline() + stays.stdout.readline()
            assert b"billing -> orders -> stock -> billing" in said, said
            tree = graph(folder)
            assert re.search(r"billing \(5\) -> orders \(2\) -> stock \(4\) -> billing \(5\)\n", tree), tree
            assert "\033" not in tree, "colours for what is no terminal"
            g = parsed(folder)
            assert [(r["ring"], r["total"], r["times"]) for r in g["refused"]] == [([5, 2, 4], 3, 1)], g
            assert len(g["pids"]) == 12 and g["waits"] == [], g
            dot = graph(folder, "--dot")
            assert dot.count("[color=red") == 3 and dot.count('label="refused"') == 1 and '[label="100", style="rounded,dashed"]' in dot, dot
            if shutil.which("dot"):
                svg = graph(folder, "--svg")
                assert svg.rstrip().endswith("</svg>") and svg.count("<title>") > 12 and "billing (5)" in svg, svg[:400]
            assert "graphviz is not installed" in graph(folder, "--svg", status=1, PATH=folder)
        finally:
            stays.stdin.close()
            assert stays.wait(timeout=WAIT) == 1


@case
def again_and_again_until_it_is_interrupted(folder):
    with opened(folder) as a:
        a.do("listen", 7)
        with subprocess.Popen([LATTICE, "graph", "--live", "--json", "-i", "0.01"], env=env(folder), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE) as live:
            for _ in range(3):
                assert [p["pid"] for p in json.loads(live.stdout.readline())["pids"]] == [7]
            a.do("listen", 8)
            for _ in range(1000):
                if [p["pid"] for p in json.loads(live.stdout.readline())["pids"]] == [7, 8]:
                    break
            else:
                assert False, "what changes is not shown"
            live.send_signal(signal.SIGINT)
            live.stdout.read()
            assert live.wait(timeout=WAIT) == 0


@case
def what_is_wrong(folder):
    assert "nobody hosts" in graph(folder, status=3)
    for args, says in ((("--dot", "--json"), "only one"), (("--live", "--svg"), "--live goes with"), (("-i", "1"), "goes with --live"),
                       (("more",), "too much")):
        assert says in graph(folder, *args, status=2), args
    with Worker(folder) as a:
        a.do("open", "private")
        assert a.do("graph") == "1 0"


main()
