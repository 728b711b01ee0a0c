"""What a run that has no time for all tests takes is another third each time."""

from tests.drawn import is_drawn

TESTS = [f"tests/test_{number // 9}.py::test[{number}]" for number in range(1000)]


def drawn(by: str) -> set[str]:
    return {test for test in TESTS if is_drawn(test, by)}


def test_a_third_of_them_the_same_each_time_and_all_of_them_in_turn() -> None:
    first, second = drawn("một"), drawn("hai")
    assert first == drawn("một")
    assert 250 < len(first) < 420
    assert 50 < len(first & second) < 180
    assert set[str]().union(*(drawn(str(number)) for number in range(40))) == set(TESTS)
