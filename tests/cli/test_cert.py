"""`axis cert`: what a certificate is, whom it speaks for, and what will break, as people and programs meet it."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from axis.cli import main
from axis.cli.certs.book import HEADING, quoted
from axis.config import load_file
from axis.config.bindings import registry_of
from axis.core.binding import Standing
from axis.devpki import DevPki, Identity
from schemas.codes import AgencyCode
from tests.site import HOME_AFFAIRS, OFFICE, Site, problem, until
from tests.tools import need

SNV, WARD = AgencyCode("H99.07"), AgencyCode("H99.115")
DAY = timedelta(days=1)


def axis(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(one) for one in arguments], prog_name="axis")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cert") / "nút"
    assert axis("init", folder).exit_code == 0
    pki = DevPki(folder / "pki", datetime.now(UTC))
    for name in ("new", "other"):
        pki.signer(name)
    return folder


class Node:
    """A copy of what `axis init` makes, with two signing certificates more."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "axis.toml"
        self.bindings = folder / "bindings.toml"
        self.pki = DevPki(folder / "pki", datetime.now(UTC))

    def signer(self, name: str) -> Path:
        return self.folder / "pki" / "signers" / f"{name}.pem"

    def cert(self, command: str, *arguments: str | Path) -> Result:
        return axis("cert", command, *arguments, "-c", self.config)

    def answer(self, command: str, *arguments: str | Path) -> tuple[int, Any]:
        result = self.cert(command, *arguments, "--json")
        assert result.stdout, result.output
        return result.exit_code, json.loads(result.stdout)

    def bound(self, *arguments: str | Path) -> Any:
        code, told = self.answer("bind", *arguments)
        assert code == 0, told
        return told

    def standing(self, name: str, code: AgencyCode, at: datetime | None = None) -> Standing:
        """What the daemon would find."""
        fingerprint = self.print_of(name)
        return (
            registry_of(load_file(self.config)).bindings.speaks_for(fingerprint, code, at or datetime.now(UTC)).standing
        )

    def print_of(self, name: str) -> str:
        _, told = self.answer("inspect", self.signer(name))
        return str(told["sha256"])


@pytest.fixture
def node(made: Path, tmp_path: Path) -> Node:
    return Node(Path(shutil.copytree(made, tmp_path / "nút")))


# --- inspect ------------------------------------------------------------------------------------------------


def test_inspect_tells_what_openssl_tells(node: Node) -> None:
    """Fingerprints, serial and dates against another implementation."""
    path = node.signer("H99.07")
    command = [need("openssl"), "x509", "-in", str(path), "-noout", "-serial", "-startdate", "-enddate"]
    seen = subprocess.run(command, capture_output=True, text=True, check=True).stdout.lower()
    facts = dict(line.split("=", 1) for line in seen.splitlines())
    prints = {
        name: subprocess.run(
            [need("openssl"), "x509", "-in", str(path), "-noout", "-fingerprint", f"-{name}"],
            capture_output=True,
            text=True,
            check=True,
        )
        .stdout.rpartition("=")[2]
        .strip()
        .replace(":", "")
        .lower()
        for name in ("sha256", "sha1")
    }
    _, told = node.answer("inspect", path)
    one = told["certificate"]
    assert {name: one[name] for name in prints} == prints
    assert int(one["serial"], 16) == int(facts["serial"], 16)
    form = "%b %d %H:%M:%S %Y gmt"
    for name, key in (("notbefore", "not_before"), ("notafter", "not_after")):
        assert datetime.fromisoformat(one[key]) == datetime.strptime(facts[name], form).replace(tzinfo=UTC)
    assert (one["key"], one["usage"], one["purposes"]) == ("EC secp256r1", ["digitalSignature", "nonRepudiation"], [])


def test_inspect_of_a_good_certificate_in_words(node: Node) -> None:
    result = node.cert("inspect", node.signer("H99.07"))
    assert result.exit_code == 0
    for part in ("CN=So Noi vu tinh H99", "có (accepted)", "gốc (anchor)", "H99.07 Sở Nội vụ tỉnh H99: đang (now)"):
        assert part in result.output
    assert result.output.count("danh sách thu hồi    đến") == 2


def verdicts(node: Node) -> list[tuple[list[str | Path], int, str | None]]:
    other = node.signer("H99.115")
    return [
        ([node.signer("H99.07")], 0, "good"),
        ([node.signer("new")], 1, "good"),  # it speaks for nobody
        ([node.folder / "pki" / "tls" / "server.pem"], 1, "cert-key-usage"),
        ([node.folder / "pki" / "issuing.pem"], 1, "cert-key-usage"),
        ([node.folder / "pki" / "tls-ca.pem"], 1, "cert-key-usage"),
        ([other, "--at", "2001-01-01"], 1, "cert-not-yet-valid"),
        ([other, "--at", "2080-01-01T00:00:00+07:00"], 1, "cert-expired"),
        (["sha256:" + "ab" * 32], 1, None),  # nobody knows it, and it speaks for nobody
    ]


def test_inspect_ends_with_what_it_found(node: Node) -> None:
    for arguments, code, reason in verdicts(node):
        found, told = node.answer("inspect", *arguments)
        assert (found, told["verdict"] and told["verdict"]["reason"]) == (code, reason), arguments
        assert told["ok"] is (code == 0)


def test_inspect_finds_a_certificate_by_its_fingerprint_in_the_files_of_the_node(node: Node) -> None:
    fingerprint = node.print_of("H99.07")
    for text in (fingerprint, f"sha256:{fingerprint.upper()}"):
        code, told = node.answer("inspect", text)
        assert (code, told["certificate"]["sha256"], told["where"]) == (0, fingerprint, "H99.07 in agencies.toml")


def test_inspect_could_not_tell_without_lists_without_the_certificate_or_without_a_configuration(
    node: Node, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (node.folder / "pki" / "crls" / "issuing.crl").unlink()
    code, told = node.answer("inspect", node.signer("H99.07"))
    assert (code, told["verdict"]["reason"]) == (3, "cert-revocation-unknown")
    assert "there is no revocation list" in node.cert("inspect", node.signer("H99.07")).output
    node.bindings.write_text(
        f'[[binding]]\ncertificate = "sha256:{"ab" * 32}"\nagency = "H99.07"\nvalid_from = 2026-01-01\n'
    )
    code, told = node.answer("inspect", "ab" * 32)
    assert (code, told["certificate"], told["bindings"][0]["agency"]) == (3, None, "H99.07")
    monkeypatch.chdir(tmp_path)
    result = axis("cert", "inspect", node.signer("H99.07"))
    assert result.exit_code == 3
    assert "CN=So Noi vu tinh H99" in result.output
    assert "no configuration" in result.output
    assert axis("cert", "inspect", node.signer("H99.07"), "-c", "no.toml").exit_code == 2


def test_inspect_tells_a_revocation_with_its_day(node: Node) -> None:
    identity = Identity(node.signer("H99.07"), node.signer("H99.07"), "")
    day = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)
    node.pki.revoke(identity, day)
    node.pki.write_crl()
    code, told = node.answer("inspect", node.signer("H99.07"))
    assert (code, told["verdict"]["reason"]) == (1, "cert-revoked")
    assert told["verdict"]["observed"].startswith(day.isoformat())
    code, told = node.answer("forecast")
    assert (code, [(one["kind"], one["agencies"]) for one in told["events"]]) == (
        1,
        [("certificate-refused", ["H99.07"])],
    )


@pytest.mark.parametrize("text", ["nothing-here.pem", "sha256:abc", "axis.toml"])
def test_what_is_no_certificate_is_wrong_usage(node: Node, text: str) -> None:
    for command, more in (("inspect", ()), ("bind", ("--agency", "H99.07"))):
        name = node.folder / text if text == "axis.toml" else text
        assert node.cert(command, name, *more).exit_code == 2, command
    assert not node.bindings.exists()


# --- bind ---------------------------------------------------------------------------------------------------


def test_bind_makes_the_file_and_says_what_is_true_afterwards(node: Node) -> None:
    told = node.bound(node.signer("new"), "--agency", "H99.07", "--agency", "H99.115", "--note", 'công văn "12"\\7')
    fingerprint = node.print_of("new")
    rows = tomllib.loads(node.bindings.read_text())["binding"]
    assert [row["agency"] for row in rows] == ["H99.07", "H99.115"]
    assert all(row["certificate"] == f"sha256:{fingerprint}" for row in rows)
    assert rows[0]["note"] == 'công văn "12"\\7'
    assert (node.folder / rows[0]["file"]).read_bytes().startswith(b"-----BEGIN CERTIFICATE-----")
    assert {one["certificate"] for one in told["agencies"]["H99.07"]} == {fingerprint, node.print_of("H99.07")}
    assert all(one["holds"] for one in told["agencies"]["H99.115"])
    assert told["remarks"] == []
    assert node.standing("new", SNV) is node.standing("new", WARD) is node.standing("H99.07", SNV) is Standing.GOOD
    code, seen = node.answer("inspect", node.signer("new"))
    assert (code, [one["agency"] for one in seen["bindings"]]) == (0, ["H99.07", "H99.115"])


def test_bind_for_a_time(node: Node) -> None:
    node.bound(node.signer("new"), "--agency", "H99.07", "--from", "2030-01-01", "--to", "2031-01-01T08:00:00+07:00")
    row = tomllib.loads(node.bindings.read_text())["binding"][0]
    assert str(row["valid_from"]) == "2030-01-01"
    begins, ends = datetime(2029, 12, 31, 17, tzinfo=UTC), datetime(2031, 1, 1, 1, tzinfo=UTC)
    just = timedelta(seconds=1)
    found = [node.standing("new", SNV, at) for at in (begins - just, begins, ends - just, ends)]
    assert found == [Standing.NOT_YET, Standing.GOOD, Standing.GOOD, Standing.ENDED]


REFUSALS = [
    # arguments after the certificate `new`, exit code, part of what is told
    (["--agency", "H99.7"], 1, 'did you mean "H99.07"?'),
    (["--agency", "H99.07", "--agency", "G01"], 1, "no agency G01 is listed"),
    (["--agency", "H 99"], 2, "agency code"),
    ([], 2, "--agency"),
    (["--agency", "H99.07", "--from", "2030-01-02", "--to", "2030-01-02"], 2, "--to must lie after --from"),
    (["--agency", "H99.07", "--from", "32/01/2030"], 2, "day first"),
    (["--agency", "H99.07", "--from", "soon"], 2, "is no date"),
    (["--agency", "H99.07", "--note", "a\nb"], 2, "can be printed"),
    (["--end", "--from", "2030-01-01"], 2, "takes no --from"),
    (["--end"], 1, "does not speak for anybody"),
    (["--replace", "OTHER"], 1, "speaks for nobody"),
    (["--replace", "NEW"], 1, "cannot replace itself"),
    (["--replace", "OLD", "--agency", "H99.115"], 1, "does not speak for H99.115"),
    (["--replace", "OLD", "--overlap", "long"], 2, "no duration"),
]


@pytest.mark.parametrize(("arguments", "code", "told"), REFUSALS, ids=[" ".join(case[0]) for case in REFUSALS])
def test_a_refused_bind_changes_nothing(node: Node, arguments: list[str], code: int, told: str) -> None:
    names = {"OTHER": "other", "NEW": "new", "OLD": "H99.07"}
    given = [str(node.signer(names[one])) if one in names else one for one in arguments]
    result = node.cert("bind", node.signer("new"), *given)
    assert (result.exit_code, told in result.output) == (code, True), result.output
    assert not node.bindings.exists()


def test_a_repeated_bind_is_refused_with_the_place_of_the_first(node: Node) -> None:
    node.bound(node.signer("new"), "--agency", "H99.07")
    before = node.bindings.read_bytes()
    result = node.cert("bind", node.signer("new"), "--agency", "H99.115", "--agency", "H99.07")
    assert result.exit_code == 1
    assert f"{node.bindings}:5: this certificate already speaks for H99.07, from " in result.output
    assert node.bindings.read_bytes() == before
    result = node.cert("bind", node.signer("H99.07"), "--agency", "H99.07")
    assert result.exit_code == 1
    assert "the registry lists it without dates" in result.output


def test_bind_warns_of_a_certificate_that_would_not_be_accepted(node: Node) -> None:
    told = node.bound(node.folder / "pki" / "tls" / "server.pem", "--agency", "H99.07")
    assert told["remarks"] == ["it would not be accepted today: the certificate is not meant for signing"]
    told = node.bound("ab" * 32, "--agency", "H99.07")
    assert "forecast cannot say when it expires" in told["remarks"][0]


def test_a_file_with_a_chain_is_refused(node: Node) -> None:
    chain = node.folder / "chain.pem"
    chain.write_bytes(node.signer("new").read_bytes() + (node.folder / "pki" / "issuing.pem").read_bytes())
    result = node.cert("bind", chain, "--agency", "H99.07")
    assert (result.exit_code, "holds 2 certificates" in result.output) == (2, True)


def test_rollover_ends_the_old_one_after_the_overlap(node: Node) -> None:
    """The old one was listed in the registry without dates: from now on its dates count."""
    told = node.bound(
        node.signer("new"), "--replace", node.signer("H99.07"), "--overlap", "10d", "--from", "2030-01-01"
    )
    assert any("the registry still lists" in remark for remark in told["remarks"])
    begins = datetime(2029, 12, 31, 17, tzinfo=UTC)
    table = {
        days: [node.standing(name, SNV, begins + days * DAY) for name in ("H99.07", "new")] for days in (-1, 0, 9, 10)
    }
    good, later, ended = Standing.GOOD, Standing.NOT_YET, Standing.ENDED
    assert table == {-1: [good, later], 0: [good, good], 9: [good, good], 10: [ended, good]}
    assert node.standing("H99.115", WARD) is Standing.GOOD
    # And the next one, where the old one has a row already: that row ends.
    node.bound(node.signer("other"), "--replace", node.signer("new"), "--overlap", "0d", "--from", "2031-01-01")
    rows = tomllib.loads(node.bindings.read_text())["binding"]
    assert [str(row.get("valid_to")) for row in rows] == ["2031-01-01", "2030-01-11", "None"]


def test_rollover_leaves_an_earlier_end_alone_and_says_so(node: Node) -> None:
    node.bound(node.signer("new"), "--agency", "H99.115", "--to", "2030-01-05")
    told = node.bound(node.signer("other"), "--replace", node.signer("new"), "--from", "2030-01-01")
    assert any("ends before the overlap" in remark for remark in told["remarks"])
    rows = tomllib.loads(node.bindings.read_text())["binding"]
    assert [str(row.get("valid_to")) for row in rows] == ["2030-01-05", "None"]


def test_end_ends_now_and_takes_back_what_has_not_begun(node: Node) -> None:
    node.bound(node.signer("new"), "--agency", "H99.07")
    node.bound(node.signer("new"), "--agency", "H99.115", "--from", "2030-01-01")
    node.bound(node.signer("new"), "--end", "--agency", "H99.07")
    assert not registry_of(load_file(node.config)).bindings.rows[0].holds(datetime.now(UTC))
    assert node.standing("new", WARD) is Standing.NOT_YET
    node.bound(node.signer("new"), "--end")
    assert node.standing("new", WARD, datetime(2031, 1, 1, tzinfo=UTC)) is Standing.NONE
    assert node.cert("bind", node.signer("new"), "--end").exit_code == 1
    node.bound(node.signer("H99.07"), "--end")
    assert node.standing("H99.07", SNV) is Standing.ENDED, "also what the registry lists without dates"


WRITTEN = """\
# Tệp này sửa tay. Keep me.

[[binding]]   # the first
agency = "H99.07"
certificate = "sha256:{new}"
valid_from = 2026-01-01 # since the new year
note = 'nói "thế"'

  # between
[[binding]]
certificate = "sha256:{new}"
agency = "H99.115"
valid_to = 2040-01-01   # keep this remark
valid_from = 2026-01-01
# the end"""


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_what_was_written_by_hand_stays_as_it_is(node: Node, newline: str) -> None:
    new = node.print_of("new")
    text = WRITTEN.format(new=new).replace("\n", newline)
    node.bindings.write_bytes(text.encode())
    node.bindings.chmod(0o640)
    node.bound(node.signer("other"), "--replace", new, "--from", "2030-01-01", "--overlap", "1d")
    after = node.bindings.read_bytes().decode()
    begun = after[: after.index("# the end")]
    wanted = text[: text.index("# the end")].replace(
        f"# since the new year{newline}", f"# since the new year{newline}valid_to = 2030-01-02{newline}"
    )
    assert begun == wanted.replace("2040-01-01", "2030-01-02")
    assert stat.S_IMODE(node.bindings.stat().st_mode) == 0o640
    assert (("\r\n" in after), after.count("\n") == after.count(newline)) == (newline == "\r\n", True)
    assert len(tomllib.loads(after)["binding"]) == 4


def test_rows_as_inline_tables_can_be_ended_but_not_added_to(node: Node) -> None:
    new = node.print_of("new")
    node.bindings.write_text(
        f'binding = [{{ certificate = "sha256:{new}", agency = "H99.07", valid_from = 2026-01-01 }}]\n'
    )
    before = node.bindings.read_bytes()
    result = node.cert("bind", node.signer("other"), "--agency", "H99.07")
    assert (result.exit_code, "nothing was changed" in result.output) == (1, True)
    assert node.bindings.read_bytes() == before
    node.bound(node.signer("new"), "--end")
    assert node.standing("new", SNV) is Standing.ENDED


def test_a_file_with_faults_is_told_and_left_alone(node: Node) -> None:
    node.bindings.write_text("[[binding]]\nagency = 5\n")
    for command in (["bind", node.signer("new"), "--agency", "H99.07"], ["inspect", node.signer("new")], ["forecast"]):
        result = node.cert(*command)
        assert result.exit_code == 2, command
        assert "bindings.toml:2:10: binding[0].agency" in result.output
    assert node.bindings.read_text() == "[[binding]]\nagency = 5\n"
    result = axis("doctor", "-c", node.config, "--json")
    failed = [line for line in json.loads(result.stdout)["lines"] if line["what"] == "bindings"]
    assert {line["state"] for line in failed} == {"fail"}


def test_a_folder_that_cannot_be_written_changes_nothing_and_could_not_tell(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.bound(node.signer("new"), "--agency", "H99.07")
    before = node.bindings.read_bytes()

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("axis.cli.certs.book.os.fsync", full)
    result = node.cert("bind", node.signer("other"), "--agency", "H99.07")
    assert (result.exit_code, "no space left" in result.output) == (3, True)
    assert node.bindings.read_bytes() == before
    left = [path.name for path in (*node.folder.iterdir(), *(node.folder / "certificates").iterdir())]
    assert [name for name in left if name.startswith(".")] == [".bindings.toml.lock"], "nothing half-written"


def test_a_link_to_the_file_stays_a_link(node: Node) -> None:
    (node.folder / "shared").mkdir()
    (node.folder / "shared" / "b.toml").write_text(HEADING)
    node.bindings.symlink_to(node.folder / "shared" / "b.toml")
    node.config.write_text(
        node.config.read_text().replace(
            'files = ["agencies.toml"]', 'files = ["agencies.toml"]\nbindings = "bindings.toml"'
        )
    )
    result = node.cert("bind", "ab" * 32, "--agency", "H99.07")
    assert result.exit_code == 0, result.output
    assert node.bindings.is_symlink()
    assert "[[binding]]" in (node.folder / "shared" / "b.toml").read_text()


@pytest.mark.parametrize("text", ['"', "\\", "\x7f", "a\tb", "Sở Nội vụ", "#", "''' \"\"\"", "\u2028"])
def test_text_survives_the_way_through_toml(text: str) -> None:
    assert tomllib.loads(f"x = {quoted(text)}")["x"] == text


@pytest.mark.faults
def test_binds_at_the_same_time_lose_no_row(node: Node) -> None:
    """Eight processes, each with a certificate of its own."""
    prints = [f"{number:02x}" * 32 for number in range(8)]
    command = [sys.executable, "-m", "axis", "cert", "bind"]
    running = [
        subprocess.Popen(
            [*command, one, "--agency", "H99.07", "-c", str(node.config)], stdout=subprocess.DEVNULL, env=os.environ
        )
        for one in prints
    ]
    assert [process.wait(120) for process in running] == [0] * 8
    rows = tomllib.loads(node.bindings.read_text())["binding"]
    assert sorted(row["certificate"] for row in rows) == [f"sha256:{one}" for one in prints]


# --- forecast -----------------------------------------------------------------------------------------------


def events(told: Any) -> list[tuple[str, list[str]]]:
    return [(one["kind"], one["agencies"]) for one in told["events"]]


def test_a_fresh_node_breaks_nowhere_soon(node: Node) -> None:
    code, told = node.answer("forecast")
    assert (code, told["ok"], told["events"], told["unread"]) == (0, True, [], [])
    assert "không có gì hỏng" in node.cert("forecast").output


def test_forecast_names_what_breaks_when_and_who_must_act(node: Node) -> None:
    """Lists of a development PKI last 365 days, its leaves 825, less a day for slow clocks."""
    code, told = node.answer("forecast", "--within", "900d")
    assert code == 1
    assert events(told) == [
        ("revocation-list-ends", ["H99.07", "H99.115"]),
        ("revocation-list-ends", ["H99.07", "H99.115"]),
        ("certificate-expires", ["H99.07"]),
        ("certificate-expires", ["H99.115"]),
        ("endpoint-client-expires", []),
        ("tls-server-expires", []),
    ]
    assert [one["in_days"] for one in told["events"]] == [364, 364, 823, 823, 823, 823]
    text = node.cert("forecast", "--within", "900d").output
    for part in ("chứng thư số ký hết hạn", "H99.07 Sở Nội vụ tỉnh H99", "axis cert bind NEW --replace OLD", "823 d"):
        assert part in text


def test_a_rollover_takes_the_break_out_of_the_forecast(node: Node) -> None:
    late = datetime.now(UTC) + 300 * DAY
    new = DevPki(node.folder / "pki", late).signer("late")
    node.bound(
        new.certificate, "--replace", node.signer("H99.07"), "--from", (late + DAY).isoformat(), "--overlap", "30d"
    )
    _, told = node.answer("forecast", "--within", "900d")
    assert ("certificate-expires", ["H99.07"]) not in events(told)
    assert ("certificate-expires", ["H99.115"]) in events(told)
    _, told = node.answer("forecast", "--within", "2000d")
    assert ("certificate-expires", ["H99.07"]) in events(told)


def test_forecast_could_not_tell_what_no_file_holds(node: Node) -> None:
    node.bound("ab" * 32, "--agency", "H99.07")
    code, told = node.answer("forecast")
    assert (code, told["events"], len(told["unread"])) == (3, [], 1)
    assert f"sha256:{'ab' * 32} (speaks for H99.07)" in told["unread"][0]
    assert "không đọc được" in node.cert("forecast").output
    code, told = node.answer("forecast", "--within", "900d")
    assert code == 1, "what certainly breaks is told first"


def test_forecast_at_another_time_sees_what_has_broken(node: Node) -> None:
    _, told = node.answer("forecast", "--at", (datetime.now(UTC) + 1000 * DAY).isoformat())
    assert told["events"] and all(one["already"] for one in told["events"])
    assert "đã (already)" in node.cert("forecast", "--at", "2040-01-01").output


def test_the_doctor_tells_an_agency_that_is_about_to_lose_its_last_certificate(node: Node) -> None:
    def lines() -> list[dict[str, str]]:
        result = axis("doctor", "-c", node.config, "--json")
        return [line for line in json.loads(result.stdout)["lines"] if line["what"] == "bindings"]

    assert [(line["state"], line["told"]) for line in lines()] == [("ok", "2 certificates speak for 2 agencies")]
    node.bound(node.signer("H99.07"), "--agency", "H99.07", "--to", (datetime.now(UTC) + 10 * DAY).isoformat())
    (line,) = lines()
    assert (line["state"], "H99.07, in 9 days: the binding ends" in line["told"]) == ("warn", True)


# --- a running node -----------------------------------------------------------------------------------------


@pytest.mark.faults
def test_a_running_node_believes_a_new_binding_without_a_restart(tmp_path: Path) -> None:
    """Refused, bound, accepted; a file with faults changes nothing and is told; ended, refused."""
    site = Site(tmp_path / "node", hurried=True)
    new = site.pki.signer("new")
    site.signers["new"] = new
    packages = [site.package(OFFICE, [HOME_AFFAIRS], signer="new") for _ in range(4)]
    site.start()
    try:
        reply = site.send(packages[0], OFFICE)
        assert (reply.status, problem(reply.body)) == (403, "certificate-agency-mismatch")
        assert axis("cert", "bind", new.certificate, "--agency", OFFICE, "-c", site.config).exit_code == 0
        until("accepted", lambda: site.send(packages[1], OFFICE).status == 202)
        good = (site.folder / "bindings.toml").read_text()
        (site.folder / "bindings.toml").write_text(good.replace("valid_from", "valid_form"))
        until("told", lambda: site.said("bindings_not_reloaded"))
        assert site.send(packages[2], OFFICE).status == 202
        (site.folder / "bindings.toml").write_text(good)
        assert axis("cert", "bind", new.certificate, "--end", "-c", site.config).exit_code == 0
        until("read again", lambda: site.said("bindings_reloaded") == 2)
        reply = site.send(packages[3], OFFICE)
        assert (reply.status, problem(reply.body)) == (403, "certificate-agency-mismatch")
        assert site.stop() == 0
        site.audit()
    finally:
        if site.running:
            site.kill()
