"""The two examples load, show every key, and their comments do not lie about defaults."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from axis.config import Config, load_file, load_registry
from axis.config.endpoint import ADAPTERS
from axis.config.model import SECTIONS, Section
from axis.config.registry import AgencyRow
from axis.core.model import Profile, Role
from axis.core.network import ALL_CODES, ArrivedBy, ReportRule
from schemas.codes import AgencyCode, Level
from tests.unit.config.site import AT, ROOT, make_site

EXAMPLE = tomllib.loads((ROOT / "config.example.toml").read_text())
AGENCIES = tomllib.loads((ROOT / "agencies.example.toml").read_text())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_site(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def config(site: Path) -> Config:
    return load_file(site)


def test_the_example_shows_every_section() -> None:
    assert set(EXAMPLE) == set(Config.model_fields)


@pytest.mark.parametrize("name", [name for name in SECTIONS if name not in ("route", "witness")])
def test_the_example_shows_every_key_of(name: str) -> None:
    assert set(EXAMPLE[name]) == set(SECTIONS[name].model_fields)


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_the_example_shows_every_key_of_the_adapter(adapter: str) -> None:
    shown = next(endpoint for endpoint in EXAMPLE["endpoint"] if endpoint["adapter"] == adapter)
    assert set(shown) == set(ADAPTERS[adapter].model_fields)


def test_the_example_shows_every_key_of_routes_and_agencies() -> None:
    assert set(EXAMPLE["route"][0]) == set(SECTIONS["route"].model_fields)
    assert set(EXAMPLE["witness"][0]) == set(SECTIONS["witness"].model_fields)
    assert {key for agency in AGENCIES["agency"] for key in agency} == set(AgencyRow.model_fields)


def test_every_key_of_the_example_has_a_comment_above_it_or_above_its_block() -> None:
    bare = [
        line
        for line, above in zip(TEXT[1:], TEXT, strict=False)
        if line[:1].isalpha() and not above.startswith("#") and not above[:1].isalpha() and not above.startswith("[[")
    ]
    assert not bare


TEXT = (ROOT / "config.example.toml").read_text().splitlines()


@pytest.mark.parametrize("name", ["store", "keys", "registry", "limits", "delivery", "statuses"])
def test_the_example_shows_the_defaults(name: str, config: Config, tmp_path: Path) -> None:
    """A section of the example without its keys reads the same: what stands there is the default."""
    path = make_site(tmp_path)
    text = path.read_text()
    begin = text.index(f"[{name}]")
    end = text.index("\n[", begin + 1)
    path.write_text(text[:begin] + text[end:])
    with_defaults = load_file(path)
    assert relative(config, name) == relative(with_defaults, name)


def relative(config: Config, section: str) -> dict[str, object]:
    """A section with its paths as they were written."""
    base = config.node.data.parent

    def plain(value: object) -> object:
        if isinstance(value, Path):
            return value.relative_to(base)
        return [plain(item) for item in value] if isinstance(value, tuple) else value

    return {key: plain(value) for key, value in getattr(config, section).model_dump().items()}


def test_the_example_reads_as_typed_values(config: Config, site: Path) -> None:
    assert config.node.name == "truc.h99.example.vn"
    assert config.node.data == site.parent / "data"
    assert config.store_url == f"sqlite:///{site.parent}/data/axis.db"
    assert config.store.inline_max == 131_072
    assert config.store.keep_unnamed == timedelta(days=7)
    assert config.store.keep_content is None
    assert config.limits.max_bytes == 200 * 1024 * 1024
    assert config.limits.hold == timedelta(hours=72)
    assert config.delivery.retry.lifetime == timedelta(days=7)
    assert (config.statuses.report, config.statuses.arrived_by) == (ReportRule.CROSSED, ArrivedBy.AXIS)
    assert config.statuses.reported == ALL_CODES
    assert str(config.listen.agencies) == "0.0.0.0:8443"
    assert config.listen.operator.loopback
    assert config.keys.log == site.parent / "keys" / "log.pem"


def test_connections_are_principals_with_their_authority(config: Config) -> None:
    national, office = config.principals["truc-quoc-gia"], config.principals["huyen-cu"]
    assert (national.role, national.authority, national.profile) == (Role.NATIONAL, ((),), Profile.LEGACY_TOLERATED)
    assert (office.role, office.authority) == (Role.AGENCY, (("H99", "31"),))
    assert config.roles["truc-xa"] is Role.NODE
    assert len(config.by_certificate) == 3
    assert {principal.name for principal in config.by_api_key.values()} == {"so-noi-vu", "huyen-cu"}
    assert all(len(one) == 64 for one in (*config.by_certificate, *config.by_api_key))


def test_routes_know_where_they_are_written(config: Config, site: Path) -> None:
    registry = load_registry(config.registry.files)
    routes = config.routing_table(registry)
    found = routes.route(AgencyCode("H99.115"))
    assert found is not None and found.endpoint == "truc-xa"
    name, line = found.rule.origin.split(":")
    assert name == "axis.toml"
    assert site.read_text().splitlines()[int(line) - 1] == 'prefix = "H99.115"'
    everything = routes.route(AgencyCode("G99"))
    assert everything is not None and everything.endpoint == "truc-quoc-gia"


def test_the_registry_of_the_example_has_four_levels_and_a_closed_district(config: Config) -> None:
    registry = load_registry(config.registry.files)
    assert {agency.level for agency in registry} == set(Level)
    district = registry.find(AgencyCode("000.00.31.H99"))
    assert district is not None and not district.active(AT)
    assert [code.text for code in district.successors] == ["H99.115", "H99.116"]
    commune = registry.find(AgencyCode("H99.116"))
    assert commune is not None and commune.valid_from == datetime(2025, 6, 30, 17, tzinfo=UTC)
    office = registry.find(AgencyCode("H99.07"))
    assert office is not None and len(office.certificates) == 1


def test_values_are_frozen(config: Config) -> None:
    with pytest.raises(ValueError, match="frozen"):
        config.node.name = "other"


def test_every_section_forbids_unknown_keys() -> None:
    models: Mapping[str, type[Section]] = {**SECTIONS, **ADAPTERS}
    assert all(model.model_config["extra"] == "forbid" and model.model_config["frozen"] for model in models.values())


def test_the_unit_of_the_docs_lets_a_node_write_where_it_writes(tmp_path: Path) -> None:
    config = load_file(make_site(tmp_path))
    unit = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    writable = re.findall("^ReadWritePaths=(.*)$", unit, re.MULTILINE)
    written = (config.node.data, config.keys.checkpoints, config.trust.cache)
    assert [line.split() for line in writable] == [[f"/srv/axis/{folder.name}" for folder in written]]
