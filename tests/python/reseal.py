"""A keeper of sealed rows that seals them anew when asked by gRPC: its state is a JSON file, read at each call.

usage: reseal.py STATE.json [--tls FOLDER] [--silent]     prints its port
With --tls it makes certificates in the folder and wants one from its callers; with --silent it tells nobody its shapes.
"""

import json
import pathlib
import sys
import tempfile
import time
from concurrent import futures

import grpc
import grpc_tools.protoc
from grpc_reflection.v1alpha import reflection

HERE = pathlib.Path(__file__).parent
made = tempfile.mkdtemp()
wanted = ["protoc", f"-I{HERE}", f"-I{pathlib.Path(grpc_tools.__file__).parent}/_proto"]
wanted += [f"--python_out={made}", f"--grpc_python_out={made}", str(HERE / "reseal.proto")]
if grpc_tools.protoc.main(wanted) != 0:
    sys.exit("protoc failed")
sys.path.insert(0, made)
import reseal_pb2  # noqa: E402
import reseal_pb2_grpc  # noqa: E402

state_file = pathlib.Path(sys.argv[1])


class Keeper(reseal_pb2_grpc.KeeperServicer):
    def Reseal(self, request, context):
        state = json.loads(state_file.read_text())
        state.setdefault("asked", []).append(
            {"mode": request.mode, "tenant": request.tenant, "rows": request.limits.rows, "kinds": list(request.kinds)}
        )
        refuse = state.get("refuse", [])
        turn = refuse.pop(0) if refuse else None
        state_file.write_text(json.dumps(state))
        time.sleep(state.get("sleep", 0))
        if turn:
            context.abort(getattr(grpc.StatusCode, turn), f"told to say {turn}")
        if state["current"] not in state["keys"]:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"no key {state['current']}")
        if request.tenant and request.tenant not in state["rows"]:
            context.abort(grpc.StatusCode.NOT_FOUND, f"no tenant {request.tenant}")
        reply = reseal_pb2.ResealReply(to="kek-" + state["current"])
        for tenant, row in state["rows"].items():
            if request.tenant not in ("", tenant):
                continue
            reply.sum.all += 1
            old = {name: one for name, one in row.items() if one["version"] != state["current"]}
            bad = [name for name, one in old.items() if not one["opens"] or one["version"] not in state["keys"]]
            for name in bad:
                reply.bad.add(tenant=tenant, part=name, text=state.get("why", "it does not open"))
            if bad:
                reply.sum.bad += 1
            elif old:
                reply.sum.done += 1
                if request.mode == reseal_pb2.MOVE:
                    for one in row.values():
                        one["version"] = state["current"]
        state_file.write_text(json.dumps(state))
        return reply


def certificates(folder):
    """An authority, the server's certificate and a client's, the latter also from a stranger."""
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    def pem(key):
        return key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def make(name, subject, issuer=None):
        key = ec.generate_private_key(ec.SECP256R1())
        named = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)])
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(named)
            .issuer_name(issuer[1] if issuer else named)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        )
        if issuer:
            import ipaddress

            names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.sign(issuer[0] if issuer else key, hashes.SHA256())
        (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (folder / f"{name}.key").write_bytes(pem(key))
        (folder / f"{name}.key").chmod(0o600)
        return key, named

    authority = make("ca", "the authority")
    make("server", "the keeper", authority)
    make("client", "keyrota", authority)
    make("stranger", "keyrota", make("other-ca", "another authority"))


server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
reseal_pb2_grpc.add_KeeperServicer_to_server(Keeper(), server)
if "--silent" not in sys.argv:
    names = [one.full_name for one in reseal_pb2.DESCRIPTOR.services_by_name.values()]
    reflection.enable_server_reflection(names + [reflection.SERVICE_NAME], server)
if "--tls" in sys.argv:
    folder = pathlib.Path(sys.argv[sys.argv.index("--tls") + 1])
    certificates(folder)
    pair = ((folder / "server.key").read_bytes(), (folder / "server.pem").read_bytes())
    trust = grpc.ssl_server_credentials([pair], (folder / "ca.pem").read_bytes(), require_client_auth=True)
    port = server.add_secure_port("127.0.0.1:0", trust)
else:
    port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(port, flush=True)
server.wait_for_termination()
