"""Which settings of a PostgreSQL its administrator hears of."""

from __future__ import annotations

import pytest

from axis.sql.overheard import overheard

USUAL = {
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_min_duration_sample": "-1",
    "log_statement_sample_rate": "1",
    "log_transaction_sample_rate": "0",
    "log_parameter_max_length": "-1",
    "track_activities": "on",
}


@pytest.mark.parametrize(
    "changed",
    [
        {"log_statement": "all"},
        {"log_statement": "mod"},
        {"log_min_duration_statement": "0"},
        {"log_min_duration_sample": "100"},
        {"log_transaction_sample_rate": "0.1"},
        {"auto_explain.log_min_duration": "0"},
        {"pgaudit.log_parameter": "on"},
        {"track_activities": "off"},
    ],
    ids="-".join,
)
def test_what_a_server_writes_down_is_named(changed: dict[str, str]) -> None:
    (told,) = overheard(USUAL | changed)
    ((name, value),) = changed.items()
    assert f"{name} = {value}" in told


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"log_statement": "ddl"},
        {"log_statement": "all", "log_parameter_max_length": "0"},
        {"log_min_duration_sample": "100", "log_statement_sample_rate": "0"},
        {"auto_explain.log_min_duration": "-1", "pgaudit.log_parameter": "off"},
    ],
    ids=lambda changed: "-".join(changed) or "usual",
)
def test_of_a_server_that_writes_no_values_nothing_is_told(changed: dict[str, str]) -> None:
    assert overheard(USUAL | changed) == ()
