"""Tenants that never stop: tokens are issued and signing keys rotated through the one address. Whatever is refused, and whatever
is not what was there before, is a line of the log.

tenants.py PORT"""

import pathlib
import random
import sys
import tempfile
import time

import grpc
import grpc_tools.protoc

HERE = pathlib.Path(__file__).parent
made = tempfile.mkdtemp()
if grpc_tools.protoc.main(["", f"-I{HERE}", f"--python_out={made}", f"--grpc_python_out={made}", str(HERE / "forge.proto")]):
    sys.exit("protoc failed")
sys.path.insert(0, made)
import forge_pb2  # noqa: E402
import forge_pb2_grpc  # noqa: E402

SITE = pathlib.Path("site")
trust = grpc.ssl_channel_credentials(*((SITE / name).read_bytes() for name in ("ca.pem", "tenant.key", "tenant.pem")))
# An instance that restarts is away for a moment; that is not what we look for.
AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
was, served = {}, 0


def call(method, organization):
    request = forge_pb2.TenantRequest(organization_id=organization)
    with grpc.secure_channel(f"127.0.0.1:{sys.argv[1]}", trust) as channel:
        return list(getattr(forge_pb2_grpc.ForgeStub(channel), method)(request, timeout=60).digests)


def token(organization):
    digests = call("IssueToken", organization)
    expected = was.setdefault(organization, digests)
    if digests != expected:
        print(f"CHANGED {organization}: {digests} and not {expected}", flush=True)


def rotate(organization):
    """The first signing key becomes the second; whether a call that was cut off did it, nobody knows."""
    before = was.pop(organization, None)
    if before is None:
        return token(organization)
    new = call("RotateSigningKey", organization)
    was[organization] = [*new, before[0]]


while True:
    # Some rotate their keys, the others must stay as they are.
    number = random.randrange(40)
    organization = f"org-{number:03}"
    try:
        (rotate if number < 20 and served % 5 == 4 else token)(organization)
        served += 1
        if served % 10 == 0:
            print(f"served {served}", flush=True)
    except grpc.RpcError as error:
        if error.code() not in AWAY:
            print(f"FAILED {organization}: {error.code()} {error.details()}", flush=True)
    time.sleep(0.03)
