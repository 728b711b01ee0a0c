"""What people write behind options and arguments, and how it is read: days, durations, numbers, agency codes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import click

from axis.cli.output import say
from axis.core.times import VIETNAM, may_be_misread, read_end, read_moment
from schemas.codes import AgencyCode, CodeError


class Moment(click.ParamType[datetime]):
    """A day of Vietnam's calendar, or a time; without a zone Vietnam's. Where others would read another day, it is said
    on the standard error which one was understood."""

    name = "time"
    _read = staticmethod(read_moment)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        text = str(value)
        try:
            at = self._read(text)
        except ValueError:
            self.fail(f"{text!r} is no date: write 02/12/2026 (day first), 2026-12-02 or 2026-12-02T08:30", param, ctx)
        if may_be_misread(text):
            here = read_moment(text).astimezone(VIETNAM)
            meant = f"ngày {here.day} tháng {here.month} năm {here.year} ({here.day} {here:%B} {here.year})"
            say(f"{text}: {meant}", err=True)
        return at


class Through(Moment):
    """The end of what is asked for: a day is meant as a whole, as on the console's pages."""

    _read = staticmethod(read_end)


class _Digits(click.ParamType[Any]):
    """A number in the digits 0 to 9: what other scripts have for digits reads alike, and is refused."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and not value.isascii():
            self.fail(f"{value!r} is no number: write it with the digits 0 to 9", param, ctx)
        return super().convert(value, param, ctx)


class Whole(_Digits, click.IntRange):
    """A whole number."""


class Seconds(_Digits, click.FloatRange):
    """A number with or without a fraction."""


class Span(click.ParamType[timedelta]):
    """`14d`, `36h`."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        from axis.config.values import parse_duration

        if isinstance(value, timedelta):
            return value
        try:
            return parse_duration(str(value))
        except ValueError:
            self.fail(f'{value!r} is no duration: a number and one unit of s, m, h, d: "14d"', param, ctx)


class CodeType(click.ParamType[AgencyCode]):
    """An agency code on the command line."""

    name = "code"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> AgencyCode:
        if isinstance(value, AgencyCode):
            return value
        try:
            return AgencyCode.parse(str(value))
        except CodeError as error:
            self.fail(str(error), param, ctx)


CODE = CodeType()
