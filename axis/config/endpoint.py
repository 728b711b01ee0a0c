"""`[[endpoint]]`: the connections of a node, a table for each adapter."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Annotated, ClassVar, Literal

from pydantic import (
    Field,
    field_validator,
)

from axis.config.delivery import Window
from axis.config.files import ApiKeyHash, Certificate, CertificateFile, SecretFile
from axis.config.section import Section
from axis.config.values import Code, Duration, DurationOrNone, HttpsUrl, HttpUrl, Name, Prefix, TlsUrl, fault
from axis.core.model import Principal, Profile, Role
from axis.core.registry import prefix_path


class EndpointBase(Section):
    """A connection. `agencies` are the subtrees that it may act for."""

    role: ClassVar[Role]
    everything_allowed: ClassVar[bool] = False

    name: Annotated[Name, Field(examples=["so-noi-vu"])]
    agencies: Annotated[tuple[Prefix, ...], Field(min_length=1, examples=[["H99.07"]])]
    profile: Profile = Profile.REQUIRED

    @field_validator("agencies")
    @classmethod
    def _everything_is_for_axes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if "*" in value and not cls.everything_allowed:
            raise fault('"*" is only for other axes', "name the agencies that this system sends for")
        return value

    @property
    def principal(self) -> Principal:
        """Who is at the other end, as the flows know it."""
        return Principal(self.name, self.role, tuple(map(prefix_path, self.agencies)), self.profile)


class ByCertificate(Section):
    """What calls us and proves itself with a client certificate (SHA-256 of the DER, hex)."""

    certificates: frozenset[Certificate] = frozenset()


class ByApiKey(Section):
    """What calls us and may prove itself with an API key, of which only the hash is known here (SHA-256, hex)."""

    api_keys: frozenset[ApiKeyHash] = frozenset()


class MailboxEndpoint(EndpointBase, ByCertificate, ByApiKey):
    """An agency that fetches what is for it: `GET /v1/inbox`."""

    role: ClassVar[Role] = Role.AGENCY
    adapter: Literal["mailbox"]


class HttpPushEndpoint(EndpointBase, ByCertificate, ByApiKey):
    """An agency that is called. Without `ca` the system's authorities are believed; `bearer_file` holds a token."""

    role: ClassVar[Role] = Role.AGENCY
    adapter: Literal["http-push"]
    url: Annotated[HttpsUrl, Field(examples=["https://dms.example.gov.vn/inbox"])]
    ca: CertificateFile | None = None
    bearer_file: SecretFile | None = None
    window: Window | None = None


class NodeEndpoint(EndpointBase, ByCertificate):
    """A neighbouring axis node, by mutual TLS: `certificate` and `key` are ours towards it."""

    role: ClassVar[Role] = Role.NODE
    everything_allowed: ClassVar[bool] = True
    adapter: Literal["node"]
    url: Annotated[TlsUrl, Field(examples=["https://axis.example.gov.vn:8443"])]
    ca: Annotated[CertificateFile, Field(examples=["tls/neighbour-ca.pem"])]
    certificate: Annotated[CertificateFile, Field(examples=["tls/client.pem"])]
    key: Annotated[SecretFile, Field(examples=["tls/client.key"])]
    window: Window | None = None


class NationalEndpoint(EndpointBase):
    """The national axis (Trục liên thông văn bản quốc gia) over VXP. It is polled, it does not call us.

    With `trace_organ` outgoing copies carry a TraceHeader of that agency, where their signature permits it. So long
    after a handover the axis is asked what became of it, `0s` for never (`axis.core.follow_up`).
    """

    role: ClassVar[Role] = Role.NATIONAL
    everything_allowed: ClassVar[bool] = True
    adapter: Literal["national"]
    url: Annotated[HttpUrl, Field(examples=["https://127.0.0.1:8800/XrdAdapter/adapter"])]
    ca: CertificateFile | None = None
    system_id: Annotated[str, Field(min_length=1, max_length=64, examples=["00.99.H99"])]
    secret_file: Annotated[SecretFile, Field(examples=["keys/national.secret"])]
    poll: Duration = timedelta(seconds=2)
    reconcile_after: DurationOrNone = timedelta(minutes=30)
    trace_organ: Code | None = None
    window: Window | None = None


Endpoint = Annotated[
    MailboxEndpoint | HttpPushEndpoint | NodeEndpoint | NationalEndpoint, Field(discriminator="adapter")
]
ADAPTERS: Mapping[str, type[EndpointBase]] = MappingProxyType(
    {"mailbox": MailboxEndpoint, "http-push": HttpPushEndpoint, "node": NodeEndpoint, "national": NationalEndpoint}
)
