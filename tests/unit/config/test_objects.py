"""`store.blobs` and `[objects]`: what is asked for only once a bucket is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from axis.config import Config, ConfigError, load_file
from axis.objects.bucket import KEY_ID, SECRET, NotUsable
from axis.shelf import bucket_of
from tests.unit.config.site import make_site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_site(tmp_path_factory.mktemp("site"))


def changed(site: Path, *changes: tuple[str, str], blobs: str = "s3://axis/truc-tinh") -> Path:
    text = site.read_text().replace('blobs = "files"', f'blobs = "{blobs}"')
    for was, now in changes:
        assert text.count(was) == 1, was
        text = text.replace(was, now)
    path = site.with_name("changed.toml")
    path.write_text(text)
    return path


def ready(site: Path, mode: int = 0o600) -> Path:
    """The files that the example names for a bucket."""
    secret = site.parent / "keys" / "objects.secret"
    secret.write_text("khong-phai-bi-mat\n")
    secret.chmod(mode)
    (site.parent / "tls" / "objects-ca.pem").write_bytes((site.parent / "tls" / "client-ca.pem").read_bytes())
    return site


def faults(path: Path) -> dict[str, str]:
    with pytest.raises(ConfigError) as told:
        load_file(path)
    return {one.key: one.reason for one in told.value.faults}


def test_files_are_the_default_and_ask_for_nothing(site: Path) -> None:
    config = load_file(site)
    assert config.store.blobs == "files"
    assert config.objects is not None
    assert not (site.parent / "tls" / "objects-ca.pem").exists()


def test_a_bucket_asks_for_its_section_and_its_files(site: Path) -> None:
    told = faults(changed(site))
    assert set(told) == {"objects.secret_file", "objects.ca"}
    assert all("does not exist" in reason for reason in told.values())
    text = site.read_text()
    begin, end = text.index("\n[objects]\n"), text.index("\n[keys]\n")
    path = changed(site)
    path.write_text(text[:begin].replace('blobs = "files"', 'blobs = "s3://axis"') + text[end:])
    assert faults(path) == {"store.blobs": "is in a bucket, and there is no [objects]"}


def test_a_bucket_is_read_whole(site: Path) -> None:
    settings = bucket_of(load_file(changed(ready(site)))).settings
    assert (settings.bucket, settings.prefix, settings.address) == ("axis", "truc-tinh", "https://s3.h99.vn")
    assert settings.credentials.secret == "khong-phai-bi-mat"
    assert "khong-phai-bi-mat" not in repr(settings)
    assert settings.ca is not None
    assert b"BEGIN CERTIFICATE" in settings.ca


def test_a_secret_that_others_can_read_is_refused(site: Path) -> None:
    assert "open to other users" in faults(changed(ready(site, 0o644)))["objects.secret_file"]


@pytest.mark.parametrize("line", ['key_id = "axis-truc-tinh"\n', 'secret_file = "keys/objects.secret"\n'])
def test_id_and_secret_go_together(site: Path, line: str) -> None:
    assert faults(changed(ready(site), (line, ""))) == {f"objects.{line.split()[0]}": "is missing"}


def test_without_both_the_environment_is_asked(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ('key_id = "axis-truc-tinh"\n', ""), ('secret_file = "keys/objects.secret"\n', "")
    config: Config = load_file(changed(ready(site), *lines))
    for name in (KEY_ID, SECRET):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(NotUsable, match=KEY_ID):
        bucket_of(config)
    monkeypatch.setenv(KEY_ID, "a")
    monkeypatch.setenv(SECRET, "b")
    assert bucket_of(config).settings.credentials.key_id == "a"


@pytest.mark.parametrize(
    ("endpoint", "fine"),
    [
        ("https://s3.h99.vn:9000", True),
        ("http://127.0.0.1:9000", True),
        ("http://s3.h99.vn", False),
        ("https://axis:secret@s3.h99.vn", False),
        ("s3.h99.vn", False),
    ],
)
def test_packages_go_over_tls_or_stay_on_this_machine(site: Path, endpoint: str, fine: bool) -> None:
    path = changed(ready(site), ('endpoint = "https://s3.h99.vn"', f'endpoint = "{endpoint}"'))
    if fine:
        assert bucket_of(load_file(path)).settings.endpoint == endpoint
    else:
        assert set(faults(path)) == {"objects.endpoint"}


@pytest.mark.parametrize(
    "blobs",
    [
        "",
        "data/blobs",
        "s3://",
        "s3://Axis",
        "s3://axis/",
        "s3://axis/a//b",
        "s3://axis/../b",
        "https://s3/axis",
        "gs://a",
    ],
)
def test_what_is_neither_files_nor_a_bucket_is_refused(site: Path, blobs: str) -> None:
    assert "store.blobs" in faults(changed(ready(site), blobs=blobs))
