# SPDX-License-Identifier: Apache-2.0
"""RAUC and the boot handler as the orchestrator sees them: a service on the private bus, and the files of the handler.

Bundles are JSON files ``{"compatible": …, "version": …}``; everything else is no bundle. Tests set what is to fail.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gi.repository import Gio, GLib
from pilotlight import __version__
from pilotlight.daemon.connection import ask_bus, connect
from pilotlight.daemon.glib import ensure_running

from tests.support.daemons import Daemons

NAME, INTERFACE = "de.pengutronix.rauc", "de.pengutronix.rauc.Installer"
COMPATIBLE = "pilotlight-test"
_XML = f"""<node><interface name="{INTERFACE}">
<method name="InstallBundle">
<arg type="s" direction="in"/><arg type="a{{sv}}" direction="in"/></method>
<method name="InspectBundle">
<arg type="s" direction="in"/><arg type="a{{sv}}" direction="in"/><arg type="a{{sv}}" direction="out"/></method>
<method name="Mark">
<arg type="s" direction="in"/><arg type="s" direction="in"/>
<arg type="s" direction="out"/><arg type="s" direction="out"/></method>
<method name="GetSlotStatus"><arg type="a(sa{{sv}})" direction="out"/></method>
<method name="GetPrimary"><arg type="s" direction="out"/></method>
<property name="Operation" type="s" access="read"/><property name="LastError" type="s" access="read"/>
<property name="Progress" type="(isi)" access="read"/><property name="Compatible" type="s" access="read"/>
<signal name="Completed"><arg name="result" type="i"/></signal>
</interface></node>"""


def bundle(version: str, compatible: str = COMPATIBLE, pad: int = 0) -> bytes:
    """The content of a bundle that the fake takes."""
    return json.dumps({"compatible": compatible, "version": version}).encode() + b" " * pad


class FakeBoot:
    """Two slots and the firmware: which runs, which is committed, which is to be tried."""

    def __init__(self) -> None:
        self.current, self.committed, self.pending = "A", "A", ""
        self.versions = {"A": "1.0.0", "B": "0.9.0"}
        self.good = {"A"}
        self.starts = 1
        self.outcomes: list[dict[str, Any]] = []
        self.publish()

    @property
    def boot_id(self) -> str:
        return f"start-{self.starts}"

    def publish(self) -> None:
        """Write what everybody may read."""
        status = {
            "current": self.current,
            "committed": self.committed,
            "primary": self.pending or self.committed,
            "trial": self.current != self.committed,
            "good": sorted(self.good | {self.committed}),
            "pending": None,
        }
        self._write(Path(os.environ["PILOTLIGHT_RUN"]) / "boot/status.json", status)
        self._write(Path(os.environ["PILOTLIGHT_STATE"]) / "boot/outcomes.json", self.outcomes)

    def _write(self, path: Path, content: Any) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(path.name + ".new")
        new.write_text(json.dumps(content))
        new.rename(path)

    def set_primary(self, slot: str) -> None:
        self.pending = "" if slot == self.committed else slot
        self.publish()

    def restart(self) -> None:
        """An orderly restart: a slot that waits is tried once."""
        self.starts += 1
        self.current = self.pending or self.committed
        self.publish()

    def confirm(self) -> None:
        """The health gate lets the running slot pass."""
        self.committed, self.pending = self.current, ""
        self.good.add(self.current)
        self.publish()

    def fall_back(self, reason: str = "", time: float = 4e9) -> None:
        """The slot on trial is given up: the committed one runs, and says why."""
        self.starts += 1
        if reason:
            self.outcomes.append({"time": time, "slot": self.current, "outcome": "failed", "reasons": [reason]})
        self.good.discard(self.current)
        self.current, self.pending = self.committed, ""
        self.publish()


class FakeRauc:
    """RAUC on the bus; methods run in GLib's thread."""

    def __init__(self, boot: FakeBoot) -> None:
        self.boot = boot
        self.operation, self.last_error, self.progress = "idle", "", (0, "", 0)
        self.installed: list[tuple[str, dict[str, Any]]] = []
        self.marks: list[tuple[str, str]] = []
        self.urls: dict[str, bytes] = {}
        self.fail_with = ""
        """The error of the next installation."""
        self.dies = False
        """The next installation ends with the process, without a word."""
        self.keeps_quiet = False
        """No signals: whoever waits has to ask."""
        self.hold = threading.Event()
        """An installation ends when this is set."""
        self.hold.set()
        self.threads: list[threading.Thread] = []
        ensure_running()
        self._connection: Any = None
        self.arrive()

    def arrive(self) -> None:
        """Take the name on the bus."""
        self._connection = connect().con
        info = Gio.DBusNodeInfo.new_for_xml(_XML).interfaces[0]
        self._connection.register_object("/", info, self._call, self._get, None)
        ask_bus(self._connection, "RequestName", "su", NAME, 4)

    def leave(self) -> None:
        """Vanish from the bus."""
        self.hold.set()
        for thread in self.threads:
            thread.join(5)
        if not self._connection.is_closed():
            self._connection.close_sync(None)

    def _get(self, con: Any, sender: str, path: str, interface: str, name: str) -> Any:
        values = {
            "Operation": GLib.Variant("s", self.operation),
            "LastError": GLib.Variant("s", self.last_error),
            "Progress": GLib.Variant("(isi)", self.progress),
            "Compatible": GLib.Variant("s", COMPATIBLE),
        }
        return values[name]

    def _call(self, con: Any, sender: str, path: str, interface: str, method: str, body: Any, invocation: Any) -> None:
        try:
            answer = getattr(self, f"_on_{method}")(*body.unpack())
        except ValueError as error:
            name = "org.gtk.GDBus.UnmappedGError.Quark._g_2dio_2derror_2dquark.Code30"
            invocation.return_dbus_error(name, str(error))
            return
        invocation.return_value(answer)

    def _content(self, source: str) -> dict[str, str]:
        if source.startswith(("http://", "https://")):
            data = self.urls.get(source)
            if data is None:
                raise ValueError("HTTP response code said error: 404")
        else:
            data = Path(source).read_bytes()
        try:
            content: dict[str, str] = json.loads(data)
        except ValueError:
            raise ValueError("signature verification failed: Signature size (123) exceeds bundle size") from None
        return content

    def _on_InspectBundle(self, source: str, args: dict[str, Any]) -> Any:
        if self.operation != "idle":
            raise ValueError("already processing a different method")
        content = self._content(source)
        update = GLib.Variant("a{sv}", {k: GLib.Variant("s", v) for k, v in content.items()})
        return GLib.Variant("(a{sv})", ({"update": update, "manifest-hash": GLib.Variant("s", "0" * 64)},))

    def _on_InstallBundle(self, source: str, args: dict[str, Any]) -> None:
        if self.operation != "idle":
            raise ValueError("Already processing a different method")
        content = self._content(source)
        self.installed.append((source, args))
        self.operation, self.last_error = "installing", ""
        thread = threading.Thread(target=self._install, args=(content,), daemon=True)
        self.threads.append(thread)
        thread.start()

    def _install(self, content: dict[str, str]) -> None:
        target = "B" if self.boot.current == "A" else "A"
        if self.boot.pending == target:
            self.boot.set_primary(self.boot.committed)
        self.boot.good.discard(target)
        for percent, words in (
            (0, "Installing"),
            (20, "Checking bundle done."),
            (60, f"Copying image to boot.{target}"),
        ):
            self._step(percent, words)
        self.hold.wait(30)
        if self.dies:
            self.operation = "idle"
            self._connection.close_sync(None)
            self.arrive()
            self.dies = False
            return
        if self.fail_with:
            self.last_error, self.fail_with, result = self.fail_with, "", 1
        else:
            self.boot.versions[target] = content["version"]
            self.boot.set_primary(target)
            self._step(100, "Installing done.")
            result = 0
        if not self.keeps_quiet:
            self._connection.emit_signal(None, "/", INTERFACE, "Completed", GLib.Variant("(i)", (result,)))
        self.operation = "idle"

    def _step(self, percent: int, words: str) -> None:
        self.progress = (percent, words, 1)
        if self.keeps_quiet:
            return
        changed = {"Progress": GLib.Variant("(isi)", self.progress)}
        body = GLib.Variant("(sa{sv}as)", (INTERFACE, changed, []))
        self._connection.emit_signal(None, "/", "org.freedesktop.DBus.Properties", "PropertiesChanged", body)

    def _on_Mark(self, state: str, slot: str) -> Any:
        boot = self.boot
        here, there = boot.current, "B" if boot.current == "A" else "A"
        name = {"booted": here, "other": there, "boot.0": "A", "boot.1": "B"}[slot]
        if state == "bad" and name == boot.committed:
            raise ValueError("failed marking slot: the committed slot stays as it is")
        self.marks.append((state, name))
        if state == "active":
            boot.set_primary(name)
        elif state == "good":
            boot.confirm()
        else:
            boot.good.discard(name)
            boot.publish()
        return GLib.Variant("(ss)", (f"boot.{'AB'.index(name)}", f"marked slot {name} as {state}"))

    def _on_GetSlotStatus(self) -> Any:
        listed = []
        for number, name in enumerate("AB"):
            state = "booted" if name == self.boot.current else "inactive"
            good = name in self.boot.good or name == self.boot.committed
            boot = {"bootname": name, "state": "inactive", "boot-status": "good" if good else "bad", "status": "ok"}
            root = {
                "parent": f"boot.{number}",
                "state": state,
                "bundle.version": self.boot.versions[name],
                "status": "ok",
            }
            for slot, fields in ((f"boot.{number}", boot), (f"rootfs.{number}", root)):
                listed.append((slot, {key: GLib.Variant("s", value) for key, value in fields.items()}))
        return GLib.Variant("(a(sa{sv}))", (listed,))

    def _on_GetPrimary(self) -> Any:
        return GLib.Variant("(s)", (f"boot.{'AB'.index(self.boot.pending or self.boot.committed)}",))


@contextmanager
def orchestrated(daemons: Daemons) -> Iterator[FakeRauc]:
    """The real orchestrator, which restarts nothing, in slot A of a device with this RAUC."""
    boot = FakeBoot()
    boot.versions["A"] = __version__
    made = FakeRauc(boot)
    daemons.configure("orchestrator", "period_s: 0.1\ndata: /\nupdate: {reboot: never}\n")
    (Path(os.environ["PILOTLIGHT_RUN"]) / "orchestrator").mkdir()
    daemons.start("orchestrator")
    yield made
    made.leave()
