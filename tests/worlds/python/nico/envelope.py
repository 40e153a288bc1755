"""The envelope of `tenant_identity_config`, as the service reads and writes it; on `cryptography`, which is not ours."""

import base64
import json
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FIELDS = {"scheme_version", "key_id", "nonce", "ciphertext"}
COLUMNS = ["encrypted_signing_key_1", "encrypted_signing_key_2", "encrypted_auth_method_config"]


class Refused(Exception):
    """The service would not take this value."""


def keys_of(secrets):
    """The keys in the text of a secrets file: blanks around a key are no part of it."""
    found = json.loads(secrets)["machine_identity"]["encryption_keys"]
    keys = {name: base64.b64decode(text.strip(), validate=True) for name, text in found.items()}
    for name, key in keys.items():
        if len(key) != 32:
            raise Refused(f"key {name} has {len(key)} bytes")
    return keys


def numbers(value, what):
    if not isinstance(value, list) or not all(type(n) is int and 0 <= n <= 255 for n in value):
        raise Refused(f"{what} is no list of bytes")
    return bytes(value)


def parse(sealed):
    """The parts of a sealed text; anything but the four known fields is refused."""
    try:
        envelope = json.loads(base64.b64decode(sealed.strip(), validate=True).decode())
    except ValueError as why:
        raise Refused(f"it is no envelope: {why}") from why
    if not isinstance(envelope, dict) or set(envelope) != FIELDS:
        raise Refused(f"unknown or missing fields: {sorted(envelope)}")
    if type(envelope["scheme_version"]) is not int or envelope["scheme_version"] != 1:
        raise Refused(f"scheme {envelope['scheme_version']!r} is not known")
    nonce = numbers(envelope["nonce"], "nonce")
    if len(nonce) != 12:
        raise Refused(f"a nonce of {len(nonce)} bytes")
    ciphertext = numbers(envelope["ciphertext"], "ciphertext")
    if len(ciphertext) < 16:
        raise Refused("the ciphertext is shorter than its tag")
    return envelope["key_id"], nonce, ciphertext


def open_sealed(sealed, keys):
    """The version that it names and the plaintext."""
    key_id, nonce, ciphertext = parse(sealed)
    if key_id not in keys:
        raise Refused(f"key {key_id} is not known here")
    try:
        return key_id, AESGCM(keys[key_id]).decrypt(nonce, ciphertext, None)
    except InvalidTag as why:
        raise Refused("decryption failed") from why


def seal(key_id, key, plaintext):
    nonce = os.urandom(12)
    ciphertext = AESGCM(key).encrypt(nonce, plaintext, None)
    envelope = {"scheme_version": 1, "key_id": key_id, "nonce": list(nonce), "ciphertext": list(ciphertext)}
    return base64.b64encode(json.dumps(envelope, separators=(",", ":")).encode()).decode()
