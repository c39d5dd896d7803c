"""Families of kinds: what a field takes, what is registered, what is said."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from laser_phy.core.kinds import Family, Kind, KindError, for_a_while, register, snake_case
from laser_phy.core.plugins import adopt
from laser_phy.core.settings import Settings, SettingsError, setting


class Tool(Kind):
    """A family's base."""


class Saw(Tool):
    """Ships."""

    name: Literal["saw"] = "saw"
    teeth: int = setting(20, ge=1, unit="teeth")


class Drill(Tool):
    """Ships, in one of two families."""

    name: Literal["drill"] = "drill"


class FunctionTool(Tool):
    """By a function."""

    function: Any = None


TOOLS = Family("tool", Tool, Saw, Drill, of_function=FunctionTool)
HAND_TOOLS = Family("hand_tool", Tool, Saw)
AnyTool: Any = TOOLS.field
AnyHandTool: Any = HAND_TOOLS.field


class Box(Settings):
    """Holds tools."""

    first: AnyTool = setting(Saw())
    hand: AnyHandTool = setting(Saw())


class RoundFile(Tool):
    """A user's."""

    grade: int = setting(1, ge=1, le=3)


@pytest.fixture(autouse=True)
def _forgotten():
    with for_a_while():
        yield


def test_a_class_without_a_name_has_its_own_in_snake_case():
    assert snake_case("MyTopKFor3GPP") == "my_top_k_for3_gpp"
    assert RoundFile().name == "round_file"

    class Fine(Saw):
        """A subclass of one that ships is another kind."""

    assert Fine().name == "fine"


def test_an_instance_is_taken_as_it_is():
    file = RoundFile(grade=2)
    assert Box(first=file).first is file
    assert Box(first=file).to_config()["first"] == {"name": "round_file", "grade": 2}


def test_by_name_once_it_is_registered():
    with pytest.raises(SettingsError, match=r"first cannot be 'round_file'. Known: saw, drill"):
        Box.from_config({"first": "round_file"})
    register(RoundFile)
    assert Box.from_config({"first": "round_file"}).first == RoundFile()
    with pytest.raises(SettingsError, match=r"first: grade must be <= 3; got 4"):
        Box.from_config({"first": {"name": "round_file", "grade": 4}})
    assert "RoundFile" in Box.model_json_schema()["$defs"]


def test_what_ships_in_another_family_is_not_a_user_s():
    with pytest.raises(SettingsError, match="hand must be a name"):
        Box(hand=Drill())
    adopt(Box(first=Drill()))
    with pytest.raises(SettingsError, match="hand: name must be 'saw'; got 'drill'"):
        Box.from_config({"hand": "drill"})


def test_names_that_are_taken():
    class Other(Tool):
        """Called as one that ships."""

        name: Literal["saw"] = "saw"

    with pytest.raises(KindError, match=r"'saw' of here has the name of one that ships"):
        register(Other, origin="here")
    with pytest.raises(SettingsError, match=r"called 'saw', as another kind is"):
        Box(first=Other())
    register(RoundFile, origin="mine.py")
    again = type("RoundFile", (Tool,), {"__module__": "another", "__doc__": "Of somebody else."})
    with pytest.raises(KindError, match=r"one of mine.py, one of theirs. Rename one"):
        register(again, origin="theirs")


def test_a_function_is_a_kind_with_its_arguments_as_fields():
    def hammer(data, weight: float = 1.5):
        return data, weight

    box = Box(first=hammer)
    assert box.to_config()["first"]["weight"] == 1.5
    register(hammer, family="tool")
    assert Box.from_config({"first": {"name": "hammer", "weight": 2.0}}).first.weight == 2.0
    with pytest.raises(KindError, match=r"'hammer' is of no family .* got family 'toll'"):
        register(hammer, family="toll")


def test_what_is_no_kind():
    with pytest.raises(KindError, match=r"'int' is of no family that laser_phy knows"):
        register(int)
