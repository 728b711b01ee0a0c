"""The operator's file: what it says, and its faults with line, column and remedy."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from axis.config import Config, ConfigError, load_file, load_registry
from axis.config.bindings import open_book, parse_book, registry_of, reread
from axis.core.binding import Binding
from axis.core.registry import Agency, Registry
from axis.devpki import DevPki
from schemas.codes import AgencyCode, Level
from tests.pki import NOW, pem, pki
from tests.unit.config.site import make_site

OFFICE = AgencyCode("H99.07")
PRINT = f"sha256:{'ab' * 32}"
REGISTRY = Registry([Agency(AgencyCode(code), "x", Level.PROVINCE) for code in ("H99.07", "H99.08")])


def row(agency: str = "H99.07", more: str = "valid_from = 2026-11-24", certificate: str = PRINT) -> str:
    return f'[[binding]]\ncertificate = "{certificate}"\nagency = "{agency}"\n{more}\n'


def test_a_row_is_read_with_its_place(tmp_path: Path) -> None:
    more = 'valid_from = 2026-11-24\nvalid_to = 2026-12-24T08:00:00+07:00\nnote = "n"\nmade_by = "b"\nsubject = "s"'
    book = parse_book(f"# đầu tệp\n\n{row(more=more)}", tmp_path / "bindings.toml", REGISTRY)
    begins, ends = datetime(2026, 11, 23, 17, tzinfo=UTC), datetime(2026, 12, 24, 1, tzinfo=UTC)
    (found,) = book.bindings
    assert found == Binding("ab" * 32, OFFICE, begins, ends, "n", "b")
    assert found.origin == "bindings.toml:3"


FAULTS = [
    # the text, line, column, part of the reason, part of the hint
    (row("H99.7"), 3, 10, "no agency H99.7 is listed", 'did you mean "H99.07"?'),
    (row("G01"), 3, 10, "no agency G01 is listed", "registry.files first"),
    (row("H 99"), 3, 10, "is no agency code", "letters"),
    (row(more=""), 1, 1, "is missing", "valid_from = 2026-11-24"),
    (row(more="valid_from = 2026-11-24\nvalid_to = 2026-11-23"), 5, 12, "ends before it begins", "exchange"),
    (row(more="valid_from = 2026-11-24T08:00:00"), 4, 14, "needs its zone", "+07:00"),
    (row(more='valid_from = "2026"'), 4, 14, "a date without quotes", "2025-07-01"),
    (row(more="valid_form = 2026-11-24"), 4, 1, "unknown key", 'did you mean "valid_from"?'),
    (row(certificate="sha256:zz"), 2, 15, "is not the fingerprint", "openssl x509"),
    (row(certificate="x.pem"), 2, 15, "does not exist", "relative"),
    (row() + row(), 6, 15, "already speaks for H99.07 in that time", "the first one stands in line 2"),
    (
        row(more="valid_from = 2026-01-01\nvalid_to = 2026-12-01") + row(more="valid_from = 2026-11-30"),
        7,
        15,
        "already speaks for H99.07",
        "line 2",
    ),
    (row(more='valid_from = 2026-11-24\nfile = "no.pem"'), 5, 8, "does not exist", "relative"),
    (row(more='valid_from = 2026-11-24\nfile = "other.pem"'), 5, 8, "holds another certificate", "axis cert inspect"),
    (row(more='valid_from = 2026-11-24\nnote = "' + "x" * 301 + '"'), 5, 8, "at most 300", ""),
    ('[[binding]]\nagency = "H99.07"\nvalid_from = 2026-11-24\n', 1, 1, "is missing", "add certificate"),
    ("[[bindings]]\n", 1, 1, "unknown key", 'did you mean "binding"?'),
    ("[[binding]\n", 1, 10, "expected ']]'", ""),
]


@pytest.mark.parametrize(("text", "line", "column", "reason", "hint"), FAULTS, ids=[f"{f[3]}-{f[4]}" for f in FAULTS])
def test_a_fault_names_place_reason_and_remedy(
    tmp_path: Path, text: str, line: int, column: int, reason: str, hint: str
) -> None:
    (tmp_path / "other.pem").write_bytes(pem(pki().good.certificate))
    with pytest.raises(ConfigError) as caught:
        parse_book(text, tmp_path / "bindings.toml", REGISTRY)
    fault = next(one for one in caught.value.faults if reason in one.reason)
    assert (fault.line, fault.column) == (line, column)
    assert hint in fault.hint
    assert str(fault).startswith(f"{tmp_path / 'bindings.toml'}:{line}:{column}: ")


GOOD = [
    row(more="valid_from = 2026-01-01\nvalid_to = 2026-06-01") + row(more="valid_from = 2026-06-01"),
    row() + row("H99.08"),
    row() + row(certificate=f"sha256:{'cd' * 32}"),
    row(more="valid_from = 2027-01-01\nvalid_to = 2027-01-01") + row(),
    "",
    f'binding = [{{ certificate = "{PRINT}", agency = "H99.07", valid_from = 2026-11-24 }}]\n',
]


@pytest.mark.parametrize("text", GOOD)
def test_what_does_not_contradict_itself_is_right(tmp_path: Path, text: str) -> None:
    assert len(parse_book(text, tmp_path / "bindings.toml", REGISTRY).bindings) == text.count("certificate")


def test_the_certificate_of_a_row_may_be_kept_in_a_file(tmp_path: Path) -> None:
    holder = pki().good
    (tmp_path / "a.pem").write_bytes(pem(holder.certificate))
    text = row(more='valid_from = 2026-11-24\nfile = "a.pem"', certificate=f"sha256:{holder.sha256}")
    assert parse_book(text, tmp_path / "bindings.toml", REGISTRY).rows[0].file == tmp_path / "a.pem"


# --- with a configuration -----------------------------------------------------------------------------------


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return make_site(tmp_path)


def unnamed(site: Path) -> Config:
    """The example without the key, so that its default counts."""
    site.write_text(site.read_text().replace('bindings = "bindings.toml"\n', ""))
    return load_file(site)


def test_the_default_file_need_not_exist(site: Path) -> None:
    config = unnamed(site)
    assert config.registry.bindings == site.parent / "bindings.toml"
    assert registry_of(config).bindings.rows == ()
    (site.parent / "bindings.toml").write_text(row())
    assert len(registry_of(config).bindings.rows) == 1


def test_a_named_file_must_exist(site: Path) -> None:
    config = load_file(site)
    with pytest.raises(ConfigError, match="does not exist") as caught:
        registry_of(config)
    assert "axis cert bind makes it" in caught.value.faults[0].hint
    assert open_book(config, load_registry(config.registry.files), may_be_new=True).rows == ()


def test_rows_stand_beside_what_the_registry_lists(site: Path) -> None:
    (site.parent / "bindings.toml").write_text(row("H99.115"))
    bindings = registry_of(load_file(site)).bindings
    assert bindings.speaks_for("ab" * 32, AgencyCode("H99.115"), datetime(2026, 11, 24, tzinfo=UTC)).good
    assert [one.agency for one in bindings.listed] == [AgencyCode("G99"), OFFICE]


def test_reading_again_answers_the_same_object_while_nothing_changed(site: Path) -> None:
    path = site.parent / "bindings.toml"
    path.write_text(row())
    config = load_file(site)
    registry = registry_of(config)
    path.write_text(f"# a remark that moves every line\n{row()}")
    assert reread(config, registry) is registry
    path.write_text(row() + row("H99.115"))
    fresh = reread(config, registry)
    assert (len(fresh.bindings.rows), len(registry.bindings.rows)) == (2, 1)


def test_reading_again_refuses_a_wrong_file_and_one_that_has_gone(site: Path) -> None:
    path = site.parent / "bindings.toml"
    path.write_text(row())
    config = unnamed(site)
    registry = registry_of(config)
    path.write_text(row("G01"))
    with pytest.raises(ConfigError, match="no agency G01"):
        reread(config, registry)
    path.unlink()
    with pytest.raises(ConfigError, match="does not exist"):
        reread(config, registry)


def test_a_certificate_in_a_binding_is_the_one_that_the_registry_would_read(tmp_path: Path) -> None:
    """One fingerprint, however a certificate is named: by PEM file or by digest."""
    identity = DevPki.create(tmp_path / "pki", NOW).signer("H99.07")
    by_file = row(certificate=str(identity.certificate))
    by_print = row(certificate=f"sha256:{identity.fingerprint.upper()}")
    found = [parse_book(text, tmp_path / "b.toml", REGISTRY).rows[0].certificate for text in (by_file, by_print)]
    assert found == [identity.fingerprint] * 2
