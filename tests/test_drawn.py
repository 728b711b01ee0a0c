"""What a run that has no time for all tests leaves out is another half each time."""

from tests.drawn import is_drawn

TESTS = [f"tests/test_{number // 9}.py::test[{number}]" for number in range(1000)]


def drawn(by: str) -> set[str]:
    return {test for test in TESTS if is_drawn(test, by)}


def test_half_of_them_the_same_each_time_and_all_of_them_in_turn() -> None:
    first, second = drawn("một"), drawn("hai")
    assert first == drawn("một")
    assert 400 < len(first) < 600
    assert 150 < len(first & second) < 350
    assert set[str]().union(*(drawn(str(number)) for number in range(20))) == set(TESTS)
