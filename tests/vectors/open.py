#!/usr/bin/env python3
"""Opens sealed values of five systems with libraries that are not keyrota's: `open.py FOLDER`.

Each file in the folder has the shape of its namesake in testdata/vectors. Prints one line a file and ends with 1 if anything does
not open to what the file says.
"""

import base64
import json
import pathlib
import sys

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap
from jwcrypto import jwe, jwk


def strict64(text):
    return base64.b64decode(text, validate=True)


def expect(found, wanted, what):
    if found != wanted:
        raise ValueError(f"{what} opens to something else")


def hex_gcm(key, text, aad):
    if text != text.lower():
        raise ValueError("hex is written in lower case")
    sealed = bytes.fromhex(text)
    return AESGCM(key).decrypt(sealed[:12], sealed[12:], aad)


def uptrakit(doc):
    key = bytes.fromhex(doc["kek_hex"])
    for row in doc["rows"]:
        aad = f"uptrakit:dek:{row['key_id']}".encode()
        expect(hex_gcm(key, row["wrapped_key"], aad).hex(), row["dek_hex"], row["key_id"])
    prefix = "ENC:v2:"
    token = doc["verification_token"]
    expect(token[: len(prefix)], prefix, "the token's prefix")
    plain = hex_gcm(key, token[len(prefix) :], b"uptrakit:master-key-verification")
    expect(plain, b"uptrakit-master-key-ok-v1", "the token")
    return len(doc["rows"]) + 1


def nico(doc):
    names = [name for name in doc if name.startswith("kv")]
    expect(len(names), 1, "the key")
    key_id = names[0].removesuffix("_base64")
    key = strict64(doc[names[0]])
    for row in doc["rows"]:
        envelope = json.loads(strict64(row["sealed"]))
        expect(list(envelope), ["scheme_version", "key_id", "nonce", "ciphertext"], "the list of fields")
        expect((envelope["scheme_version"], envelope["key_id"]), (1, key_id), "the key id")
        plain = AESGCM(key).decrypt(bytes(envelope["nonce"]), bytes(envelope["ciphertext"]), None)
        expect(plain, strict64(row["plaintext_base64"]), row["organization_id"])
    return len(doc["rows"])


def certautopilot(doc):
    names = [name for name in doc if name.startswith("kek_v")]
    expect(len(names), 1, "the key")
    version = int(names[0].removeprefix("kek_v").removesuffix("_hex"))
    key = bytes.fromhex(doc[names[0]])
    for row in doc["rows"]:
        field = row["field"]
        expect(sorted(field), ["ct", "dek_nonce", "kek_version", "nonce", "wrapped_dek"], "the list of fields")
        expect(field["kek_version"], version, "kek_version")
        dek = AESGCM(key).decrypt(strict64(field["dek_nonce"]), strict64(field["wrapped_dek"]), None)
        expect(dek.hex(), row["dek_hex"], row["_id"])
        plain = AESGCM(dek).decrypt(strict64(field["nonce"]), strict64(field["ct"]), None)
        expect(plain.decode(), row["plaintext"], row["_id"])
    return len(doc["rows"])


def notelett(doc):
    key = serialization.load_pem_private_key(doc["private_key_pem"].encode(), None)
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    for row in doc["rows"]:
        expect(key.decrypt(strict64(row["wrappedDek"]), oaep).hex(), row["dek_hex"], row["id"])
    return len(doc["rows"])


def nvcf(doc):
    document = doc["document"]
    first = json.loads(strict64(document["keys"]))["keys"][0]
    expect(first["kid"], doc["kid"], "the first key's kid")
    for name in ("jwe_dir", "jwe_a256gcmkw"):
        token = jwe.JWE()
        token.deserialize(doc[name], jwk.JWK(**first))
        expect(token.jose_header["kid"], doc["kid"], f"the kid of {name}")
        expect(token.payload.hex(), doc["nek_hex"], name)
    return 2


def aes_kw(doc):
    dek = aes_key_unwrap(bytes.fromhex(doc["kek_hex"]), bytes.fromhex(doc["wrapped_hex"]))
    expect(dek.hex(), doc["dek_hex"], "the wrapped key")
    return 1


OPENERS = {
    "aes-kw": aes_kw,
    "certautopilot": certautopilot,
    "nico": nico,
    "notelett": notelett,
    "nvcf": nvcf,
    "uptrakit": uptrakit,
}


def main(folder):
    failed = False
    for path in sorted(pathlib.Path(folder).glob("*.json")):
        try:
            print(f"{path.stem}: {OPENERS[path.stem](json.loads(path.read_text()))} opened")
        except Exception as error:  # whatever stops a value from opening is the answer
            print(f"{path.stem}: {type(error).__name__}: {error}")
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
