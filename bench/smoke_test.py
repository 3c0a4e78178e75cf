#!/usr/bin/env python3
"""A benchmark program measures what it says, in the form that it says. No time is looked at.

smoke_test.py PROGRAM [LATTICE NAME]: PROGRAM directly; with LATTICE also by its command 'bench NAME'.
"""
import json
import math
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

WAIT = 150
FIELDS = {"name": str, "value": float, "limit": float, "unit": str, "ratio": float, "goal": float, "holds": bool,
          "p99": float, "p999": float, "wanted": str, "what": str, "note": str}
NEVER_NULL = {"name", "unit", "wanted", "what", "note"}


def run(*command):
    done = subprocess.run(command, capture_output=True, timeout=WAIT, check=False, encoding="utf-8")
    return done.returncode, done.stdout, done.stderr


def check_line(line):
    assert set(line) == set(FIELDS), line
    for field, kind in FIELDS.items():
        value = line[field]
        if value is None:
            assert field not in NEVER_NULL, line
        elif kind is float:
            assert isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value), line
        else:
            assert isinstance(value, kind), line
    # What has no figure says why; what was measured took or moved something.
    if line["value"] is None:
        assert line["note"] and line["ratio"] is None and line["holds"] is None, line
    else:
        assert line["value"] >= 0 and (line["value"] > 0 or line["unit"] in ("%", "B")), line
    if line["holds"] is not None:
        assert line["goal"] is not None and line["ratio"] is not None and line["limit"] is not None, line
    if line["ratio"] is not None:
        assert line["ratio"] >= 0 and line["limit"] > 0, line


def main(program, lattice=None, name=None):
    status, said, why = run(program, "--list")
    assert status == 0, why
    names = [line.split()[0] for line in said.splitlines()]
    assert len(names) == len(set(names)) > 0
    with tempfile.NamedTemporaryFile(suffix=".svg") as plot:
        # Those that spin on two cores take as long as a busy machine lets them: that is no test.
        few = names[:4]
        status, said, why = run(program, "--json", "--rounds", "1", "--slice", "1", "--warm-up", "0", "--plot", plot.name,
                                "--only", ",".join(few))
        assert status == 0 and why == "", (status, why)
        lines = [json.loads(line) for line in said.splitlines()]
        for line in lines:
            check_line(line)
        assert [line["name"] for line in lines][:len(few) + 1] == ["machine"] + few, said
        picture = xml.etree.ElementTree.parse(plot.name).getroot()
        assert picture.tag.endswith("}svg")
    for line in lines:
        if line["value"] is None:
            print(f"{line['name']}: {line['note']}")
    status, said, why = run(program, "--rounds", "2", "--slice", "1", "--warm-up", "1", "--only", names[0])
    assert status == 0 and names[0] in said and why == "", (status, said, why)
    for wrong in (["--rounds", "0"], ["--rounds", "x"], ["--slice"], ["--only", "nothing"], ["--cores", "0"],
                  ["--cores", "0,0"], ["--quux"], ["more"]):
        status, said, why = run(program, *wrong)
        assert status == 2 and said == "" and why, (wrong, status, said, why)
    if lattice is not None:
        status, said, why = run(lattice, "bench", name, "--list")
        assert status == 0 and [line.split()[0] for line in said.splitlines()] == names, (status, why)
    print(f"{len(lines)} lines")


main(*sys.argv[1:])
