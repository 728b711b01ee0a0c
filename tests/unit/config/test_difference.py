"""What a reload changes, in words, and what it cannot change."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from axis.config.apart import SMALL, read_registry
from axis.config.difference import RELOADED, Difference, What, differences, needs_restart
from axis.config.fault import ConfigError, key_text
from axis.config.load import load_file
from axis.config.model import SECTIONS, Config
from axis.config.registry import load_registry
from axis.core.registry import Agency, Registry
from schemas.codes import AgencyCode, Level
from tests.site import Site

NONE = Registry(())
SEVERAL = '[delivery]\nlease = "61s"\n[limits]\nconnections = 99\nburst = 7\n'


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("node"))


def changed(site: Site, *pairs: tuple[str, str], more: str = "") -> tuple[Config, Config]:
    old = load_file(site.config)
    text = kept = site.config.read_text()
    for before, after in pairs:
        assert before in text
        text = text.replace(before, after)
    try:
        site.config.write_text(text + more)
        return old, load_file(site.config)
    finally:
        site.config.write_text(kept)


def told(site: Site, *pairs: tuple[str, str], more: str = "") -> list[tuple[What, str, str]]:
    old, new = changed(site, *pairs, more=more)
    assert list(needs_restart(old, new)) == []
    return [(one.what, one.subject, one.detail) for one in differences(old, new, NONE, NONE)]


def test_the_same_files_differ_in_nothing(site: Site) -> None:
    assert told(site) == []


def test_each_kind_of_difference_is_told(site: Site) -> None:
    route = '[[route]]\nprefix = "000.00.14.H99"\nendpoint = "so-tai-chinh"\n'
    assert told(site, (route, "")) == [(What.ROUTE_REMOVED, "000.00.14.H99", "so-tai-chinh")]
    other = route.replace("so-tai-chinh", "van-phong")
    assert told(site, (route, other)) == [(What.ROUTE_CHANGED, "000.00.14.H99", "so-tai-chinh -> van-phong")]
    assert told(site, more='[[route]]\nprefix = "*"\nendpoint = "van-phong"\n') == [
        (What.ROUTE_ADDED, "*", "van-phong")
    ]
    called = (
        '[[endpoint]]\nname = "moi"\nadapter = "http-push"\nagencies = ["H99.1"]\nurl = "https://x.example.vn/in"\n'
    )
    assert told(site, more=called) == [(What.ENDPOINT_ADDED, "moi", "http-push")]
    assert told(site, ('agencies = ["000.00.14.H99"]', 'agencies = ["000.00.14.H99", "H99.2"]')) == [
        (What.ENDPOINT_CHANGED, "so-tai-chinh", "agencies (000.00.14.H99, H99.2)")
    ]
    assert told(site, more="[limits]\nmax_recipients = 7\n") == [(What.SETTING, "limits.max_recipients", "7")]


def test_a_secret_is_not_told_nor_its_hash(site: Site) -> None:
    digest = next(iter(load_file(site.config).by_api_key))
    ((what, _name, detail),) = told(site, (digest, "ab" * 32))
    assert (what, detail) == (What.ENDPOINT_CHANGED, "api_keys")


@pytest.mark.parametrize(
    ("pairs", "more", "keys"),
    [
        ([('name = "truc-thu"', 'name = "truc-khac"')], "", ["node.name"]),
        ([("sqlite:///axis.db", "sqlite:///b.db")], "", ["store.url"]),
        ([('"mailbox"', '"http-push"\nurl = "https://x.vn/i"')], "", []),
        ([], SEVERAL, ["limits.connections", "delivery.lease"]),
        ([], '[hsm]\nmodule = "/x"\ntoken = "a"\npin_file = "b"\n', ["hsm"]),
        ([("[trust]", '[trust]\npdf = "off"')], "", ["trust.pdf"]),
    ],
)  # fmt: skip
def test_what_counts_from_a_start_is_named(
    site: Site, pairs: list[tuple[str, str]], more: str, keys: list[str]
) -> None:
    assert [key_text(one.key) for one in needs_restart(*changed(site, *pairs, more=more))] == keys


def test_another_kind_of_connection_and_the_national_axis_come_with_a_start(site: Site, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.touch(0o600)
    secret.write_text("x")
    national = (
        f'[[endpoint]]\nname = "quoc-gia"\nadapter = "national"\nagencies = ["*"]\nurl = "https://x.vn"\n'
        f'system_id = "00.99.H99"\nsecret_file = "{secret}"\n'
    )
    without, with_ = changed(site, more=national)
    assert [key_text(one.key) for one in needs_restart(without, with_)] == ["endpoint[3].adapter"]
    (gone,) = needs_restart(with_, without)
    assert "quoc-gia" in gone.reason
    _, slower = changed(site, more=national + 'poll = "9s"\n')
    assert [key_text(one.key) for one in needs_restart(with_, slower)] == ["endpoint[3].poll"]
    _, narrower = changed(site, more=national.replace('"*"', '"H98"'))
    assert list(needs_restart(with_, narrower)) == []


def test_every_section_and_key_is_decided_about() -> None:
    """What is named as changeable is there; what is new counts from a start until somebody says otherwise."""
    assert {*RELOADED} <= {*SECTIONS, "endpoint"}
    for section, names in RELOADED.items():
        assert names == {"*"} or names <= {*SECTIONS[section].model_fields}


def agency(code: str, **more: Any) -> Agency:
    return Agency(AgencyCode.parse(code), code, Level.PROVINCE, **more)


def test_agencies_are_told_of(site: Site) -> None:
    old = load_file(site.config)
    before = Registry([agency("H99.1"), agency("H99.2"), agency("H99.3"), agency("H99.5")])
    end = datetime(2026, 7, 1, tzinfo=UTC)
    closed = agency("H99.2", valid_to=end, successors=(AgencyCode.parse("H99.4"),))
    moved = agency("H99.3", parent=AgencyCode.parse("H99.1"))
    after = Registry([agency("H99.1"), closed, moved, agency("H99.4")])
    assert list(differences(old, old, before, after)) == [
        Difference(What.AGENCY_CLOSED, "H99.2", "valid_to 2026-07-01T00:00:00+00:00, successors H99.4"),
        Difference(What.AGENCY_CHANGED, "H99.3", "parent"),
        Difference(What.AGENCY_ADDED, "H99.4", "H99.4"),
        Difference(What.AGENCY_REMOVED, "H99.5", "H99.5"),
    ]


ROW = '[[agency]]\ncode = "H98.{}"\nname = "Cơ quan {}"\nlevel = "province"\n'


@pytest.mark.faults
def test_a_large_registry_is_read_in_another_process_and_is_the_same(tmp_path: Path) -> None:
    """What did not change is the very same agency; faults come with their place."""
    path = tmp_path / "agencies.toml"
    path.write_text("".join(ROW.format(number, number) for number in range(1, 2_200)))
    assert path.stat().st_size > SMALL
    before = load_registry([path])
    path.write_text(path.read_text() + ROW.format("7777", "x"))
    after = read_registry([path], before)
    assert list(after) == list(load_registry([path]))
    assert sum(before.find(one.code) is one for one in after) == len(before)
    path.write_text(path.read_text() + ROW.format("7777", "y"))
    with pytest.raises(ConfigError) as wrong:
        read_registry([path], before)
    (fault,) = wrong.value.faults
    assert (fault.key, fault.path) == ("agency[2200].code", path)
