#!/usr/bin/env bash
# Starts the servers that tests run against, runs a command with their addresses in its environment, and stops them.
#     tests/services.sh cargo test --all-features
# Everything is in a folder of its own under the temporary one, on free ports of 127.0.0.1.
set -euo pipefail
[ $# -gt 0 ] || { echo "usage: tests/services.sh COMMAND..."; exit 2; }

place=$(mktemp -d)
chmod 755 "$place"
stops=()
stop() {
  local one
  for one in "${stops[@]}"; do (cd / && $one) >/dev/null 2>&1 || true; done
  rm -rf "$place"
}
trap stop EXIT

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# PostgreSQL refuses to run as root.
as_somebody() {
  if [ "$(id -u)" -ne 0 ]; then "$@"; else runuser -u postgres -- "$@"; fi
}

postgres() {
  local bin port data=$place/postgres
  bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -1)
  [ -x "$bin/initdb" ] || { echo "PostgreSQL is missing: apt-get install postgresql"; return 1; }
  port=$(free_port)
  mkdir "$data"
  [ "$(id -u)" -ne 0 ] || chown postgres "$data"
  (
    cd "$data"
    printf tests >password
    as_somebody "$bin/initdb" -D "$data/cluster" -U keyrota --pwfile="$data/password" --auth=scram-sha-256 --no-sync \
      -E UTF8 --locale=C.UTF-8 >"$data/log" || { cat "$data/log"; exit 1; }
    as_somebody "$bin/pg_ctl" -D "$data/cluster" -w -l "$data/cluster/server.log" start \
      -o "-p $port -k $data/cluster -c listen_addresses=127.0.0.1 -c max_connections=200" >"$data/log" ||
      { cat "$data/log" "$data/cluster/server.log"; exit 1; }
  )
  stops+=("as_somebody $bin/pg_ctl -D $data/cluster -m immediate stop")
  export KEYROTA_TEST_POSTGRES=postgresql://keyrota:tests@127.0.0.1:$port/postgres
}

postgres
"$@"
