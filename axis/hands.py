"""The hands of a node: what delivers to its endpoints, fetches from them and asks them, by its configuration."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from types import MappingProxyType

from adapters.http_push import HttpPushSink
from adapters.national.client import VxpClient
from adapters.national.hands import NationalSink, NationalSource
from adapters.national.inquiry import NationalInquiry
from adapters.node import NodeSink
from adapters.sending import session
from axis.config.endpoint import EndpointBase, HttpPushEndpoint, NationalEndpoint, NodeEndpoint
from axis.config.model import Config
from axis.core.hands import Inquiry, Sink, Source
from axis.tls import client_context
from axis.watch import TlsFiles


@dataclass(frozen=True, slots=True)
class Hand:
    """What delivers to one endpoint, the TLS that it does so by, and what it was made of."""

    sink: Sink
    tls: TlsFiles
    made_of: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Others:
    """The hands of another configuration: `all_`, of which those `made` are new; what is `over` delivers no more."""

    all_: Mapping[str, Hand]
    made: frozenset[str]
    over: Sequence[Sink]

    async def close(self) -> None:
        """They are not wanted."""
        await closed(self.all_[name].sink for name in self.made)


class Hands:
    """What calls the endpoints that are called; mailboxes have nothing of it, their owners come by themselves.

    `sinks` is another object after each exchange, never changed: whoever reads it has all of one configuration.
    """

    def __init__(self, now: Callable[[], datetime], dated: Callable[[str, str | None], None]) -> None:
        """`dated` is told the `Date` of each answer of a neighbouring axis, by its name."""
        self._now = now
        self._dated = dated
        self._hands: Mapping[str, Hand] = {}
        self.sinks: Mapping[str, Sink] = {}
        self.sources: dict[str, tuple[Source, timedelta]] = {}
        self.inquiries: dict[str, Inquiry] = {}

    @property
    def tls(self) -> tuple[TlsFiles, ...]:
        return tuple(hand.tls for hand in self._hands.values())

    def open(self, config: Config) -> None:
        made = {}
        windows = config.windows
        for endpoint in config.endpoint:
            if (tls := self._tls(endpoint)) is not None:
                made[endpoint.name] = self._made(endpoint, windows[endpoint.name], tls, tls.make())
        self._put(made)

    async def others(self, config: Config) -> Others:
        """The hands of another configuration, opened and not yet used: those of which nothing changed are the same.
        `OSError` where one cannot be opened; then none is."""
        hands: dict[str, Hand] = {}
        windows = config.windows
        made: set[str] = set()
        try:
            for endpoint in config.endpoint:
                window = windows.get(endpoint.name, 0)
                there = self._hands.get(endpoint.name)
                if there is not None and there.made_of == _facts(endpoint, window):
                    hands[endpoint.name] = there
                elif (tls := self._tls(endpoint)) is not None:
                    # The system's authorities take a while to read: not on the loop.
                    context = await asyncio.to_thread(tls.make)
                    hands[endpoint.name] = self._made(endpoint, window, tls, context)
                    made.add(endpoint.name)
        except BaseException:
            await closed(hands[name].sink for name in made)
            raise
        over = [hand.sink for name, hand in self._hands.items() if hands.get(name) is not hand]
        return Others(MappingProxyType(hands), frozenset(made), over)

    def stale(self, config: Config) -> Iterator[str]:
        """The endpoints whose hands are made of something else now. Reads secrets that are in files; `OSError`."""
        windows = config.windows
        for endpoint in config.endpoint:
            there = self._hands.get(endpoint.name)
            if there is not None and there.made_of != _facts(endpoint, windows.get(endpoint.name, 0)):
                yield endpoint.name

    def exchange(self, others: Others) -> None:
        """From now on it is these. Whoever calls this closes those that are over when their attempts have ended."""
        self._put(others.all_)

    def _put(self, hands: Mapping[str, Hand]) -> None:
        self._hands = hands
        self.sinks = MappingProxyType({name: hand.sink for name, hand in hands.items()})

    def _made(self, endpoint: EndpointBase, window: int, tls: TlsFiles, context: ssl.SSLContext) -> Hand:
        facts = _facts(endpoint, window)
        match endpoint:
            case NodeEndpoint():
                node = NodeSink(endpoint.url, session(context, window), partial(self._dated, endpoint.name))
                tls.show = node.renew
                return Hand(node, tls, facts)
            case HttpPushEndpoint():
                push = HttpPushSink(endpoint.url, session(context, window), _bearer(endpoint))
                tls.show = push.renew
                return Hand(push, tls, facts)
            case NationalEndpoint():
                client = VxpClient(
                    endpoint.url,
                    endpoint.system_id,
                    endpoint.secret_file.read_text().strip(),
                    self._now,
                    tls=context,
                    # Beside what is delivered, one fetches and one asks what became of it.
                    connections=window + 2,
                )
                tls.show = client.renew
                self.sources[endpoint.name] = (NationalSource(client), endpoint.poll)
                if endpoint.reconcile_after:
                    self.inquiries[endpoint.name] = NationalInquiry(client)
                return Hand(NationalSink(client, endpoint.trace_organ), tls, facts)
        raise TypeError(f"{endpoint.name} is called by nothing")

    @staticmethod
    def _tls(endpoint: EndpointBase) -> TlsFiles | None:
        """TLS towards an endpoint that is called, by the files that `client_context` takes; without any there is
        nothing to watch."""
        match endpoint:
            case NodeEndpoint():
                files: tuple[Path | None, ...] = (endpoint.ca, endpoint.certificate, endpoint.key)
            case HttpPushEndpoint() | NationalEndpoint():
                files = (endpoint.ca,)
            case _:
                return None
        there = tuple(path for path in files if path is not None)
        return TlsFiles(there, partial(client_context, *files), endpoint.name)

    async def close(self) -> None:
        await closed(hand.sink for hand in self._hands.values())
        for source, _ in self.sources.values():
            await source.close()


async def closed(sinks: Iterable[Sink]) -> None:
    for sink in sinks:
        await sink.close()


def _bearer(endpoint: HttpPushEndpoint) -> str | None:
    return endpoint.bearer_file.read_text().strip() if endpoint.bearer_file else None


def _facts(endpoint: EndpointBase, window: int) -> tuple[object, ...]:
    """What a hand is made of: where it differs, another one is made. The files of its TLS are looked at otherwise."""
    match endpoint:
        case NodeEndpoint():
            return ("node", endpoint.url, endpoint.ca, endpoint.certificate, endpoint.key, window)
        case HttpPushEndpoint():
            return ("http-push", endpoint.url, endpoint.ca, _bearer(endpoint), window)
        case NationalEndpoint():
            return ("national",)  # changes with a start only
    return ()
