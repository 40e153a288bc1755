"""Writes one value into an organisation: plant.py ORG FIELD KEYID|broken|odd. A KEYID seals with that key of the secrets."""

import os
import pathlib
import sys

import psycopg

import envelope

organization, field, what = sys.argv[1:]
keys = envelope.keys_of(pathlib.Path("site/secrets.json").read_text())
if what == "broken":
    text = envelope.seal("kv1", bytes(32), b"CANARY/lost")
elif what == "odd":
    text = "this is no envelope"
else:
    text = envelope.seal(what, keys[what], b"CANARY/planted")
assert field in envelope.COLUMNS
with psycopg.connect(os.environ["NICO_DB"]) as connection:
    query = f"UPDATE tenant_identity_config SET {field} = %s WHERE organization_id = %s"
    assert connection.execute(query, [text, organization]).rowcount == 1
