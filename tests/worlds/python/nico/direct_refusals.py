"""What an instance of the direct world refuses: direct_refusals.py, in the project's folder, with NICO_DB in the environment.

A world is only as strict as the real thing if it says no where the real thing says no."""

import base64
import json
import pathlib
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import envelope  # noqa: E402

INSTANCE = str(pathlib.Path(__file__).with_name("instance.py"))
SECRETS, POINTER = pathlib.Path("site/secrets.json"), pathlib.Path("site/carbide.toml")
OWN = pathlib.Path("hosts/other")
KEYS = envelope.keys_of(SECRETS.read_text())
SEALED = envelope.seal("kv1", KEYS["kv1"], b"CANARY/plain")
PARTS = json.loads(base64.b64decode(SEALED))


def text(**changed):
    parts = {**PARTS, **changed}
    return base64.b64encode(json.dumps({k: v for k, v in parts.items() if v is not None}).encode()).decode()


def refused(what, sealed, keys=KEYS):
    try:
        envelope.open_sealed(sealed, keys)
    except envelope.Refused as why:
        print(f"refused: {what}: {why}")
        return
    sys.exit(f"NOT refused: {what}")


assert envelope.open_sealed(f"  {SEALED}\n", KEYS) == ("kv1", b"CANARY/plain")
refused("an unknown field", text(note="x"))
refused("a missing field", text(scheme_version=None))
refused("another scheme", text(scheme_version=2))
refused("a scheme that is no number", text(scheme_version=True))
refused("a short nonce", text(nonce=PARTS["nonce"][:11]))
refused("a nonce that is no bytes", text(nonce=[256] * 12))
refused("a ciphertext that is no list", text(ciphertext="AAAA"))
refused("a ciphertext without its tag", text(ciphertext=PARTS["ciphertext"][:15]))
refused("a changed ciphertext", text(ciphertext=[PARTS["ciphertext"][0] ^ 1, *PARTS["ciphertext"][1:]]))
refused("no base64", "%" + SEALED)
refused("no JSON", base64.b64encode(b"kv1").decode())
refused("a key that is not there", text(key_id="kv9"))
refused("another key of that name", SEALED, {"kv1": bytes(32)})
try:
    envelope.keys_of(json.dumps({"machine_identity": {"encryption_keys": {"kv1": base64.b64encode(bytes(31)).decode()}}}))
    sys.exit("NOT refused: a key of 31 bytes")
except envelope.Refused:
    print("refused: a key of 31 bytes")

OWN.mkdir()
shutil.copy(SECRETS, OWN / "secrets.json")
pointer = POINTER.read_text()


def starts():
    """An instance, and a way to see what it says."""
    (OWN / "state.json").unlink(missing_ok=True)
    log = pathlib.Path("other.log")
    return subprocess.Popen([sys.executable, INSTANCE, "other"], stdout=log.open("w"), stderr=subprocess.STDOUT), log


def until(what, holds):
    for _ in range(1200):
        if holds():
            return
        time.sleep(0.05)
    sys.exit(f"waited for {what}")


def state():
    path = OWN / "state.json"
    return json.loads(path.read_text()) if path.exists() else {}


def does_not_start(what, change):
    POINTER.write_text(change(pointer))
    process, log = starts()
    assert process.wait() == 1 and "REFUSED to start" in log.read_text(), log.read_text()
    POINTER.write_text(pointer)
    print(f"refused: {what}")


does_not_start("a pointer to a key that is not there", lambda text: text.replace('"kv1"', '"kv2"'))
does_not_start("to start while it is not enabled", lambda text: text.replace("enabled = true", "enabled = false"))

process, log = starts()
until("its rounds", lambda: state().get("rounds", 0) > 1)
# A key that is added and a pointer that moves are not seen before a restart.
document = json.loads((OWN / "secrets.json").read_text())
document["machine_identity"]["encryption_keys"]["kv2"] = base64.b64encode(bytes(32)).decode()
(OWN / "secrets.new").write_text(json.dumps(document))
(OWN / "secrets.new").rename(OWN / "secrets.json")
POINTER.write_text(pointer.replace('"kv1"', '"kv2"'))
rounds = state()["rounds"]
until("a few rounds more", lambda: state()["rounds"] > rounds + 2)
assert (state()["current"], state()["keys"]) == ("kv1", ["kv1"]), state()
print("refused: a key and a pointer that came since it started")
POINTER.write_text(pointer)
# One that is taken away is gone at once: what it sealed does not open.
del document["machine_identity"]["encryption_keys"]["kv1"]
(OWN / "secrets.new").write_text(json.dumps(document))
(OWN / "secrets.new").rename(OWN / "secrets.json")
until("the missing key", lambda: "STRANDED" in log.read_text())
assert "key kv1 is not known here" in log.read_text()
print("refused: a key that was withdrawn, at once")
process.kill()
process.wait()
print("all refused")
