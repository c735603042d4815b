#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Sets up what the tests need and runs them: all tiers, or the ones named.
set -euo pipefail
cd "$(dirname "$0")"

TIERS=(unit appliance system)
PACKAGES=(
  git gcc g++ libc6-dev python3 python3-dev python3-venv python3-gi python3-pydbus python3-systemd python3-sdnotify gir1.2-glib-2.0
  dbus iproute2 shellcheck chromium
)

help() {
  cat <<'TEXT'
usage: ./run-tests.sh [TIER…] [-- PYTEST ARGUMENTS]

Installs what is missing (apt packages, a virtual environment in .venv) and runs the tiers:
  unit       decisions, properties, golden bytes, every check; once interpreted, once compiled   (minutes)
  appliance  the real root file system with its systemd in a container                            (minutes)
  system     the built disk image, booted in an emulated machine and updated there, with the power cut at random
             points; the CM5's, opened                                                           (half an hour)
  long       what takes too long for a plain run, on an emulated device: arming and firing; first start, restore,
             factory reset; updates as people make them and as they go wrong                  (an hour and a half)
  bench      the figures of tests/bench, printed as a table; not part of a plain run
Without a tier the first three run. Example: ./run-tests.sh unit -- -k journal
TEXT
}

say() { printf '\n== %s\n' "$*"; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

install_packages() {
  local missing=() name
  for name in "${PACKAGES[@]}"; do
    dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q 'ok installed' || missing+=("$name")
  done
  [ ${#missing[@]} = 0 ] && return
  say "installing ${missing[*]}"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
}

# The environment is made anew when pyproject.toml changed.
make_environment() {
  local stamp=.venv/made-from
  if ! cmp -s pyproject.toml "$stamp"; then
    say "making the virtual environment .venv"
    rm -rf .venv
    /usr/bin/python3 -m venv --system-site-packages .venv
    .venv/bin/python - <<'PYTHON' >.venv/requirements
import tomllib
print("\n".join(tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["test"]))
PYTHON
    .venv/bin/pip install -q -r .venv/requirements
    cp pyproject.toml "$stamp"
  fi
  PILOTLIGHT_PURE=1 .venv/bin/python setup.py -q build_ext --inplace
}

# The compiled package: the same sources, with what mypyc makes of them beside it.
compile_package() {
  say "compiling the package with mypyc"
  rm -rf build/compiled
  mkdir -p build/compiled
  cp -r daemons/pilotlight build/compiled/
  find build/compiled -name '*.so' -delete
  .venv/bin/python setup.py -q build_ext --build-lib build/compiled --build-temp build/compiled-objects >build/compile.log 2>&1 ||
    { cat build/compile.log; exit 1; }
}

run_unit() {
  say "unit tests, interpreted"
  .venv/bin/python -m pytest tests/unit "$@"
  compile_package
  say "unit tests, compiled"
  .venv/bin/python -m pytest -o pythonpath="build/compiled ." tests/unit --ignore tests/unit/project --ignore tests/unit/image "$@"
}

run_appliance() {
  say "appliance tests: the root file system in a container"
  ./build-image.sh build container
  .venv/bin/python -m pytest tests/appliance "$@"
}

run_system() {
  say "system tests: the disk image in an emulated machine; the one for the CM5, opened"
  ./build-image.sh build qemu-arm64
  ./build-image.sh build cm5
  .venv/bin/python -m pytest tests/system --ignore tests/system/test_first_boot.py \
    --ignore tests/system/test_igniter.py "$@"
  say "a good update on an emulated device, and the power cut at random points of it"
  .venv/bin/python -m pytest tests/updates/test_updates.py "$@" || [ $? = 5 ] # 5: what is asked for is not there
}

run_long() {
  say "long tests: an emulated device, fired, started first, restarted by good and faulty updates"
  ./build-image.sh build qemu-arm64
  local tests
  for tests in tests/system/test_igniter.py tests/system/test_first_boot.py tests/updates; do
    .venv/bin/python -m pytest "$tests" --ignore tests/updates/test_updates.py "$@" || [ $? = 5 ]
  done
}

# What the benches compare with is in an environment of its own.
make_peers() {
  local peers=build/peers/bin/python
  "$peers" -c "import pyrung" 2>/dev/null && return
  say "making the environment of the peers, build/peers"
  /usr/bin/python3 -m venv build/peers
  "$peers" - <<'PYTHON' >build/peers/requirements
import tomllib
print("\n".join(tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["bench"]))
PYTHON
  "$peers" -m pip install -q -r build/peers/requirements
}

run_bench() {
  compile_package
  make_peers
  PILOTLIGHT_PYRUNG=build/peers/bin/python PYTHONPATH=build/compiled:. .venv/bin/python -m tests.bench "$@"
}

chosen=()
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help | help) help; exit 0 ;;
    --) shift; break ;;
    unit | appliance | system | long | bench) chosen+=("$1"); shift ;;
    *) printf 'run-tests.sh: there is no tier “%s”\n\n' "$1" >&2; help >&2; exit 2 ;;
  esac
done
[ ${#chosen[@]} -gt 0 ] || chosen=("${TIERS[@]}")

install_packages
make_environment
mkdir -p build
for tier in "${chosen[@]}"; do
  "run_$tier" "$@"
done
