"""How many signatures a package has, where, and by whom: lines of both lists."""

from __future__ import annotations

import copy
from collections.abc import Callable

from tests.refusals import forms
from tests.refusals.forms import STRUCTURE
from tests.refusals.row import Case, Row
from tests.refusals.said import judged
from tests.unit.signing.bend import find
from tests.unit.signing.forge import Package, by_parts


def again(place: str) -> Callable[[], Package]:
    """A second copy of the signature."""

    def make() -> Package:
        package = by_parts()
        twin = copy.deepcopy(package.signature)
        for node in twin.iter("*"):
            node.attrib.pop("Id", None)
        {
            "first": lambda: package.place.insert(0, twin),
            "last": lambda: package.place.append(twin),
            "nested": lambda: find(package, "ds:Object").append(twin),
            "elsewhere": lambda: package.root[-1].append(twin),
        }[place]()
        return package

    return make


SEVERAL = "tests/unit/signing/test_several.py"
COUNTER = "tests/unit/signing/test_countersignature.py"

ROWS = (
    Row(
        "13",
        "A signature at another place, more than one, one inside another",
        (Case("moved", STRUCTURE, forms.moved_signature),),
        same=("D12", "D48"),
        defences=("sig-place",),
        note="up to four stand side by side; each is judged and the worst decides",
    ),
    Row(
        "D12",
        "More signatures than belong there, or where none belongs",
        (judged("nested", STRUCTURE, again("nested")), judged("elsewhere", STRUCTURE, again("elsewhere"))),
        tests=(
            f"{SEVERAL}::test_four_are_accepted_and_five_are_not",
            f"{SEVERAL}::test_d12_an_attackers_signature_first_or_last_is_never_a_pass",
        ),
        defences=("sig-anywhere",),
    ),
    Row(
        "D13",
        "The signature stands elsewhere than where it must",
        (Case("moved", STRUCTURE, forms.moved_signature),),
        defences=("sig-place",),
    ),
    Row(
        "D48",
        "A second signer who covers less, whom nobody trusts, or who is one too many",
        tests=(
            f"{SEVERAL}::test_one_that_covers_less_is_not_saved_by_the_other",
            f"{SEVERAL}::test_two_that_cover_all_between_them_cover_nothing",
            f"{SEVERAL}::test_four_are_accepted_and_five_are_not",
        ),
        defences=("sig-worst", "sig-number"),
    ),
    Row(
        "62",
        "A countersignature of something else",
        tests=(f"{COUNTER}::test_62_a_false_one_breaks_the_one_true_shape_and_elsewhere_is_only_told",),
        defences=("sig-countersigned",),
    ),
)
