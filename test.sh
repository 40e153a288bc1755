#!/usr/bin/env bash
# Everything that must hold before a change lands: format, lints, tests, package, licences.
# Installs what is missing, each thing once, in ${KEYROTA_CACHE:-~/.cache/keyrota}; asks nothing; goes on after a failure.
# The last line says `N passed, N failed`.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1
exec </dev/null

readonly deny_version=0.20.2
cache=${KEYROTA_CACHE:-$HOME/.cache/keyrota}
mkdir -p "$cache" || exit 1
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT

export LC_ALL=C.UTF-8 INSTA_UPDATE=no CARGO_TERM_COLOR=never
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 DEBIAN_FRONTEND=noninteractive
# The tests that ask another library what it thinks of our bytes run this interpreter.
export KEYROTA_TEST_PYTHON=$cache/python/bin/python

passed=0
failed=0

# step NAME COMMAND...: one check. Its output is shown where it fails.
step() {
  local name=$1 since=$SECONDS
  shift
  if "$@" >"$log" 2>&1; then
    passed=$((passed + 1))
    echo "ok      $name ($((SECONDS - since)) s)"
  else
    failed=$((failed + 1))
    cat "$log"
    echo "FAILED  $name: $*"
  fi
}

# suite NAME COMMAND...: a test runner of cargo's. Every test counts; so does a run that ends badly without a failed
# test, that leaves tests out, or that holds none.
suite() {
  local name=$1 since=$SECONDS good bad left status=0
  shift
  "$@" 2>&1 | tee "$log" || status=1
  read -r good bad left < <(awk '/^test result: / { good += $4; bad += $6; left += $8 } END { print good + 0, bad + 0, left + 0 }' "$log")
  [ "$left" -gt 0 ] && echo "$left tests were left out" && bad=$((bad + left))
  [ "$bad" -eq 0 ] && { [ "$status" -ne 0 ] || [ "$good" -eq 0 ]; } && bad=1
  passed=$((passed + good))
  failed=$((failed + bad))
  [ "$bad" -eq 0 ] && echo "ok      $name ($((SECONDS - since)) s)" || echo "FAILED  $name: $*"
}

# A program or a Python module, and the Debian package that has it.
tools() {
  local missing=()
  command -v cc >/dev/null || missing+=(build-essential)
  command -v git >/dev/null || missing+=(git)
  command -v sqlite3 >/dev/null || missing+=(sqlite3)
  command -v python3 >/dev/null || missing+=(python3)
  compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null || missing+=(postgresql)
  command -v openssl >/dev/null || missing+=(openssl)
  { command -v pgbouncer || [ -x /usr/sbin/pgbouncer ]; } >/dev/null || missing+=(pgbouncer)
  python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)
  [ "${#missing[@]}" -eq 0 ] && return
  echo "missing, install by hand where this fails: apt-get install ${missing[*]}"
  apt-get update -q && apt-get install -qy --no-install-recommends "${missing[@]}"
}

# The pinned list is kept beside what it installed: another list installs again.
python_libraries() {
  local wanted=tests/python/requirements.txt
  cmp -s "$wanted" "$cache/python/installed.txt" && "$KEYROTA_TEST_PYTHON" -c 'import cryptography, grpc, hvac, jwcrypto, psycopg, pyrage' && return
  python3 -m venv --clear "$cache/python" &&
    "$KEYROTA_TEST_PYTHON" -m pip install -q -r "$wanted" &&
    cp "$wanted" "$cache/python/installed.txt"
}

# Built once in about two minutes, where the machine does not have it.
cargo_deny() {
  command -v cargo-deny >/dev/null && return
  export PATH=$PATH:$cache/cargo-deny-$deny_version/bin
  command -v cargo-deny >/dev/null && return
  cargo install cargo-deny --locked --version "$deny_version" --root "$cache/cargo-deny-$deny_version"
}

scripts_parse() {
  local script
  for script in test.sh .ci/run $(git ls-files '*.sh'); do
    bash -n "$script" && [ -x "$script" ] || { echo "$script: does not parse, or cannot be run"; return 1; }
  done
}

# Two runs at once install each thing once.
exec 9>"$cache/lock"
flock 9
step "tools of the machine" tools
step "python libraries" python_libraries
step "cargo-deny" cargo_deny
flock -u 9
step "dependencies" cargo fetch --locked

step "scripts" scripts_parse
step "format" cargo fmt --check
step "lints" cargo clippy --locked --all-targets --all-features -- -D warnings
step "lints, no features" cargo clippy --locked --no-default-features -- -D warnings
suite "tests" tests/services.sh cargo test --locked --all-features --no-fail-fast
# All features and one target folder: the tests have built the dependencies.
step "package" cargo package --locked --allow-dirty --all-features --target-dir target
# Not `advisories`: its database may be out of reach.
step "licences, bans, sources" cargo-deny --offline --all-features check licenses bans sources

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
