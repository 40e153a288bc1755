"""The judge, who trusts nobody: `judge.py make DATABASE KEYFILE ROWS [RETIRED]`, `judge.py dump DATABASE FILE`,
`judge.py same DATABASE BEFORE KEYFILE OLDKEYFILE [+COLUMNS]`: everything opens under the key, with the plaintext it had, and every
other byte is as it was. `judge.py untouched DATABASE BEFORE`: no value was moved. `judge.py token DATABASE HOW KEYFILE`."""

import json
import os
import sys

import vault
from vault import Database, dek_aad, fingerprint, key_id, open_sealed

MOVES = {"data_encryption_keys": ["wrapped_key", "kek_fingerprint"], "global_settings": ["value"]}
LIVES = {"credentials"}


def key(path):
    return vault.read_master_key(os.path.abspath(path))


def make(place, path, rows, kind="full"):
    """A database as it is found: active and retired data keys, a token where controllers have one, neighbours that look alike."""
    database, master = Database(place), key(path)
    database.make()
    deks = [os.urandom(32) for _ in range(int(rows))]
    with_many(database, master, deks)
    if kind == "full":
        database.set_token(vault.make_token(master))
        database.ask("INSERT INTO global_settings VALUES (?, ?, ?, ?)", "ui.theme", '"ENC:v2:00"', 3, vault.now())
    for turn in range(20):
        name = key_id(deks[turn % len(deks)])
        sealed = vault.seal(deks[turn % len(deks)], f"secret of old-{turn}".encode(), b"uptrakit:credential")
        database.ask("INSERT INTO credentials VALUES (?, ?, ?)", f"old-{turn}", f"ENC:v3:{name}:{sealed}", "import")


def with_many(database, master, deks):
    rows = []
    for at, dek in enumerate(deks):
        name = key_id(dek)
        status = "retired" if at % 3 == 1 else "active"
        rows.append((database.new_id(), name, vault.seal(master, dek, dek_aad(name)), fingerprint(master), status, vault.now(),
                     vault.now() if status == "retired" else None))
    # Eight hex digits are not unique among very many: the table says they must be.
    rows = list({row[1]: row for row in rows}.values())
    if database.kind == "postgres":
        with database.connection.cursor() as cursor, cursor.copy("COPY data_encryption_keys FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
    else:
        database.ask("BEGIN")
        database.connection.executemany("INSERT INTO data_encryption_keys VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        database.ask("COMMIT")


def everything(database):
    """Every table, row by row, every column as the database itself writes it."""
    tables = {}
    for table, by in (("data_encryption_keys", "id"), ("global_settings", "key"), ("credentials", "host")):
        if database.kind == "postgres":
            cursor = database.connection.execute(f"SELECT * FROM {table} LIMIT 0")
            names = [column.name for column in cursor.description]
            cells = ", ".join(f"{name}::text" for name in names)
        else:
            names = [row[1] for row in database.ask(f"PRAGMA table_info({table})")]
            # The kind of a cell is a part of it: a UUID is a blob of 16 bytes, and stays one.
            cells = ", ".join(f"typeof({name}) || ':' || quote({name})" for name in names)
        rows = [dict(zip(names, row)) for row in database.ask(f"SELECT {cells} FROM {table}")]
        tables[table] = {row[by]: row for row in rows}
    return tables


def dump(place, file):
    with open(file, "w") as out:
        json.dump(everything(Database(place)), out)


def same(place, before, new, old):
    database, new, old = Database(place), key(new), key(old)
    with open(before) as file:
        before = json.load(file)
    after = everything(database)
    for table, rows in before.items():
        for name, row in rows.items():
            assert name in after[table], f"{table} {name} is gone"
            if table in LIVES and not name.strip("text:'").startswith("old-"):
                continue
            moves = MOVES.get(table, []) if table != "global_settings" or vault.TOKEN_KEY in name else []
            for column, cell in row.items():
                now = after[table][name][column]
                assert column in moves or now == cell, f"{table} {name} {column}: {cell} became {now}"
                assert column not in moves or now != cell, f"{table} {name} {column} was not moved"
    print(json.dumps(opened(database, new, old, before)))


def back(place, before, old, new):
    """Everything is under the old key again, what was made since too."""
    database, old, new = Database(place), key(old), key(new)
    with open(before) as file:
        before = json.load(file)
    after = everything(database)
    for table, moves in MOVES.items():
        for name, row in before[table].items():
            for column, cell in row.items():
                assert column in moves or after[table][name][column] == cell, f"{table} {name} {column}"
    print(json.dumps(opened(database, old, new, before, old)))


def untouched(place, before):
    with open(before) as file:
        before = json.load(file)
    after = everything(Database(place))
    for table in MOVES:
        for name, row in before[table].items():
            assert after[table][name] == row, f"{table} {name}: {row} became {after[table][name]}"


def token(place, how, path):
    """Somebody's hand on the verification token: `twice` quotes it once more, `bare` takes the quotes away, `mended` puts it back."""
    database, file = Database(place), "token.json"
    if how == "mended":
        with open(file) as kept:
            spoilt = json.load(kept)
    else:
        right = database.token()
        with open(file, "w") as kept:
            json.dump(right, kept)
        spoilt = json.dumps(right) if how == "twice" else right.strip('"')
    assert how == "mended" or vault.check_token(key(path), spoilt) is None, "it must look like no token at all"
    database.ask("UPDATE global_settings SET value = ? WHERE key = ?", spoilt, vault.TOKEN_KEY)


def opened(database, new, old, before, was=None):
    """Every value under the new key, by the formats alone."""
    clean = lambda cell: cell.split(":", 1)[1].strip("'") if cell.startswith("text:") else cell
    were = {clean(row["key_id"]): clean(row["wrapped_key"]) for row in before["data_encryption_keys"].values()}
    deks, retired = {}, 0
    for name, wrapped, named, status in database.ask("SELECT key_id, wrapped_key, kek_fingerprint, status FROM data_encryption_keys"):
        assert named == fingerprint(new), f"data key {name} names {named}"
        dek = open_sealed(new, wrapped, dek_aad(name))
        assert dek is not None and key_id(dek) == name, f"data key {name} does not open"
        assert open_sealed(old, wrapped, dek_aad(name)) is None
        if name in were:
            assert open_sealed(was or old, were[name], dek_aad(name)) == dek, f"data key {name} is another"
        deks[name], retired = dek, retired + (status == "retired")
    token = database.token()
    assert token is None or vault.check_token(new, token) is True, f"the token is {token}"
    values = 0
    for host, sealed in database.ask("SELECT host, secret FROM credentials"):
        assert sealed.startswith("ENC:v3:"), f"{host} is sealed directly under a master key"
        _, _, name, body = sealed.split(":")
        assert open_sealed(deks[name], body, b"uptrakit:credential") == f"secret of {host}".encode(), host
        values += 1
    return {"keys": len(deks), "made since": len(deks) - len(were), "retired": retired, "token": token is not None, "values": values}


if __name__ == "__main__":
    {"make": make, "dump": dump, "same": same, "untouched": untouched, "back": back, "token": token}[sys.argv[1]](*sys.argv[2:])
