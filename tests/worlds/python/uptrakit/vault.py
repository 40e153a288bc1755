"""The formats and tables of the fifth system, on `cryptography`, `psycopg` and `sqlite3`: what its processes and its judge share."""

import hashlib
import os
import re
import sqlite3
import stat
import uuid
from datetime import datetime, timezone

import psycopg
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

TOKEN = b"uptrakit-master-key-ok-v1"
TOKEN_AAD = b"uptrakit:master-key-verification"
TOKEN_KEY = "crypto.master_key_verification"


class ConfigurationError(Exception):
    """What the real ones end with before they serve anybody."""


def now():
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def seal(key, plain, aad):
    nonce = os.urandom(12)
    return (nonce + AESGCM(key).encrypt(nonce, plain, aad)).hex()


def open_sealed(key, text, aad):
    """The plaintext; nothing where it does not open."""
    try:
        raw = bytes.fromhex(text)
        return AESGCM(key).decrypt(raw[:12], raw[12:], aad)
    except (ValueError, InvalidTag):
        return None


def fingerprint(key):
    return hashlib.sha256(key).hexdigest()[:16]


def key_id(dek):
    return hashlib.sha256(dek).hexdigest()[:8]


def dek_aad(name):
    return f"uptrakit:dek:{name}".encode()


def read_master_key(path):
    if not os.path.isabs(path):
        raise ConfigurationError(f"master_key.path must be absolute: {path}")
    try:
        with open(path) as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read().strip()
    except OSError as error:
        raise ConfigurationError(f"cannot read the master key file {path}: {error.strerror}") from None
    if mode & 0o077:
        raise ConfigurationError(f"the master key file {path} is open to others")
    if not re.fullmatch("[0-9a-fA-F]{64}", text):
        raise ConfigurationError(f"the master key file {path} does not hold 64 hex characters")
    return bytes.fromhex(text)


TABLES = {
    "postgres": """
        CREATE TABLE data_encryption_keys (id uuid PRIMARY KEY, key_id text NOT NULL UNIQUE, wrapped_key text NOT NULL,
          kek_fingerprint text NOT NULL, status text NOT NULL DEFAULT 'active', created_at timestamptz NOT NULL,
          retired_at timestamptz);
        CREATE TABLE global_settings (key text PRIMARY KEY, value json NOT NULL, settings_version bigint NOT NULL,
          updated_at timestamptz NOT NULL);
        CREATE TABLE credentials (host text PRIMARY KEY, secret text NOT NULL, written_by text NOT NULL)""",
    "sqlite": """
        CREATE TABLE data_encryption_keys (id BLOB PRIMARY KEY, key_id TEXT NOT NULL UNIQUE, wrapped_key TEXT NOT NULL,
          kek_fingerprint TEXT NOT NULL, status TEXT NOT NULL DEFAULT 'active', created_at TEXT NOT NULL, retired_at TEXT);
        CREATE TABLE global_settings (key TEXT PRIMARY KEY, value TEXT NOT NULL, settings_version INTEGER NOT NULL,
          updated_at TEXT NOT NULL);
        CREATE TABLE credentials (host TEXT PRIMARY KEY, secret TEXT NOT NULL, written_by TEXT NOT NULL)""",
}


class Database:
    """One connection that commits each statement. `?` stands for a value in either dialect."""

    def __init__(self, place):
        self.kind = "postgres" if place.startswith("postgres") else "sqlite"
        if self.kind == "postgres":
            self.connection = psycopg.connect(place, autocommit=True)
        else:
            self.connection = sqlite3.connect(place, isolation_level=None, timeout=30, check_same_thread=False)
            self.connection.execute("PRAGMA journal_mode=WAL")

    def ask(self, query, *given):
        if self.kind == "postgres":
            query = query.replace("?", "%s")
        cursor = self.connection.execute(query, given)
        return cursor.fetchall() if cursor.description else []

    def make(self):
        for statement in TABLES[self.kind].split(";"):
            self.ask(statement)

    def new_id(self):
        return uuid.uuid4() if self.kind == "postgres" else uuid.uuid4().bytes

    def add_key(self, master, dek, status="active", named=None):
        name = named or key_id(dek)
        retired = now() if status == "retired" else None
        self.ask(
            "INSERT INTO data_encryption_keys VALUES (?, ?, ?, ?, ?, ?, ?)",
            self.new_id(), name, seal(master, dek, dek_aad(name)), fingerprint(master), status, now(), retired,
        )
        return name

    def set_token(self, value):
        self.ask("DELETE FROM global_settings WHERE key = ?", TOKEN_KEY)
        self.ask("INSERT INTO global_settings VALUES (?, ?, ?, ?)", TOKEN_KEY, value, 7, now())

    def token(self):
        """As it stands in the table: a JSON text with its quotes."""
        column = "value::text" if self.kind == "postgres" else "value"
        rows = self.ask(f"SELECT {column} FROM global_settings WHERE key = ?", TOKEN_KEY)
        return rows[0][0] if rows else None


def make_token(master):
    return '"ENC:v2:' + seal(master, TOKEN, TOKEN_AAD) + '"'


def check_token(master, text):
    """Whether the token is this key's; nothing where it does not look right, which the real ones skip in silence."""
    found = re.fullmatch('"ENC:v2:([0-9a-f]+)"', text or "")
    return None if found is None else open_sealed(master, found[1], TOKEN_AAD) == TOKEN


def open_ring(database, master):
    """Every data key, active and retired. The fingerprint is compared before anything is opened."""
    if check_token(master, database.token()) is False:
        raise ConfigurationError("master key mismatch: the verification token is another key's")
    ring = {}
    own = fingerprint(master)
    for name, wrapped, named in database.ask("SELECT key_id, wrapped_key, kek_fingerprint FROM data_encryption_keys"):
        if named != own:
            raise ConfigurationError(f"master key mismatch: data key {name} is under {named}, this key is {own}")
        dek = open_sealed(master, wrapped, dek_aad(name))
        if dek is None or key_id(dek) != name:
            raise ConfigurationError(f"data key {name} does not open")
        ring[name] = dek
    return ring
