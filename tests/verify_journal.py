#!/usr/bin/env python3
"""Verifies a keyrota journal without keyrota: docs/formats.md says how it is built.

    verify_journal.py journal.jsonl [head.json]          the home's own head
    verify_journal.py journal.jsonl COUNT DIGEST         the words behind `keyrota-journal` that `apply` printed last
Prints the witness line of what it read. Exit: 0 whole, 7 broken."""
import hashlib
import json
import re
import sys

LINE = re.compile(
    rb'(\{"n":([1-9][0-9]*),"at":"([^"]{23}Z)",.*,"before":"([0-9a-f]{64})"),"own":"([0-9a-f]{64})"\}\n', re.S)
DOMAIN = b"keyrota-journal"
NONE = "0" * 64


def framed(part):
    return len(part).to_bytes(8, "big") + part


def verify(lines, count, digest):
    own, at, n = NONE, b"", 0
    for line in lines:
        if not line.endswith(b"\n"):
            print(f"{len(line)} bytes behind the last newline: torn")
            break
        n += 1
        match = LINE.fullmatch(line)
        if not match:
            raise ValueError(f"entry {n} is not built as an entry is")
        covered, number, hour, before, stated = match.groups()
        if hashlib.sha256(framed(DOMAIN) + framed(covered)).hexdigest() != stated.decode():
            raise ValueError(f"entry {n} was changed after it was written")
        if int(number) != n or before.decode() != own or hour < at:
            raise ValueError(f"entry {n} does not follow the entry before it")
        if (json.loads(line)["what"]["event"] == "begun") != (n == 1):
            raise ValueError(f"entry {n} is not in its place: `begun` is the first entry and no other")
        own, at = stated.decode(), hour
        if n == count and own != digest:
            raise ValueError(f"entry {n} is not the one that the head has seen")
    if n < count:
        raise ValueError(f"the journal was cut: its head has seen {count} entries, {n} are there")
    return f"keyrota-journal {n} {own}"


def main(journal, *head):
    if len(head) == 1:
        with open(head[0], encoding="utf-8") as file:
            stated = json.load(file)
        head = stated["count"], stated["digest"]
    with open(journal, "rb") as lines:
        print(verify(lines, *((int(head[0]), head[1]) if head else (0, NONE))))


try:
    main(*sys.argv[1:])
except ValueError as broken:
    print(f"broken: {broken}", file=sys.stderr)
    sys.exit(7)
