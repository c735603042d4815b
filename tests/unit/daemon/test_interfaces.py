# SPDX-License-Identifier: Apache-2.0
"""Interface files against live objects, and against the class that implements them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pilotlight
import pytest
from pilotlight.daemon import Client, Service, command
from pilotlight.daemon.service import interface_file
from pilotlight.igniter.service import Igniter
from pilotlight.netmon.service import NetMon
from pilotlight.orchestrator.service import Orchestrator
from pilotlight.orchestrator.update.settings import UpdateSettings
from pilotlight.orchestrator.update.setup import make_updates

from tests.support.introspection import canonical, interface_of, undocumented
from tests.unit.daemon.example import Example

_FILES = sorted(Path(pilotlight.__file__).parent.glob("*/io.pilotlight.*.xml"))
_VERSIONS = {"Slot": "A", "Image": "", "Pilotlight": "1.0"}
_SERVICES: list[Callable[[], Service]] = [
    Example,
    lambda: Igniter({}),
    NetMon,
    lambda: Orchestrator(_VERSIONS, make_updates(UpdateSettings(), _VERSIONS, "", Path("/none"))),
]


@pytest.mark.parametrize("make", _SERVICES)
def test_a_live_object_says_what_its_file_says(make: Callable[[], Service], serve: Callable[..., None]) -> None:
    service = make()
    serve(service)
    path = "/" + service.interface.replace(".", "/")
    peer = Client("org.freedesktop.DBus.Introspectable", name=service.interface, path=path)
    live = interface_of(peer.call("Introspect", signature=""), service.interface)
    written = interface_of(interface_file(type(service)).read_text(), service.interface)
    assert canonical(live) == canonical(written)


@pytest.mark.parametrize("file", _FILES, ids=lambda file: file.stem)
def test_every_name_on_the_bus_is_documented(file: Path) -> None:
    interface = interface_of(file.read_text(), file.stem)
    assert undocumented(interface) == []


@pytest.mark.parametrize("file", _FILES, ids=lambda file: file.stem)
def test_every_interface_has_status_and_version(file: Path) -> None:
    interface = interface_of(file.read_text(), file.stem)
    status = interface.find("method[@name='Status']")
    assert status is not None
    assert [arg.attrib["type"] for arg in status.findall("arg")] == ["a{sv}"]
    assert interface.find("property[@name='Version'][@type='s'][@access='read']") is not None


def _variant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str) -> type[Service]:
    """The example's class beside a changed copy of its interface file."""
    text = interface_file(Example).read_text()
    assert old in text
    file = tmp_path / "io.pilotlight.Example1.xml"
    file.write_text(text.replace(old, new))
    ElementTree.fromstring(file.read_text())
    monkeypatch.setattr("pilotlight.daemon.service.interface_file", lambda kind: file)
    return Example


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('name="Forget"', 'name="Missing"', "no method Missing"),
        ('name="Big"', 'name="Small"', "no property Small"),
        ('name="b" type="i" direction="in"', 'name="b" type="i" direction="out"', "Add takes 2 arguments"),
        ('name="Count" type="u" access="read"', 'name="Count" type="u" access="readwrite"', "writable"),
        ('name="Secret"', 'name="Status2"', "command Secret is not in the interface file"),
        ("io.pilotlight.Example1", "io.pilotlight.Other1", "no interface io.pilotlight.Example1"),
    ],
)
def test_a_class_that_does_not_fit_its_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, complaint: str
) -> None:
    kind = _variant(tmp_path, monkeypatch, old, new)
    with pytest.raises(TypeError, match=complaint):
        kind()


def test_a_property_of_the_wrong_type_is_refused_at_export(serve: Callable[..., None]) -> None:
    service = Example()
    service.Count = -1
    with pytest.raises(TypeError, match=r"Example1\.Count"):
        serve(service)


def test_a_service_without_file_is_refused() -> None:
    class Lost(Service):
        interface = "io.pilotlight.Lost1"

        @command
        def Do(self) -> None:
            raise AssertionError

    with pytest.raises(TypeError, match=r"io\.pilotlight\.Lost1\.xml"):
        Lost()
