#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# First process of the initramfs: opens the verified root file system of the slot the command line names, and starts it.
#
#   pilotlight.slot=A|B          which slot: partition root-a or root-b
#   roothash=HEX                 root of the slot's hash tree; nothing else is ever mounted as root
#   pilotlight.hash_offset=N     where the hash tree begins in the partition, in bytes
#
# The device's identity and host name are looked up on the data partition, because systemd wants it before anything is mounted.
PATH=/usr/bin:/usr/sbin
WAIT=100     # tenths of a second that a partition may take to appear
RESTART=10   # seconds a message stays on the screen before the restart

fail() {
  echo "pilotlight: cannot start: $1" >/dev/console
  echo "pilotlight: no program runs and no output is driven; restarting in $RESTART s" >/dev/console
  sleep "$RESTART"
  reboot -f
  sleep "$RESTART"
  exit 1 # the end of the first process is a kernel panic, and panic=N restarts too
}

partition() { # partition LABEL: prints the block device with that partition label
  for event in /sys/class/block/*/uevent; do
    if grep -q "^PARTNAME=$1\$" "$event"; then
      sed -n 's|^DEVNAME=|/dev/|p' "$event"
      return
    fi
  done
}

await_partition() { # await_partition LABEL: as partition, but waits for the disk to appear
  tries=0
  while [ "$tries" -lt "$WAIT" ]; do
    device=$(partition "$1")
    if [ -n "$device" ]; then
      echo "$device"
      return
    fi
    sleep 0.1
    tries=$((tries + 1))
  done
}

watch() { # starts the watchdog, or calms it: whatever hangs from here on ends in a restart; systemd takes it over
  [ ! -c /dev/watchdog0 ] || echo >/dev/watchdog0
}

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t tmpfs -o mode=755,nosuid,nodev run /run

while read -r module; do
  insmod "/modules/$module.ko" || echo "pilotlight: module $module does not load" >/dev/console
done </modules/order
watch

slot='' roothash='' offset=''
read -r line </proc/cmdline
for word in $line; do
  case $word in
    pilotlight.slot=*) slot=${word#*=} ;;
    roothash=*) roothash=${word#*=} ;;
    pilotlight.hash_offset=*) offset=${word#*=} ;;
  esac
done
case $slot in
  A) label=root-a ;;
  B) label=root-b ;;
  *) fail "the command line names no slot: pilotlight.slot is '$slot', not A or B" ;;
esac
if [ -z "$roothash" ] || [ -z "$offset" ]; then
  fail "the command line lacks roothash= or pilotlight.hash_offset="
fi

device=$(await_partition "$label")
[ -n "$device" ] || fail "no partition $label appeared within $((WAIT / 10)) s"

# There is no udev here to wait for.
export DM_DISABLE_UDEV=1
veritysetup open --panic-on-corruption --hash-offset="$offset" "$device" root "$device" "$roothash" 2>/run/verity ||
  fail "$device does not carry the root file system of this kernel: $(cat /run/verity)"
mount -t erofs -o ro /dev/mapper/root /sysroot || fail "the verified root of slot $slot cannot be mounted"

# Read as it is on the disk, without repair: a device that has no identity there gets one at this start.
data=$(partition data)
if [ -n "$data" ] && mount -t ext4 -o ro,noload "$data" /data 2>/dev/null; then
  if grep -qxE '[0-9a-f]{32}' /data/system/machine-id 2>/dev/null; then
    cp /data/system/machine-id /run/machine-id && mount --bind /run/machine-id /sysroot/etc/machine-id
  fi
  if [ -s /data/system/site/hostname ]; then
    cp /data/system/site/hostname /run/hostname && mount --bind /run/hostname /sysroot/etc/hostname
  fi
  umount /data
fi

watch
mount --move /proc /sysroot/proc
mount --move /sys /sysroot/sys
mount --move /dev /sysroot/dev
mount --move /run /sysroot/run
# shellcheck disable=SC2093 # when exec fails the script does go on, to say so
exec switch_root /sysroot /usr/lib/systemd/systemd
fail "the root file system of slot $slot has no init"
