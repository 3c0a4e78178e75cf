#!/usr/bin/env python3
"""Turns the known answers of LWP1 into a C header: gen.py OUT NAME=FILE.json...

Each file becomes one `static const struct lat_kat lat_kat_NAME`; lat_kats[] points to all of them.
Hex strings become byte arrays; those whose length differs from message to message become struct
lat_kat_bytes. All files must have the same shape.
"""
import json
import sys

# Fields whose length is the message's own; everything else has one length and is checked to have it.
VARIABLE = {"payload", "payloads", "plaintext", "packet"}
INTEGERS = {
    "idx_I": "uint32_t", "idx_R": "uint32_t", "src_pid": "int32_t", "dst_pid": "int32_t",
    "req": "uint32_t", "dir": "uint8_t", "chan": "uint16_t", "cflags": "uint8_t",
    "seq": "uint64_t", "first_seq": "uint64_t", "rights": "uint16_t", "counter": "uint64_t",
}


def shape(name, values):
    """The C declarator of one field, from all the values that it has in all the files."""
    first = values[0]
    if isinstance(first, int):
        return INTEGERS[name], ""
    if isinstance(first, str):
        if name in VARIABLE:
            return "struct lat_kat_bytes", ""
        lengths = {len(v) // 2 for v in values}
        if len(lengths) != 1:
            sys.exit(f"gen.py: {name} has several lengths: {sorted(lengths)}")
        return "uint8_t", f"[{lengths.pop()}]"
    raise TypeError(name)


def declare(name, values, indent):
    pad = "\t" * indent
    if isinstance(values[0], dict):
        lines = [pad + "struct {"]
        for key in fields(values[0]):
            lines += declare(key, [v[key] for v in values], indent + 1)
        return lines + [f"{pad}}} {name};"]
    if isinstance(values[0], list):
        most = max(len(v) for v in values)
        flat = [x for v in values for x in v]
        lines = declare(name, flat, indent)
        head, _, tail = lines[-1].rpartition(name)
        lines[-1] = f"{head}{name}[{most}]{tail}"
        return [f"{pad}size_t {name}_count;"] + lines
    kind, dims = shape(name, values)
    return [f"{pad}{kind} {name}{dims};"]


def fields(d):
    return [k for k in d if k != "note"]


def hexes(text):
    return ", ".join("0x" + text[i:i + 2] for i in range(0, len(text), 2))


def value(name, v):
    if isinstance(v, dict):
        return "{ " + " ".join(member(k, v[k]) for k in fields(v)) + " }"
    if isinstance(v, list):
        return "{ " + ", ".join(value(name, x) for x in v) + " }"
    if isinstance(v, int):
        return f"INT64_C({v})" if v < 0 else f"{v}u"
    if name in VARIABLE:
        return f"{{ (const uint8_t[]){{ {hexes(v) or '0'} }}, {len(v) // 2} }}"
    return "{ " + hexes(v) + " }"


def member(name, v):
    count = f".{name}_count = {len(v)}, " if isinstance(v, list) else ""
    return f"{count}.{name} = {value(name, v)},\n"


def main():
    out, *inputs = sys.argv[1:]
    files = []
    for arg in inputs:
        name, _, path = arg.partition("=")
        with open(path, encoding="utf-8") as f:
            files.append((name, json.load(f)))

    lines = ["/* Made by tests/vectors/gen.py from the .json files beside it. */",
             "#ifndef LAT_VECTORS_LWP1_KAT_H", "#define LAT_VECTORS_LWP1_KAT_H", "",
             "#include <stddef.h>", "#include <stdint.h>", "",
             "struct lat_kat_bytes {", "\tconst uint8_t *data;", "\tsize_t len;", "};", "",
             "struct lat_kat {", "\tconst char *name;"]
    for key in fields(files[0][1]):
        lines += declare(key, [f[key] for _, f in files], 1)
    lines += ["};", ""]
    for name, data in files:
        lines.append(f"__attribute__((unused)) static const struct lat_kat lat_kat_{name} = {{")
        lines.append(f'.name = "{name}",')
        lines += [member(k, data[k]) for k in fields(data)]
        lines += ["};", ""]
    lines.append("__attribute__((unused)) static const struct lat_kat *const lat_kats[] = {")
    lines.append("\t" + ", ".join(f"&lat_kat_{name}" for name, _ in files) + ",")
    lines += ["};", "", "#endif", ""]
    with open(out, "w", encoding="utf-8") as f:
        f.write("\n".join(lines))


main()
