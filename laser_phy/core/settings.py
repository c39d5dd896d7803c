"""What every setting is: frozen, strict, without unknown keys, the same in Python and YAML."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from laser_phy.core.error_messages import problems_of
from laser_phy.core.errors import Problem, Refusal


class SettingsError(Refusal):
    """Settings that were refused; the message says what to write instead, one line a problem."""

    def __init__(self, problems: list[Problem], subject: str = "") -> None:
        self.problems = problems
        start = f"{subject}: " if subject else ""
        super().__init__("\n".join(start + problem.text for problem in problems))


if TYPE_CHECKING:
    _Refusing = BaseModel
else:

    class _RefusingMeta(type(BaseModel)):
        # Only calls made by people come through here: pydantic builds nested settings without
        # calling the class, so one mistake gives one error however deep it sits.
        def __call__(cls, **fields: Any) -> Any:
            try:
                return super().__call__(**{key: plain(value) for key, value in fields.items()})
            except ValidationError as error:
                refusal = SettingsError(problems_of(error, cls), cls.__name__)
            raise refusal

    class _Refusing(BaseModel, metaclass=_RefusingMeta):
        pass


class Settings(_Refusing):
    """A frozen group of fields; one definition serves Python, YAML, validation and the schema.

    Sequences are tuples, so that settings are hashable; lists are taken for them everywhere.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    @classmethod
    def from_config(cls, mapping: Mapping[str, Any]) -> Self:
        """Validate a mapping as a scenario has it (lists for tuples, a name for a kind)."""
        try:
            # Not in JSON mode: below a union pydantic forgets it, and refuses lists for tuples.
            return cls.model_validate(plain(mapping))
        except ValidationError as error:
            refusal = SettingsError(problems_of(error, cls), cls.__name__)
        raise refusal

    def to_config(self) -> dict[str, Any]:
        """The mapping that `from_config` takes back, with every default filled in."""
        return _name_first(self.model_dump(mode="json"))


def setting(
    default: Any = ..., *, unit: str | None = None, example: Any = None, **bounds: Any
) -> Any:
    """A field with its unit and an example, which error messages and the schema show."""
    extra = {key: value for key, value in {"unit": unit, "example": example}.items() if value}
    return Field(default, json_schema_extra=extra or None, **bounds)


def plain(value: Any) -> Any:
    """Tuples for lists, and Python numbers for NumPy's, at any depth."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return tuple(plain(item) for item in value)
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, Integral):
        return int(value)
    return float(value) if isinstance(value, Real) else value


def _name_first(value: Any) -> Any:
    """The kind before its fields, as people write it; pydantic has inherited fields first."""
    if isinstance(value, dict):
        names = {"name": value["name"]} if "name" in value else {}
        return names | {key: _name_first(item) for key, item in value.items() if key != "name"}
    return [_name_first(item) for item in value] if isinstance(value, list) else value
