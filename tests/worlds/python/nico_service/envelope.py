"""The service's envelope, on another library than ours: base64 of JSON, AES-256-GCM without associated data, and it refuses
what the real one refuses."""

import base64
import json
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FIELDS = ("encrypted_signing_key_1", "encrypted_signing_key_2", "encrypted_auth_method_config")


class Unreadable(Exception):
    """Why a value does not open."""


def key(text):
    """A key as the secrets hold it; blanks around it are let pass."""
    raw = base64.b64decode(text.strip(), validate=True)
    if len(raw) != 32:
        raise Unreadable(f"a key has 32 bytes, not {len(raw)}")
    return raw


def seal(plain, key_id, material):
    nonce = os.urandom(12)
    body = {"scheme_version": 1, "key_id": key_id, "nonce": list(nonce)}
    body["ciphertext"] = list(AESGCM(material).encrypt(nonce, plain, None))
    return base64.b64encode(json.dumps(body, separators=(",", ":")).encode()).decode()


def parse(text):
    try:
        body = json.loads(base64.b64decode(text.strip(), validate=True).decode())
        if set(body) != {"scheme_version", "key_id", "nonce", "ciphertext"}:
            raise Unreadable("the envelope has other fields")
        if body["scheme_version"] != 1:
            raise Unreadable("the envelope is of another version")
        nonce, sealed = bytes(body["nonce"]), bytes(body["ciphertext"])
        if len(nonce) != 12 or len(sealed) < 16:
            raise Unreadable("the envelope is too short")
        return body["key_id"], nonce, sealed
    except (ValueError, TypeError, KeyError) as error:
        raise Unreadable("this is no envelope") from error


def open_(text, keys):
    """The version that sealed it, and what is in it."""
    key_id, nonce, sealed = parse(text)
    if key_id not in keys:
        raise Unreadable(f"encryption key {key_id} is not configured")
    try:
        return key_id, AESGCM(keys[key_id]).decrypt(nonce, sealed, None)
    except InvalidTag as error:
        raise Unreadable("decryption failed") from error
