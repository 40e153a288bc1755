"""Asks for everything that the service refuses, and sees that it does: refusals.py PORT MEMBER PORT-OF-MEMBER.

A world is only as strict as the real thing if it says no where the real thing says no."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

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
PORT, MEMBER, OWN_PORT = sys.argv[1:]
OWN = SITE / MEMBER / "secrets.json"


def ask(method="ReencryptTenantIdentitySecrets", who="admin", port=OWN_PORT, **words):
    pair = [(SITE / f"{who}.key").read_bytes(), (SITE / f"{who}.pem").read_bytes()] if who else [None, None]
    trust = grpc.ssl_channel_credentials((SITE / "ca.pem").read_bytes(), *pair)
    kind = forge_pb2.ReencryptTenantIdentitySecretsRequest if method.startswith("Re") else forge_pb2.TenantRequest
    with grpc.secure_channel(f"127.0.0.1:{port}", trust) as channel:
        return getattr(forge_pb2_grpc.ForgeStub(channel), method)(kind(**words), timeout=60)


def refused(what, code, **words):
    try:
        ask(**words)
    except grpc.RpcError as error:
        assert error.code() == code, f"{what}: {error.code()} {error.details()}"
        print(f"refused: {what}")
        return
    sys.exit(f"NOT refused: {what}")


def plant(organization, field, what):
    subprocess.run([sys.executable, HERE / "plant.py", organization, field, what], check=True)


def restart():
    beat, pid = (SITE / MEMBER / "started").read_text().split()
    os.kill(int(pid), signal.SIGHUP)
    for _ in range(200):
        if (SITE / MEMBER / "started").read_text().split()[0] != beat:
            return time.sleep(0.2)
        time.sleep(0.1)
    sys.exit("it does not restart")


def credentials(change):
    document = json.loads(OWN.read_text())
    change(document["machine_identity"]["encryption_keys"])
    OWN.write_text(json.dumps(document))


C = grpc.StatusCode
refused("nobody's certificate", C.UNAVAILABLE, who=None)
refused("a tenant's certificate", C.PERMISSION_DENIED, who="tenant", dry_run=True)
refused("an organisation that is not there", C.NOT_FOUND, organization_id="org-nobody", dry_run=True)
everything = ask(dry_run=True)
assert (everything.rows_examined, everything.rows_skipped_all_on_target) == (44, 44), everything
assert ask(organization_id="  ", dry_run=True).rows_examined == 44, "a blank organisation means all"
none = ask(organization_id="org-none", dry_run=True)
assert (none.rows_examined, none.rows_skipped_all_on_target, none.fields_skipped_on_target) == (1, 1, 0), none

# A pointer that moved is not seen, nor is a key that was added, before a restart; then both are.
config = (SITE / "carbide.toml").read_text()
(SITE / "carbide.toml").write_text(config.replace('id = "kv1"', 'id = "kv2"'))
assert ask(dry_run=True).current_encryption_key_id == "kv1"
restart()
refused("a version whose key is not there", C.INVALID_ARGUMENT, dry_run=True)
credentials(lambda keys: keys.update(kv2="b" * 43 + "="))
refused("a key that was added since it started", C.INVALID_ARGUMENT, dry_run=True)
restart()
look = ask(dry_run=True)
assert (look.current_encryption_key_id, look.rows_updated, look.rows_failed) == ("kv2", 43, 0), look
assert ask(dry_run=True) == look, "a dry run changes nothing"

# One field that fails leaves its row, and a failure may be longer than the rows that failed.
plant("org-two", "encrypted_signing_key_1", "broken")
plant("org-two", "encrypted_signing_key_2", "odd")
look = ask(organization_id="org-two", dry_run=True)
assert (look.rows_failed, len(look.failures), look.rows_updated) == (1, 2, 0), look
print("refused: a value that another key sealed, and one that is no envelope")
moved = ask(dry_run=False)
assert (moved.rows_updated, moved.rows_failed, moved.rows_skipped_all_on_target) == (42, 1, 1), moved
refused("a token for who cannot be opened", C.INTERNAL, method="IssueToken", organization_id="org-two")

# Two at once: whoever is late is told so, and nothing is written twice.
(SITE / "carbide.toml").write_text(config)
restart()
with ThreadPoolExecutor(4) as pool:
    replies = list(pool.map(lambda _: ask(dry_run=False), range(4)))
late = {failure.error for reply in replies for failure in reply.failures if failure.organization_id != "org-two"}
assert late <= {"encrypted fields changed; retry re-encryption"}, late
assert sum(reply.rows_updated for reply in replies) == 42, [reply.rows_updated for reply in replies]

# A withdrawal bites at once.
credentials(lambda keys: keys.pop("kv1"))
refused("a key that was withdrawn", C.INVALID_ARGUMENT, dry_run=True)
refused("a token under a key that was withdrawn", C.INTERNAL, method="IssueToken", organization_id="org-one")
(SITE / "carbide.toml").write_text(config.replace("enabled = true", "enabled = false"))
restart()
refused("all of it while it is not enabled", C.FAILED_PRECONDITION, dry_run=True)
print("all refused")
