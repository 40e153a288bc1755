"""Has a token issued for an organisation, as a tenant would: issue.py PORT ORGANISATION"""

import pathlib
import sys
import tempfile

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
with grpc.secure_channel(f"127.0.0.1:{sys.argv[1]}", trust) as channel:
    try:
        forge_pb2_grpc.ForgeStub(channel).IssueToken(forge_pb2.TenantRequest(organization_id=sys.argv[2]), timeout=60)
    except grpc.RpcError as error:
        sys.exit(f"{error.code().name}: {error.details()}")
