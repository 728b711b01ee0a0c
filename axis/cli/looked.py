"""One thing that `axis doctor` looked at, and how it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from axis.cli.vietnamese import in_vietnamese

IN_VIETNAMESE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "clock": "đồng hồ",
        "disk: data": "đĩa dữ liệu",
        "disk: checkpoints": "đĩa kho mốc",
        "open files": "số tệp mở",
        "mode": "quyền tệp",
        "certificate": "chứng thư số",
        "revocation list": "danh sách thu hồi",
        "trust": "nguồn tin cậy",
        "token": "thiết bị ký",
        "bucket": "kho đối tượng",
        "bindings": "đăng ký chứng thư",
        "configuration": "cấu hình",
        "import names": "tên gói Python",
        "store": "kho dữ liệu",
        "store journal": "nhật ký của kho",
        "store server": "máy chủ của kho",
        "store checksums": "tổng kiểm của kho",
        "log": "nhật ký ký số",
        "log key": "khóa nhật ký",
        "witness": "bên chứng kiến",
    }
)
"""What there is to look at."""


class State(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at. `remedy` says what to do where it is not well; `remedy_vi` the same, where the
    table of all commands does not."""

    what: str
    state: State
    told: str
    remedy: str = ""
    remedy_vi: str = ""

    @property
    def label(self) -> str:
        """What was looked at, in both languages."""
        return f"{IN_VIETNAMESE[self.what]} ({self.what})"

    @property
    def both(self) -> tuple[str, str]:
        return self.remedy, self.remedy_vi or in_vietnamese(self.remedy)
