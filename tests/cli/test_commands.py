"""The command as people meet it: help, suggestions, exit codes, JSON, and the way from `init` to `doctor`."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography.x509 import AuthorityKeyIdentifier, SubjectKeyIdentifier, load_pem_x509_certificate

from axis.cli import COMMANDS, main
from axis.cli.doctor import look_at_packages
from axis.cli.looked import State
from axis.devpki import DevPki
from signing.keys import load_ed25519, load_ed25519_public, raw_public

AUTHORITIES = ("tls-ca", "root", "issuing")
HEAVY = ("aiohttp", "sqlalchemy", "sqlmodel", "lxml", "rich", "pydantic", "cryptography", "structlog", "alembic")


def axis(*arguments: str | Path, **environment: str) -> Result:
    return CliRunner().invoke(main, [str(one) for one in arguments], env=environment, prog_name="axis")


def answer(result: Result) -> Any:
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `axis init` makes. Tests that change it take `node`, a copy."""
    folder = tmp_path_factory.mktemp("cli") / "một nút"
    result = axis("init", folder)
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def node(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "node"))


def test_help_of_the_top_group_is_quick_and_imports_nothing_heavy() -> None:
    """Measured in a fresh interpreter; the best of three, because other work shares the machine."""
    script = (
        "import sys, time; begin = time.process_time()\n"
        "from axis.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        f"print('TOOK', time.process_time() - begin, [m for m in {HEAVY!r} if m in sys.modules])"
    )
    outputs = [
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
        for _ in range(3)
    ]
    told = [output.splitlines()[-1].split(maxsplit=2) for output in outputs]
    assert all(heavy == "[]" for _, _, heavy in told)
    assert min(float(took) for _, took, _ in told) < 0.3


def test_help_names_every_command() -> None:
    text = axis("--help").output
    assert all(f"  {name} " in text for name in COMMANDS)
    assert "0 yes, 1 no, 2 wrong usage, 3 could not tell" in text


def paths() -> list[list[str]]:
    return [
        *([name] for name in COMMANDS),
        *(["log", name] for name in ("verify", "show", "checkpoint", "key")),
        ["evidence", "export"],
        ["national", "serve"],
    ]


@pytest.mark.parametrize("path", paths(), ids=" ".join)
def test_every_command_has_help_and_answers_in_json(path: list[str]) -> None:
    result = axis(*path, "--help")
    assert result.exit_code == 0, result.output
    if path not in (["evidence"], ["log"], ["national"], ["queue"], ["store"], ["witness"]):
        assert "--json" in result.output


@pytest.mark.parametrize(("typed", "meant"), [("expalin", "explain"), ("chek", "check"), ("in", "init or inbox")])
def test_a_mistyped_command_is_suggested(typed: str, meant: str) -> None:
    result = axis(typed)
    assert result.exit_code == 2
    assert f"Did you mean {meant}" in result.output


def test_a_mistyped_option_is_suggested() -> None:
    result = axis("check", "--confg", "x")
    assert result.exit_code == 2
    assert "--config" in result.output


def test_the_module_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "axis", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("axis, version ")


# --- init ---------------------------------------------------------------------------------------------------


def test_init_makes_a_node_that_check_finds_right(made: Path) -> None:
    result = axis("check", "-c", made / "axis.toml", "--json")
    assert result.exit_code == 0, result.output
    told = answer(result)
    assert told["ok"] is True
    assert told["remarks"] == []
    assert told["summary"]["endpoints"] == {"mailbox": 2}


def test_init_keeps_secrets_to_their_owner(made: Path) -> None:
    secrets = [*made.glob("keys/*.pem"), *made.glob("pki/**/*.key"), *made.glob("clients/*.key")]
    assert len(secrets) == 10
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in secrets)


def test_init_writes_the_public_keys_that_others_need_and_says_so(tmp_path: Path) -> None:
    told = axis("init", tmp_path / "n").output
    key = load_ed25519_public((tmp_path / "n" / "keys" / "receipt.pub").read_bytes())
    assert raw_public(key) == raw_public(load_ed25519((tmp_path / "n" / "keys" / "receipt.pem").read_bytes()))
    assert "keys/receipt.pub" in told
    assert "keys/log.vkey" in told


def test_two_nodes_have_authorities_of_different_names_and_certificates_name_their_issuer_key(tmp_path: Path) -> None:
    names: list[str] = []
    for node in ("tinh", "tinh-2"):
        assert axis("init", tmp_path / node, "--name", "truc.h99").exit_code == 0
        pki = tmp_path / node / "pki"
        authorities = {name: load_pem_x509_certificate((pki / f"{name}.pem").read_bytes()) for name in AUTHORITIES}
        names += [one.subject.rfc4514_string() for one in authorities.values()]
        for path in (*pki.glob("tls/*.pem"), *pki.glob("signers/*.pem")):
            leaf = load_pem_x509_certificate(path.read_bytes())
            issuer = authorities["tls-ca" if path.parent.name == "tls" else "issuing"]
            own = issuer.extensions.get_extension_for_class(SubjectKeyIdentifier).value.digest
            assert leaf.extensions.get_extension_for_class(AuthorityKeyIdentifier).value.key_identifier == own
            assert leaf.extensions.get_extension_for_class(SubjectKeyIdentifier).value.digest != own
    assert len(set(names)) == 6
    assert all("truc.h99" in name for name in names)


def test_init_says_what_to_do_next_in_commands_that_a_shell_reads(made: Path, tmp_path: Path) -> None:
    folder = tmp_path / "nút 'thử'"
    result = axis("init", folder, "--json", "--name", "truc.h99")
    following = answer(result)["next"]
    assert len(following) == 3
    done = subprocess.run(
        following[0], shell=True, capture_output=True, text=True, env={**os.environ, "PATH": scripts()}, check=False
    )
    assert done.returncode == 0, done.stderr
    settings = subprocess.run(
        ["sh", "-c", f'. "{folder}/clients/so-noi-vu.env"; test -f "$AXIS_KEY" && test -f "$AXIS_SIGN_CERT"'],
        check=False,
    )
    assert settings.returncode == 0


def scripts() -> str:
    return f"{Path(sys.executable).parent}:{os.environ['PATH']}"


def test_init_names_the_status_page_where_the_configuration_has_it(tmp_path: Path) -> None:
    told = axis("init", tmp_path / "node").output
    assert "http://127.0.0.1:9443/" in told
    assert 'operator = "127.0.0.1:9443"' in (tmp_path / "node" / "axis.toml").read_text()


def test_init_never_touches_what_exists(made: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in made.rglob("*") if path.is_file()}
    result = axis("init", made)
    assert result.exit_code == 1
    assert "holds something already" in result.output
    assert {path: path.read_bytes() for path in made.rglob("*") if path.is_file()} == before
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "note.txt").write_text("mine")
    assert axis("init", kept).exit_code == 1
    assert [path.name for path in kept.iterdir()] == ["note.txt"]
    assert [path.name for path in tmp_path.iterdir()] == ["kept"], "nothing half-made is left beside it"


def test_init_refuses_a_name_that_the_configuration_would_refuse(tmp_path: Path) -> None:
    assert axis("init", tmp_path / "n", "--name", "Trục").exit_code == 2
    assert not (tmp_path / "n").exists()


# --- check, explain, migrate, doctor ------------------------------------------------------------------------


def test_check_tells_every_fault_with_its_place(node: Path) -> None:
    config = node / "axis.toml"
    config.write_text(config.read_text().replace('data = "data"', 'dataa = "data"').replace("H99.115", "H99..115", 1))
    result = axis("check", "-c", config)
    assert result.exit_code == 1
    assert "axis.toml:7:1: node.dataa: unknown key" in result.output
    assert 'did you mean "data"?' in result.output
    assert "cấu hình có 3 lỗi" in result.output
    told = answer(axis("check", "-c", config, "--json"))
    assert told["ok"] is False
    assert {fault["key"] for fault in told["faults"]} == {"node.data", "node.dataa", "endpoint[1].agencies[0]"}


def test_faults_are_told_in_vietnamese_too(node: Path) -> None:
    config = node / "axis.toml"
    config.write_text(config.read_text().replace("data =", "dat ="))
    result = axis("check", "-c", config)
    assert (
        '         hint: did you mean "data"?\n         gợi ý: khóa lạ, trục không biết; có phải "data"?\n'
        in result.output
    )
    told = answer(axis("check", "-c", config, "--json"))["faults"]
    assert [one["hint_vi"] for one in told] == ['thêm data = "data"', 'có phải "data"?']
    assert [one["reason_vi"] for one in told] == ["còn thiếu", "khóa lạ, trục không biết"]


def test_check_tells_faults_of_the_registry(node: Path) -> None:
    (node / "agencies.toml").write_text('[[agency]]\ncode = "H99"\nname = "x"\nlevel = "ward"\n')
    result = axis("check", "-c", node / "axis.toml")
    assert result.exit_code == 1
    assert "agencies.toml:4:9: agency[0].level: unknown value 'ward'" in result.output


def test_check_remarks_on_what_looks_like_a_slip(node: Path) -> None:
    config = node / "axis.toml"
    text = config.read_text()
    config.write_text(text.replace('prefix = "H99.115"', 'prefix = "G99"'))
    told = answer(axis("check", "-c", config, "--json"))
    assert told["ok"] is True
    assert any("no route leads to H99.115" in remark for remark in told["remarks"])
    assert any("no registered agency lies below G99" in remark for remark in told["remarks"])
    assert len(told["remarks_vi"]) == len(told["remarks"])


def test_check_names_the_line_of_a_slip_and_what_was_meant(node: Path) -> None:
    config = node / "axis.toml"
    text = config.read_text().replace('prefix = "H99.07"', 'prefix = "h99.07"').replace('["H99.115"]', '["H99.155"]')
    config.write_text(f'{text}\n[[route]]\nprefix = "H99"\nendpoint = "phuong-an-binh"\n')
    shown = axis("check", "-c", config).output
    line = text[: text.index('"h99.07"')].count("\n") + 1
    assert f'remark: axis.toml:{line}: no registered agency lies below h99.07; did you mean "H99.07"?' in shown
    assert 'danh mục không có cơ quan nào dưới h99.07; có phải "H99.07"?' in shown
    assert 'acts for H99.155, where no agency is registered; did you mean "H99.115"?' in shown
    assert "the route H99 decides for no registered agency" not in shown  # H99.07 goes by it
    config.write_text(config.read_text().replace("h99.07", "H99.07"))
    assert "the route H99 decides for no registered agency" in axis("check", "-c", config).output


def test_check_remarks_on_a_certificate_that_has_expired(node: Path) -> None:
    """The node starts with it, and nobody can connect."""
    pki = DevPki.create(node / "old", datetime(2020, 1, 1, tzinfo=UTC))
    server = pki.tls_server("server")
    shutil.copy(server.certificate, node / "pki" / "tls" / "server.pem")
    shutil.copy(server.key, node / "pki" / "tls" / "server.key")
    told = answer(axis("check", "-c", node / "axis.toml", "--json"))
    assert told["ok"] is True
    assert any("listen.certificate" in one and "it has expired" in one for one in told["remarks"])
    assert any("đã hết hạn" in one for one in told["remarks_vi"])


def test_check_finds_what_stands_in_place_of_a_revocation_list(node: Path) -> None:
    """`axis serve` does not start with it; whoever looks at a document or a queue is not kept from it."""
    crls = node / "pki" / "crls"
    (crls / "other.pem").write_bytes((node / "pki" / "root.pem").read_bytes())
    (fault,) = answer(axis("check", "-c", node / "axis.toml", "--json"))["faults"]
    assert (fault["key"], fault["source_line"]) == ("trust.crls[0]", 'crls = ["pki/crls"]')
    assert fault["reason"].startswith(f"{crls / 'other.pem'} holds no revocation list")
    assert fault["reason_vi"] and fault["hint_vi"]
    assert axis("queue", "list", "-c", node / "axis.toml").exit_code == 1  # there is nothing to list


def test_check_remarks_on_a_checkpoint_store_inside_the_data_folder(node: Path) -> None:
    config = node / "axis.toml"
    config.write_text(config.read_text().replace('"checkpoints"', '"data/checkpoints"'))
    told = answer(axis("check", "-c", config, "--json"))
    assert told["ok"] is True
    assert any("lies inside the data folder" in one for one in told["remarks"])


def test_a_configuration_that_is_not_there_is_told_with_the_way_to_one(tmp_path: Path) -> None:
    result = axis("check", "-c", tmp_path / "axis.toml")
    assert result.exit_code == 1
    assert "axis init" in result.output


def test_commands_that_need_a_configuration_end_with_usage_when_it_has_faults(node: Path) -> None:
    (node / "axis.toml").write_text("[node]\n")
    for command in (["explain", "--from", "H99", "--to", "H98"], ["doctor"], ["migrate"], ["serve"], ["log", "key"]):
        assert axis(*command, "-c", node / "axis.toml").exit_code == 2, command


def test_explain_shows_the_rule_with_its_line_and_what_it_shadows(node: Path) -> None:
    config = node / "axis.toml"
    config.write_text(config.read_text() + '\n[[route]]\nprefix = "*"\nendpoint = "so-noi-vu"\n')
    result = axis("explain", "-c", config, "--from", "H99.07", "--to", "H99.115")
    assert result.exit_code == 0, result.output
    line = config.read_text().splitlines().index('prefix = "H99.115"') + 1
    (decides,) = [one for one in result.output.splitlines() if "1. quy tắc (rule)" in one]
    assert f"axis.toml:{line}  prefix 'H99.115' -> phuong-an-binh    quyết định, dài nhất trong 2" in decides
    assert "2. quy tắc (rule)" in result.output
    assert "shadowed by 1" in result.output


@pytest.mark.parametrize(
    ("sender", "recipient", "problem"),
    [
        ("H99.07", "H99.116", "unknown-agency"),
        ("H99.07", "H99.07", "schema-violation"),
        ("G99", "H99.115", "not-your-agency"),
    ],
)
def test_explain_ends_with_1_when_the_document_would_be_refused(
    made: Path, sender: str, recipient: str, problem: str
) -> None:
    result = axis("explain", "-c", made / "axis.toml", "--from", sender, "--to", recipient, "--json")
    assert result.exit_code == 1
    told = answer(result)
    assert problem in (told["from"]["problem"], told["to"][0]["problem"])
    shown = axis("explain", "-c", made / "axis.toml", "--from", sender, "--to", recipient).output
    vietnamese, english = shown[shown.index(f"({problem}: ") :].splitlines()[1:3]
    assert vietnamese.lstrip().startswith("→ ") and english.lstrip().startswith("("), "what to do, in both languages"


def test_explain_says_no_route_and_who_succeeded(node: Path) -> None:
    (node / "agencies.toml").write_text(
        (node / "agencies.toml").read_text()
        + '[[agency]]\ncode = "G99"\nname = "Bộ"\nlevel = "central"\n'
        + '[[agency]]\ncode = "H99.31"\nname = "Huyện"\nlevel = "district"\nvalid_to = 2025-07-01\n'
        + 'successors = ["H99.115"]\n'
    )
    to = ("--to", "G99", "--to", "H99.31")
    text = axis("explain", "-c", node / "axis.toml", "--from", "H99.07", *to).output
    assert "Không có tuyến đến nơi nhận (no-route" in text
    assert "Cơ quan đã ngừng hoạt động (inactive-agency" in text
    assert re.search(r"kế thừa \(successors\) +H99\.115", text)


def test_explain_refuses_what_is_no_code(made: Path) -> None:
    assert axis("explain", "-c", made / "axis.toml", "--from", "H 99", "--to", "H99.115").exit_code == 2


def test_migrate_makes_no_database_while_a_restore_is_not_finished(node: Path) -> None:
    shutil.rmtree(node / "data")
    (node / "data.unfinished").mkdir()
    result = axis("migrate", "-c", node / "axis.toml")
    assert result.exit_code == 1
    assert "axis restore with the same backup again" in result.stderr and "chạy lại axis restore" in result.stderr
    assert not (node / "data").exists()
    (node / "data.unfinished").rmdir()
    assert axis("migrate", "-c", node / "axis.toml").exit_code == 0


def test_migrate_makes_the_database_once(node: Path) -> None:
    for path in (node / "data").iterdir():
        path.unlink()
    first = answer(axis("migrate", "-c", node / "axis.toml", "--json"))
    second = answer(axis("migrate", "-c", node / "axis.toml", "--json"))
    assert (first["changed"], first["before"], second["changed"]) == (True, None, False)
    assert first["after"] == second["before"]


def lines(result: Result) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for line in answer(result)["lines"]:
        found.setdefault(line["what"], []).append(line)
    return found


def test_doctor_finds_a_fresh_node_well(made: Path) -> None:
    result = axis("doctor", "-c", made / "axis.toml", "--json")
    assert result.exit_code == 0, result.output
    told = lines(result)
    assert {"clock", "disk: data", "certificate", "revocation list", "import names", "store", "log"} <= set(told)
    assert all(line["state"] == "ok" for line in told["revocation list"])


def test_doctor_finds_what_is_ill_and_says_what_to_do(node: Path) -> None:
    (node / "pki" / "crls" / "issuing.crl").unlink()
    (node / "data").chmod(0o777)
    (node / "data" / "axis.db").unlink()
    future = time.time() + 86_400
    (node / "data" / "log").mkdir()
    (node / "data" / "log" / "checkpoint").write_text("nonsense")
    os.utime(node / "data" / "log" / "checkpoint", (future, future))
    result = axis("doctor", "-c", node / "axis.toml", "--json")
    assert result.exit_code == 1
    told = lines(result)
    failed = {what for what, found in told.items() if any(line["state"] == "fail" for line in found)}
    assert failed == {"clock", "mode", "revocation list", "store", "log"}
    assert all(line["remedy"] for found in told.values() for line in found if line["state"] == "fail")
    assert axis("doctor", "-c", node / "axis.toml").exit_code == 1


def test_doctor_finds_strangers_under_our_import_names(monkeypatch: pytest.MonkeyPatch) -> None:
    owners = {"axis": ["truc-lien-thong", "axis"], "schemas": ["truc-lien-thong"]}
    monkeypatch.setattr("importlib.metadata.packages_distributions", lambda: owners)
    (line,) = look_at_packages()
    assert line.state is State.FAIL
    assert "pip uninstall axis" in line.remedy


def test_log_key_prints_the_verifier_key_that_init_wrote(made: Path) -> None:
    result = axis("log", "key", "-c", made / "axis.toml")
    assert result.output == (made / "keys" / "log.vkey").read_text()
    assert answer(axis("log", "key", "-c", made / "axis.toml", "--json"))["key"] == result.output.strip()


def test_log_commands_tell_a_log_without_a_checkpoint(made: Path, tmp_path: Path) -> None:
    key = made / "keys" / "log.vkey"
    assert axis("log", "checkpoint", tmp_path, "--key", key).exit_code == 1
    result = axis("log", "verify", tmp_path, "--key", key, "--json")
    assert result.exit_code == 1
    assert "checkpoint-missing" in answer(result)["counts"]
    assert "the folder of a log? It holds" in axis("log", "verify", tmp_path, "--key", key).output
    (tmp_path / "bad").write_text("no key")
    assert axis("log", "verify", tmp_path, "--key", tmp_path / "bad").exit_code == 2
    assert axis("log", "checkpoint", tmp_path, "--key", tmp_path / "bad").exit_code == 2


def test_national_serve_refuses_seeds_that_cannot_be_used(tmp_path: Path) -> None:
    seeds = tmp_path / "seeds.toml"
    seeds.write_text("system = 1\n")
    result = axis("national", "serve", "--data", tmp_path / "d", "--seeds", seeds)
    assert result.exit_code == 2
    assert "system" in result.output
    assert axis("national", "serve", "--data", tmp_path, "--seeds", seeds, "--listen", "x").exit_code == 2
