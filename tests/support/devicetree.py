# SPDX-License-Identifier: Apache-2.0
"""A flattened device tree as a tree of nodes, for tests."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

MAGIC = 0xD00DFEED
BEGIN, END, PROPERTY, NOTHING, LAST = 1, 2, 3, 4, 9


@dataclass
class Node:
    """A node: its path, its properties as bytes, and the nodes in it by name."""

    path: str
    properties: dict[str, bytes] = field(default_factory=dict)
    children: dict[str, "Node"] = field(default_factory=dict)

    def cells(self, name: str) -> list[int]:
        """A property of 32-bit numbers."""
        data = self.properties[name]
        return list(struct.unpack(f">{len(data) // 4}I", data))

    def strings(self, name: str) -> list[str]:
        """A property of strings."""
        return self.properties[name].decode().rstrip("\0").split("\0")

    def all(self) -> Iterator["Node"]:
        """This node and every one below it."""
        yield self
        for child in self.children.values():
            yield from child.all()


class DeviceTree:
    """A whole tree."""

    def __init__(self, data: bytes) -> None:
        magic, self.size, structure, strings = struct.unpack_from(">4I", data)
        assert magic == MAGIC
        self._data, self._strings = data, strings
        self.root = Node("/")
        self._read(structure)
        self._handles = {node.cells("phandle")[0]: node for node in self.root.all() if "phandle" in node.properties}

    def _text(self, at: int) -> str:
        return self._data[at : self._data.index(b"\0", at)].decode()

    def _read(self, at: int) -> None:
        open_nodes: list[Node] = []
        while True:
            (token,) = struct.unpack_from(">I", self._data, at)
            at += 4
            if token == BEGIN:
                name = self._text(at)
                at = (at + len(name) + 4) & ~3
                if not open_nodes:
                    node = self.root
                else:
                    above = open_nodes[-1]
                    node = above.children[name] = Node(f"{above.path.rstrip('/')}/{name}")
                open_nodes.append(node)
            elif token == PROPERTY:
                size, name_at = struct.unpack_from(">2I", self._data, at)
                open_nodes[-1].properties[self._text(self._strings + name_at)] = self._data[at + 8 : at + 8 + size]
                at = (at + 8 + size + 3) & ~3
            elif token == END:
                open_nodes.pop()
            elif token == LAST:
                return
            else:
                assert token == NOTHING, f"{token} is no token of a device tree"

    def node(self, path: str) -> Node:
        """The node at a path; a first part without `/` is a label."""
        if not path.startswith("/"):
            label, _, rest = path.partition("/")
            path = f"{self.node('/__symbols__').strings(label)[0]}/{rest}".rstrip("/")
        found = self.root
        for part in path.strip("/").split("/"):
            found = found.children[part] if part else found
        return found

    def has(self, path: str) -> bool:
        """Whether there is such a node."""
        try:
            self.node(path)
        except KeyError:
            return False
        return True

    def handle(self, number: int) -> Node:
        """The node that a reference points at."""
        return self._handles[number]

    def references(self, path: str, name: str, cells: str) -> list[tuple[str, list[int]]]:
        """A property of references with arguments: each the path of its node and its arguments.

        `cells` is the property of the node that tells how many arguments belong to a reference, such as `#gpio-cells`;
        without it there are none.
        """
        values, found = self.node(path).cells(name), []
        while values:
            target = self.handle(values[0])
            count = target.cells(cells)[0] if cells else 0
            found.append((target.path, values[1 : 1 + count]))
            values = values[1 + count :]
        return found

    def enabled(self) -> Iterator[Node]:
        """Every node that is not disabled, with all above it."""
        waiting = [self.root]
        while waiting:
            node = waiting.pop()
            if node.properties.get("status", b"okay\0") == b"okay\0":
                yield node
                waiting += node.children.values()
