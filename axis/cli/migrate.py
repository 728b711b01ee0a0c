"""`axis migrate`: bring the database to the version of this program."""

from __future__ import annotations

from pathlib import Path

import click

from axis.cli.output import Exit, config_option, give_up, json_option, need_config, say, say_json


@click.command()
@config_option
@json_option
def migrate(config_path: Path, as_json: bool) -> None:
    """Make the database or bring it to the version of this program.

    Forward only, all or nothing; repeating is harmless.

    While a restore is not finished nothing is made: the restore would be refused for it.

    Exit 0 when the database is right afterwards, 1 when it could not be brought there.
    """
    config = need_config(config_path, as_json)
    from axis.care.place import being_filled
    from axis.cli import remedy
    from axis.sql.driver import StoreError
    from axis.sql.migrate import current, needed, upgrade

    url = config.store_url
    if filling := being_filled(config.node.data):
        hint = (
            f"a restore fills {filling}: let it finish, or axis restore with the same backup again; "
            f"to begin without it, remove {filling}"
        )
        give_up(Exit.NO, "a restore of this node is not finished", hint, as_json=as_json)
    try:
        before = current(url)
        did = needed(url)
        if did:
            config.node.data.mkdir(parents=True, exist_ok=True, mode=0o750)
            upgrade(url)
        after = current(url)
    except StoreError as error:
        give_up(Exit.NO, str(error), remedy.of_store(error, config), as_json=as_json)
    except OSError as error:
        give_up(Exit.NO, str(error), remedy.LOOK, as_json=as_json)
    if as_json:
        say_json({"ok": True, "store": url, "before": before, "after": after, "changed": did})
    elif did:
        say(f"{url}: {before or 'new'} -> {after}", "green")
    else:
        say(f"{url}: already at {after}")
