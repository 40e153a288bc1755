#!/usr/bin/env python3
"""Verifies a keyrota journal without keyrota: docs/formats.md says how it is built.

    verify_journal.py journal.jsonl [head.json]          the home's own head
    verify_journal.py journal.jsonl COUNT DIGEST         the words behind `keyrota-journal` that `apply` printed last

Prints the witness line of what it read. Exit: 0 whole, 7 broken.
"""
import hashlib
import json
import re
import sys

LINE = re.compile(
    rb'(\{"n":([1-9][0-9]*),"at":"([-0-9T:.]{23}Z)",.*,"before":"([0-9a-f]{64})"),"own":"([0-9a-f]{64})"\}\n', re.S
)


def framed(*parts):
    """SHA-256 over the parts, each after its length in eight bytes."""
    return hashlib.sha256(b"".join(len(part).to_bytes(8, "big") + part for part in parts)).hexdigest()


def verify(lines, count, digest):
    own, at, n, torn = "0" * 64, b"", 0, 0
    for line in lines:
        if not line.endswith(b"\n"):
            torn = len(line)
            break
        n += 1
        match = LINE.fullmatch(line)
        if not match:
            raise ValueError(f"entry {n} is not built as an entry is")
        covered, number, hour, before, stated = match.groups()
        if framed(b"keyrota-journal", covered) != stated.decode():
            raise ValueError(f"entry {n} was changed after it was written")
        if int(number) != n:
            raise ValueError(f"entry {n} is missing or moved: entry {int(number)} stands in its place")
        if before.decode() != own:
            raise ValueError(f"entry {n} does not follow the entry before it")
        if hour < at:
            raise ValueError(f"entry {n} is older than the entry before it")
        entry = json.loads(line)
        if (entry["what"]["event"] == "begun") != (n == 1):
            raise ValueError(f"entry {n} is not in its place: `begun` is the first entry and no other")
        own, at = stated.decode(), hour
        if n == count and own != digest:
            raise ValueError(f"entry {n} is not the one that the head has seen")
    if n < count:
        raise ValueError(f"the journal was cut: its head has seen {count} entries, {n} are there")
    return n, own, torn


def main(journal, *head):
    count, digest = 0, "0" * 64
    if len(head) == 1:
        with open(head[0], encoding="utf-8") as file:
            stated = json.load(file)
        count, digest = stated["count"], stated["digest"]
    elif head:
        count, digest = int(head[0]), head[1]
    try:
        with open(journal, "rb") as lines:
            n, own, torn = verify(lines, count, digest)
    except ValueError as broken:
        sys.exit((print(f"broken: {broken}", file=sys.stderr), 7)[1])
    print(f"keyrota-journal {n} {own}" + (f"\n{torn} bytes behind the last newline: torn" if torn else ""))


main(*sys.argv[1:])
