"""Where a node can be told to fail: a function of the product, named by its import path, before or after it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Place:
    """`module` is where the name is looked up, `attribute` may go through a class. `sent` is for one COMMIT only."""

    module: str
    attribute: str
    when: Literal["before", "after", "sent"]
