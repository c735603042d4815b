# SPDX-License-Identifier: Apache-2.0
"""Interleaved arrays of structures: `named_array`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pilotlight.plc import ir
from pilotlight.plc.language.block import Block
from pilotlight.plc.language.ranges import BlockRange
from pilotlight.plc.language.structures import Field, Instance, checked_names, field_of, of_class, type_of
from pilotlight.plc.language.tag import MappingEntry, Tag
from pilotlight.tags import Type, Value

if TYPE_CHECKING:
    from pilotlight.plc.language.builder import Builder


class _Instances(BlockRange):
    """Whole instances of a named array: all their addresses, and the tags of their fields."""

    def tags(self) -> list[Tag]:
        array: Any = self.block
        return [array.tag(each) for each in self.addresses if (each - 1) % array.stride < len(array.fields)]

    def reverse(self) -> _Instances:
        return _Instances(self.block, self.addresses[::-1], "")

    def lower(self, builder: Builder) -> ir.Range:
        slots = tuple(builder.slot(self.block.tag(address)) for address in self.addresses)
        return ir.Range(self.type, slots, tuple(self.addresses))


class NamedArray(Block):
    """Interleaved instances of equal fields: instance i begins at address (i − 1) · stride + 1."""

    def __init__(
        self, name: str, kind: Type, fields: dict[str, Field], count: int, stride: int, always_number: bool
    ) -> None:
        if count < 1 or stride < len(fields):
            raise ValueError(f"{name}: {count} instances of {len(fields)} fields with a stride of {stride}")
        self.count, self.stride, self.always_number = count, stride, always_number
        self.fields = dict(fields)
        names = tuple(fields)

        def named(_name: str, address: int) -> str:
            instance, place = divmod(address - 1, stride)
            number = str(instance + 1) if count > 1 or always_number else ""
            return f"{name}{number}_{names[place] if place < len(names) else f'empty{place + 1}'}"

        def default(address: int) -> Value:
            instance, place = divmod(address - 1, stride)
            given = fields[names[place]].default_of(instance + 1) if place < len(names) else None
            return Tag("x", kind).default if given is None else given

        retentive = kind is not Type.BOOL
        super().__init__(name, kind, 1, count * stride, retentive, address_formatter=named, default_factory=default)

    def retentive_of(self, address: int) -> bool:
        place = (address - 1) % self.stride
        own = self.fields[tuple(self.fields)[place]].retentive if place < len(self.fields) else None
        return super().retentive_of(address) if own is None else own

    @property
    def field_names(self) -> tuple[str, ...]:
        """Names of the fields, in order."""
        return tuple(self.fields)

    def __getattr__(self, field: str) -> Any:
        names = tuple(self.__dict__.get("fields", {}))
        if field not in names:
            raise AttributeError(f"{self.__dict__.get('name')} has no field {field!r}; it has {', '.join(names)}")
        addresses = tuple(i * self.stride + names.index(field) + 1 for i in range(self.count))
        return self.tag(addresses[0]) if self.count == 1 else BlockRange(self, addresses)

    def __getitem__(self, instance: object) -> Any:
        if isinstance(instance, bool) or not isinstance(instance, int):
            raise TypeError(f"{self.name}[{instance!r}]: give the number of one instance")
        base = self._base(instance)
        tags = {field: self.tag(base + place) for place, field in enumerate(self.fields)}
        return Instance(f"{self.name}[{instance}]", tags)

    def _base(self, instance: int) -> int:
        if not 1 <= instance <= self.count:
            raise IndexError(f"{self.name} has no instance {instance}: it has 1 to {self.count}")
        return (instance - 1) * self.stride + 1

    def instance(self, number: int) -> BlockRange:
        """All tags of one instance."""
        return self.instance_select(number, number)

    def instance_select(self, first: int, last: int) -> BlockRange:
        """All tags of the instances from one to another, both included."""
        if first > last:
            raise ValueError(f"{self.name}: instance {first} is above {last}")
        name = f"instance({first})" if first == last else f"instance_select({first}, {last})"
        return _Instances(self, range(self._base(first), self._base(last) + self.stride), f"{self.name}.{name}")

    def map_to(self, hardware: BlockRange) -> list[MappingEntry]:  # type: ignore[override]
        """Say which hardware range stands behind the array: field by field, as one block when the fields are one.

        Raises ValueError unless the range has as many addresses as the array.
        """
        count = self.count * self.stride
        if len(hardware) != count:
            raise ValueError(f"{self.name}: {count} addresses are mapped to {len(hardware)}")
        if self.stride == 1:
            return [MappingEntry(self, hardware)]
        fields = len(self.fields)
        pairs = zip(self.span(), hardware.addresses, strict=True)
        return [
            MappingEntry(self.tag(own), hardware.block.tag(other))
            for own, other in pairs
            if (own - 1) % self.stride < fields
        ]

    def clone(self, name: str, count: int | None = None, stride: int | None = None) -> NamedArray:
        """An array with the same fields under another name."""
        new_count = self.count if count is None else count
        return NamedArray(name, self.type, self.fields, new_count, stride or self.stride, self.always_number)

    def hardware_span(self, start: int) -> tuple[int, int]:
        """First and last hardware address when the array begins at `start`."""
        return start, start + self.count * self.stride - 1


def named_array(
    base_type: object, *, count: int = 1, stride: int | None = None, always_number: bool = False
) -> Callable[[type], NamedArray]:
    """Make an interleaved array of a class: its attributes are the fields and their defaults."""
    kind = type_of(base_type, "named_array()")

    def made(body: type) -> NamedArray:
        apart = {n for n, kind in inspect.get_annotations(body).items() if of_class(kind)}
        given = {name: value for name, value in vars(body).items() if not name.startswith("__") and name not in apart}
        checked_names(body.__name__, list(given))
        fields = {name: field_of(value, kind, f"{body.__name__}.{name}") for name, value in given.items()}
        return NamedArray(body.__name__, kind, fields, count, len(fields) if stride is None else stride, always_number)

    return made
