"""Settings and seeds of the simulated axis: what is wrong is named."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.national.simulator.main import clock_of, running
from adapters.national.simulator.settings import (
    SeedAgency,
    SeedDocument,
    Seeds,
    SeedSystem,
    Settings,
    SettingsError,
    load_seeds,
)
from tests.unit.national.world import FAR, FAR_SYSTEM, NOW, SECRET, SENDER, SYSTEM

TOML = f"""
[[systems]]
id = "{SYSTEM}"
secret = "{SECRET}"
agencies = [{{code = "{SENDER}", name = "UBND A"}}, {{code = "{FAR}", name = "Sở Y", pcode = "x", locked = true}}]

[[documents]]
doc_id = "one"
to = "{SENDER}"
package = "a.edxml"
"""


def test_seeds_are_read_from_toml_and_json(tmp_path: Path) -> None:
    toml, json = tmp_path / "seeds.toml", tmp_path / "seeds.json"
    toml.write_text(TOML, encoding="utf-8")
    json.write_text('{"systems": [{"id": "a", "secret": "b"}]}', encoding="utf-8")
    assert load_seeds(toml) == Seeds(
        (SeedSystem(SYSTEM, SECRET, (SeedAgency(SENDER, "UBND A"), SeedAgency(FAR, "Sở Y", "x", True))),),
        (SeedDocument("one", SENDER, tmp_path / "a.edxml"),),
    )
    assert load_seeds(json) == Seeds((SeedSystem("a", "b"),))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("systems = 1", "systems: must be a list"),
        ("system = []", "unknown key 'system'"),
        ('systems = [{id = "a"}]', r"systems\[0\]\.secret"),
        ('systems = [{id = "a", secret = "b", agencies = [{code = "x y"}]}]', r"agencies\[0\]\.code"),
        ('systems = [{id = "a", secret = "b"}, {id = "a", secret = "b"}]', "'a' occurs twice"),
        ("systems = [", "seeds: "),
    ],
)
def test_bad_seeds_are_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "seeds.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=said):
        load_seeds(path)


def test_seeds_that_are_not_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        load_seeds(tmp_path / "none.toml")


@pytest.mark.parametrize(
    "changes",
    [
        {"tls_key": Path("x")},
        {"base_path": "x"},
        {"base_path": "/x/"},
        {"operator_token": "short"},
        {"start_at": datetime(2026, 1, 1)},  # noqa: DTZ001 - that is the point
        {"max_body_bytes": 0},
        {"skew": timedelta(0)},
    ],
)
def test_bad_settings_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        Settings(Path("x"), **changes)


def test_secrets_are_not_shown() -> None:
    shown = repr(Settings(Path("x"), Seeds((SeedSystem("a", SECRET),)), operator_token="hidden-token"))
    assert SECRET not in shown
    assert "hidden-token" not in shown


def test_the_clock_can_begin_elsewhere_and_runs_on() -> None:
    clock = clock_of(Settings(Path("x"), start_at=NOW))
    first = clock()
    assert timedelta(0) <= first - NOW < timedelta(seconds=10)
    assert clock() >= first


async def test_what_keeps_the_axis_from_starting_is_told(tmp_path: Path) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("no key")
    (tmp_path / "a.edxml").write_text("no package")
    mine, other = (SeedSystem(name, "s", (SeedAgency(SENDER, "A"),)) for name in (SYSTEM, FAR_SYSTEM))
    bad = [
        {"tls_certificate": broken, "tls_key": broken},
        {"host": "192.0.2.1"},
        {"seeds": Seeds((mine,), (SeedDocument("x", SENDER, tmp_path / "none.edxml"),))},
        {"seeds": Seeds((mine,), (SeedDocument("x", SENDER, tmp_path / "a.edxml"),))},
        {"seeds": Seeds((other,))},
    ]
    for changes in bad:
        with pytest.raises(SettingsError):
            async with running(Settings(tmp_path / "data", port=0, **changes)):  # type: ignore[arg-type]
                raise AssertionError("it started")
