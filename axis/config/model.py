"""The configuration as typed, frozen values. Unknown keys are errors; paths are absolute; durations are `timedelta`.

Every key below is shown and explained in `config.example.toml`; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import quote

from pydantic import (
    BeforeValidator,
    Field,
    PrivateAttr,
    StrictBool,
    StrictInt,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails

from axis.config.delivery import DeliveryRules
from axis.config.endpoint import ByApiKey, ByCertificate, Endpoint, MailboxEndpoint
from axis.config.files import AnyFile, CertificateFile, Days, FileOrFolder, Folder, SecretFile, TrustFile
from axis.config.keeping import FOR_EVER, Grace, Keep
from axis.config.objects import FILES, BlobsPlace, Objects, wrong_objects
from axis.config.section import Section, unusable
from axis.config.values import (
    Address,
    Day,
    Duration,
    DurationOrNone,
    HostMap,
    HostName,
    ListenAddress,
    Name,
    Patience,
    Prefix,
    Size,
    StoreUrl,
    fault,
)
from axis.config.witness import WitnessRules
from axis.core.model import Principal, Role
from axis.core.network import ALL_CODES, ArrivedBy, PdfRule, ReportRule
from axis.core.pressure import Pressure
from axis.core.registry import Registry
from axis.core.routing import RoutingTable, Rule


class Node(Section):
    """Who this node is. `name` stands in hops and receipts and is the origin of the log; `data` is its own folder.

    `instance` tells the processes apart that run one node together, on one PostgreSQL.
    """

    name: Annotated[Name, Field(examples=["axis-1"])]
    instance: Name = "main"
    data: Annotated[Folder, Field(examples=["data"])]

    @property
    def log(self) -> Path:
        """The folder of the log's tiles and entries."""
        return self.data / "log"

    @property
    def blobs(self) -> Path:
        """The folder of the larger packages and attachments, or of those on their way into a bucket."""
        return self.data / "blobs"


class Listen(Section):
    """Where agencies and neighbours connect (TLS), and where the operator looks (plain HTTP, this machine only).

    `operator_names` are names that a proxy in front of the operator's pages passes on.
    """

    agencies: Annotated[ListenAddress, Field(examples=["0.0.0.0:8443"])]
    certificate: Annotated[CertificateFile, Field(examples=["tls/server.pem"])]
    key: Annotated[SecretFile, Field(examples=["tls/server.key"])]
    client_ca: tuple[CertificateFile, ...] = ()
    operator: Annotated[ListenAddress, Field(default="127.0.0.1:9443")]
    operator_names: frozenset[HostName] = frozenset()

    @field_validator("operator")
    @classmethod
    def _only_this_machine(cls, value: Address) -> Address:
        if not value.loopback:
            raise fault(
                f"{value} would show queues and health to the network without a password",
                'use "127.0.0.1:9443" and reach it through ssh -L or a proxy that asks who is there',
            )
        return value


class Store(Section):
    """The database. Packages and attachments up to `inline_max` lie in its rows, larger ones in files, or in a bucket.

    `password_file` holds the password for a PostgreSQL, where it asks for one; the address holds none. Its answers
    are waited for `patience` at most. A file that no row names is removed when nobody has named it for `keep_unnamed`.
    What a document contains is kept for `keep_content` after the last that happened to it, `None` for ever.
    """

    url: StoreUrl = "sqlite:///axis.db"
    password_file: Annotated[Folder, Field(default="keys/postgres.password")]
    patience: Patience = timedelta(seconds=20)
    blobs: BlobsPlace = FILES
    inline_max: Annotated[Size, Field(default="128KB")]
    keep_unnamed: Grace = timedelta(days=7)
    keep_content: Annotated[Keep, Field(default=FOR_EVER)]

    @property
    def shared(self) -> bool:
        """Whether several processes may run on this store."""
        return self.url.startswith("postgresql")


@dataclass(frozen=True, slots=True)
class InToken:
    """A key in the token of `[hsm]`, by its label: written `hsm:label`."""

    label: str

    def __str__(self) -> str:
        return f"{_IN_TOKEN}{self.label}"


_IN_TOKEN: Final = "hsm:"
_SECRET_FILE: Final = TypeAdapter[Path](SecretFile)
_TOKEN_FILES: Final = {"module": TypeAdapter[Path](AnyFile), "pin_file": _SECRET_FILE}


def _key_reference(value: Any, info: ValidationInfo) -> InToken | Path:
    if isinstance(value, str) and value.startswith(_IN_TOKEN):
        label = value.removeprefix(_IN_TOKEN)
        if not label or label != label.strip():
            raise fault("names no key of the token", 'the label of the key after the colon: "hsm:axis-receipts"')
        return InToken(label)
    return _SECRET_FILE.validate_python(value, context=info.context)


KeyReference = Annotated[InToken | Path, BeforeValidator(_key_reference)]


def _perhaps_a_key(value: Any, info: ValidationInfo) -> InToken | Path | None:
    return None if value == "" else _key_reference(value, info)


PerhapsKey = Annotated[InToken | Path | None, BeforeValidator(_perhaps_a_key)]
"""`""` is none."""


class Hsm(Section):
    """The token that holds the keys that are written as `hsm:label`. Looked at when one of them is."""

    module: Annotated[Folder, Field(examples=["/usr/lib/softhsm/libsofthsm2.so"])]
    token: Annotated[str, Field(min_length=1, max_length=32, examples=["axis"])]
    pin_file: Annotated[Folder, Field(examples=["keys/token.pin"])]


class Keys(Section):
    """The node's own signing keys (Ed25519: a PEM file of mode 0600, or a token's key), and the checkpoint store, kept
    apart from the data. `log_former` is the key that signed the log before `log`, until the log names that one.
    """

    receipts: Annotated[KeyReference, Field(default="keys/receipt.pem")]
    log: Annotated[KeyReference, Field(default="keys/log.pem")]
    log_former: Annotated[PerhapsKey, Field(default="")]
    checkpoints: Annotated[Folder, Field(default="checkpoints")]


class Trust(Section):
    """Whose signatures are believed: roots, issuing authorities, revocation lists (files, or folders of them).

    With `fetch` missing lists and answers of responders are fetched from where certificates say they are, and kept in
    `cache`. `hosts` replaces hosts that cannot be reached under the name that certificates give them. `pdf` says what
    the signatures inside attached PDFs do on the way.
    """

    anchors: Annotated[tuple[TrustFile, ...], Field(min_length=1, examples=[["trust/root.pem"]])]
    anchors_until: Annotated[Days, Field(default={})]
    stamp_anchors: tuple[TrustFile, ...] = ()
    intermediates: tuple[TrustFile, ...] = ()
    crls: tuple[FileOrFolder, ...] = ()
    fetch: StrictBool = True
    order: Annotated[tuple[Literal["crl", "ocsp"], ...], Field(min_length=1, max_length=2)] = ("crl", "ocsp")
    hosts: Annotated[HostMap, Field(default={})]
    cache: Annotated[Folder, Field(default="revocation")]
    fetch_wait: DurationOrNone = timedelta(0)
    grace: DurationOrNone = timedelta(0)
    sha1_before: Day | None = None
    pdf: PdfRule = PdfRule.INFORM


class RegistryFiles(Section):
    """Where the agencies are listed, and where `axis cert bind` keeps which certificates speak for them.

    The default file of bindings need not exist; one that is named must (`axis.config.bindings`).
    """

    files: Annotated[tuple[AnyFile, ...], Field(default=("agencies.toml",), min_length=1)]
    bindings: Annotated[Folder, Field(default="bindings.toml")]


class Limits(Section):
    """How much is accepted, and how long things may take."""

    max_bytes: Annotated[Size, Field(default="200MB")]
    max_recipients: Annotated[StrictInt, Field(ge=1, le=1_000)] = 500
    hold: Duration = timedelta(hours=72)
    hold_count: Annotated[StrictInt, Field(ge=0, le=1_000_000)] = 1_000
    log_stale: Duration = timedelta(minutes=10)
    merge_delay: Duration = timedelta(seconds=5)
    at_once: Annotated[StrictInt, Field(ge=2, le=10_000)] = 128
    per_second: Annotated[StrictInt, Field(ge=0, le=100_000)] = 0
    burst: Annotated[StrictInt, Field(ge=1, le=100_000)] = 100
    min_free: Annotated[Size, Field(default="1GB")]
    slowest: Annotated[Size, Field(default="1KB")]
    head: Duration = timedelta(seconds=20)
    connections: Annotated[StrictInt, Field(ge=16, le=100_000)] = 2_000

    @property
    def pressure(self) -> Pressure:
        return Pressure(self.at_once, self.per_second, self.burst, self.min_free, self.slowest)


def _status_code(value: Any) -> str:
    if not isinstance(value, str) or value not in ALL_CODES:
        raise fault(f"{value!r} is no status code", f"the codes are {', '.join(sorted(ALL_CODES))}, as text in quotes")
    return value


class Statuses(Section):
    """Which statuses go to the national axis, and who owns 01 (Đã đến)."""

    report: ReportRule = ReportRule.CROSSED
    arrived_by: ArrivedBy = ArrivedBy.AXIS
    reported: frozenset[Annotated[str, BeforeValidator(_status_code)]] = ALL_CODES


class RouteRule(Section):
    """Agencies below `prefix` are reached through `endpoint`; the longest prefix wins."""

    prefix: Annotated[Prefix, Field(examples=["H99.07"])]
    endpoint: Annotated[str, Field(examples=["so-noi-vu"])]


SECTIONS: Mapping[str, type[Section]] = MappingProxyType(
    {
        "node": Node,
        "listen": Listen,
        "store": Store,
        "objects": Objects,
        "keys": Keys,
        "hsm": Hsm,
        "trust": Trust,
        "registry": RegistryFiles,
        "limits": Limits,
        "delivery": DeliveryRules,
        "statuses": Statuses,
        "route": RouteRule,
        "witness": WitnessRules,
    }
)
"""The table behind each name; `[[endpoint]]` has one for each adapter, in `ADAPTERS`."""


class Config(Section):
    """The whole configuration of one node."""

    node: Node
    listen: Listen
    store: Annotated[Store, Field(default_factory=dict)]
    objects: Objects | None = None
    keys: Annotated[Keys, Field(default_factory=dict)]
    hsm: Hsm | None = None
    trust: Trust
    registry: Annotated[RegistryFiles, Field(default_factory=dict)]
    limits: Annotated[Limits, Field(default_factory=dict)]
    delivery: Annotated[DeliveryRules, Field(default_factory=dict)]
    statuses: Annotated[Statuses, Field(default_factory=dict)]
    endpoint: tuple[Endpoint, ...] = ()
    route: tuple[RouteRule, ...] = ()
    witness: tuple[WitnessRules, ...] = ()
    _origins: tuple[str, ...] = PrivateAttr(default=())
    _path: Path | None = PrivateAttr(default=None)
    _digest: bytes = PrivateAttr(default=b"")

    @model_validator(mode="after")
    def _what_is_used_is_there(self, info: ValidationInfo) -> Self:
        """Files of `[hsm]` must exist once a key is in the token, those of `[objects]` once blobs are in a bucket."""
        named = [name for name in ("receipts", "log", "log_former") if isinstance(getattr(self.keys, name), InToken)]
        faults: list[InitErrorDetails] = []
        if named and self.hsm is None:
            missing = fault("is in a token, and there is no [hsm]", "add [hsm] with module, token and pin_file")
            faults = [{"type": missing, "loc": ("keys", name), "input": None} for name in named]
        elif named and self.hsm is not None:
            faults = unusable("hsm", self.hsm, _TOKEN_FILES, info.context)
        faults += wrong_objects(self.store.blobs, self.objects, info.context)
        if faults:
            raise ValidationError.from_exception_data("Config", faults)
        return self

    def placed(self, path: Path, text: str, origins: tuple[str, ...]) -> Self:
        """Remember the file, what it holds, and where each route stands in it (`axis.toml:41`)."""
        self._path, self._digest, self._origins = path, sha256(text.encode()).digest(), origins
        return self

    @property
    def digest(self) -> bytes:
        """SHA-256 of the text that it was read from; empty where it was read from none."""
        return self._digest

    @property
    def path(self) -> Path | None:
        """The file that it was read from."""
        return self._path

    @property
    def store_url(self) -> str:
        """The database's URL: with its file as an absolute path, or with the file of its password and
        our patience. Holds no secret."""
        if self.store.shared:
            joint = "&" if "?" in self.store.url else "?"
            facts = (
                f"password_file={quote(str(self.store.password_file))}&patience={self.store.patience.total_seconds()}"
            )
            return f"{self.store.url}{joint}{facts}"
        return f"sqlite:///{self.node.data / self.store.url.removeprefix('sqlite:///')}"

    @property
    def windows(self) -> dict[str, int]:
        """How many attempts may be under way at once, for each endpoint that is called."""
        called = [one for one in self.endpoint if not isinstance(one, MailboxEndpoint)]
        return {one.name: one.window or self.delivery.window for one in called}

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The routes, each with the place where it is written."""
        origins = self._origins or ("",) * len(self.route)
        return tuple(Rule(r.prefix, r.endpoint, origin) for r, origin in zip(self.route, origins, strict=True))

    def routing_table(self, registry: Registry) -> RoutingTable:
        return RoutingTable(self.rules, registry)

    @property
    def roles(self) -> Mapping[str, Role]:
        return MappingProxyType({endpoint.name: endpoint.role for endpoint in self.endpoint})

    @cached_property
    def principals(self) -> Mapping[str, Principal]:
        """Every connection by the name of its endpoint, each the same object as often as it is asked for."""
        return MappingProxyType({endpoint.name: endpoint.principal for endpoint in self.endpoint})

    @property
    def by_certificate(self) -> Mapping[str, Principal]:
        """Whom a client certificate authenticates, by SHA-256 of its DER in hex."""
        callers = [one for one in self.endpoint if isinstance(one, ByCertificate)]
        return MappingProxyType({print_: self.principals[one.name] for one in callers for print_ in one.certificates})

    @property
    def by_api_key(self) -> Mapping[str, Principal]:
        """Whom an API key authenticates, by SHA-256 of its text in hex."""
        callers = [one for one in self.endpoint if isinstance(one, ByApiKey)]
        return MappingProxyType({hash_: self.principals[one.name] for one in callers for hash_ in one.api_keys})
