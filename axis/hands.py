"""The hands of a node: what delivers to its endpoints, fetches from them and asks them, by its configuration."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from adapters.http_push import HttpPushSink
from adapters.national.client import NationalSink, NationalSource, VxpClient
from adapters.national.inquiry import NationalInquiry
from adapters.node import NodeSink
from adapters.sending import session
from axis.config.endpoint import HttpPushEndpoint, NationalEndpoint, NodeEndpoint
from axis.config.model import Config
from axis.core.hands import Inquiry, Sink, Source
from axis.tls import client_context
from axis.watch import TlsFiles


class Hands:
    """What calls the endpoints that are called; mailboxes have nothing of it, their owners come by themselves."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self.sinks: dict[str, Sink] = {}
        self.sources: dict[str, tuple[Source, timedelta]] = {}
        self.inquiries: dict[str, Inquiry] = {}
        self.tls: list[TlsFiles] = []

    def open(self, config: Config) -> None:
        windows = config.windows
        for endpoint in config.endpoint:
            match endpoint:
                case NodeEndpoint():
                    tls = self._tls(endpoint.name, endpoint.ca, endpoint.certificate, endpoint.key)
                    node = NodeSink(endpoint.url, session(tls.make(), windows[endpoint.name]))
                    self.sinks[endpoint.name], tls.show = node, node.renew
                case HttpPushEndpoint():
                    tls = self._tls(endpoint.name, endpoint.ca)
                    bearer = endpoint.bearer_file.read_text().strip() if endpoint.bearer_file else None
                    push = HttpPushSink(endpoint.url, session(tls.make(), windows[endpoint.name]), bearer)
                    self.sinks[endpoint.name], tls.show = push, push.renew
                case NationalEndpoint():
                    tls = self._tls(endpoint.name, endpoint.ca)
                    secret = endpoint.secret_file.read_text().strip()
                    client = VxpClient(
                        endpoint.url,
                        endpoint.system_id,
                        secret,
                        self._now,
                        tls=tls.make(),
                        # Beside what is delivered, one fetches and one asks what became of it.
                        connections=windows[endpoint.name] + 2,
                    )
                    self.sinks[endpoint.name], tls.show = NationalSink(client, endpoint.trace_organ), client.renew
                    self.sources[endpoint.name] = (NationalSource(client), endpoint.poll)
                    if endpoint.reconcile_after:
                        self.inquiries[endpoint.name] = NationalInquiry(client)
                case _:
                    continue

    def _tls(self, name: str, *files: Path | None) -> TlsFiles:
        """TLS towards an endpoint, by the files that `client_context` takes; without any there is nothing to watch."""
        made = TlsFiles(tuple(path for path in files if path is not None), partial(client_context, *files), name)
        self.tls.append(made)
        return made

    async def close(self) -> None:
        for sink in self.sinks.values():
            await sink.close()
        for source, _ in self.sources.values():
            await source.close()
