# SPDX-License-Identifier: Apache-2.0
"""D-Bus interface files held against what a running object says about itself, and against our rules for them."""

from __future__ import annotations

from xml.etree import ElementTree

DOC = "io.pilotlight.Doc"


def interface_of(xml: str, name: str) -> ElementTree.Element:
    """The interface's element in an introspection document."""
    element = ElementTree.fromstring(xml).find(f"interface[@name='{name}']")
    assert element is not None, f"{name} is not described"
    return element


def canonical(interface: ElementTree.Element) -> list[tuple[object, ...]]:
    """Everything a client can see of an interface, in an order of its own."""
    return sorted((element.tag, _attributes(element), _inside(element)) for element in interface)


def undocumented(interface: ElementTree.Element) -> list[str]:
    """Names of the interface, its methods, properties and signals that carry no documentation."""
    documented = [interface, *interface.findall("method"), *interface.findall("property"), *interface.findall("signal")]
    return [e.attrib["name"] for e in documented if not _documentation(e)]


def _documentation(element: ElementTree.Element) -> str:
    annotation = element.find(f"annotation[@name='{DOC}']")
    return annotation.attrib["value"] if annotation is not None else ""


def _inside(element: ElementTree.Element) -> tuple[object, ...]:
    arguments = [_attributes(child) for child in element if child.tag == "arg"]
    notes = sorted(_attributes(child) for child in element if child.tag == "annotation")
    return tuple(arguments), tuple(notes)


def _attributes(element: ElementTree.Element) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(element.attrib.items()))
