"""`axis serve`: run the daemon."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import click

from axis.cli.output import Exit, config_option, end_with_faults, give_up, json_option, need_config


@click.command()
@config_option
@json_option
def serve(config_path: Path, as_json: bool) -> None:
    """Run the node until SIGTERM or Ctrl-C; what is in flight is finished first.

    The log goes to the standard error, with --json one JSON object a line. Exit 0 after an orderly stop, 1 when the
    node could not start or broke, 2 when the configuration has faults.
    """
    from axis.cli.logs import configure
    from axis.config import ConfigError

    config = need_config(config_path, as_json)
    configure(as_json=as_json)
    from axis.app import serve as run
    from axis.hsm.wire import TokenError
    from axis.log.disk import Locked
    from axis.log.heads import HeadsDamaged
    from axis.log.writer import LogMismatch
    from axis.objects.bucket import NotUsable
    from axis.process import TooFewFiles
    from axis.sql.driver import StoreError

    running = f"a daemon is already running on this store ({config.node.data}): one process at a time"
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(run(config))
    except ConfigError as error:
        end_with_faults(error, as_json, Exit.USAGE)
    except StoreError as error:
        told = str(error)
        looks = "axis doctor looks closer; axis migrate makes or renews a store"
        taken = "another process has the store open" in told and not config.store.shared
        give_up(Exit.NO, told, running if taken else looks, as_json=as_json)
    except (LogMismatch, HeadsDamaged) as error:
        hint = "nothing was signed. Was something put back? axis fsck looks, axis restore goes on (docs/care.md)"
        give_up(Exit.NO, str(error), hint, as_json=as_json)
    except Locked as error:
        give_up(Exit.NO, str(error), running, as_json=as_json)
    except NotUsable as error:
        give_up(Exit.NO, str(error), "store.blobs names a bucket: look at [objects]", as_json=as_json)
    except (TokenError, TooFewFiles) as error:
        give_up(Exit.NO, str(error), error.remedy, as_json=as_json)
    except ValueError as error:
        hint = "a key or certificate that [keys], [hsm], [trust] or [listen] names; axis check looks at them"
        give_up(Exit.NO, str(error), hint, as_json=as_json)
    except OSError as error:
        give_up(Exit.NO, (error.strerror or str(error)).lower(), _where(error), as_json=as_json)
    except KeyboardInterrupt:
        return


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where there is one."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _where(error: OSError) -> str:
    return f"about {error.filename}" if error.filename else "is another process listening on the same port?"
