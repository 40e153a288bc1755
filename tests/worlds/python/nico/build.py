"""Makes the site: certificates, credentials, configuration, a database of its own with organisations. build.py MEMBER..."""

import base64
import datetime
import hashlib
import ipaddress
import json
import os
import pathlib
import sys

import psycopg
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import envelope

SITE = pathlib.Path("site")
KEY = b"CANARY/kv1-of-machine-identity!!"
CONFIG = """\
# The site's configuration; people write here.
listen = "[::]:1079"   # do not change

[machine_identity]
enabled = true
# Which key seals from now on. See the runbook.
current_encryption_key_id = "kv1"   # moved by keyrota
algorithm = "ES256"

[other]   # nobody touches this
b = 2
a = 1
"""


def certificates():
    def make(name, subject, issuer=None):
        key = ec.generate_private_key(ec.SECP256R1())
        named = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)])
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = x509.CertificateBuilder().subject_name(named).issuer_name(issuer[1] if issuer else named)
        builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(hours=1))
        builder = builder.not_valid_after(now + datetime.timedelta(days=1))
        builder = builder.add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        if issuer:
            builder = builder.add_extension(names, critical=False)
        certificate = builder.sign(issuer[0] if issuer else key, hashes.SHA256())
        (SITE / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (SITE / f"{name}.key").write_bytes(private)
        (SITE / f"{name}.key").chmod(0o600)
        return key, named

    authority = make("ca", "the site's authority")
    make("api", "nico-api", authority)
    make("admin", "forge-admin", authority)
    make("tenant", "a tenant", authority)


def private(path, text):
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_text(text)
    path.chmod(0o600)


def organisations():
    """One, two or no signing keys; some with credentials; blanks around a value, as a person's hand leaves them."""
    sealed = lambda what: envelope.seal("kv1", KEY, f"CANARY/{what}".encode())
    yield "org-none", None, None, None
    yield "org-one", sealed("one/1"), None, None
    yield "org-two", sealed("two/1"), sealed("two/2"), sealed("two/auth")
    yield "org-blank", f" {sealed('blank/1')}\n", None, sealed("blank/auth")
    for number in range(40):
        yield f"org-{number:03}", sealed(f"{number}/1"), sealed(f"{number}/2") if number % 3 else None, None


def database(url):
    name = "nico_" + os.urandom(6).hex()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    own = url.rsplit("/", 1)[0] + "/" + name
    with psycopg.connect(own) as connection:
        connection.execute(
            "CREATE TABLE tenant_identity_config (organization_id text PRIMARY KEY, encrypted_signing_key_1 text,"
            " encrypted_signing_key_2 text, encrypted_auth_method_config text, issuer text NOT NULL DEFAULT 'x',"
            " updated_at timestamptz NOT NULL DEFAULT '2026-01-01')"
        )
        connection.execute("CREATE TABLE tenant_version (organization_id text PRIMARY KEY, version int NOT NULL)")
        for organisation in organisations():
            connection.execute("INSERT INTO tenant_identity_config VALUES (%s, %s, %s, %s)", organisation)
            connection.execute("INSERT INTO tenant_version VALUES (%s, 1)", organisation[:1])
    return own


certificates()
secrets = {
    "other_service": {"password": "CANARY/of another service", "n": 1.10},
    "machine_identity": {"encryption_keys": {"kv1": base64.b64encode(KEY).decode()}},
}
private(SITE / "secrets.json", json.dumps(secrets, indent=2) + "\n")
(SITE / "carbide.toml").write_text(CONFIG)
for member in sys.argv[1:]:
    private(SITE / member / "secrets.json", (SITE / "secrets.json").read_text())
print(database(os.environ["NICO_SERVER"]))
