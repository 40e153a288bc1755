"""A document as somebody made it by hand three months ago: prints its fields as JSON."""
import base64
import json
import secrets
import uuid


def key(kid):
    k = base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()
    return {"kty": "oct", "use": "enc", "kid": kid, "k": k, "alg": "A256GCM"}


def coded(*keys):
    return base64.b64encode(json.dumps({"keys": keys}).encode()).decode()


first, theirs = key(str(uuid.uuid1())), key(str(uuid.uuid1()))
print(json.dumps({
    "keys": coded(first),
    "current_kid": first["kid"],
    "jwe_mapping": json.dumps({"payload_jwe_kid": first["kid"]}),
    # A key of its own, which ESS never sees.
    "private_jwks": coded(first, theirs),
    "unknown": {"note": "kept by hand <&> \u00fc", "count": 7, "ratio": 1.5, "list": [None, True]},
}))
