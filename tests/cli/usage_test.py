#!/usr/bin/env python3
"""Every option of every command, given wrongly: status 2, a sentence, and nothing was tried.

Which commands and options there are, and what they take, is what "lattice help --json" says: the table that the command
itself goes by. So an option that is added is tested.
"""
import json
import os
import shutil
import subprocess
import sys

from harness import ENV, LATTICE, WAIT, Node, case, expect, main, run

HELP = [json.loads(line) for line in run("help", "--json").out.splitlines()]
# Arguments that a command takes without complaint about usage; others need none.
NEEDED = {"peers add": ["-"], "peers show": ["9"], "peers remove": ["9"], "send": ["7@2", "-m", "x"], "recv": ["7"],
          "cap grant": ["7", "--rights", "send", "--bearer"], "cap attenuate": ["-"], "cap show": ["-"],
          "ping": ["2"], "completion": ["bash"], "why": ["1->7"]}
TOO_BIG = "99999999999999999999"


def words(command):
    return command["command"].split()


def needed(command):
    return NEEDED.get(command["command"], [])


def flags(option):
    return ["--" + option["name"]] + (["-" + option["letter"]] if option["letter"] else [])


def wrong_values(option):
    """Values that the option must refuse, by its kind."""
    if option["kind"] == "number":
        low, high = option["min"], option["max"]
        return ["", str(low - 1), str(high + 1), "x", "1x", " 1", "1.5", "-1", "+1", "0x1", TOO_BIG]
    if option["kind"] == "seconds":
        return ["", "-1", "x", "nan", "inf", "1e7", "1s", "1,5", ".", " 1", "1 ", "+1", "-0", "0x1", "1e1", "1.2.3", "1000000.1"]
    if option["kind"] in ("name", "file", "folder"):
        return [""]
    assert option["kind"] in ("text", "flag"), option
    return []


@case
def the_table_is_all_there_is(_folder):
    assert len(HELP) >= 13 and len({command["command"] for command in HELP}) == len(HELP)
    for command in HELP:
        one = expect(run("help", *words(command), "--json"), 0)
        assert json.loads(one.out) == command
        names = [option["name"] for option in command["options"]]
        assert len(set(names)) == len(names) and "help" in names, command
        assert command["args_min"] == 0 or command["command"] in NEEDED, command
        assert all((option["kind"] == "flag") == (option["arg"] == "") for option in command["options"]), command


@case
def values_that_are_refused(folder):
    tried = 0
    for command in HELP:
        for option in command["options"]:
            for value in wrong_values(option):
                flag = flags(option)[tried % len(flags(option))]
                tried += 1
                expect(run(*words(command), *needed(command), flag, value, env={"LATTICE_STATE_DIR": folder}), 2,
                       rf"lattice {command['command']}: --{option['name']} cannot be '", r"usage: lattice",
                       why=f"{command['command']} {flag} '{value}'")
    assert tried > 100
    assert os.listdir(folder) == [], "something was made"


@case
def options_without_their_value(folder):
    for command in HELP:
        for option in command["options"]:
            for flag in flags(option):
                why = f"{command['command']} {flag}"
                if option["kind"] != "flag":
                    expect(run(*words(command), *needed(command), flag), 2, rf"{flag} needs a value", why=why)
                elif len(flag) > 2:
                    expect(run(*words(command), *needed(command), flag + "=x"), 2, rf"{flag}=x is not understood", why=why)
    assert os.listdir(folder) == []


@case
def options_of_other_commands(_folder):
    every = {flag: option for command in HELP for option in command["options"] for flag in flags(option)}
    for command in HELP:
        has = {flag for option in command["options"] for flag in flags(option)}
        for flag, option in every.items():
            # A beginning of a longer option of its own is that option.
            if flag not in has and not any(mine.startswith(flag) for mine in has if len(flag) > 2):
                expect(run(*words(command), *needed(command), flag, *(["x"] if option["kind"] != "flag" else [])), 2,
                       rf"there is no option {flag}|{flag} is not understood", why=f"{command['command']} {flag}")
        expect(run(*words(command), *needed(command), "--quux"), 2, "--quux is not understood", why=str(command))
        expect(run(*words(command), *needed(command), "-Q"), 2, "there is no option -Q", why=str(command))


@case
def too_few_and_too_many_arguments(folder):
    for command in HELP:
        if command["args_min"] > 0:
            expect(run(*words(command)), 2, "something is missing", "usage: lattice", why=str(command))
        if command["command"] != "help":
            expect(run(*words(command), *needed(command), "more", "and more", env={"LATTICE_STATE_DIR": folder}), 2,
                   "is too much", why=str(command))
    expect(run("help", "keygen", "more"), 2, "'more' is too much")
    expect(run("help", "peers", "add", "more"), 2, "'more' is too much")
    assert os.listdir(folder) == []


ROWS = [
    ("no command", [], "lattice keygen"),
    ("an unknown command", ["frobnicate"], "there is no command 'frobnicate'"),
    ("half a command", ["peers"], "half a command: 'peers add', 'peers list', 'peers show', 'peers remove'"),
    ("half a command, then nonsense", ["peers", "forget"], "no command 'peers forget', but 'peers add'.*'peers remove'"),
    ("half a command, then an option", ["peers", "--json"], "but 'peers add'"),
    ("help on half a command", ["help", "peers"], "half a command: 'peers add'"),
    ("help on half a command and nonsense", ["help", "peers", "forget"], "no command 'peers forget', but"),
    ("help on no command", ["help", "frobnicate"], "no command 'frobnicate'"),
    ("UDP and TCP", ["ping", "2", "--udp", "--tcp"], "either --udp or --tcp"),
    ("kept and not", ["peers", "add", "-", "--tcp", "--tcp-transient"], "one of --udp, --tcp and --tcp-transient"),
    ("nothing to send", ["send", "7@2"], "one of -m TEXT, -f FILE and -"),
    ("a text and a file", ["send", "7@2", "-m", "x", "-f", "y"], "one of -m TEXT"),
    ("a text and lines", ["send", "7@2", "-m", "x", "-"], "one of -m TEXT"),
    ("a text without -m", ["send", "7@2", "hello"], "a text is given by -m"),
    ("a type that is for files", ["send", "7@2", "-m", "x", "--type", "1279655937"], "how files are sent"),
    ("a target without a pid", ["send", "@2", "-m", "x"], "a target is PID@NODE"),
    ("pid 0", ["send", "0@2", "-m", "x"], "a target is PID@NODE"),
    ("a pid over 31 bits", ["send", "2147483648@2", "-m", "x"], "a target is PID@NODE"),
    ("a service's name that cannot be", ["send", "a/b@2", "-m", "x"], "a target is PID@NODE"),
    ("a service's name that is too long", ["send", "x" * 65 + "@2", "-m", "x"], "a target is PID@NODE"),
    ("node 0", ["send", "7@0", "-m", "x"], "neither a node's number nor a name"),
    ("an empty node", ["send", "7@", "-m", "x"], "neither a node's number nor a name"),
    ("a node's name that cannot be", ["send", "7@a/b", "-m", "x"], "neither a node's number nor a name"),
    ("ping without a node", ["ping", ""], "neither a node's number nor a name"),
    ("an endpoint without a port", ["ping", "h:"], "neither a node's number nor a name"),
    ("an endpoint with port 0", ["ping", "h:0"], "neither a node's number nor a name"),
    ("an endpoint with too much of a port", ["send", "7@h:65536", "-m", "x"], "neither a node's number nor a name"),
    ("an endpoint without a host", ["ping", ":1"], "neither a node's number nor a name"),
    ("IPv6 without brackets", ["ping", "::1:15000"], "neither a node's number nor a name"),
    ("IPv6 with half of them", ["ping", "[::1:15000"], "neither a node's number nor a name"),
    ("an endpoint twice", ["ping", "h:1", "--at", "h:2"], "--at is too much"),
    ("a key for this node", ["send", "7", "-m", "x", "--key", "-"], "--key is another node's"),
    ("show without a node", ["peers", "show", ""], "neither a node's number nor a name"),
    ("show node 0", ["peers", "show", "0"], "neither a node's number nor a name"),
    ("remove an endpoint", ["peers", "remove", "h:1"], "neither a node's number nor a name"),
    ("neither a key nor a fingerprint", ["peers", "add"], "either FILE, or --node and --fingerprint"),
    ("a fingerprint of nobody", ["peers", "add", "--fingerprint", "0" * 64], "either FILE, or --node and --fingerprint"),
    ("a node without a fingerprint", ["peers", "add", "--node", "3"], "either FILE, or --node and --fingerprint"),
    ("a short fingerprint", ["peers", "add", "--node", "3", "--fingerprint", "0" * 63], "not 64 hexadecimal digits"),
    ("a fingerprint of other letters", ["peers", "add", "--node", "3", "--fingerprint", "g" * 64], "not 64 hexadecimal"),
    ("a shell that is none", ["completion", "csh"], "none of bash, zsh, fish"),
    ("recv without a pid", ["recv", "x/y"], "neither a pid"),
    ("recv as pid 0", ["recv", "0"], "neither a pid"),
    ("a name that is too long", ["peers", "add", "-", "--name", "a" * 64], "longer than 63"),
    ("an address that is too long", ["peers", "add", "-", "--at", "a" * 256], "longer than 255"),
]


@case
def wrong_in_other_ways(folder):
    for why, args, says in ROWS:
        expect(run(*args, env={"LATTICE_STATE_DIR": folder}), 2, says, why=why)
    assert os.listdir(folder) == []


@case
def help_names_every_option(_folder):
    overview = expect(run("help"), 0).out.decode()
    for command in HELP:
        assert f"lattice {command['command']} " in overview, command
        text = expect(run("help", *words(command)), 0).out.decode()
        assert text == expect(run(*words(command), "--help"), 0).out.decode() == expect(run(*words(command), "-h"), 0).out.decode()
        for option in command["options"]:
            for flag in flags(option):
                assert f"{flag} " in text or f"{flag}," in text, f"{command['command']}: {flag} is not explained"
    for status in ("0 done", "1 failed", "2 wrong usage", "3 the other side"):
        assert status in overview, status
    for args in (["-h"], ["--help"]):
        assert expect(run(*args), 0).out.decode() == overview
    version = expect(run("version"), 0).out
    assert version == run("--version").out and version.startswith(b"lattice 0."), version
    assert json.loads(run("version", "--json").out)["version"] == version.split()[1].decode()


def completed(folder, line):
    """What bash proposes for the last word of @line."""
    script = os.path.join(folder, "script")
    with open(script, "wb") as file:
        file.write(expect(run("completion", "bash"), 0).out)
    ask = f'''set -u; source {script}; COMP_WORDS=({" ".join(f"'{word}'" for word in line)}); COMP_CWORD={len(line) - 1}
        _lattice; printf '%s\\n' "${{COMPREPLY[@]-}}"'''
    done = subprocess.run(["bash", "-c", ask], capture_output=True, timeout=WAIT, check=False,
                          env={**ENV, "LATTICE_STATE_DIR": os.path.join(folder, "a")})
    assert done.returncode == 0 and done.stderr == b"", done
    return done.stdout.decode().split()


@case
def bash_completes_what_the_table_has(folder):
    firsts = {words(command)[0] for command in HELP}
    assert set(completed(folder, [LATTICE, ""])) == firsts
    assert completed(folder, [LATTICE, "keyg"]) == ["keygen"]
    assert set(completed(folder, [LATTICE, "peers", ""])) == {"add", "list", "show", "remove"}
    for command in HELP:
        want = {flag for option in command["options"] for flag in flags(option)}
        assert set(completed(folder, [LATTICE, *words(command), "-"])) == want, command
    with open(os.path.join(folder, "some.pub"), "w", encoding="ascii"):
        pass
    for line in (["peers", "add", folder + "/some."], ["send", "7@2", "-f", folder + "/some."]):
        assert completed(folder, [LATTICE, *line]) == [folder + "/some.pub"], line
    assert completed(folder, [LATTICE, "recv", "--timeout", ""]) == []
    a, b = Node(folder, "a", 1), Node(folder, "b", 22)
    a.knows(b)
    for line in (["ping", ""], ["peers", "show", ""], ["peers", "remove", ""]):
        assert set(completed(folder, [LATTICE, *line])) == {"22", "b"}, line


@case
def other_shells_are_told_of_every_option(folder):
    for shell in ("bash", "zsh", "fish"):
        text = expect(run("completion", shell), 0).out.decode()
        for command in HELP:
            assert words(command)[-1] in text, (shell, command)
            for option in command["options"]:
                assert f"-l {option['name']}" in text if shell == "fish" else "--" + option["name"] in text, (shell, option)
        if shutil.which(shell):
            path = os.path.join(folder, shell)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            subprocess.run([shell, "-n", path], check=True, timeout=WAIT)


@case
def standard_output_that_breaks(_folder):
    if not os.path.exists("/dev/full"):
        return
    with open("/dev/full", "wb") as full:
        done = subprocess.run([LATTICE, "help"], stdout=full, stderr=subprocess.PIPE, timeout=WAIT, check=False, env=ENV)
    assert done.returncode == 1 and b"standard output cannot be written" in done.stderr, done


if __name__ == "__main__":
    sys.exit(main())
