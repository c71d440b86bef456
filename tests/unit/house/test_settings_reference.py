"""The generator of the settings page, on a class of its own."""

from __future__ import annotations

from typing import Annotated

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from tools.settings_reference import Setting, page, settings_of


class Sample(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="SAMPLE_")

    port: int = 443
    """Where to listen.

    Ports under 1024 need a privilege."""
    name: Annotated[str, Field(validation_alias=AliasChoices("SAMPLE_NAME", "OLD_NAME"))] = ""
    """What it is called."""
    required: str
    undocumented: bool = False


def test_each_setting_has_its_variable_type_default_and_text():
    assert list(settings_of(Sample)) == [
        Setting(names=("SAMPLE_PORT",), kind="int", default="`443`", text="Where to listen. Ports under 1024 need a privilege."),
        Setting(names=("SAMPLE_NAME", "OLD_NAME"), kind="str", default="unset", text="What it is called."),
        Setting(names=("SAMPLE_REQUIRED",), kind="str", default="required", text=""),
        Setting(names=("SAMPLE_UNDOCUMENTED",), kind="bool", default="`False`", text=""),
    ]


def test_an_older_name_is_shown_beside_the_newer():
    assert "`SAMPLE_NAME` (also `OLD_NAME`)" in page([("Sample", Sample)])
