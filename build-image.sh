#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The one door to the image: installs the few things the host needs, then hands over to the build program in image/.
# './build-image.sh help' explains.
set -euo pipefail
cd "$(dirname "$0")"
umask 022 # what is made has the same modes whoever builds

# What the build reads of the environment.
KEPT=TERM,SOURCE_DATE_EPOCH,PILOTLIGHT_MIRROR,PILOTLIGHT_VERSION
KEPT+=,PILOTLIGHT_SIGNING_KEY,PILOTLIGHT_SIGNING_CERTIFICATE,PILOTLIGHT_SIGNING_KEYRING
KEPT+=,RAUC_PKCS11_MODULE,RAUC_PKCS11_PIN,SOFTHSM2_CONF

KEYS=/usr/share/keyrings/debian-archive-trixie-stable.gpg

# Everything else comes from a tools root. A program stands for its package.
declare -A NEEDS=(
  [python3]=python3
  [mmdebstrap]=mmdebstrap
  [systemd-nspawn]=systemd-container
  [unshare]=util-linux
  [xz]=xz-utils
  [lsblk]=util-linux
)

# A board of another architecture is installed under emulation.
foreign() {
  local own
  own=$(dpkg --print-architecture)
  for word in "$@"; do
    case $word-$own in
      qemu-arm64-amd64 | cm5-amd64) NEEDS[qemu-aarch64-static]=qemu-user-static NEEDS[arch-test]=arch-test ;;
      qemu-amd64-arm64) NEEDS[qemu-x86_64-static]=qemu-user-static NEEDS[arch-test]=arch-test ;;
    esac
  done
}

install_needs() {
  local program missing=()
  for program in "${!NEEDS[@]}"; do
    command -v "$program" >/dev/null || missing+=("${NEEDS[$program]}")
  done
  [ -e "$KEYS" ] || missing+=(debian-archive-keyring)
  [ ${#missing[@]} = 0 ] && return
  echo "installing on this machine: ${missing[*]}" >&2
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
}

case ${1:-help} in
  help | -h | --help) ;;
  *)
    # Root file systems, namespaces and their mounts are root's business.
    if [ "$(id -u)" != 0 ]; then
      echo "root is needed to make root file systems; asking sudo" >&2
      exec sudo --preserve-env="$KEPT" -- "$PWD/build-image.sh" "$@"
    fi
    foreign "$@" "$(sed -n 's/^CONFIG_BOARD_QEMU_\(.*\)=y/qemu-\L\1/p;s/^CONFIG_BOARD_CM5=y/cm5/p' build/config 2>/dev/null)"
    install_needs
    ;;
esac
exec env PYTHONDONTWRITEBYTECODE=1 python3 -m image "${@:-help}"
