"""The policy document as clients set it. Source: rest-api.md 2.3.

A schedule is judged as it will be read, and returned exactly as it was sent.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Self
from zoneinfo import available_timezones

from pydantic import Field, field_validator, model_validator

from ..kit.rest import Name, ResourceModel
from .cron import cron_line, cron_problem

MAX_RETAIN_DAYS = 36_500
"""A hundred years: Velero counts a ttl in nanoseconds of 64 bits, which is less than three hundred."""
MAX_SCHEDULES = 100
MAX_JITTER_SECONDS = 86_400


@cache
def _time_zones() -> frozenset[str]:
    """Return the known zones; finding them reads a directory tree, so once."""
    return frozenset(available_timezones()) | {"UTC"}


def known_zone(name: str, /) -> str:
    """Return the name of a time zone. Raises ValueError with a sentence when there is no such zone."""
    if name not in _time_zones():
        message = f'"{name[:60]}" is not an IANA time zone such as "Europe/Vienna".'
        raise ValueError(message)
    return name


class ScheduleTimes(ResourceModel):
    """When: a cron line, or its five fields apart. If both are there, `cronSpec` wins."""

    cron_spec: str | None = Field(default=None, alias="cronSpec")
    minute: str | None = None
    hour: str | None = None
    day_of_month: str | None = Field(default=None, alias="dayOfMonth")
    month: str | None = None
    day_of_week: str | None = Field(default=None, alias="dayOfWeek")

    @model_validator(mode="after")
    def _is_given(self) -> Self:
        if self.cron_spec is None and (self.minute is None or self.hour is None):
            message = "A schedule needs a cronSpec, or minute and hour."
            raise ValueError(message)
        parts = (self.minute, self.hour, self.day_of_month, self.month, self.day_of_week)
        line = cron_line(parts) if self.cron_spec is None else self.cron_spec
        if problem := cron_problem(line):
            message = (
                f'The schedule "{line[:60]}" is not a cron line: {problem}. Give minute, hour, day of month, month and day of week,'
                ' such as "30 0 * * MON,FRI".'
            )
            raise ValueError(message)
        return self


class Schedule(ResourceModel):
    """One schedule and the retention of what it makes."""

    retain_days: Annotated[int, Field(strict=True, ge=1, le=MAX_RETAIN_DAYS)] = Field(default=7, alias="retainDays")
    num_always_retain: Annotated[int, Field(strict=True, ge=0, le=30)] = Field(default=0, alias="numAlwaysRetain")
    locked: bool = False
    schedule: ScheduleTimes


class PolicyTimes(ResourceModel):
    """When a policy runs things."""

    timezone: str = "UTC"
    schedules: list[Schedule] = Field(min_length=1, max_length=MAX_SCHEDULES)
    jitter_seconds: Annotated[int, Field(strict=True, ge=0, le=MAX_JITTER_SECONDS)] | None = None
    """Our own addition: by how many seconds at most each definition starts later, always the same for one. None: the installation's."""

    @field_validator("timezone")
    @classmethod
    def _is_known(cls, value: str) -> str:
        return known_zone(value)


class Policy(PolicyTimes):
    """What a client sets on a policy."""

    name: Name
    description: str | None = None
    tags: dict[str, str] = Field(default_factory=dict)
