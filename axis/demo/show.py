"""Shows the network at work: a live picture on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Final, Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from axis.demo.plan import Plan
from axis.demo.progress import Progress
from schemas.codes import Level

LEVELS: Final = {
    Level.CENTRAL: "Trung ương",
    Level.PROVINCE: "Tỉnh",
    Level.DISTRICT: "Huyện",
    Level.COMMUNE: "Xã",
}
HEADS: Final = {
    "01": "Đã đến",
    "03": "Tiếp nhận",
    "04": "Phân công",
    "05": "Đang xử lý",
    "06": "Hoàn thành",
    "02": "Từ chối",
}
"""The statuses in the order in which they are shown, with words that fit a column."""
_LINE_EVERY_S: Final = 2.0


class Screen(Protocol):
    """Where the demo says what it does."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def step(self, text: str) -> None:
        """A new phase has begun."""
        ...

    def progress(self, now: Progress) -> None:
        """How far the documents are."""
        ...

    def close(self) -> None:
        """Nothing more to show; repeating is harmless."""
        ...


class PlainScreen:
    """Lines, for a file or a CI: every step, and the counts when they have changed, not too often."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last = -_LINE_EVERY_S
        self._shown = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        return None

    def step(self, text: str) -> None:
        self._console.print(f"• {text}", highlight=False, soft_wrap=True)

    def progress(self, now: Progress) -> None:
        counts = now.line()[8:]
        if counts == self._shown or (time.monotonic() - self._last < _LINE_EVERY_S and not now.finished):
            return
        self._last, self._shown = time.monotonic(), counts
        self._console.print(f"  {now.line()}", highlight=False, soft_wrap=True)


class LiveScreen:
    """One picture that changes: documents by level and state. It has a thread, so it begins with the first counts."""

    def __init__(self, console: Console, plan: Plan) -> None:
        self._console = console
        self._now = Progress(plan)
        self._live = Live(console=console, refresh_per_second=8, transient=True, get_renderable=self._draw)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._live.stop()

    def step(self, text: str) -> None:
        self._console.print(f"• {text}", highlight=False)

    def progress(self, now: Progress) -> None:
        self._now = now
        self._live.start()

    def _draw(self) -> RenderableType:
        now = self._now
        table = Table(title="Văn bản theo cấp và trạng thái", title_justify="left", expand=False)
        table.add_column("Cấp")
        for name in ("Đã gửi", "Trục từ chối", "Tới nơi"):
            table.add_column(name, justify="right")
        for code, head in HEADS.items():
            table.add_column(f"{code}\n{head}", justify="right")
        for level, title in LEVELS.items():
            cells = [now.sent.get(level, 0), now.refused.get(level, 0), now.received.get(level, 0)]
            cells += [now.statuses.get((level, code), 0) for code in HEADS]
            table.add_row(title, *(str(cell) if cell else "·" for cell in cells))
        return Group(table, Text(now.line()))


def screen_for(console: Console, plan: Plan) -> Screen:
    """A live picture where somebody can watch it."""
    return LiveScreen(console, plan) if console.is_terminal else PlainScreen(console)
