"""Every defence that the refusal table names, and how it is switched off."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from tests.mutations import table_pdf, table_schemas, table_signature, table_trust
from tests.mutations.edit import Mutation

MUTATIONS: Final[Mapping[str, Mutation]] = MappingProxyType(
    {**table_schemas.MUTATIONS, **table_signature.MUTATIONS, **table_trust.MUTATIONS, **table_pdf.MUTATIONS}
)
