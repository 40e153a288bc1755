"""Tenants that never stop: tokens are issued and signing keys rotated through the one address; whatever fails is logged.

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
AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN)
count = 0
while True:
    organization = f"org-{random.randrange(40):03}"
    request = forge_pb2.TenantRequest(organization_id=organization)
    try:
        with grpc.secure_channel(f"127.0.0.1:{sys.argv[1]}", trust) as channel:
            forge = forge_pb2_grpc.ForgeStub(channel)
            call = forge.RotateSigningKey if count % 10 == 9 else forge.IssueToken
            call(request, timeout=60)
        count += 1
        if count % 20 == 0:
            print(f"served {count}", flush=True)
    except grpc.RpcError as error:
        # An instance that restarts is away for a moment; that is not what we look for.
        if error.code() not in AWAY:
            print(f"FAILED {organization}: {error.code()} {error.details()}", flush=True)
    time.sleep(0.02)
