"""Writes one value into an organisation: plant.py ORG FIELD KEYID|broken|odd. A KEYID seals with that key of the secrets."""

import json
import os
import pathlib
import sys

import psycopg

import envelope

organization, field, what = sys.argv[1:]
document = json.loads(pathlib.Path("site/secrets.json").read_text())
keys = {name: envelope.key(text) for name, text in document["machine_identity"]["encryption_keys"].items()}
if what == "broken":
    text = envelope.seal(b"CANARY/lost", "kv1", bytes(32))
elif what == "odd":
    text = "this is no envelope"
else:
    text = envelope.seal(b"CANARY/planted", what, keys[what])
assert field in envelope.FIELDS
with psycopg.connect(os.environ["NICO_DB"]) as connection:
    query = f"UPDATE tenant_identity_config SET {field} = %s WHERE organization_id = %s"
    assert connection.execute(query, [text, organization]).rowcount == 1
