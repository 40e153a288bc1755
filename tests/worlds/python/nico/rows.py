"""What is true of the rows, by other libraries than ours.

    rows.py identity FILE    makes an identity of `age` and prints who it belongs to
    rows.py seed VECTORS     makes the table and the site's files
    rows.py rows VERSION     every value opens under VERSION with its plaintext, every other column is as it was
    rows.py kept IDENTITY    every pre-image opens with `pyrage`, and what it holds is what was replaced
"""

import base64
import json
import os
import pathlib
import sys

import psycopg

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import envelope  # noqa: E402

SECRETS = pathlib.Path("site/secrets.json")
ALL = "organization_id, signing_key_version, updated_at::text, " + ", ".join(envelope.COLUMNS)


def rows(connection):
    return connection.execute(f"SELECT {ALL} FROM tenant_identity_config WHERE organization_id LIKE 'org-%' ORDER BY 1").fetchall()


def seed(connection, vectors):
    vectors = json.loads(pathlib.Path(vectors).read_text())
    connection.execute(
        "CREATE TABLE tenant_identity_config (organization_id text PRIMARY KEY, encrypted_signing_key_1 text, "
        "encrypted_signing_key_2 text, encrypted_auth_method_config text, signing_key_version int NOT NULL DEFAULT 7, "
        "updated_at timestamptz NOT NULL DEFAULT '2026-01-02 03:04:05+00')"
    )
    for number, row in enumerate(vectors["rows"]):
        # One, two or no signing keys; blanks around what people pasted.
        column = envelope.COLUMNS[number % 3]
        sealed = f" {row['sealed']}\n" if number == 1 else row["sealed"]
        connection.execute(
            f"INSERT INTO tenant_identity_config (organization_id, {column}) VALUES (%s, %s)", (row["organization_id"], sealed)
        )
    connection.execute("INSERT INTO tenant_identity_config (organization_id) VALUES ('org-without')")
    keys = {"kv1": base64.b64decode(vectors["kv1_base64"])}
    for number in range(100, 400):
        one, two = (envelope.seal("kv1", keys["kv1"], f"org-{number} key {n}".encode()) for n in (1, 2))
        connection.execute(
            "INSERT INTO tenant_identity_config (organization_id, encrypted_signing_key_1, encrypted_signing_key_2) VALUES (%s, %s, %s)",
            (f"org-{number}", one, two),
        )
    secrets = {"database": {"password": "hunter2"}, "machine_identity": {"encryption_keys": {"kv1": vectors["kv1_base64"] + " \n"}}}
    SECRETS.write_text(json.dumps(secrets, indent=2) + "\n")
    SECRETS.chmod(0o600)
    keys = envelope.keys_of(SECRETS.read_text())
    plain = [[v if v is None or n < 3 else envelope.open_sealed(v, keys)[1].hex() for n, v in enumerate(row)] for row in rows(connection)]
    pathlib.Path("before.json").write_text(json.dumps({"plain": plain, "sealed": [list(row) for row in rows(connection)]}))


def check_rows(connection, version):
    keys = envelope.keys_of(SECRETS.read_text())
    before = json.loads(pathlib.Path("before.json").read_text())["plain"]
    after = []
    for row in rows(connection):
        opened = list(row)
        for n, sealed in enumerate(row):
            if n >= 3 and sealed is not None:
                named, plaintext = envelope.open_sealed(sealed, keys)
                assert named == version, f"{row[0]} is under {named}"
                opened[n] = plaintext.hex()
        after.append(opened)
    assert after == before, "a plaintext or another column changed"
    live = connection.execute("SELECT encrypted_auth_method_config FROM tenant_identity_config WHERE organization_id LIKE 'live-%'")
    for (sealed,) in live.fetchall():
        assert envelope.open_sealed(sealed, keys)[0] == version, "a value of the application is left behind"
    print(f"{len(after)} organisations, all under {version}")


def check_kept(identity):
    import pyrage

    identity = pyrage.x25519.Identity.from_str(pathlib.Path(identity).read_text().strip())
    sealed = {(row[0], envelope.COLUMNS[n]): v for row in json.loads(pathlib.Path("before.json").read_text())["sealed"] for n, v in enumerate(row[3:])}
    files = sorted(pathlib.Path(".keyrota/pre-images").iterdir())
    kept, documents = {}, []
    for path in files:
        assert path.suffix == ".age" and path.stat().st_mode & 0o777 == 0o600, path
        plain = pyrage.decrypt(path.read_bytes(), [identity])
        if path.stem.endswith("-before"):
            documents.append(json.loads(plain))
            continue
        for line in plain.decode().splitlines():
            line = json.loads(line)
            kept[(line["row"], line["column"])] = line["value"]
    for (row, column), value in sealed.items():
        if value is not None:
            found = [v for (r, c), v in kept.items() if row in r and c == column and v == value]
            assert found, f"{row} {column} was not kept as it was"
    assert documents and all(list(d["machine_identity"]["encryption_keys"]) == ["kv1"] for d in documents[:1]), documents
    print(f"{len(files)} files, {len(kept)} values, {len(documents)} documents")


def identity(file):
    import pyrage

    made = pyrage.x25519.Identity.generate()
    pathlib.Path(file).write_text(str(made))
    print(made.to_public())


def main(what, *words):
    if what in ("kept", "identity"):
        return {"kept": check_kept, "identity": identity}[what](*words)
    with psycopg.connect(os.environ["NICO_DB"], autocommit=True) as connection:
        return {"seed": seed, "rows": check_rows}[what](connection, *words)


main(*sys.argv[1:])
