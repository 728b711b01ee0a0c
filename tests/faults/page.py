"""`docs/faults.md`, written from the table: `python -m tests.faults.page`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.faults.broken import BY_FAULT
from tests.faults.row import number
from tests.faults.rows import CUT, FAULTS, KILLS, MUTATED, SWEEP, Row
from tests.faults.test_durable import BROKEN
from tests.sim.broken import HALVES, PLANTED

PAGE: Final = Path(__file__).parents[2] / "docs" / "faults.md"
COMMAND: Final = "python -m tests.faults.page"

HEAD: Final = f"""# Đã phá những gì, và điều gì vẫn giữ được · What was broken, and what held

Trang này kể những sự cố mà bộ kiểm thử đã cố ý gây ra cho một trục chạy thật: tiến trình bị giết, mất điện, đĩa đầy
hay hỏng, mất kết nối cơ sở dữ liệu, mạng đứt, nơi nhận không trả lời, đồng hồ bị chỉnh, tệp bị sửa hay bị đưa về bản
cũ. Sau mỗi sự cố, trục được khởi động lại; một chương trình kiểm tra độc lập, không dùng chung mã với trục, đối chiếu
những gì các cơ quan đã gửi, đã nhận, đã báo với nhật ký đã ký, và tìm văn bản bị mất, bị lặp, bị sửa, sai thứ tự, lộ
cho người lạ hay không có trong nhật ký.

Đọc các bảng: mỗi dòng là một sự cố (`K…` là giết tiến trình) và tên kiểm thử chứng minh trục chịu được nó. Mục
*Without its defence* làm ngược lại: bỏ đi một dòng mã bảo vệ, và kiểm thử phải báo hỏng, để biết kiểm thử đó thật sự
thấy được lỗi. Chạy lại: `make test-faults`, `make test-power`, `make test-mutations`. Tên sự cố và tên kiểm thử bằng
tiếng Anh, vì là tên trong mã nguồn. Việc phải làm khi máy của mình hỏng: [care.md](care.md),
[operations.md](operations.md).

Written by `{COMMAND}` from the table in `tests/faults`; a test compares the two, and that every test named
here exists. `make test-faults` and `make test-power` run them, `make test-mutations` some of those without their
defence.

A node runs as a real process. Agencies send, fetch, acknowledge and report; each keeps a history of what it did and
what it was answered: done, refused, or *nobody knows*. Then the node is broken, started again, and everything is
let settle. A checker (`tests/history`) that shares no code with the product reads the histories and the log's
folder, and looks for anything that is lost, doubled, altered, out of order, seen by a stranger, unlogged or
invented, and for a log that forked or shrank. Its own test plants such faults in a good history, and each must be
found by its rule. The product's own audit (`check_house`) runs beside it.

The product has no hook for any of this. A module that only the tests put on the node's path wraps a function at its
place in the code; calls of the kernel fail or kill by `strace`. A fault that did not fire fails its test.

A power cut is made from a record: `strace` writes down what the node wrote, named and synced, with all octets, from
its first call to its last. A model of a disk plays it and says what would be left at any moment if nothing survived but
what was synced, file by file and folder by folder; or some of the rest, by lot, sector by sector; or a torn beginning
of it.
That folder is laid out, and the node is started on it. What the model says without any loss is compared with the real
folder, so a call that it does not understand is seen.

Whole networks are simulated too, by seed: `make test-sim`, [0035](adr/0035-simulation-and-power-cuts.md),
[0039](adr/0039-several-processes-in-the-simulation.md).

"""


def text() -> str:
    return HEAD + _kills() + _faults() + _mutations() + _syncs() + _seeds() + _sweep()


def _shown(row: Row) -> str:
    names = ", ".join(f"`{test.rpartition('::')[2]}`" for test in row.tests)
    return "; ".join(filter(None, (names, row.note)))


def _name(test: str) -> str:
    return test.rpartition("::")[2]


def _kills() -> str:
    lines = [
        "## The process ends",
        "",
        "Each on SQLite and on PostgreSQL, unless the line says otherwise; and with loss of",
    ]
    lines += [
        "what was not synced on SQLite, on PostgreSQL where the node has begun to write files of its own",
        f"(`{_name(CUT)}`).",
        "",
    ]
    lines += ["| no. | the process ends | shown by |", "|---|---|---|"]
    for row in KILLS:
        matrix = bool(row.tests) and "kill_matrix" in row.tests[0]
        shown = "; ".join(filter(None, ("the matrix", row.note))) if matrix else _shown(row)
        lines.append(f"| {row.id} | {row.what} | {shown} |")
    return "\n".join(lines) + "\n\n"


def _faults() -> str:
    lines = [
        "## Disk, database, network, receivers, trust, processes, log",
        "",
        "| no. | fault | how it is made | shown by |",
        "|---|---|---|---|",
    ]
    lines += [f"| {row.id} | {row.what} | {row.how or 'not'} | {_shown(row)} |" for row in FAULTS]
    return "\n".join(lines) + "\n\n"


def _mutations() -> str:
    lines = [
        "## Without its defence",
        "",
        "The node runs without one line that keeps the promise; the point must turn red.",
    ]
    lines += ["", "| point | defence | what is said |", "|---|---|---|"]
    lines += [
        f"| {point} | {broken.mutation.defence} | {broken.says.replace('|', ' or ')} |"
        for point, broken in MUTATED.items()
    ]
    lines += ["", "| fault | defence | what is said |", "|---|---|---|"]
    lines += [
        f"| {fault} | {broken.mutation.defence} | {broken.says.replace('|', ' or ')} |"
        for fault, found in sorted(BY_FAULT.items(), key=lambda item: number(item[0]))
        for broken in found
    ]
    return "\n".join(lines) + "\n\n"


def _syncs() -> str:
    lines = ["| sync | is left out: the order is seen to be wrong, and a power cut loses something |", "|---|---|"]
    return "\n".join(lines + [f"| {name} | {one.defence} |" for name, one in BROKEN.items()]) + "\n\n"


def _seeds() -> str:
    lines = ["| planted | is missing: one of the first seeds says so | what it says |", "|---|---|---|"]
    for name, planted in PLANTED.items():
        says = planted.says.replace(": .* ", ": ").replace("|", " or ")
        lines.append(f"| {name} | {planted.mutation.defence} | {says} |")
    lines += ["", "| half | is missing, and no seed says so | because |", "|---|---|---|"]
    lines += [f"| {name} | {half.mutation.defence} | {half.other} |" for name, half in HALVES.items()]
    return "\n".join(lines) + "\n\n"


def _sweep() -> str:
    return f"""## Every call that writes

`{SWEEP.rpartition("::")[2]}`: one document is taken in, logged and delivered under `strace`; then again and
again, and each time another one of the calls that write, sync, rename, truncate or make something fails with
EIO, with ENOSPC, or is the last of the process. `make test-faults` takes a sample; `AXIS_TEST_SWEEP=all` takes
all.
"""


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
