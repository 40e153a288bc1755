"""The key set as every consumer of it reads it, and what they refuse."""
import base64
import hashlib
import json
import os
import uuid

import hvac
from jwcrypto import jwe, jwk

MOUNT = os.environ.get("NVCF_MOUNT", "services/all/kv")
PATH = "encryption/keys/stored_data"


class Refused(Exception):
    pass


def client():
    return hvac.Client(
        url=os.environ["BAO_ADDR"],
        token=os.environ["BAO_TOKEN"],
        namespace=os.environ.get("BAO_NAMESPACE") or None,
        verify=os.environ.get("BAO_CACERT") or True,
    )


def document(server):
    read = server.secrets.kv.v2.read_secret_version(path=PATH, mount_point=MOUNT, raise_on_deleted_version=True)
    return read["data"]["data"], read["data"]["metadata"]["version"]


def decoded(field, name):
    try:
        keys = json.loads(base64.b64decode(field, validate=True))["keys"]
        assert isinstance(keys, list) and keys
        return keys
    except Exception:
        raise Refused(f"{name} is no base64 of a set of keys")


def ours(key):
    """One key of ESS, in exactly the form that it takes."""
    if list(sorted(key)) != ["alg", "k", "kid", "kty", "use"]:
        raise Refused(f"a key has the words {sorted(key)}")
    if (key["kty"], key["use"], key["alg"]) != ("oct", "enc", "A256GCM"):
        raise Refused("a key is not for A256GCM")
    if "=" in key["k"] or len(base64.urlsafe_b64decode(key["k"] + "=")) != 32:
        raise Refused("a key has no 32 bytes, unpadded")
    try:
        version = uuid.UUID(key["kid"]).version
    except ValueError:
        version = 0
    if version != 1 or str(uuid.UUID(key["kid"])) != key["kid"]:
        raise Refused("a kid is no uuid of version 1")
    return key["kid"]


def ess_keys(document):
    """What ESS takes: kids newest first, with their keys."""
    keys = decoded(document.get("keys"), "keys")
    kids = [ours(key) for key in keys]
    if len(set(kids)) != len(kids):
        raise Refused("two keys have one kid")
    if len({key["k"] for key in keys}) != len(keys):
        raise Refused("two kids have one key")
    if document.get("current_kid") != kids[0]:
        raise Refused("current_kid is not the first key's")
    return kids, {key["kid"]: jwk.JWK(**key) for key in keys}


def other_keys(document):
    """What the other services take: the kid to write with, and every key they may meet."""
    try:
        mapping = json.loads(document["jwe_mapping"])
        assert list(mapping) == ["payload_jwe_kid"]
    except Exception:
        raise Refused("jwe_mapping is no mapping")
    keys = decoded(document.get("private_jwks"), "private_jwks")
    known = {key["kid"]: jwk.JWK(**key) for key in keys}
    if mapping["payload_jwe_kid"] not in known:
        raise Refused("jwe_mapping names a key that is not in private_jwks")
    return mapping["payload_jwe_kid"], known


def plain(name):
    """What a secret of this name holds, so that anybody can tell whether it was changed."""
    return hashlib.sha256(name.encode()).hexdigest()


def seal(key, kid, text):
    token = jwe.JWE(text.encode(), json.dumps({"alg": "dir", "enc": "A256GCM", "kid": kid}))
    token.add_recipient(key)
    return token.serialize(compact=True)


def kid_of(sealed):
    head = sealed.split(".")[0]
    return json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"]


def open_(keys, sealed):
    """The text of a sealed value; a key that is not known is said by its id."""
    kid = kid_of(sealed)
    if kid not in keys:
        raise Refused(f"cannot decrypt: key {kid} is not known")
    token = jwe.JWE()
    try:
        token.deserialize(sealed, keys[kid])
    except Exception as error:
        raise Refused(f"cannot decrypt under key {kid}: {type(error).__name__}")
    return token.payload.decode()
