"""`[hsm]` and `hsm:label` in a configuration: what they read as, and their faults with their places."""

from __future__ import annotations

from pathlib import Path

import pytest

from axis.config import Config, ConfigError, load_config, load_file
from axis.config.model import InToken
from tests.unit.config.site import make_site

MODULE = "/usr/lib/softhsm/libsofthsm2.so"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The example with both keys in a token, whose files exist."""
    path = make_site(tmp_path)
    text = path.read_text().replace('"keys/receipt.pem"', '"hsm:biên nhận"').replace('"keys/log.pem"', '"hsm:log"')
    path.write_text(text.replace(MODULE, "token.so"))
    (tmp_path / "token.so").touch()
    pin = tmp_path / "keys" / "token.pin"
    pin.touch(0o600)
    pin.write_text("1234\n")
    return path


def faults(site: Path, old: str = "", new: str = "") -> list[tuple[str, str, str, str]]:
    """What is said of the configuration with `old` replaced: key, reason, hint, and the line that is shown."""
    text = site.read_text()
    assert old in text
    with pytest.raises(ConfigError) as told:
        load_config(text.replace(old, new), site)
    return [(one.key, one.reason, one.hint, one.source_line) for one in told.value.faults]


def test_keys_in_a_token_read_as_labels(site: Path) -> None:
    config: Config = load_file(site)
    assert (config.keys.receipts, config.keys.log) == (InToken("biên nhận"), InToken("log"))
    assert str(config.keys.log) == "hsm:log"
    assert config.hsm is not None
    assert (config.hsm.module, config.hsm.token) == (site.parent / "token.so", "axis")
    assert config.hsm.pin_file == site.parent / "keys" / "token.pin"


def test_files_and_tokens_may_be_mixed(site: Path) -> None:
    text = site.read_text().replace('"hsm:log"', '"keys/log.pem"')
    assert load_config(text, site).keys.log == site.parent / "keys" / "log.pem"


def test_a_token_needs_its_section(site: Path) -> None:
    text = site.read_text()
    section = text[text.index("[hsm]") : text.index("[trust]")]
    found = faults(site, section)
    assert [key for key, *_ in found] == ["keys.receipts", "keys.log"]
    assert found[1][1:] == (
        "is in a token, and there is no [hsm]",
        "add [hsm] with module, token and pin_file",
        'log = "hsm:log"',
    )


def test_the_module_must_be_there(site: Path) -> None:
    ((key, reason, _, line),) = faults(site, "token.so", "none.so")
    assert (key, line) == ("hsm.module", 'module = "none.so"')
    assert reason == f"{site.parent / 'none.so'} does not exist"


def test_the_pin_is_for_the_daemon_alone(site: Path) -> None:
    (site.parent / "keys" / "token.pin").chmod(0o640)
    ((key, reason, hint, _),) = faults(site)
    assert key == "hsm.pin_file"
    assert "is open to other users (mode 0640)" in reason
    assert hint.startswith("chmod 600 ")


@pytest.mark.parametrize("label", ["", " log", "log "])
def test_a_label_is_not_empty(label: str, site: Path) -> None:
    ((key, reason, *_),) = faults(site, '"hsm:log"', f'"hsm:{label}"')
    assert (key, reason) == ("keys.log", "names no key of the token")


def test_a_key_file_is_checked_as_before(site: Path) -> None:
    ((key, reason, *_),) = faults(site, '"hsm:log"', '"keys/nix.pem"')
    assert key == "keys.log"
    assert reason.endswith("does not exist")


def test_a_section_that_no_key_names_may_wait_for_its_device(tmp_path: Path) -> None:
    """The example names a library that is not installed everywhere."""
    config = load_file(make_site(tmp_path))
    assert config.hsm is not None
    assert not config.hsm.pin_file.exists()


def test_unknown_and_missing_keys_of_the_section_are_told(site: Path) -> None:
    found = faults(site, 'pin_file = "keys/token.pin"', 'pin = "1234"')
    assert {(key, reason) for key, reason, *_ in found} == {
        ("hsm.pin", "unknown key"),
        ("hsm.pin_file", "is missing"),
    }
