"""Where the real ones say no, these say no: each refusal is provoked, and printed by its name when it came."""

import os
import subprocess
import sys

import vault
from vault import ConfigurationError, Database, dek_aad, fingerprint, key_id, make_token, open_ring, read_master_key, seal

HERE = os.path.dirname(os.path.abspath(__file__))
ONE, TWO = b"1" * 32, b"2" * 32


def key_file(name, text, mode=0o600):
    path = os.path.abspath(name)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as file:
        file.write(text)
    return path


def refused(name, why, act):
    try:
        act()
    except ConfigurationError as error:
        assert why in str(error), f"{name}: {error}"
        print(name)
        return
    raise AssertionError(f"{name} was let pass")


def database(name, master=ONE, keys=2):
    made = Database(os.path.abspath(name))
    made.make()
    for _ in range(keys):
        made.add_key(master, os.urandom(32))
    return made


def runs(role, place, path):
    """How a member ends, or what it says of itself when it runs on."""
    with open("member.toml", "w") as file:
        file.write(f'database = "{place}"\n[master_key]\npath = "{path}"\n')
    words = [sys.executable, f"{HERE}/member.py", role, "m", "member.toml", "0"]
    try:
        ran = subprocess.run(words, capture_output=True, text=True, timeout=3)
        return ran.returncode, ran.stdout
    except subprocess.TimeoutExpired as still:
        return None, still.stdout.decode()


os.chdir(sys.argv[1])
good = key_file("good.key", f"  {ONE.hex()} \n\n")
assert read_master_key(good) == ONE

refused("a key file that is not there", "cannot read", lambda: read_master_key("/nowhere/v1.key"))
refused("a key file named by a relative path", "must be absolute", lambda: read_master_key("good.key"))
refused("a key file that others may read", "open to others", lambda: read_master_key(key_file("open.key", ONE.hex(), 0o644)))
refused("a key of another length", "64 hex", lambda: read_master_key(key_file("short.key", ONE.hex()[:62])))

one = database("a.db")
assert len(open_ring(one, ONE)) == 2
refused("a data key that names another master key", "master key mismatch", lambda: open_ring(one, TWO))
one.ask("UPDATE data_encryption_keys SET kek_fingerprint = ? WHERE rowid = 1", fingerprint(TWO))
refused("a fingerprint that is stale where the wrapping is right", "master key mismatch", lambda: open_ring(one, ONE))

two = database("b.db")
two.ask("UPDATE data_encryption_keys SET wrapped_key = ? WHERE rowid = 2", seal(TWO, b"x" * 32, dek_aad("0")))
refused("a data key that does not open under the fingerprint that it names", "does not open", lambda: open_ring(two, ONE))

three = database("c.db", keys=0)
dek = os.urandom(32)
three.add_key(ONE, dek, named="00000000")
refused("a data key whose id is not its own", "does not open", lambda: open_ring(three, ONE))

four = database("d.db", keys=1)
four.ask("UPDATE data_encryption_keys SET key_id = 'ffffffff'")
refused("a wrapped key that stands in another row", "does not open", lambda: open_ring(four, ONE))

five = database("e.db", keys=0)
five.add_key(TWO, os.urandom(32), status="retired")
refused("a retired data key under another master key", "master key mismatch", lambda: open_ring(five, ONE))

six = database("f.db")
six.set_token(make_token(TWO))
refused("a verification token of another master key", "the verification token", lambda: open_ring(six, ONE))
for odd in (make_token(TWO).strip('"'), '"ENC:v2:xyz"', '{"v": 2}'):
    six.set_token(odd)
    assert len(open_ring(six, ONE)) == 2
print("and a token that does not look right is skipped in silence")

place = os.path.abspath("g.db")
database("g.db", TWO)
code, said = runs("controller", place, good)
assert code == 78 and "configuration error: master key mismatch" in said, (code, said)
print("a controller exits")
code, said = runs("agent", place, good)
assert code is None and "running without a data key ring" in said and "sealed directly" in said, (code, said)
sealed = Database(place).ask("SELECT secret FROM credentials")[0][0]
assert sealed.startswith("ENC:v2:") and vault.open_sealed(ONE, sealed[7:], b"uptrakit:credential"), sealed
print("an agent runs on, and seals directly under the master key")
assert key_id(dek) != "00000000"
