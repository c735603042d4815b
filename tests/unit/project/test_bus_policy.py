# SPDX-License-Identifier: Apache-2.0
"""The bus lets through exactly what the services then accept: reads, commands, and calls with a group of their own."""

import ast
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.support.accounts import declared

ROOT = Path(__file__).parents[3]
READERS, OPERATORS = "pilotlight", "pilotlight-operator"
# What everybody who reads needs of the standard interfaces: to find out, to read, and nothing that sets.
STANDARD = {
    ("org.freedesktop.DBus.Introspectable", None),
    ("org.freedesktop.DBus.Peer", None),
    ("org.freedesktop.DBus.Properties", "Get"),
    ("org.freedesktop.DBus.Properties", "GetAll"),
}
INTERFACES = sorted((ROOT / "daemons/pilotlight").rglob("io.pilotlight.*.xml"))

each_interface = pytest.mark.parametrize("xml", INTERFACES, ids=lambda path: path.stem)


def policy(interface: str) -> ET.Element:
    return ET.parse(ROOT / f"units/dbus/{interface}.conf").getroot()


def allowed(interface: str) -> dict[str, set[tuple[str | None, str | None]]]:
    """By group, what its members may send: pairs of interface and member, None for any."""
    return {
        part.attrib["group"]: {
            (allow.get("send_interface"), allow.get("send_member"))
            for allow in part
            if allow.tag == "allow" and allow.get("send_destination") == interface
        }
        for part in policy(interface).findall("policy[@group]")
    }


def group_of(method: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """The group that a service's method is for, as its decorators say."""
    for decorator in method.decorator_list:
        if isinstance(decorator, ast.Name) and decorator.id == "command":
            return OPERATORS
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "command":
            (keyword,) = decorator.keywords
            return str(ast.literal_eval(keyword.value))
    return READERS


def accepted(xml: Path) -> dict[str, set[tuple[str | None, str | None]]]:
    """By group, the methods of an interface that its service accepts from its members; root's own are left out."""
    tree = ast.parse((xml.parent / "service.py").read_text())
    functions = {n.name: n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}
    found: dict[str, set[tuple[str | None, str | None]]] = {READERS: set(STANDARD)}
    for element in ET.parse(xml).getroot().findall(f"interface[@name='{xml.stem}']/method"):
        name = element.attrib["name"]
        # Status is the base class's.
        group = group_of(functions[name]) if name in functions else READERS
        found.setdefault(group, set()).add((xml.stem, name))
    found.pop("root", None)
    return found


@each_interface
def test_policy_and_services_agree(xml: Path) -> None:
    assert allowed(xml.stem) == accepted(xml)


@each_interface
def test_policy_denies_by_default(xml: Path) -> None:
    default = policy(xml.stem).find("policy[@context='default']")
    assert default is not None
    assert [dict(part.attrib) for part in default] == [{"own": xml.stem}, {"send_destination": xml.stem}]
    assert {part.tag for part in default} == {"deny"}
    # The order in which the bus looks at several groups is not defined: a denial for one would be chance.
    assert policy(xml.stem).findall("policy[@group]/deny") == []


@each_interface
def test_name_is_for_the_daemons_user_and_root_may_send_anything(xml: Path) -> None:
    users = {
        part.attrib["user"]: [dict(allow.attrib) for allow in part.findall("allow")]
        for part in policy(xml.stem).findall("policy[@user]")
    }
    assert users == {
        f"pilotlight-{xml.parent.name}": [{"own": xml.stem}],
        "root": [{"send_destination": xml.stem}],
    }


def test_arming_has_a_group_of_its_own() -> None:
    interface = "io.pilotlight.Igniter1"
    assert [group for group, what in allowed(interface).items() if (interface, "Arm") in what] == ["pilotlight-igniter"]


def test_policies_name_users_and_groups_that_there_are() -> None:
    users = {account.name for account in declared() if account.kind == "u"} | {"root"}
    groups = {account.name for account in declared()}
    for path in INTERFACES:
        for part in policy(path.stem).findall("policy"):
            assert part.get("user", "root") in users
            assert part.get("group", READERS) in groups


def test_every_policy_belongs_to_an_interface() -> None:
    assert sorted(path.stem for path in (ROOT / "units/dbus").iterdir()) == sorted(path.stem for path in INTERFACES)
