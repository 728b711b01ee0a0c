"""What every table of the configuration is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError


class Section(BaseModel):
    """What all tables share: frozen, no unknown keys, and defaults that are read and checked like what is written."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, arbitrary_types_allowed=True)


def unusable(name: str, section: Section, kinds: Mapping[str, TypeAdapter[Path]], base: Any) -> list[InitErrorDetails]:
    """Files of the table `name` that cannot be used. For tables whose files count only where something needs them."""
    faults: list[InitErrorDetails] = []
    for key, kind in kinds.items():
        path = getattr(section, key)
        if path is None:
            continue
        try:
            kind.validate_python(str(path), context=base)
        except ValidationError as error:
            told = error.errors()[0]
            why = PydanticCustomError(told["type"], "{reason}", told["ctx"])
            faults.append({"type": why, "loc": (name, key), "input": None})
    return faults
