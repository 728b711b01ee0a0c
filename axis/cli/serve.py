"""`axis serve`: run the daemon."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

import click

from axis.cli.output import Exit, config_option, end_with_faults, give_up, json_option, need_config


@click.command()
@config_option
@click.option("--accept-loss", is_flag=True, help="Start although the newest packages are lost: none of them is there.")
@click.option("--accept-rollback", is_flag=True, help="Start although a witness has seen another log than this one.")
@json_option
def serve(config_path: Path, accept_loss: bool, accept_rollback: bool, as_json: bool) -> None:
    """Run the node until SIGTERM or Ctrl-C; what is in flight is finished first.

    The log goes to the standard error, with --json one JSON object a line. Exit 0 after an orderly stop, 1 when the
    node could not start or broke, 2 when the configuration has faults.
    """
    # Whoever asks for files to be read again must not end a node that has yet to read them: a service manager takes
    # death by SIGHUP for an orderly stop, and starts nothing anew.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for number in (signal.SIGUSR1, signal.SIGUSR2):  # to others they mean "open your log again": here, nothing
        signal.signal(number, signal.SIG_IGN)
    from axis.cli.logs import configure
    from axis.config import ConfigError

    config = need_config(config_path, as_json)
    configure(as_json=as_json)
    from axis.app import serve as run
    from axis.care.packages import PackagesMissing
    from axis.cli import remedy
    from axis.core.problems import Unavailable
    from axis.hsm.wire import TokenError
    from axis.log.disk import Locked
    from axis.log.heads import HeadsDamaged
    from axis.log.writer import LogMismatch
    from axis.objects.bucket import NotUsable
    from axis.process import TooFewFiles
    from axis.sql.driver import StoreError

    running = f"a daemon is already running on this store ({config.node.data}): one process at a time"
    try:
        try:
            with asyncio.Runner(loop_factory=_loop_factory()) as runner:
                runner.run(run(config, accept_loss=accept_loss, accept_rollback=accept_rollback))
        except ExceptionGroup as group:
            raise _what_ended_it(group) from None
    except ConfigError as error:
        end_with_faults(error, as_json, Exit.USAGE)
    except StoreError as error:
        give_up(Exit.NO, str(error), remedy.of_store(error, config), as_json=as_json)
    except LogMismatch as error:
        give_up(Exit.NO, str(error), remedy.MISMATCHES[error.reason], as_json=as_json)
    except HeadsDamaged as error:
        give_up(Exit.NO, str(error), "nothing was signed: axis fsck looks closer (docs/care.md)", as_json=as_json)
    except PackagesMissing as error:
        give_up(Exit.NO, str(error), remedy.ELSEWHERE, as_json=as_json)
    except Locked as error:
        give_up(Exit.NO, str(error), running, as_json=as_json)
    except Unavailable as error:
        give_up(Exit.NO, str(error), "the database: what was accepted goes on at the next start", as_json=as_json)
    except NotUsable as error:
        give_up(Exit.NO, str(error), "store.blobs names a bucket: look at [objects]", as_json=as_json)
    except (TokenError, TooFewFiles) as error:
        give_up(Exit.NO, str(error), error.remedy, as_json=as_json)
    except ValueError as error:
        hint = "a key or certificate that [keys], [hsm], [trust] or [listen] names; axis check looks at them"
        give_up(Exit.NO, str(error), hint, as_json=as_json)
    except OSError as error:
        give_up(Exit.NO, (error.strerror or str(error)).lower(), remedy.of_listening(error), as_json=as_json)
    except KeyboardInterrupt:
        return


def _what_ended_it(group: ExceptionGroup[Exception]) -> Exception:
    """The one thing that a running node ended of and that can be told in words, told to the log whole; else all of it.
    A value that is wrong is a fault of the configuration before a node runs, and one of ours afterwards."""
    import structlog

    leaf: Exception = group
    while isinstance(leaf, ExceptionGroup) and len(leaf.exceptions) == 1:
        (leaf,) = leaf.exceptions
    if isinstance(leaf, ExceptionGroup | ValueError):
        return group
    structlog.get_logger().error("node_broke", error=str(leaf), exc_info=leaf)
    return leaf


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where there is one."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
