"""Each fault: its line and column, what it says, and the remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from axis.cli.vietnamese import in_vietnamese
from axis.config import ConfigError, Fault, load_config, load_file
from tests.unit.config.site import make_site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_site(tmp_path_factory.mktemp("site"))


def faults(text: str, path: Path) -> tuple[Fault, ...]:
    with pytest.raises(ConfigError) as caught:
        load_config(text, path)
    return caught.value.faults


def changed(site: Path, old: str, new: str) -> tuple[str, int]:
    """The example with its first `old` replaced, and the line where that begins."""
    text = site.read_text()
    at = text.index(old)
    return text[:at] + new + text[at + len(old) :], text.count("\n", 0, at) + 1


VALUES = [
    # what stands in the example, what we make of it, column, key, part of the reason, part of the hint
    ('name = "truc.h99.example.vn"', 'name = "Trục 1"', 8, "node.name", "a name is", 'for example "truc-1"'),
    ('name = "truc.h99.example.vn"', 'name = "ĐỒNG NAI"', 8, "node.name", "a name is", 'for example "dong-nai"'),
    ('data = "data"', 'dataa = "data"', 1, "node.dataa", "unknown key", 'did you mean "data"?'),
    ('data = "data"', "data = 5", 8, "node.data", "must be text in quotes", ""),
    ('agencies = "0.0.0.0:8443"', 'agencies = "8443"', 12, "listen.agencies", "is not an address", "host and port"),
    ('agencies = "0.0.0.0:8443"', 'agencies = "127.0.0.1:9443"', 12, "listen.agencies", "one address", "own port"),
    ('operator = "127.0.0.1:9443"', 'operator = "0.0.0.0:9443"', 12, "listen.operator", "without a password", "ssh -L"),
    ('certificate = "tls/server.pem"', 'certificate = "x.pem"', 15, "listen.certificate", "does not exist", "relative"),
    (
        'certificate = "tls/server.pem"',
        'certificate = "axis.toml"',
        15,
        "listen.certificate",
        "holds no cert",
        "openssl",
    ),
    (
        'receipts = "keys/receipt.pem"',
        'receipts = "gone.pem"',
        12,
        "keys.receipts",
        "does not exist",
        "never made anew",
    ),
    ('key = "tls/server.key"', 'key = "tls/to-neighbour.key"', 7, "listen.key", "does not belong", "pair must match"),
    (
        'key = "tls/server.key"',
        'key = "tls/server.pem"',
        7,
        "listen.key",
        "open to other users (mode 0644)",
        "chmod 600",
    ),
    (
        'url = "sqlite:///axis.db"',
        'url = "postgresql://u:p@h/d"',
        7,
        "store.url",
        "holds a password",
        "password_file",
    ),
    (
        'url = "sqlite:///axis.db"',
        'url = "postgresql+psycopg://u@h"',
        7,
        "store.url",
        "names no database",
        "axis@host/axis",
    ),
    ('url = "sqlite:///axis.db"', 'url = "mysql://h/d"', 7, "store.url", "unknown store 'mysql'", "sqlite"),
    ('url = "sqlite:///axis.db"', 'url = "sqlite:///"', 7, "store.url", "names no file", "relative to the data"),
    ('patience = "20s"', 'patience = "1s"', 12, "store.patience", "no time to wait", '"20s" is usual'),
    ('patience = "20s"', 'patience = "6m"', 12, "store.patience", "no time to wait", '"20s" is usual'),
    ('keep_unnamed = "7d"', 'keep_unnamed = "59m"', 16, "store.keep_unnamed", "too short", '"1h"'),
    ('keep_content = "for-ever"', 'keep_content = "29d"', 16, "store.keep_content", "too short", '"for-ever"'),
    ('keep_content = "for-ever"', 'keep_content = "ever"', 16, "store.keep_content", "is not a duration", ""),
    ('inline_max = "128KB"', "inline_max = 128", 14, "store.inline_max", "needs a unit", '"128B"'),
    ('inline_max = "128KB"', 'inline_max = "128 kb"', 14, "store.inline_max", "is not a size", '"128KB"'),
    ('checkpoints = "checkpoints"', 'checkpoints = "data/log/x"', 15, "keys.checkpoints", "inside the log", "backup"),
    ('anchors = ["trust/root.pem"]', "anchors = []", 11, "trust.anchors", "must not be empty", ""),
    ('anchors = ["trust/root.pem"]', 'anchors = ["axis.toml"]', 12, "trust.anchors[0]", "holds no certificate", ""),
    ('crls = ["trust/crls"]', 'crls = ["trust/x"]', 9, "trust.crls[0]", "does not exist", "relative"),
    ('data = "data"', 'data = "axis.toml"', 8, "node.data", "axis.toml is a file", "name a folder"),
    (
        "max_recipients = 500",
        "max_recipients = 0",
        18,
        "limits.max_recipients",
        "must be at least 1",
        "from 1 to 1000, without",
    ),
    ("max_recipients = 500", "max_recipients = true", 18, "limits.max_recipients", "must be a", ""),
    ('hold = "72h"', "hold = 72", 8, "limits.hold", "needs a unit", '"72s"'),
    ('hold = "72h"', 'hold = "72x"', 8, "limits.hold", "'72x' is not a duration", '"5s"'),
    ('hold = "72h"', "hold = 72.5", 8, "limits.hold", "72.5 is not a duration", '"5s"'),
    ('hold = "72h"', "hold = []", 8, "limits.hold", "[] is not a duration", '"5s"'),
    ('hold = "72h"', 'hold = "36501d"', 8, "limits.hold", "too long", '"36500d"'),
    ('hold = "72h"', 'hold = "0s"', 8, "limits.hold", "longer than zero", ""),
    ('first_retry = "5s"', 'first_retry = "2h"', 15, "delivery.first_retry", "longer than delivery.retry_ceiling", ""),
    ('breaker_first = "5s"', 'breaker_first = "6m"', 17, "delivery.breaker_first", "longer than delivery.", ""),
    ("window = 8\n", "window = 0\n", 10, "delivery.window", "must be at least 1", "from 1 to 1000, without"),
    ('report = "crossed"', 'report = "crosed"', 10, "statuses.report", "unknown value 'crosed'", '"crossed"?'),
    (
        'reported = ["01", "02"',
        'reported = ["01", "99"',
        19,
        "statuses.reported[1]",
        "'99' is no status code",
        "01, 02",
    ),
    ('name = "so-noi-vu"', 'name = "huyen-cu"', 0, "endpoint[1].name", "two endpoints 'huyen-cu'", "stands in line"),
    ('adapter = "mailbox"', 'adapter = "mailbx"', 11, "endpoint[0].adapter", "unknown adapter", '"mailbox"?'),
    ('adapter = "mailbox"', "", 0, "endpoint[0].adapter", "is missing", "one of mailbox, http-push"),
    ('agencies = ["H99.07"]', 'agencies = ["H99.07", "*"]', 12, "endpoint[0].agencies", '"*" is only', "name the"),
    ('agencies = ["H99.07"]', 'agencies = ["H99..7"]', 13, "endpoint[0].agencies[0]", "is no agency code", "letters"),
    ('"sha256:5a0c', '"sha256:zz', 38, "endpoint[0].certificates[1]", "is not the fingerprint", "openssl x509"),
    ('api_keys = ["sha256:0d1f', 'api_keys = ["axk_0d1f', 13, "endpoint[0].api_keys[0]", "never the key", "sha256sum"),
    ('api_keys = ["sha256:1d1f', 'api_keys = ["sha256:0d1f', 13, "endpoint[1].api_keys[0]", "already proves", "line"),
    ('url = "https://dms', 'url = "ftp://dms', 7, "endpoint[1].url", "begins with https://", ""),
    ('url = "https://dms', 'url = "http://dms', 7, "endpoint[1].url", "only for this machine", "https://"),
    ('url = "https://dms', 'url = "https://u:p@dms', 7, "endpoint[1].url", "no user name or password", "files"),
    ('poll = "2s"', 'pol = "2s"', 1, "endpoint[3].pol", "unknown key", 'did you mean "poll"?'),
    ('system_id = "00.99.H99"', "", 0, "endpoint[3].system_id", "is missing", 'add system_id = "00.99.H99"'),
    ('prefix = "H99.07"', 'prefix = "Sở"', 10, "route[0].prefix", "is no agency code", "for everything"),
    ('prefix = "H99.07"', 'prefix = "H99.31"', 0, "route[1].prefix", "a second route for H99.31", "stands in line"),
    ('endpoint = "so-noi-vu"', 'endpoint = "so-noi-v"', 12, "route[0].endpoint", "no endpoint is", '"so-noi-vu"?'),
    ("[[route]]", "[[rout]]", 1, "rout", "unknown key", 'did you mean "route"?'),
    # what administrators write
    ('hold = "72h"', 'hold = "3 ngày"', 8, "limits.hold", "is not a duration", 'write "3d"'),
    ('max_bytes = "200MB"', 'max_bytes = "２００MB"', 13, "limits.max_bytes", "is not a size", 'write "200MB"'),
    ('hold = "72h"', 'hold = "٧٢h"', 8, "limits.hold", "is not a duration", 'write "72h"'),
    ('max_bytes = "200MB"', 'max_bytes = "200 mb"', 13, "limits.max_bytes", "is not a size", 'write "200MB"'),
    (
        "max_recipients = 500",
        'max_recipients = "500"',
        18,
        "limits.max_recipients",
        "whole number",
        "write 500, without",
    ),
    (
        'anchors = ["trust/root.pem"]',
        'anchors = "trust/root.pem"',
        11,
        "trust.anchors",
        "list in",
        'write ["trust/root.pem"]',
    ),
    ("fetch = true", 'fetch = "true"', 9, "trust.fetch", "must be true or false", "without quotes"),
    (
        "window = 8\n",
        'window = "5 phút"\n',
        10,
        "delivery.window",
        "must be a whole number",
        "without a unit: window = 8",
    ),
    ("window = 4\n", "window = 4.5\n", 10, "endpoint[1].window", "must be a whole number", "from 1 to 1000"),
    ("window = 4\n", "window = 4000\n", 10, "endpoint[1].window", "must be at most 1000", "from 1 to 1000"),
    ('hold = "72h"', "hold = -1", 8, "limits.hold", "is not a duration", '"5s", "10m", "7d"'),
    ('max_bytes = "200MB"', "max_bytes = 0", 13, "limits.max_bytes", "must be more than zero", '"128KB", "200MB"'),
    ('receipts = "keys/receipt.pem"', "receipts = true", 12, "keys.receipts", "text in quotes", '= "keys/receipt.pem"'),
    ('system_id = "00.99.H99"', f'system_id = "{"0" * 65}"', 13, "endpoint[3].system_id", "at most 64 characters", "="),
    ('prefix = "H99.07"', 'prefix = "H99.*"', 10, "route[0].prefix", "is no agency code", 'write "H99"'),
]


def test_a_file_of_authorities_that_ends_inside_a_certificate_is_a_fault(site: Path) -> None:
    whole = (site.parent / "tls" / "national-ca.pem").read_text()
    (site.parent / "tls" / "cut.pem").write_text(whole + whole[:-30])
    text, _ = changed(site, "tls/national-ca.pem", "tls/cut.pem")
    (fault,) = faults(text, site)
    assert (fault.key, fault.hint) == ("endpoint[3].ca", "copy it again, and into place with mv")
    assert "cut off inside a certificate" in fault.reason


@pytest.mark.parametrize(
    ("old", "new", "column", "key", "reason", "hint"), VALUES, ids=[f"{v[3]}-{v[4]}" for v in VALUES]
)
def test_a_fault_names_place_reason_and_remedy(
    site: Path, old: str, new: str, column: int, key: str, reason: str, hint: str
) -> None:
    """Column 0: the fault stands at another line than the change, told by the key alone."""
    text, line = changed(site, old, new)
    fault = next(one for one in faults(text, site) if one.key == key)
    assert reason in fault.reason
    assert hint in fault.hint
    if column:
        assert (fault.line, fault.column) == (line, column)
        assert fault.source_line == text.split("\n")[line - 1]
    else:
        assert fault.line > 1
    assert str(fault).startswith(f"{site}:{fault.line}:{fault.column}: {key}: ")


@pytest.mark.parametrize("value", ['"5 phút"', "5", "-1", "1.5", "true", "[]", "[5]", "{}", '""', "2026-12-03"])
def test_whatever_stands_in_place_of_a_value_the_fault_says_how_it_is_written(site: Path, value: str) -> None:
    """In place of every value of the complete configuration at once, but of those that say what a table is."""
    found = faults(re.sub(r"(?m)^((?!adapter)\w+) = .*", rf"\1 = {value}", site.read_text()), site)
    assert len(found) > 40
    for fault in found:
        assert fault.hint, f"{fault.key}: {fault.reason}"
        assert in_vietnamese(fault.reason), fault.reason


def test_the_mark_stands_below_the_column(site: Path) -> None:
    text, line = changed(site, 'hold = "72h"', 'hold = "72x"')
    told = str(faults(text, site)[0]).splitlines()
    assert told[1] == f'{line:>6} | hold = "72x"'
    assert told[2].index("^") == told[1].index('"72x"')


def test_all_faults_are_told_at_once_in_the_order_of_the_file(site: Path) -> None:
    text, _ = changed(site, 'data = "data"', "data = 5")
    for old, new in (
        ('hold = "72h"', "hold = 1"),
        ('adapter = "node"', 'adapter = "nod"'),
        ('"*"\nend', '"H99.07"\nend'),
    ):
        text = text.replace(old, new)
    found = faults(text, site)
    assert [fault.key for fault in found] == ["node.data", "limits.hold", "endpoint[2].adapter", "route[3].prefix"]
    assert sorted(fault.line for fault in found) == [fault.line for fault in found]


def test_a_key_that_is_not_written_says_that_its_default_counts(tmp_path: Path) -> None:
    path = make_site(tmp_path)
    (tmp_path / "keys" / "log.pem").unlink()
    text, _ = changed(path, 'log = "keys/log.pem"', "")
    fault = faults(text, path)[0]
    assert fault.key == "keys.log"
    assert fault.source_line == "[keys]"
    assert "its default counts" in fault.hint


def test_missing_sections_are_asked_for(tmp_path: Path) -> None:
    found = {fault.key: fault for fault in faults("", tmp_path / "axis.toml")}
    assert {"node", "listen", "trust"} <= set(found)
    assert found["node"].hint == "add [node]"


SYNTAX = [
    ("[node\n", 1, 6, "expected ']'", "alone in its line"),
    ("[node]\nname = axis\n", 2, 8, "invalid value", "text stands in quotes"),
    ("a = 1\na = 2\n", 2, 6, "cannot overwrite a value", "written before"),
    ('[node]\na = ["x" "y"]\n', 2, 10, "unclosed array", "commas stand between"),
    ('a = "C:\\pki"\n', 1, 10, "unescaped", "paths are written with /"),
    ("[node]\nname\n", 2, 5, "expected '='", "a line is key = value"),
    ("[a]\n[a]\n", 2, 3, "cannot declare", "written before"),
    ('a = "x', 1, 7, "unterminated string", "ends in its own line"),
    ('[node]\nname = "x\ndata = "d"\n', 2, 10, "illegal character", "ends in its own line"),
    ("\ufeff[node]\n", 1, 1, "invalid statement", "byte order mark"),
]


@pytest.mark.parametrize(("text", "line", "column", "reason", "hint"), SYNTAX)
def test_what_is_not_toml_is_one_fault(text: str, line: int, column: int, reason: str, hint: str) -> None:
    (fault,) = faults(text, Path("/x/axis.toml"))
    assert (fault.line, fault.column) == (line, column)
    assert reason in fault.reason
    assert hint in fault.hint


def test_a_file_that_is_not_utf_8_is_told_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "axis.toml"
    path.write_bytes('[node]\nname = "tr\xf4c"\n'.encode("latin-1"))
    with pytest.raises(ConfigError, match="not UTF-8") as caught:
        load_file(path)
    assert (caught.value.faults[0].line, caught.value.faults[0].column) == (2, 11)


def test_a_file_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file or directory"):
        load_file(tmp_path / "axis.toml")


def test_a_mailbox_without_credentials_and_certificates_without_their_authority(site: Path) -> None:
    text, _ = changed(site, 'certificates = ["tls/so-noi-vu.pem"', 'x = ["tls/so-noi-vu.pem"')
    text = re.sub(r"api_keys = .*0d1f.*\n", "", text)
    found = {fault.key: fault for fault in faults(text, site)}
    assert "nobody can prove" in found["endpoint[0]"].reason
    text, _ = changed(site, 'client_ca = ["tls/client-ca.pem"]', "")
    assert {fault.key for fault in faults(text, site)} == {"endpoint[0].certificates", "endpoint[2].certificates"}


# --- the registry -------------------------------------------------------------------------------------------


def registry_faults(tmp_path: Path, *texts: str) -> tuple[Fault, ...]:
    from axis.config import load_registry

    files = [tmp_path / f"{place}.toml" for place, _ in enumerate(texts)]
    for path, text in zip(files, texts, strict=True):
        path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_registry(files)
    return caught.value.faults


def row(code: str, more: str = "") -> str:
    return f'[[agency]]\ncode = "{code}"\nname = "x"\nlevel = "commune"\n{more}\n'


PRINT = f"sha256:{'ab' * 32}"


def registries() -> Iterator[tuple[str, int, int, str, str]]:
    yield row("H99", 'parent = "G99"'), 5, 10, "no agency G99 is listed", "grammar"
    yield row("H99") + row("H99.07", 'parent = "G01"'), 10, 10, "no agency G01 is listed", "stands below H99:"
    yield (
        row("H99", 'successors = ["H98"]\nvalid_to = 2025-07-01') + row("H9"),
        5,
        14,
        "no agency H98 is listed",
        'mean "H9"',
    )
    yield row("H99") + row("H99"), 7, 8, "agency H99 stands twice", "first in 0.toml:2"
    yield row("A1", 'parent = "B1"') + row("B1", 'parent = "A1"'), 5, 10, "parents go round: A1 > B1 > A1", "cut it"
    yield row("H99.31") + row("000.00.31.H99"), 7, 8, "one place in the tree", "keep one"
    yield row("H99", "valid_from = 2026-01-01\nvalid_to = 2025-01-01"), 6, 12, "ends before it begins", "exchange"
    yield row("H99", 'successors = ["H98"]') + row("H98"), 5, 14, "with successors is closed", "add valid_to"
    yield row("H99", "valid_to = 2025-07-01T00:00:00"), 5, 12, "needs its zone", "+07:00"
    yield row("H99", 'valid_to = "01/07/2025"'), 5, 12, "a date without quotes", "write 2025-07-01"
    yield row("H99", 'valid_to = "2025"'), 5, 12, "a date without quotes", "2025-07-01"
    yield row("H99", 'level = "x"').replace('level = "commune"\n', ""), 4, 9, "unknown value 'x'", "central"
    yield row("H99", 'certificate = "x"'), 5, 1, "unknown key", '"certificates"?'
    certificates = f'certificates = ["{PRINT}"]'
    yield row("H99", certificates) + row("H98", certificates), 10, 16, "already speaks for H99", "one agency"


@pytest.mark.parametrize(("text", "line", "column", "reason", "hint"), list(registries()))
def test_the_registry_has_the_same_located_faults(
    tmp_path: Path, text: str, line: int, column: int, reason: str, hint: str
) -> None:
    fault = next(one for one in registry_faults(tmp_path, text) if reason in one.reason)
    assert (fault.line, fault.column) == (line, column)
    assert hint in fault.hint


def test_faults_of_several_registry_files_are_told_together(tmp_path: Path) -> None:
    found = registry_faults(tmp_path, row("?"), row("H99", "x = 1"))
    assert [(fault.path.name, fault.line) for fault in found] == [("0.toml", 2), ("1.toml", 5)]


def test_an_agency_may_stand_in_another_file_than_its_parent(tmp_path: Path) -> None:
    from axis.config import load_registry

    (tmp_path / "a.toml").write_text(row("H99.07", 'parent = "H99"'))
    (tmp_path / "b.toml").write_text(row("H99"))
    assert len(load_registry([tmp_path / "a.toml", tmp_path / "b.toml"])) == 2


def test_the_old_and_the_new_code_of_one_agency_share_place_and_certificate(tmp_path: Path) -> None:
    from axis.config import load_registry

    certificates = f'certificates = ["{PRINT}"]'
    old = row("000.00.31.H99", f'valid_to = 2025-07-01\nsuccessors = ["H99.31"]\n{certificates}')
    (tmp_path / "a.toml").write_text(old + row("H99.31", certificates))
    assert len(load_registry([tmp_path / "a.toml"])) == 2


@pytest.mark.parametrize(
    ("old", "new", "hint"),
    [
        ("fetch = true", "fetch = True", "write true or false, in small letters"),
        ('data = "data"', "data = “data”", "quotes are straight"),
        ("[[route]]", "[route]", "each one begins with [[route]]"),
        ("[[endpoint]]", "[endpoint]", "each one begins with [[endpoint]]"),
    ],
)
def test_what_is_no_toml_is_told_with_what_was_meant(old: str, new: str, hint: str, site: Path) -> None:
    text, _line = changed(site, old, new)
    (found,) = faults(text, site)
    assert found.hint.startswith(hint)


def test_one_table_in_place_of_a_list_of_them_is_told_as_that() -> None:
    (found,) = [one for one in faults("[route]\n", Path("axis.toml")) if one.key == "route"]
    assert found.hint.startswith("each one begins with [[route]]")
