"""Do the newest packages lie where the configuration says? A disk that is not mounted, a bucket of another name and a
folder that was put back are noticed before a document is stored where nobody will look for it.

Each octet is looked at by `axis fsck`; here a few names are, whenever a node starts.
"""

from __future__ import annotations

from axis.holding import Holding
from axis.sql.engine import open_readonly, told
from axis.sql.soundness import newest_files


class PackagesMissing(Exception):
    """None of the newest packages that are kept outside the database is there."""


def see_packages(store: str, holding: Holding) -> int:
    """Look for the newest packages outside the database; returns how many of them are missing. `PackagesMissing` where
    all are.

    `StoreError`, `OSError` when the database or the place cannot be asked.
    """
    with told(store), open_readonly(store) as questions:
        refs = newest_files(questions.session)
    missing = [ref for ref in refs if not holding.has(ref)]
    if refs and len(missing) == len(refs):
        raise PackagesMissing(f"the newest packages ({len(refs)}, such as {refs[0].sha256}) are not in {holding.name}")
    return len(missing)
