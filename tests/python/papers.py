"""Writes certificates into a folder: an authority, a server's and a client's by it, and a stranger's authority."""
import datetime
import ipaddress
import os
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

folder = sys.argv[1]
now = datetime.datetime.now(datetime.timezone.utc)


def named(name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def write(name, certificate, key):
    for ending, text in (
        ("pem", certificate.public_bytes(serialization.Encoding.PEM)),
        ("key", key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())),
    ):
        with os.fdopen(os.open(f"{folder}/{name}.{ending}", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file:
            file.write(text)


def make(name, issuer=None, usage=None):
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(issuer[0].subject if issuer else named(name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if usage:
        names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        certificate = certificate.add_extension(names, critical=False).add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    certificate = certificate.sign(issuer[1] if issuer else key, hashes.SHA256())
    write(name, certificate, key)
    return certificate, key


authority = make("authority")
make("server", authority, ExtendedKeyUsageOID.SERVER_AUTH)
make("client", authority, ExtendedKeyUsageOID.CLIENT_AUTH)
stranger = make("stranger")
make("stranger-client", stranger, ExtendedKeyUsageOID.CLIENT_AUTH)
