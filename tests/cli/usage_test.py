#!/usr/bin/env python3
"""Every option of every command, given wrongly: status 2, a sentence, and nothing was tried."""
import os
import subprocess
import sys

from harness import ENV, LATTICE, WAIT, case, expect, main, run

# command, the arguments it needs, its options
COMMANDS = {
    ("keygen",): ([], "d node h"),
    ("peers", "add"): (["-"], "d name at udp tcp psk h"),
    ("peers", "list"): ([], "d json h"),
    ("send",): (["7@2", "-m", "x"], "m f from type timeout d at udp tcp port bind allow-unlocked-keys v h"),
    ("recv",): (["7"], "n o timeout d port bind allow-unlocked-keys v h"),
    ("ping",): (["2"], "c i timeout json d at udp tcp port bind allow-unlocked-keys v h"),
    ("version",): ([], "h"),
    ("help",): ([], "h"),
}
# option: has it an argument, arguments that are refused
OPTIONS = {
    "d": (True, [""]),
    "node": (True, ["", "0", "4294967295", "4294967296", "-1", "1x", "x", " 1", "99999999999999999999"]),
    "name": (True, []),
    "at": (True, [""]),
    "udp": (False, []),
    "tcp": (False, []),
    "psk": (True, []),
    "m": (True, []),
    "f": (True, [""]),
    "o": (True, [""]),
    "from": (True, ["", "0", "-1", "2147483648", "x"]),
    "type": (True, ["", "-1", "2147483648", "x"]),
    "n": (True, ["", "0", "-1", "x", "4294967296"]),
    "c": (True, ["", "0", "-1", "1.5", "1000001"]),
    "i": (True, ["", "-1", "x", "nan", "inf", "1e7", "1x"]),
    "timeout": (True, ["", "-1", "x", "nan", "inf", "1e7", "1s"]),
    "port": (True, ["", "-1", "65536", "x"]),
    "bind": (True, []),
    "json": (False, []),
    "allow-unlocked-keys": (False, []),
    "v": (False, []),
    "h": (False, []),
}


def flag(name):
    return ("-" if len(name) == 1 else "--") + name


@case
def values_that_are_refused(folder):
    for words, (needed, options) in COMMANDS.items():
        for name in options.split():
            for value in OPTIONS[name][1]:
                why = f"{' '.join(words)} {flag(name)} '{value}'"
                expect(run(*words, *needed, flag(name), value, env={"LATTICE_STATE_DIR": folder}), 2,
                       rf"lattice {' '.join(words)}: --\S+ cannot be '", r"usage: lattice", why=why)
    assert os.listdir(folder) == [], "something was made"


@case
def options_without_their_value(folder):
    for words, (needed, options) in COMMANDS.items():
        for name in options.split():
            if OPTIONS[name][0]:
                expect(run(*words, *needed, flag(name)), 2, rf"{flag(name)} needs a value", why=f"{words} {name}")
            elif len(name) > 1:
                expect(run(*words, *needed, flag(name) + "=x"), 2, rf"{flag(name)}=x is not understood", why=f"{words} {name}")
    assert os.listdir(folder) == []


@case
def options_of_other_commands(_folder):
    for words, (needed, options) in COMMANDS.items():
        for name, (argument, _) in OPTIONS.items():
            if name not in options.split():
                expect(run(*words, *needed, flag(name), *(["x"] if argument else [])), 2,
                       rf"there is no option {flag(name)}|{flag(name)} is not understood", why=f"{words} {name}")
        expect(run(*words, *needed, "--quux"), 2, "--quux is not understood", why=str(words))
        expect(run(*words, *needed, "-Q"), 2, "there is no option -Q", why=str(words))


@case
def too_few_and_too_many_arguments(_folder):
    for words, (needed, _) in COMMANDS.items():
        if needed:
            expect(run(*words), 2, "something is missing", "usage: lattice", why=str(words))
        if words != ("help",):
            expect(run(*words, *needed, "more", "and more"), 2, "is too much", why=str(words))


ROWS = [
    ("no command", [], "lattice keygen"),
    ("an unknown command", ["frobnicate"], "there is no command 'frobnicate'"),
    ("half a command", ["peers"], "peers add or peers list"),
    ("half a command, then nonsense", ["peers", "remove"], "peers add or peers list"),
    ("help on half a command", ["help", "peers"], "peers add or peers list"),
    ("help on no command", ["help", "frobnicate"], "no command 'frobnicate'"),
    ("UDP and TCP", ["ping", "2", "--udp", "--tcp"], "either --udp or --tcp"),
    ("nothing to send", ["send", "7@2"], "one of -m TEXT, -f FILE and -"),
    ("a text and a file", ["send", "7@2", "-m", "x", "-f", "y"], "one of -m TEXT"),
    ("a text and lines", ["send", "7@2", "-m", "x", "-"], "one of -m TEXT"),
    ("a text without -m", ["send", "7@2", "hello"], "a text is given by -m"),
    ("a type that is for files", ["send", "7@2", "-m", "x", "--type", "1279655937"], "how files are sent"),
    ("a target without a pid", ["send", "@2", "-m", "x"], "a target is PID@NODE"),
    ("pid 0", ["send", "0@2", "-m", "x"], "a target is PID@NODE"),
    ("a pid over 31 bits", ["send", "2147483648@2", "-m", "x"], "a target is PID@NODE"),
    ("a pid of letters", ["send", "x@2", "-m", "x"], "a target is PID@NODE"),
    ("node 0", ["send", "7@0", "-m", "x"], "neither a node's number nor a name"),
    ("an empty node", ["send", "7@", "-m", "x"], "neither a node's number nor a name"),
    ("a node's name that cannot be", ["send", "7@a/b", "-m", "x"], "neither a node's number nor a name"),
    ("ping without a node", ["ping", ""], "neither a node's number nor a name"),
    ("recv without a pid", ["recv", "x"], "not a pid"),
    ("recv as pid 0", ["recv", "0"], "not a pid"),
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
    for words, (_, options) in COMMANDS.items():
        assert f"lattice {' '.join(words)}" in overview, words
        text = expect(run("help", *words), 0).out.decode()
        assert text == expect(run(*words, "--help"), 0).out.decode() == expect(run(*words, "-h"), 0).out.decode()
        for name in options.split():
            assert f"{flag(name)} " in text or f"{flag(name)}," in text, f"{words}: {name} is not explained"
    for args in (["-h"], ["--help"]):
        assert expect(run(*args), 0).out.decode() == overview
    version = expect(run("version"), 0).out
    assert version == run("--version").out and version.startswith(b"lattice 0."), version


@case
def standard_output_that_breaks(_folder):
    if not os.path.exists("/dev/full"):
        return
    with open("/dev/full", "wb") as full:
        done = subprocess.run([LATTICE, "help"], stdout=full, stderr=subprocess.PIPE, timeout=WAIT, check=False, env=ENV)
    assert done.returncode == 1 and b"standard output cannot be written" in done.stderr, done


if __name__ == "__main__":
    sys.exit(main())
