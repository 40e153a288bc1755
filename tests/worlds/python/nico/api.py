"""One instance of the service: api.py NAME PORT, in the project's folder, with NICO_DB in the environment.

It reads the pointer in site/carbide.toml and its own credentials, site/NAME/secrets.json, when it starts. A key that is taken
from the credentials is gone at once; one that is added is known after a restart. SIGHUP restarts it; site/NAME/stuck makes it
one that only says so."""

import hashlib
import json
import os
import pathlib
import signal
import sys
import tempfile
import threading
import tomllib
from concurrent import futures

import grpc
import grpc_tools.protoc
import psycopg
from grpc_reflection.v1alpha import reflection

import envelope
from envelope import COLUMNS, Refused

HERE = pathlib.Path(__file__).parent
NAME, PORT = sys.argv[1], sys.argv[2]
SITE = pathlib.Path("site")
OWN = SITE / NAME

signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
made = tempfile.mkdtemp()
if grpc_tools.protoc.main(["", f"-I{HERE}", f"--python_out={made}", f"--grpc_python_out={made}", str(HERE / "forge.proto")]):
    sys.exit("protoc failed")
sys.path.insert(0, made)
import forge_pb2  # noqa: E402
import forge_pb2_grpc  # noqa: E402

CONFIG = tomllib.loads((SITE / "carbide.toml").read_text())["machine_identity"]
CURRENT = CONFIG["current_encryption_key_id"]


def credentials():
    return envelope.keys_of((OWN / "secrets.json").read_text())


AT_START = credentials()


def keys():
    """Those that were there at the start and still are."""
    now = credentials()
    return {name: material for name, material in AT_START.items() if name in now}


def database():
    return psycopg.connect(os.environ["NICO_DB"])


READ = f"SELECT organization_id, {', '.join(COLUMNS)} FROM tenant_identity_config"


class Forge(forge_pb2_grpc.ForgeServicer):
    def ReencryptTenantIdentitySecrets(self, request, context):
        names = context.auth_context().get("x509_common_name", [])
        if b"forge-admin" not in names:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "only the Forge Admin CLI may")
        if not CONFIG.get("enabled", False):
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "machine identity is not enabled")
        known = keys()
        if CURRENT not in known:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"encryption key {CURRENT} is not configured")
        organization = request.organization_id.strip()
        reply = forge_pb2.ReencryptTenantIdentitySecretsResponse(current_encryption_key_id=CURRENT)
        with database() as connection:
            where = " WHERE organization_id = %s" if organization else " ORDER BY organization_id"
            rows = connection.execute(READ + where, (organization,) if organization else ()).fetchall()
            if organization and not rows:
                context.abort(grpc.StatusCode.NOT_FOUND, f"organization {organization} has no identity")
            for row in rows:
                self.row(connection, row, known, request.dry_run, reply)
        return reply

    def row(self, connection, row, known, dry_run, reply):
        organization, values = row[0], dict(zip(COLUMNS, row[1:]))
        reply.rows_examined += 1
        renewed, bad = {}, []
        for field, text in values.items():
            if text is None:
                continue
            try:
                if envelope.parse(text)[0] == CURRENT:
                    reply.fields_skipped_on_target += 1
                    continue
                plain = envelope.open_sealed(text, known)[1]
                renewed[field] = envelope.seal(CURRENT, known[CURRENT], plain)
            except Refused as error:
                bad.append((field, str(error)))
        for field, error in bad:
            reply.failures.add(organization_id=organization, field=field, error=error)
        if bad:
            reply.rows_failed += 1
            return
        if not renewed:
            reply.rows_skipped_all_on_target += 1
            return
        if not dry_run and not self.put(connection, organization, values, renewed):
            error = "encrypted fields changed; retry re-encryption"
            reply.failures.add(organization_id=organization, field=next(iter(renewed)), error=error)
            reply.rows_failed += 1
            return
        reply.fields_reencrypted += len(renewed)
        reply.rows_updated += 1

    def put(self, connection, organization, old, new):
        """By compare-and-set on all that was read."""
        sets = ", ".join(f"{field} = %s" for field in new)
        same = " AND ".join(f"{field} IS NOT DISTINCT FROM %s" for field in COLUMNS)
        query = f"UPDATE tenant_identity_config SET {sets}, updated_at = now() WHERE organization_id = %s AND {same}"
        done = connection.execute(query, [*new.values(), organization, *(old[field] for field in COLUMNS)])
        if done.rowcount:
            connection.execute("UPDATE tenant_version SET version = version + 1 WHERE organization_id = %s", [organization])
        connection.commit()
        return done.rowcount == 1

    def IssueToken(self, request, context):
        with database() as connection:
            row = connection.execute(READ + " WHERE organization_id = %s", [request.organization_id]).fetchone()
        if row is None:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such organization")
        try:
            known = keys()
            opened = [envelope.open_sealed(text, known) for text in row[1:] if text is not None]
        except Refused as error:
            context.abort(grpc.StatusCode.INTERNAL, f"cannot issue for {request.organization_id}: {error}")
        digests = [hashlib.sha256(plain).hexdigest() for _, plain in opened]
        return forge_pb2.TenantReply(digests=digests, sealed_under=" ".join(name for name, _ in opened))

    def RotateSigningKey(self, request, context):
        """A tenant's own signing key: the first becomes the second."""
        known = keys()
        if CURRENT not in known:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"encryption key {CURRENT} is not configured")
        plain = b"CANARY/signing-key/" + os.urandom(8).hex().encode()
        sealed = envelope.seal(CURRENT, known[CURRENT], plain)
        query = (
            "UPDATE tenant_identity_config SET encrypted_signing_key_2 = encrypted_signing_key_1,"
            " encrypted_signing_key_1 = %s, updated_at = now() WHERE organization_id = %s"
        )
        with database() as connection:
            connection.execute(query, [sealed, request.organization_id])
        return forge_pb2.TenantReply(digests=[hashlib.sha256(plain).hexdigest()], sealed_under=CURRENT)


def serve():
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    forge_pb2_grpc.add_ForgeServicer_to_server(Forge(), server)
    reflection.enable_server_reflection(["forge.Forge", reflection.SERVICE_NAME], server)
    pair = ((SITE / "api.key").read_bytes(), (SITE / "api.pem").read_bytes())
    trust = grpc.ssl_server_credentials([pair], (SITE / "ca.pem").read_bytes(), require_client_auth=True)
    server.add_secure_port(f"127.0.0.1:{PORT}", trust)
    server.start()
    started = OWN / "started"
    beat = int(started.read_text().split()[0]) + 1 if started.exists() else 1
    started.with_suffix(".new").write_text(f"{beat} {os.getpid()}")
    started.with_suffix(".new").rename(started)
    print(f"{NAME} started with {CURRENT}, keys {sorted(AT_START)}", flush=True)
    while signal.sigwait({signal.SIGHUP, signal.SIGTERM}) == signal.SIGHUP:
        if not (OWN / "stuck").exists():
            server.stop(grace=2).wait()
            threading.Event().wait(0.05)
            os.closerange(3, 4096)
            os.execv(sys.executable, [sys.executable, *sys.argv])
        started.write_text(f"{int(started.read_text().split()[0]) + 1} {os.getpid()}")


serve()
