"""How an order of `axis queue` is carried out: by the running daemon, or here where none runs; and in whose name."""

from __future__ import annotations

import asyncio
import logging
import os
import pwd
from typing import TYPE_CHECKING, Any, Final, NoReturn

from axis.cli.daemon import ask
from axis.cli.output import Exit, give_up

if TYPE_CHECKING:
    from axis.config import Config

_ACCOUNT: Final = "run the command as the account of the daemon, or as root"


def operator_name() -> str:
    """The account that runs this command, and who became it by sudo. Environment variables alone prove nothing."""
    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = f"uid {uid}"
    before = os.environ.get("SUDO_USER", "")
    return f"{name} (sudo {before})"[:64] if uid == 0 and before.isidentifier() else name


def operators_token(config: Config, as_json: bool) -> str | None:
    """What opens the operator's listener; `None` where no daemon ever ran."""
    from axis.operator import read_token

    try:
        return read_token(config.node.data)
    except OSError as error:
        give_up(Exit.UNSURE, f"the operator's token cannot be read: {error.strerror}", _ACCOUNT, as_json=as_json)


def through_daemon(config: Config, action: str, order: dict[str, Any], as_json: bool) -> dict[str, Any] | None:
    """The running daemon's answer; `None` where none runs."""
    token = operators_token(config, as_json)
    if token is None:
        return None
    answer = ask(config, "POST", f"/operator/queue/{action}", order, token, as_json)
    if answer is None:
        return None
    status, body = answer
    if status == 401:
        give_up(Exit.UNSURE, "something else answers at listen.operator", "is this the right -c?", as_json=as_json)
    if status == 400:
        _misused(str(body.get("detail", "the order is not understood")), body.get("fields"), as_json)
    if status != 200:
        give_up(Exit.UNSURE, f"the daemon answered {status} {body.get('title', '')}".rstrip(), as_json=as_json)
    return body


def _misused(detail: str, fields: Any, as_json: bool) -> NoReturn:
    named = ", ".join(map(str, fields)) if isinstance(fields, list | tuple) else ""
    give_up(Exit.USAGE, f"{detail}: {named}" if named else detail, as_json=as_json)


def alone(config: Config, action: str, order: dict[str, Any], as_json: bool) -> dict[str, Any]:
    """Do it here, on a store that nobody has open."""
    from axis.app import context_of, own_keys
    from axis.cli.logs import configure
    from axis.cli.remedy import of_store
    from axis.core.problems import Refused
    from axis.core.queue import Action
    from axis.hsm.wire import TokenError
    from axis.objects.bucket import NotUsable
    from axis.shelf import shelf_of
    from axis.sql.driver import StoreError, StoreInUse
    from axis.sql.engine import open_store
    from axis.web.queue import carry_out

    configure(as_json=True, level=logging.WARNING)

    async def run() -> dict[str, Any]:
        store = open_store(config.store_url, shelf_of(config))
        try:
            with own_keys(config, "receipts") as (key,):
                return await carry_out(Action(action), order, context_of(config, store, {}, key))
        finally:
            await store.close()

    try:
        return asyncio.run(run())
    except Refused as error:
        _misused(error.problem.detail, error.problem.extra.get("fields"), as_json)
    except NotUsable as error:
        give_up(Exit.UNSURE, str(error), "axis doctor looks closer", as_json=as_json)
    except StoreInUse as error:
        give_up(Exit.UNSURE, str(error), "the daemon runs and its operator's port does not answer", as_json=as_json)
    except StoreError as error:
        give_up(Exit.UNSURE, str(error), of_store(error, config), as_json=as_json)
    except TokenError as error:
        give_up(Exit.UNSURE, error.told, error.remedy, as_json=as_json)
