"""Opens every value with the keys of the site's secrets, on another library than ours. Prints how many are under which key.

check.py [--was FILE | --save FILE]     --save writes down what is in every value; --was compares with it"""

import hashlib
import json
import os
import pathlib
import sys

import psycopg

import envelope

keys = envelope.keys_of(pathlib.Path("site/secrets.json").read_text())
under, found, bad = {}, {}, []
with psycopg.connect(os.environ["NICO_DB"]) as connection:
    columns = ", ".join(envelope.COLUMNS)
    rows = connection.execute(f"SELECT organization_id, issuer, {columns} FROM tenant_identity_config ORDER BY 1").fetchall()
for organization, issuer, *values in rows:
    found[organization] = [issuer]
    for field, text in zip(envelope.COLUMNS, values):
        if text is None:
            found[organization].append(None)
            continue
        try:
            name, plain = envelope.open_sealed(text, keys)
            under[name] = under.get(name, 0) + 1
            found[organization].append(hashlib.sha256(plain).hexdigest())
        except envelope.Refused as error:
            bad.append(f"{organization}.{field}: {error}")
            found[organization].append("unreadable")
if "--save" in sys.argv:
    pathlib.Path(sys.argv[2]).write_text(json.dumps(found))
if "--was" in sys.argv:
    was = json.loads(pathlib.Path(sys.argv[2]).read_text())
    changed = [name for name in was if was[name] != found.get(name)]
    if changed:
        sys.exit(f"these are not what they were: {changed}")
print(json.dumps({"under": under, "bad": bad}))
