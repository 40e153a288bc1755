"""Reads a folder of key files from outside: all that `ring.json` asks of a reader. For `as = "hex"`."""

import json
import pathlib
import sys


def keys(folder):
    folder = pathlib.Path(folder)
    ring = json.loads((folder / "ring.json").read_text())
    assert ring["format"] == "keyrota ring 1", ring["format"]
    opens = [v for v in ring["versions"] if v["state"] in ("staged", "current", "decrypt-only")]
    found = {v["id"]: bytes.fromhex((folder / v["file"]).read_text().strip()) for v in opens}
    current = next((v["id"] for v in opens if v["state"] == "current"), None)
    return current, found


if __name__ == "__main__":
    current, found = keys(sys.argv[1])
    print(json.dumps({"current": current, "keys": {id: key.hex() for id, key in found.items()}}))
