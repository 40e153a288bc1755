"""One instance of the service, reading and writing rows throughout: `instance.py NAME`.

It takes its pointer and its keys at start only; a key that is taken out of its secrets file is gone at once all the same. Each
value that it cannot open is one line `STRANDED` on its output.
"""

import json
import os
import pathlib
import sys
import time
import tomllib

import psycopg

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import envelope  # noqa: E402


def tell(name, **facts):
    path = pathlib.Path("hosts", name, "state.json")
    path.with_suffix(".new").write_text(json.dumps({"pid": os.getpid(), **facts}))
    path.with_suffix(".new").rename(path)


def main(name):
    secrets = pathlib.Path("hosts", name, "secrets.json")
    settings = tomllib.loads(pathlib.Path("site/carbide.toml").read_text())["machine_identity"]
    keys = envelope.keys_of(secrets.read_text())
    current = settings["current_encryption_key_id"]
    if not settings["enabled"] or current not in keys:
        tell(name, refused=f"current key {current} is not among {sorted(keys)}")
        print(f"REFUSED to start: {current} is not among {sorted(keys)}", flush=True)
        return 1
    stranded = rounds = 0
    with psycopg.connect(os.environ["NICO_DB"], autocommit=True) as rows:
        while True:
            held = {known: key for known, key in keys.items() if known in envelope.keys_of(secrets.read_text())}
            for row in rows.execute(f"SELECT organization_id, {', '.join(envelope.COLUMNS)} FROM tenant_identity_config"):
                for column, sealed in zip(envelope.COLUMNS, row[1:]):
                    try:
                        if sealed is not None:
                            envelope.open_sealed(sealed, held)
                    except envelope.Refused as why:
                        stranded += 1
                        print(f"STRANDED {row[0]} {column}: {why}", flush=True)
            # Its own organisation changes its credentials all the time.
            value = envelope.seal(current, held[current], f"{name} {rounds}".encode())
            rows.execute(
                "INSERT INTO tenant_identity_config (organization_id, encrypted_auth_method_config) VALUES (%s, %s) "
                "ON CONFLICT (organization_id) DO UPDATE SET encrypted_auth_method_config = excluded.encrypted_auth_method_config",
                (f"live-{name}", value),
            )
            rounds += 1
            tell(name, current=current, keys=sorted(held), rounds=rounds, stranded=stranded)
            time.sleep(0.02)


sys.exit(main(sys.argv[1]))
