"""What the applications keep, and how: every value is sealed by the transit engine, and beside each stands the digest of what
it holds. On hvac, sqlite3 and psycopg; nothing of keyrota's."""
import base64
import hashlib
import os
import random
import sqlite3
import time

import hvac
import psycopg
from psycopg.types.json import Jsonb

MOUNT, KEY = "transit", "records"
# A value that was read, or sealed, so long ago is not opened or written any more: it is read or sealed again.
STALE = 1.0


class Stranded(Exception):
    """A value that must open does not, or holds something else."""


def server():
    return hvac.Client(
        url=os.environ["BAO_ADDR"],
        token=os.environ["APP_TOKEN"],
        namespace=os.environ.get("BAO_NAMESPACE") or None,
    )


def digest(plain):
    return hashlib.sha256(plain.encode()).hexdigest()


def coded(text):
    return base64.b64encode(text.encode()).decode()


def seal(client, plain, aad=None):
    more = {"associated_data": coded(aad)} if aad else {}
    return client.secrets.transit.encrypt_data(KEY, coded(plain), mount_point=MOUNT, **more)["data"]["ciphertext"]


def open_(client, sealed, aad=None):
    more = {"associated_data": coded(aad)} if aad else {}
    said = client.secrets.transit.decrypt_data(KEY, sealed, mount_point=MOUNT, **more)
    return base64.b64decode(said["data"]["plaintext"], validate=True).decode()


def version(sealed):
    head, number, _ = sealed.split(":")
    if head != "vault" or not number.startswith("v"):
        raise Stranded(f"{sealed[:20]} is no value of the engine")
    return int(number[1:])


class Notes:
    """The SQLite file."""

    def __init__(self, path="notes.db"):
        self.base = sqlite3.connect(path, timeout=STALE, isolation_level=None)

    def make(self):
        self.base.execute("PRAGMA journal_mode = WAL")
        self.base.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT, sum TEXT NOT NULL, seen BLOB)")

    def put(self, row, plain, sealed):
        self.base.execute(
            "INSERT INTO notes VALUES (?, ?, ?, x'00ff') ON CONFLICT (id) DO UPDATE SET body = excluded.body, sum = excluded.sum",
            (row, sealed, digest(plain)),
        )

    def all(self):
        """Name, sealed value, digest and associated data of every value."""
        rows = self.base.execute("SELECT id, body, sum FROM notes WHERE body IS NOT NULL ORDER BY id").fetchall()
        return [(f"notes {row}", body, sum_, None) for row, body, sum_ in rows]

    def one(self, row):
        rows = self.base.execute("SELECT id, body, sum FROM notes WHERE id = ?", (row,)).fetchall()
        return [(f"notes {row}", body, sum_, None) for row, body, sum_ in rows if body is not None]


class Accounts:
    """The PostgreSQL database: a column, a field inside a JSON column, and a column that is bound to its row."""

    TABLES = """
    CREATE TABLE accounts (id bigint PRIMARY KEY, card text, card_sum text, profile jsonb, iban_sum text, touched int NOT NULL DEFAULT 7);
    CREATE TABLE documents (id bigint PRIMARY KEY, body text, sum text);
    """

    def __init__(self):
        self.base = psycopg.connect(os.environ["TRANSIT_DB"], autocommit=True)
        self.base.execute(f"SET statement_timeout = {int(STALE * 1000)}")

    def make(self):
        self.base.execute(self.TABLES)

    def put_account(self, row, card, sealed_card, iban, sealed_iban):
        profile = {"name": f"holder {row}", "bank": {"iban": sealed_iban, "country": "DE"}, "tags": [1, None, "ü"]}
        self.base.execute(
            "INSERT INTO accounts VALUES (%s, %s, %s, %s, %s) ON CONFLICT (id) DO UPDATE SET card = excluded.card, "
            "card_sum = excluded.card_sum, profile = excluded.profile, iban_sum = excluded.iban_sum",
            (row, sealed_card, digest(card), Jsonb(profile), digest(iban)),
        )

    def put_document(self, row, plain, sealed):
        self.base.execute(
            "INSERT INTO documents VALUES (%s, %s, %s) ON CONFLICT (id) DO UPDATE SET body = excluded.body, sum = excluded.sum",
            (row, sealed, digest(plain)),
        )

    def _values(self, accounts, documents):
        for row, card, card_sum, iban, iban_sum in accounts:
            yield f"card {row}", card, card_sum, None
            yield f"iban {row}", iban, iban_sum, None
        for row, body, sum_ in documents:
            yield f"document {row}", body, sum_, f"documents:{row}"

    def _read(self, only="", words=()):
        fields = "SELECT id, card, card_sum, profile #>> '{bank,iban}', iban_sum FROM accounts"
        accounts = self.base.execute(f"{fields} {only} ORDER BY id", words).fetchall()
        documents = self.base.execute(f"SELECT id, body, sum FROM documents {only} ORDER BY id", words).fetchall()
        return [value for value in self._values(accounts, documents) if value[1] is not None]

    def all(self):
        return self._read()

    def one(self, row):
        return self._read("WHERE id = %s", (row,))


def write(client, notes, accounts, row):
    """Seals new values for a row of each table, and writes them; gives the version, or nothing where it took too long."""
    plain = f"CANARY/transit/{row}/{random.random()}"
    begun = time.monotonic()
    sealed = seal(client, plain), seal(client, plain + "/iban"), seal(client, plain, f"documents:{row}")
    late = lambda: time.monotonic() - begun > STALE
    if not late():
        notes.put(row, plain, sealed[0])
    if not late():
        accounts.put_account(row, plain, sealed[0], plain + "/iban", sealed[1])
    if not late():
        accounts.put_document(row, plain, sealed[2])
    return None if late() else version(sealed[0])


def read(client, values):
    """Opens the values of a row, as `values` reads them."""
    for _ in range(20):
        begun = time.monotonic()
        for name, sealed, sum_, aad in values():
            try:
                plain = open_(client, sealed, aad)
            except hvac.exceptions.InvalidRequest as error:
                # What was read long ago is read again: nobody promised that an old copy opens.
                if time.monotonic() - begun > STALE:
                    break
                raise Stranded(f"{name} does not open: {error}")
            if digest(plain) != sum_:
                raise Stranded(f"{name} holds something else")
        else:
            return
    raise Stranded("this machine is too slow to read a row")
