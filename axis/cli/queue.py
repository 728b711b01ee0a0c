"""`axis queue`: see what waits, and act on it (hàng đợi chuyển văn bản)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from axis.cli.daemon import asked_destinations
from axis.cli.given import Whole
from axis.cli.operate import alone, operator_name, through_daemon
from axis.cli.output import Answer, Exit, config_option, give_up, json_option, local, need_config, say, say_json

if TYPE_CHECKING:
    from axis.config import Config
    from axis.core.model import Delivery
    from axis.sql.views import Questions

F = TypeVar("F", bound=Callable[..., Any])

STATES: Final = ("queued", "leased", "on-hold", "failed", "delivered", "dropped")
_DELIVERY: Final = re.compile(r"[a-z0-9]{26}")
BECAME: Final = ("waiting", "refused", "lost")
_BECAME: Final = {
    "waiting": ("chưa ai lấy (not fetched)", "yellow"),
    "refused": ("nơi nhận không đọc được (not readable there)", "red"),
    "lost": ("trục quốc gia không còn (lost there)", "red"),
}
_AGES: Final = ("<1m", "<1h", "<1d", "<7d", ">=7d")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def queue() -> None:
    """Deliveries that wait or failed: look at them, and send again, hold, release or give up.

    Looking reads the store, with or without a daemon. Acting goes through the running daemon; where none runs, the
    command opens the store itself. Either way the log tells who did it, and why.
    """


@queue.command("list")
@config_option
@click.option("--endpoint", help="Only those for this endpoint.")
@click.option("--state", type=click.Choice(STATES), help="Only those in this state; default: all that are not done.")
@click.option("--document", help="Only those about this document: the axis' reference or the sender's document id.")
@click.option("--limit", type=Whole(1, 10_000), default=50, show_default=True, help="At most so many.")
@json_option
def list_(
    config_path: Path, endpoint: str | None, state: str | None, document: str | None, limit: int, as_json: bool
) -> None:
    """List deliveries, oldest first. Exit 0 when there are some, 1 when there are none."""
    from axis.core.states import DeliveryState

    config = need_config(config_path, as_json, secrets=False)
    wanted = DeliveryState(state) if state else None
    found = _look(config, as_json, lambda ask: ask.queue(endpoint, wanted, document, limit + 1))
    if endpoint is not None and not found:
        _need_endpoint(config, endpoint, as_json, still_there=True)
    shown, more = found[:limit], len(found) > limit
    if as_json:
        say_json({"deliveries": [_facts(one) for one in shown], "more": more})
    elif not shown:
        say("hàng đợi trống (nothing waits)")
    else:
        fetched = {one.name for one in config.endpoint if one.adapter == "mailbox"}
        for one in shown:
            _show(one, one.endpoint in fetched)
        if more:
            say(f"còn nữa (more): axis queue list --limit {limit * 2}")
    raise Answer(Exit.YES if shown else Exit.NO)


def _facts(one: Delivery) -> dict[str, Any]:
    from axis.core.times import rfc3339

    return {
        "delivery": one.id,
        "endpoint": one.endpoint,
        "cargo": one.cargo.value,
        "document": one.document,
        "recipients": [code.text for code in one.recipients],
        "state": one.state.value,
        "priority": int(one.priority),
        "attempts": one.attempts,
        "breaks": one.breaks,
        "created_at": rfc3339(one.created_at),
        "due_at": rfc3339(one.due_at),
        "settled_at": rfc3339(one.settled_at) if one.settled_at else None,
        "problem": one.last_problem,
    }


def _codes(one: Delivery) -> str:
    return ", ".join(code.text for code in one.recipients[:4]) + (" …" if len(one.recipients) > 4 else "")


def _show(one: Delivery, fetched: bool) -> None:
    """One delivery; `fetched` by its owner, so that nobody but him moves it on."""
    from axis.core.problems import TABLE, Kind

    why = f"  {one.last_problem}: {TABLE[Kind(one.last_problem)].vi}" if one.last_problem in list(Kind) else ""
    style = {"failed": "red", "on-hold": "yellow"}.get(one.state.value, "")
    say(f"{one.id}  {one.state.value:<9} {one.endpoint}  {one.cargo.value}  {one.attempts} lần (attempts){why}", style)
    queued = one.state.value == "queued"
    due = f", lại lúc (due) {local(one.due_at)}" if queued and not fetched else ""
    due = ", chờ nơi nhận lấy (waits to be fetched)" if queued and fetched else due
    say(f"{'':>26}  {_codes(one)}; từ (since) {local(one.created_at)}{due}; văn bản (document) {one.document or '–'}")


@queue.command(short_help="Count what is not done, by endpoint, state and age.")
@config_option
@json_option
def shape(config_path: Path, as_json: bool) -> None:
    """Count what is not done, by endpoint, state and age; with the circuit breakers where the daemon runs.

    Exit 0.
    """
    from axis.core.times import rfc3339

    config = need_config(config_path, as_json, secrets=False)
    now = datetime.now(UTC)
    heaps, holds = _look(config, as_json, lambda ask: (ask.shape(now), ask.holds()))
    known = asked_destinations(config, as_json)
    if as_json:
        say_json(
            {
                "heaps": [
                    {
                        "endpoint": heap.endpoint,
                        "state": heap.state.value,
                        "age": heap.age.value,
                        "number": heap.number,
                        "oldest": rfc3339(heap.oldest),
                    }
                    for heap in heaps
                ],
                "held": sorted(holds),
                "destinations": known,
            }
        )
        return
    if not heaps:
        say("hàng đợi trống (nothing waits)")
    else:
        wide = max(24, *(len(heap.endpoint) for heap in heaps))
        say(f"{'endpoint':<{wide}} {'state':<9}" + "".join(f"{age:>8}" for age in _AGES) + "  oldest")
        for endpoint, state in dict.fromkeys((heap.endpoint, heap.state.value) for heap in heaps):
            those = [one for one in heaps if (one.endpoint, one.state.value) == (endpoint, state)]
            by_age = {one.age.value: one.number for one in those}
            oldest = min(one.oldest for one in those)
            numbers = "".join(f"{by_age.get(age, 0):>8}" for age in _AGES)
            say(f"{endpoint:<{wide}} {state:<9}{numbers}  {local(oldest)}", "red" if state == "failed" else "")
    for endpoint in sorted(holds):
        say(f"{endpoint}: tạm dừng (held): axis queue release --endpoint {endpoint}", "yellow")
    for one in known or ():
        if one["breaker"] != "closed":
            until = f", thử lại (next try) {_clock(one['until'])}" if one["until"] else ""
            say(f"{one['endpoint']}: ngắt mạch (breaker) {one['breaker']}{until}", "yellow")
    if known is None:
        say("trục không chạy: chưa rõ ngắt mạch (the daemon does not run: breakers unknown)")


def _clock(text: str) -> str:
    from axis.core.times import parse_rfc3339

    return local(parse_rfc3339(text))


@queue.command("handed-over", short_help="What the national axis made of what it took.")
@config_option
@click.option("--became", type=click.Choice(BECAME), help="Only those; default: all three.")
@click.option("--limit", type=Whole(1, 10_000), default=50, show_default=True, help="At most so many.")
@json_option
def handed_over(config_path: Path, became: str | None, limit: int, as_json: bool) -> None:
    """What the national axis took, and what it says became of it: still waits there, could not be read, or is lost.

    Oldest first, without what every recipient has fetched. Exit 0 when there is some, 1 when there is none.
    """
    from axis.core.follow_up import Became
    from axis.core.times import rfc3339

    config = need_config(config_path, as_json, secrets=False)
    wanted = Became(became) if became else None
    found = _look(config, as_json, lambda ask: ask.told_of(wanted, limit + 1))
    shown, more = found[:limit], len(found) > limit
    if as_json:
        say_json(
            {
                "handed_over": [
                    {
                        "became": one.became.value,
                        "peer_ref": one.peer_ref,
                        "since": rfc3339(one.since),
                        "asked": one.asked,
                        "ask_at": rfc3339(one.due_at) if one.due_at else None,
                        "delivery": _facts(delivery),
                    }
                    for one, delivery in shown
                ],
                "more": more,
            }
        )
    elif not shown:
        say("không có gì phải theo dõi (nothing to look after)")
    for one, delivery in () if as_json else shown:
        said, colour = _BECAME[one.became.value]
        say(f"{delivery.id}  {said}  {one.endpoint}  {one.peer_ref}", colour)
        again = f", hỏi lại lúc (asked again) {local(one.due_at)}" if one.due_at else ""
        about = f"văn bản (document) {delivery.document or '–'}"
        say(f"{'':>26}  {_codes(delivery)}; giao lúc (handed over) {local(one.since)}{again}; {about}")
    raise Answer(Exit.YES if shown else Exit.NO)


def _acting(reason_required: bool) -> Callable[[F], F]:
    """What the four commands that act have in common."""

    def decorate(command: F) -> F:
        options = (
            click.argument("deliveries", nargs=-1, metavar="[DELIVERY]..."),
            config_option,
            click.option("--endpoint", help="Instead of deliveries: this endpoint."),
            click.option("--document", help="Instead of deliveries: those of this document itself."),
            click.option("--reason", default="", required=reason_required, help="Why: it stands in the log for ever."),
            json_option,
        )
        decorated: Any = command
        for option in reversed(options):
            decorated = option(decorated)
        found: F = decorated
        return found

    return decorate


@queue.command(short_help="Send failed deliveries again.")
@_acting(False)
def retry(**given: Any) -> None:
    """Send failed deliveries again: now, with a new lifetime. Exit 0 when all were, 1 when some could not be."""
    _act("retry", **given)


@queue.command(short_help="Keep deliveries back, or a whole endpoint.")
@_acting(False)
def hold(**given: Any) -> None:
    """Keep queued deliveries back, or all of an endpoint, those to come too, until `axis queue release`.

    Exit 0 when all were, or it was so already, 1 when some could not be.
    """
    _act("hold", **given)


@queue.command(short_help="Let go what was held.")
@_acting(False)
def release(**given: Any) -> None:
    """Let go what was held; an endpoint's own hold does not release deliveries that were held one by one.

    Exit 0 when all were, or it was so already, 1 when some could not be.
    """
    _act("release", **given)


@queue.command("give-up", short_help="End deliveries for good; the sender is told.")
@_acting(True)
def give_up_(**given: Any) -> None:
    """End deliveries for good; the sender gets a signed notice. --reason is required.

    What follows a document in its lane stays, since the recipient never got what it is about; what follows a status or
    a notice goes on: so a failed status that blocks its lane is given up too. A document that failed keeps its content
    until it is given up (axis store retention); so long it can still be sent again.

    Exit 0 when all were, 1 when some could not be.
    """
    _act("give-up", **given)


def _act(
    action: str,
    config_path: Path,
    deliveries: tuple[str, ...],
    endpoint: str | None,
    document: str | None,
    reason: str,
    as_json: bool,
) -> None:
    if sum((bool(deliveries), endpoint is not None, document is not None)) != 1:
        raise click.UsageError("name deliveries, or --endpoint, or --document")
    for one in deliveries:
        if not _DELIVERY.fullmatch(one):
            raise click.UsageError(f"{one!r} is no delivery: 26 characters, as axis queue list shows them")
    if action == "give-up" and not reason.strip():
        raise click.UsageError("giving up needs a reason: --reason, for the sender's question why")
    config = need_config(config_path, as_json)
    if endpoint is not None:
        _need_endpoint(config, endpoint, as_json, still_there=action != "hold")
    chosen = (
        {"deliveries": deliveries} if deliveries else {"endpoint": endpoint} if endpoint else {"document": document}
    )
    order: dict[str, Any] = {"operator": operator_name(), "reason": reason, **chosen}
    answer = through_daemon(config, action, order, as_json)
    if answer is None:
        answer = alone(config, action, order, as_json)
    ok = all(one["problem"] is None for one in answer["deliveries"])
    some = bool(answer["deliveries"]) or answer["changed"] is not None
    if as_json:
        say_json({"ok": ok and some, **answer})
    else:
        _tell(action, endpoint, answer)
    raise Answer(Exit.YES if ok and some else Exit.NO)


def _need_endpoint(config: Config, name: str, as_json: bool, *, still_there: bool) -> None:
    """End the command where nobody knows the endpoint: not the configuration and, with `still_there`, not what waits or
    failed either, or is held, for one that stands in the configuration no more."""
    from axis.config.fault import suggestion

    known = {one.name for one in config.endpoint}
    if name in known:
        return
    if still_there:
        heaps, holds = _look(config, as_json, lambda ask: (ask.shape(datetime.now(UTC)), ask.holds()))
        known |= {heap.endpoint for heap in heaps} | set(holds)
    if name not in known:
        hint = suggestion(name, known, f"endpoints here: {', '.join(sorted(known))}")
        give_up(Exit.USAGE, f"no endpoint is called {name!r}", hint, as_json=as_json)


def _tell(action: str, endpoint: str | None, answer: dict[str, Any]) -> None:
    if answer["changed"] is not None:
        say(f"{endpoint}: {action}" + ("" if answer["changed"] else ", đã thế từ trước (so already)"))
        return
    if not answer["deliveries"]:
        say("không có lượt chuyển nào phù hợp (nothing fits)")
    for one in answer["deliveries"]:
        if one["problem"] is None:
            say(f"{one['delivery']}  {one['was']} -> {one['now']}")
        elif one["was"] is None:
            say(f"{one['delivery']}  không tìm thấy (not found)", "red")
        else:
            say(f"{one['delivery']}  {one['was']}: không làm được {action} (not possible in this state)", "red")


def _look(config: Config, as_json: bool, ask: Callable[[Questions], Any]) -> Any:
    from axis.cli.remedy import of_store
    from axis.sql.driver import StoreError
    from axis.sql.engine import open_readonly

    try:
        with open_readonly(config.store_url) as questions:
            return ask(questions)
    except StoreError as error:
        give_up(Exit.UNSURE, str(error), of_store(error, config), as_json=as_json)
