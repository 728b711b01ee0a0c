"""What holds in the rows of `rows_network`, taken away: `make test-mutations` sees a test of the row turn red."""

from __future__ import annotations

from typing import Final

from tests.faults.row import Broken
from tests.mutations.edit import off

STATEMENTS: Final = "axis/sql/statements.py"
INTENTS: Final = "select(log_intent.c.id, log_intent.c.leaf).where(waiting).order_by(log_intent.c.id))\n"

LOOKED_FOR: Final = off(
    "a lost database is looked for",
    "axis/sql/group.py",
    ("        if self._writer is None and self.hopeful:\n", "        if False:\n"),
)
ANSWERED: Final = off(
    "nobody is answered before COMMIT",
    "axis/sql/group.py",
    (
        "        try:\n            writer.commit()\n",
        "        for job in group:\n"
        "            job.future.get_loop().call_soon_threadsafe(_answer, [job])\n"
        "        time.sleep(0.5)\n"
        "        try:\n            writer.commit()\n",
    ),
)

FOUND: Final = (
    Broken(
        "F02",
        LOOKED_FOR,
        "never: it is taken",
    ),
    Broken(
        "F05",
        off(
            "a file that cannot be closed was not written",
            "axis/log/disk.py",
            (
                "            os.fsync(handle)\n        finally:\n            os.close(handle)\n",
                "            os.fsync(handle)\n        finally:\n"
                "            from contextlib import suppress\n\n"
                "            with suppress(OSError):\n                os.close(handle)\n",
            ),
        ),
        "DID NOT RAISE",
    ),
    Broken(
        "F14",
        off(
            "a store that cannot be written is not gone on with",
            "axis/sql/sqlite.py",
            ("        sqlite3.SQLITE_IOERR,\n        sqlite3.SQLITE_CORRUPT,\n", "        sqlite3.SQLITE_CORRUPT,\n"),
        ),
        "ready|the node lives",
    ),
    Broken(
        "F20",
        off(
            "a transaction that may write says so when it begins",
            "axis/sql/sqlite.py",
            (
                'self._connection.execute("BEGIN IMMEDIATE")\n        self._session.begin_transaction(together)\n',
                'self._connection.execute("BEGIN")\n        self._session.begin_transaction(together)\n',
            ),
        ),
        "BEGIN",
    ),
    Broken(
        "F22",
        off("a store lies on a disk of this machine", "axis/sql/sqlite.py", ("    refuse_shared(path)\n", "")),
        "DID NOT RAISE",
    ),
    Broken(
        "F23",
        ANSWERED,
        "AGAIN|answered before the disk had it",
    ),
    Broken(
        "F29",
        LOOKED_FOR,
        "never: it is taken",
    ),
    Broken(
        "F30",
        off(
            "a standby is not believed",
            "axis/sql/postgres.py",
            ('    if _answer(connection, "SELECT pg_is_in_recovery()"):\n', "    if False:\n"),
        ),
        "never: it is told in the log",
    ),
    Broken(
        "F30",
        off(
            "a server that is found again is asked what it has lost",
            "axis/sql/group.py",
            ("            missing = self.missing(SqlLedger(writer.session))\n", "            missing = None\n"),
        ),
        "it was answered with 202",
    ),
    Broken(
        "F30",
        off(
            "the document of the newest receipt must be there",
            "axis/flow/lost.py",
            ("if newest is not None and", "if False and"),
        ),
        "it was answered with 202",
    ),
    Broken(
        "F30",
        off(
            "what was signed must be there",
            "axis/flow/lost.py",
            ("if size + begun < signed else None", "if False else None"),
        ),
        "it was answered with 202",
    ),
    Broken(
        "F111",
        off(
            "a full disk elsewhere is told",
            "axis/sql/group.py",
            ("            self._full_at = time.monotonic()\n", "            pass\n"),
        ),
        "never: it is told in the log",
    ),
    Broken(
        "F111",
        off(
            "a server that was full is tried before it counts as well",
            "axis/sql/group.py",
            (">= FULL_S and self._has_room(writer):\n", ">= FULL_S:\n"),
        ),
        "what changes a row finds room",
    ),
    Broken(
        "F112",
        off(
            "who answers the door is who answers questions",
            "axis/sql/address.py",
            ("        if there != connection.info.backend_pid:\n", "        if False:\n"),
        ),
        "DID NOT RAISE",
    ),
    Broken(
        "F34",
        off(
            "the log takes whatever has no place yet",
            STATEMENTS,
            (
                INTENTS,
                "select(log_intent.c.id, log_intent.c.leaf).where(waiting)"
                '.where(text("id > (SELECT coalesce(max(id), 0) FROM log_intent WHERE log_index IS NOT NULL)"))'
                ".order_by(log_intent.c.id))\n",
            ),
        ),
        "passed over",
    ),
    Broken(
        "F35",
        off(
            "nothing waits for the oldest transaction",
            STATEMENTS,
            (
                INTENTS,
                "select(log_intent.c.id, log_intent.c.leaf).where(waiting)"
                '.where(text("xmin::text::bigint < txid_snapshot_xmin(txid_current_snapshot())"))'
                ".order_by(log_intent.c.id))\n",
            ),
        ),
        "never: everything is delivered and logged",
    ),
    Broken(
        "F38",
        off(
            "only whoever has the lease settles an attempt",
            STATEMENTS,
            (
                '                delivery.c.token == bindparam("held"),\n            )\n            .values(\n'
                '                state=bindparam("now")',
                '            )\n            .values(\n                state=bindparam("now")',
            ),
        ),
        "LostRace|assert|DID NOT RAISE",
    ),
    Broken(
        "F38",
        off(
            "who says nothing in a transaction loses it to others",
            "axis/sql/group.py",
            ("for process in self._writer.relieve():", "for process in ():"),
        ),
        "never: others deliver and log what it had|never: it is taken",
    ),
    Broken(
        "F38",
        off(
            "who stands still in its turn is passed over",
            "axis/log/turn.py",
            ("                self._lock = self._instead()\n", '                raise Locked("it is taken")\n'),
        ),
        "never: the log grows without it|it is taken",
    ),
    Broken(
        "F38",
        off(
            "who was passed over writes to what no longer counts",
            "axis/log/heads.py",
            (
                "        self._folder.prepare_copy(HISTORY)\n        self._turn.hold()\n"
                "        self._folder.place(HISTORY)\n",
                "",
            ),
        ),
        "assert",
    ),
    Broken(
        "F38",
        off("who was passed over shows nothing", "axis/log/heads.py", ("        self.passing()\n", "")),
        "an older head was shown",
    ),
    Broken(
        "F38",
        off(
            "an answer is waited for so long",
            "axis/sql/address.py",
            ("self.patience_s if timeout is None else timeout)\n", "timeout)\n"),
        ),
        "never: it is told in the log",
    ),
    Broken(
        "F38",
        off(
            "a machine that confirms nothing is no more",
            "axis/sql/address.py",
            ('    "tcp_user_timeout": "25s",\n', ""),
        ),
        "never: its lock is free",
    ),
    Broken(
        "F39",
        off(
            "the first attempt of every destination is free",
            "axis/core/window.py",
            ("first = 1 if under_way == 0 else 0", "first = 0"),
        ),
        "never lent",
    ),
    *(
        Broken(
            point,
            off(
                "a receipt is computed from the committed row",
                "axis/flow/receive.py",
                (
                    "    return receipt(document, ctx.network.node",
                    "    from dataclasses import replace\n\n"
                    "    document = replace(document, accepted_at=ctx.now())\n"
                    "    return receipt(document, ctx.network.node",
                ),
            ),
            "accepted twice",
        )
        for point in ("F40", "F41")
    ),
    Broken(
        "F43",
        off(
            "a connection that rests is let go",
            "axis/web/framing.py",
            ('"keepalive_timeout": IDLE_S', '"keepalive_timeout": 3600'),
        ),
        "never: it is let go",
    ),
    Broken(
        "F54",
        off(
            "what is connected to is what was looked at",
            "adapters/fetch.py",
            ("        if not all(is_public(", "        if False and not all(is_public("),
        ),
        "DID NOT RAISE",
    ),
    *(
        Broken(
            point,
            off(
                "a destination that fails is left alone",
                "axis/core/breaker.py",
                (
                    "        case BreakerState.OPEN:\n            return 0\n",
                    "        case BreakerState.OPEN:\n            return window\n",
                ),
            ),
            says,
        )
        for point, says in (("F48", "AssertionError|TimeoutError"), ("F55", "an attempt was spent on each"))
    ),
    Broken(
        "F57",
        off(
            "a repeat is known by its digest",
            "axis/flow/receive.py",
            (
                "        seen = ledger.same_document(envelope.sender.code, envelope.kind, content.document_id)\n",
                "        seen: list[Document] = []\n",
            ),
        ),
        "assert",
    ),
    Broken(
        "F56",
        off(
            "a handover is asked about later",
            "axis/core/settlement.py",
            ("    if rules is not None and peer_ref is not None:\n", "    if False:\n"),
        ),
        "assert|IndexError|ValueError",
    ),
    Broken(
        "F56",
        off(
            "who has never named anything is not believed when he names nothing",
            "axis/flow/reconcile.py",
            ("            believed = _believed(delivery, bool(said), ledger)\n", "            believed = True\n"),
        ),
        "it has never named anything",
    ),
    Broken(
        "F56",
        off(
            "no document arrives behind its own recall",
            "axis/core/reconciliation.py",
            ("    late = (overtaken and delivery.cargo is Cargo.DOCUMENT) or", "    late ="),
        ),
        "assert",
    ),
    Broken(
        "F56",
        off(
            "what is under way is waited for",
            "axis/flow/reconcile.py",
            ("        if lost and DeliveryState.LEASED in ledger.behind(delivery):\n", "        if False:\n"),
        ),
        "nothing is decided yet",
    ),
    Broken(
        "F57",
        off(
            "what was taken is never rejected",
            "axis/flow/poll.py",
            (
                "    return await _settled(incoming.accept(),",
                "    return await _settled(incoming.reject(None),",
            ),
        ),
        "assert",
    ),
    Broken(
        "F57",
        off(
            "whatever one thing meets is its own",
            "axis/flow/poll.py",
            ('        log.exception("incoming_broke", source=by.name)\n        return 0\n', "        raise\n"),
        ),
        "a bug",
    ),
    Broken(
        "F58",
        off(
            "the national axis shows who it is",
            "axis/tls.py",
            (
                "    context = ssl.create_default_context(cafile=str(ca) if ca else None)\n",
                "    context = ssl._create_unverified_context()\n",
            ),
        ),
        "vxp_sent",
    ),
    Broken(
        "F58",
        off("a new authority is put in force", "axis/watch.py", ("            self.show(context)\n", "")),
        "never: it is handed over",
    ),
    Broken(
        "F58",
        off("half a file of authorities is none", "axis/tls.py", ("        see_whole(ca)\n", "        pass\n")),
        "never: half a file is told",
    ),
    Broken(
        "F59",
        off(
            "names are looked up in threads of their own",
            "adapters/resolve.py",
            ("run_in_executor(self._threads, ask)", "run_in_executor(None, ask)"),
        ),
        "waited for the names of others|never: it is taken",
    ),
    Broken(
        "F62",
        off(
            "an acknowledgement can be repeated",
            "axis/flow/mailbox.py",
            (
                "        if delivery.state is DeliveryState.DELIVERED:\n            return Collected(",
                "        if False:\n            return Collected(",
            ),
        ),
        "assert",
    ),
    Broken(
        "F63",
        off(
            "a mailbox is one connection's own",
            "axis/flow/mailbox.py",
            (
                "\n    if delivery is None or delivery.endpoint != by.name or not ctx.network.serves("
                "by.name, delivery.recipients):\n",
                "\n    if delivery is None:\n",
            ),
            ("        if delivery is None or delivery.endpoint != by.name:\n", "        if delivery is None:\n"),
        ),
        "KeyError",
    ),
)

BY_FAULT: Final = {
    point: tuple(one for one in FOUND if one.point == point) for point in dict.fromkeys(one.point for one in FOUND)
}
