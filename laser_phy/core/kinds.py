"""What varies in kind: families, the kinds that ship, and the kinds that users bring.

A family is one question of a scenario ("which compressor?"), and a kind is one answer. Each kind
is a `Kind` with a `name` that YAML chooses it by. From Python an instance of any subclass of the
family's base is taken as it is. From YAML, the command line and saved files a kind is found by its
name, once it is registered:

    @lp.register
    class TopK(lp.compressors.Compressor):
        keep: float = 0.1

Names that ship cannot be taken by others, and two kinds of one name are refused.
"""

from __future__ import annotations

import contextlib
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, TypeVar, Union, get_type_hints

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter, create_model
from pydantic_core import PydanticCustomError, core_schema

from laser_phy.core.errors import Refusal, tag
from laser_phy.core.settings import Settings

AnyKind = TypeVar("AnyKind", bound="type[Kind] | Callable[..., Any]")


class KindError(Refusal):
    """A kind that cannot be registered; the message says why, and what to write instead."""


class Kind(Settings):
    """One answer to a question that a scenario asks by `name`.

    A subclass that gives no `name` has its class name in snake_case: `TopK` is `top_k`. Its fields
    are those of a scenario, with their defaults and bounds: `keep: float = setting(0.1, gt=0)`.
    """

    name: str = ""
    """What YAML chooses it by."""

    def __init_subclass__(cls, **arguments: Any) -> None:
        own = inspect.get_annotations(cls)
        if "name" not in own and "Kind" not in {base.__name__ for base in cls.__bases__}:
            name = snake_case(cls.__name__)
            cls.__annotations__ = {**own, "name": Literal[name]}
            cls.name = name
        super().__init_subclass__(**arguments)


def snake_case(name: str) -> str:
    """`MyTopK` as `my_top_k`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


class Family:
    """The kinds that may stand in one field of a scenario.

    Args:
        word: what one of them is called, such as "compressor".
        base: class that all of them have.
        shipped: kinds that come with the package, in the order of the documentation.
        of_function: base of kinds that a plain function makes, where one is enough; it finds the
            function under `function`.
    """

    def __init__(
        self,
        word: str,
        base: type[Kind],
        *shipped: type[Kind],
        of_function: type[Kind] | None = None,
    ) -> None:
        self.word, self.base, self.shipped, self.of_function = word, base, shipped, of_function
        self.brought: dict[str, Brought] = {}
        FAMILIES.append(self)

    def __iter__(self) -> Iterator[type[Kind]]:
        """The kinds that ship."""
        return iter(self.shipped)

    @property
    def kinds(self) -> dict[str, type[Kind]]:
        """All kinds by name, those that ship first."""
        ours = {tag(kind): kind for kind in self.shipped}
        return ours | {name: brought.kind for name, brought in self.brought.items()}

    @cached_property
    def field(self) -> Any:
        """The type of a field that takes one of them; a bare string is short for `{name: ...}`."""
        return Annotated[_union(self.shipped), Open(self)]

    def add(self, kind: type[Kind], origin: str) -> None:
        """Make a kind known by its name.

        Raises:
            KindError: the name is taken.
        """
        name, taken = tag(kind), self.brought.get(tag(kind))
        if not name:
            raise KindError(f"{kind.__name__} needs a name: write name: Literal['...'] = '...'.")
        if name in {tag(other) for other in self.shipped}:
            raise KindError(
                f"{self.word} {name!r} of {origin} has the name of one that ships with laser_phy, "
                "which cannot be replaced. Give it another name."
            )
        if taken and not _same(taken.kind, kind):
            raise KindError(
                f"two kinds of {self.word} are called {name!r}: one of {taken.origin}, one of "
                f"{origin}. Rename one, or use one of the two alone."
            )
        self.brought[name] = Brought(kind, origin)

    def from_function(self, function: Callable[..., Any]) -> type[Kind]:
        """The kind that a plain function makes; its further arguments with defaults are fields."""
        assert self.of_function is not None
        if "kind_of_laser_phy" not in vars(function):
            name, hints = function.__name__.strip("<>"), get_type_hints(function)
            fields = {
                key: (hints.get(key, type(argument.default)), argument.default)
                for key, argument in inspect.signature(function).parameters.items()
                if argument.default is not inspect.Parameter.empty
            }
            made = create_model(  # type: ignore[call-overload]
                name, __base__=self.of_function, __module__=function.__module__,
                __doc__=function.__doc__, name=(Literal[name], name), **fields,
            )  # fmt: skip
            made.function = staticmethod(function)  # type: ignore[attr-defined]
            function.kind_of_laser_phy = made  # type: ignore[attr-defined]
        return function.kind_of_laser_phy  # type: ignore[attr-defined]


class Brought:
    """A kind that does not ship, and where it comes from, as people would name it."""

    def __init__(self, kind: type[Kind], origin: str) -> None:
        self.kind, self.origin = kind, origin


FAMILIES: list[Family] = []
"""All families, in the order of their import."""

DISCOVERERS: list[Callable[[], None]] = []
"""Called where a name is not known, before that is said: they may register more."""

FAILURES: list[Callable[[], Mapping[str, str]]] = []
"""What they could not load, and why."""


def register(kind: AnyKind, *, family: str | None = None, origin: str | None = None) -> AnyKind:
    """Let scenarios, the command line and saved files find a kind by its name; a decorator too.

    Args:
        kind: a subclass of a family's base, or a function where one is enough
            (`register(my_rule, family="power_control")`).
        family: of a function: `power_control` or `model`.
        origin: where it comes from, for `laser-phy list` and for messages; its module by default.

    Raises:
        KindError: it belongs to no family, or its name is taken.
    """
    origin = origin or f"module {kind.__module__}"
    if isinstance(kind, type):
        homes = [one for one in FAMILIES if issubclass(kind, one.base)]
        made: Any = kind
    else:
        homes = [one for one in FAMILIES if one.of_function is not None and one.word == family]
        made = homes[0].from_function(kind) if homes else None
    if not homes:
        words = ", ".join(one.word for one in FAMILIES)
        takes = ", ".join(repr(one.word) for one in FAMILIES if one.of_function is not None)
        raise KindError(
            f"{getattr(kind, '__name__', kind)!r} is of no family that laser_phy knows; got family "
            f"{family!r}. A class has the base class of one ({words}), a function has "
            f"register(function, family=...) with one of {takes}."
        )
    for home in homes:
        home.add(made, origin)
    return kind


@contextlib.contextmanager
def for_a_while() -> Iterator[None]:
    """What is registered inside is forgotten behind: for tests."""
    before = {id(family): dict(family.brought) for family in FAMILIES}
    try:
        yield
    finally:
        for family in FAMILIES:
            family.brought.clear()
            family.brought.update(before.get(id(family), {}))


def kinds_in(module: Any) -> Iterator[type[Kind]]:
    """The kinds that a module defines itself, those whose name begins with `_` left out."""
    bases = {family.base for family in FAMILIES}
    for value in list(vars(module).values()):
        if isinstance(value, type) and issubclass(value, Kind) and value not in bases:
            own = value.__module__ == module.__name__
            if own and not value.__name__.startswith("_") and not inspect.isabstract(value):
                yield value


class Open:
    """Annotation of a field of a family: pydantic validates what ships and what users bring.

    Args:
        family: whose kinds may stand here.
    """

    def __init__(self, family: Family) -> None:
        self.family = family
        self._adapted: tuple[tuple[type[Kind], ...], TypeAdapter[Any]] | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> Any:
        return core_schema.no_info_wrap_validator_function(
            self._validate, handler(source), serialization=core_schema.simple_ser_schema("any")
        )

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> Any:
        known = self._adapter().core_schema if self.family.brought else schema["schema"]
        names = list(self.family.kinds)
        short = {"const": names[0]} if len(names) == 1 else {"enum": names}
        return {"anyOf": [handler(known), {**short, "type": "string"}]}

    def _validate(self, value: Any, shipped: Callable[[Any], Any]) -> Any:
        value = self._as_kind(value)
        self._discover(value)
        if isinstance(value, self.family.base) and not ships(type(value)):
            if type(value) is not self.family.kinds.get(value.name, type(value)):
                raise ValueError(_taken(self.family, value))
            return value
        return self._adapter().validate_python(value) if self.family.brought else shipped(value)

    def _discover(self, value: Any) -> None:
        """Look for a name that is not known among what is installed."""
        name = value.get("name") if isinstance(value, Mapping) else None
        if not isinstance(name, str) or name in self.family.kinds:
            return
        for discover in DISCOVERERS:
            discover()
        failed = {who: why for told in FAILURES for who, why in told().items()}
        if name not in self.family.kinds and failed:
            known = ", ".join(self.family.kinds)
            reasons = "; ".join(f"{who} ({why})" for who, why in failed.items())
            sentence = (
                f"{self.family.word} cannot be {name!r}. Known: {known}. It may be one of a "
                f"package that could not be loaded: {reasons}."
            )
            raise PydanticCustomError("sentence", "{sentence}", {"sentence": sentence})

    def _as_kind(self, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if inspect.isfunction(value) and self.family.of_function is not None:
            return self.family.from_function(value)()
        return value

    def _adapter(self) -> TypeAdapter[Any]:
        """Of all kinds that are known now."""
        kinds = tuple(self.family.kinds.values())
        if self._adapted is None or self._adapted[0] != kinds:
            self._adapted = kinds, TypeAdapter(_union(kinds))
        return self._adapted[1]


def _union(kinds: tuple[type[Kind], ...]) -> Any:
    if len(kinds) == 1:
        return kinds[0]
    return Annotated[Union[kinds], Field(discriminator="name")]  # noqa: UP007


def ships(kind: type) -> bool:
    """One of the package's own, in whichever family: where one stands, another may not."""
    return any(kind in family.shipped for family in FAMILIES)


def _taken(family: Family, value: Kind) -> str:
    return (
        f"{family.word} of class {type(value).__name__} is called {value.name!r}, as another kind "
        "is: saved files would come back as that one. Give it another name."
    )


def _same(one: type[Kind], other: type[Kind]) -> bool:
    """Twice the same class, or the class of a cell or file that was run again."""
    place = one.__module__, one.__qualname__
    return one is other or place == (other.__module__, other.__qualname__)


__all__ = ["FAMILIES", "Family", "Kind", "KindError", "kinds_in", "register"]
