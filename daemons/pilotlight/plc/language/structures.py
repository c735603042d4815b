# SPDX-License-Identifier: Apache-2.0
"""Structures: tags that belong together, once or several times: `udt`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, get_origin

from pilotlight.plc.language.block import Block
from pilotlight.plc.language.tag import Bool, Char, Dint, Int, MappingEntry, Real, Tag, Word, proper
from pilotlight.tags import Type, Value

_TYPES: dict[object, Type] = {
    Bool: Type.BOOL, Int: Type.INT, Dint: Type.DINT, Real: Type.REAL, Word: Type.WORD, Char: Type.CHAR,
    bool: Type.BOOL, int: Type.INT, float: Type.REAL, str: Type.CHAR,
}  # fmt: skip
_NAMES: dict[str, Type] = {
    **{kind.__name__.lower(): value for kind, value in _TYPES.items() if isinstance(kind, type)},
    **{kind.name.lower(): kind for kind in _TYPES.values()},
}
RESERVED = frozenset(
    "clone count field_names fields map_to name instance instance_select stride type always_number".split()
)
MOST_INSTANCES = 65536


@dataclass(frozen=True)
class auto:  # noqa: N801 - written like a statement of the language
    """A default that counts on from instance to instance."""

    start: int = 1
    step: int = 1


@dataclass(frozen=True)
class Field:
    """A field of a structure: its type (unless annotated), default and retention."""

    type: Type | None = None
    default: Value | auto | None = None
    retentive: bool | None = None

    def default_of(self, instance: int) -> Value | None:
        """Default of the field in an instance, counted from 1."""
        if isinstance(self.default, auto):
            return self.default.start + (instance - 1) * self.default.step
        return self.default


def type_of(annotation: object, where: str) -> Type:
    """The type that an annotation names; TypeError when it names none."""
    if isinstance(annotation, Type):
        return annotation
    known = _TYPES.get(annotation)
    if known is None and isinstance(annotation, str):
        known = _NAMES.get(annotation.rpartition(".")[2].strip("'\"").lower())
    if known is None:
        raise TypeError(f"{where}: {annotation!r} is no type of a tag")
    return known


def field_of(value: object, kind: Type, where: str) -> Field:
    """The field of an attribute's value; ValueError when the type does not have it."""
    given = value if isinstance(value, Field) else Field(default=value)  # type: ignore[arg-type]
    first = given.default_of(1)
    if isinstance(given.default, auto) and kind not in (Type.INT, Type.DINT, Type.WORD):
        raise ValueError(f"{where}: auto() counts, which {kind.name} cannot")
    if first is not None:
        proper(where, kind, first)
    return Field(given.type or kind, given.default, given.retentive)


def of_class(annotation: object) -> bool:
    """Whether an annotation says ClassVar: then it is no field."""
    if isinstance(annotation, str):
        return annotation.rpartition(".")[2].startswith("ClassVar") or annotation.startswith("typing.ClassVar")
    return annotation is ClassVar or get_origin(annotation) is ClassVar


def checked_names(owner: str, names: list[str]) -> None:
    """Raises ValueError for no fields and for names that structures use themselves."""
    if not names:
        raise ValueError(f"{owner} has no fields")
    for name in names:
        if name in RESERVED or name.startswith("__"):
            raise ValueError(f"{owner}.{name}: the name is reserved")


class Instance:
    """One instance of a structure: its tags as attributes."""

    def __init__(self, owner: str, tags: dict[str, Tag]) -> None:
        self._owner = owner
        self._tags = tags
        self.__dict__.update(tags)

    def __getattr__(self, name: str) -> Tag:
        raise AttributeError(f"{self._owner} has no field {name!r}; it has {', '.join(self._tags)}")

    @property
    def fields(self) -> dict[str, Tag]:
        """The tags by field."""
        return dict(self._tags)

    def __repr__(self) -> str:
        return self._owner


class Structure:
    """A structure with `count` instances: `S.field` when there is one, else `S[i].field` with i from 1."""

    def __init__(self, name: str, fields: dict[str, Field], count: int, always_number: bool) -> None:
        if not 1 <= count <= MOST_INSTANCES:
            raise ValueError(f"{name}: {count} instances; 1 to {MOST_INSTANCES} are possible")
        self.name = name
        self.count = count
        self.always_number = always_number
        self.fields = dict(fields)
        self._blocks = {field: self._block(field, how) for field, how in fields.items()}
        self._instances: dict[int, Instance] = {}

    @property
    def field_names(self) -> tuple[str, ...]:
        """Names of the fields, in order."""
        return tuple(self.fields)

    def _block(self, field: str, how: Field) -> Block:
        kind = type_of(how.type, f"{self.name}.{field}")

        def named(_name: str, instance: int) -> str:
            number = str(instance) if self.count > 1 or self.always_number else ""
            return f"{self.name}{number}_{field}"

        def default(instance: int) -> Value:
            given = how.default_of(instance)
            return Tag("x", kind).default if given is None else given

        retentive = kind is not Type.BOOL if how.retentive is None else how.retentive
        return Block(
            f"{self.name}_{field}", kind, 1, self.count, retentive, address_formatter=named, default_factory=default
        )

    def __getattr__(self, field: str) -> Any:
        blocks: dict[str, Block] = self.__dict__.get("_blocks", {})
        if field not in blocks:
            raise AttributeError(f"{self.__dict__.get('name')} has no field {field!r}; it has {', '.join(blocks)}")
        return blocks[field].tag(1) if self.count == 1 else blocks[field]

    def __getitem__(self, instance: int) -> Instance:
        if isinstance(instance, bool) or not isinstance(instance, int):
            raise TypeError(f"{self.name}[{instance!r}]: give the number of one instance")
        if not 1 <= instance <= self.count:
            raise IndexError(f"{self.name} has no instance {instance}: it has 1 to {self.count}")
        if instance not in self._instances:
            tags = {field: block.tag(instance) for field, block in self._blocks.items()}
            self._instances[instance] = Instance(f"{self.name}[{instance}]", tags)
        return self._instances[instance]

    def __len__(self) -> int:
        return self.count

    def clone(self, name: str, count: int | None = None) -> Structure:
        """A structure with the same fields under another name."""
        return Structure(name, self.fields, self.count if count is None else count, self.always_number)

    def map_to(self, hardware: object) -> MappingEntry:
        """Say which hardware range stands behind the structure."""
        return MappingEntry(self, hardware)

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(self.fields)})"


def udt(*, count: int = 1, always_number: bool = False) -> Callable[[type], Structure]:
    """Make a structure of a class: its annotations are the fields, its attributes their defaults."""

    def made(body: type) -> Structure:
        annotations = {n: kind for n, kind in inspect.get_annotations(body).items() if not of_class(kind)}
        for field, value in vars(body).items():
            if isinstance(value, Field) and value.type is not None:
                annotations.setdefault(field, value.type)
        checked_names(body.__name__, list(annotations))
        fields: dict[str, Field] = {}
        for field, kind in annotations.items():
            where = f"{body.__name__}.{field}"
            fields[field] = field_of(getattr(body, field, None), type_of(kind, where), where)
        return Structure(body.__name__, fields, count, always_number)

    return made


Timer = Structure("Timer", {"Done": Field(Type.BOOL), "Acc": Field(Type.INT)}, 1, False)
"""What on_delay() and off_delay() need: `Timer.clone("Name")` has the tags Name_Done and Name_Acc."""
Counter = Structure("Counter", {"Done": Field(Type.BOOL), "Acc": Field(Type.DINT)}, 1, False)
"""What count_up() and count_down() need: `Counter.clone("Name")` has the tags Name_Done and Name_Acc."""
