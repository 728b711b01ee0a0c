"""What `axis init` writes: texts of the configuration, the registry, and the settings of two example systems."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Final

AXIS_TOML: Final = """\
# Cấu hình nút trục liên thông. Kiểm tra: axis check -c axis.toml
# The configuration of one axis node. Every key with its default: config.example.toml in the project.

[node]
# Tên nút: ghi trong biên nhận, trong vết đường đi, và là tên của nhật ký. Không đổi về sau.
name = "{name}"
data = "data"

[listen]
agencies = "127.0.0.1:8443"
certificate = "pki/tls/server.pem"
key = "pki/tls/server.key"
client_ca = ["pki/tls-ca.pem"]
operator = "127.0.0.1:9443"

[store]
url = "sqlite:///axis.db"

[keys]
receipts = "keys/receipt.pem"
log = "keys/log.pem"
# Kho mốc nhật ký: để ngoài bản sao lưu của data. Kept out of the backups of the data folder.
checkpoints = "checkpoints"

[trust]
anchors = ["pki/root.pem"]
intermediates = ["pki/issuing.pem"]
crls = ["pki/crls"]

[registry]
files = ["agencies.toml"]

# Phần mềm của Sở Nội vụ: xác thực bằng chứng thư số. Proves itself with a client certificate.
[[endpoint]]
name = "so-noi-vu"
adapter = "mailbox"
agencies = ["H99.07"]
certificates = ["pki/tls/so-noi-vu.pem"]

# Phần mềm của UBND phường: xác thực bằng khóa API. Proves itself with an API key; only its hash stands here.
[[endpoint]]
name = "phuong-an-binh"
adapter = "mailbox"
agencies = ["H99.115"]
api_keys = ["sha256:{key_hash}"]

[[route]]
prefix = "H99.07"
endpoint = "so-noi-vu"

[[route]]
prefix = "H99.115"
endpoint = "phuong-an-binh"
"""

AGENCIES_TOML: Final = """\
# Danh mục cơ quan (mã H99 là mã giả định). The registry of agencies; H99 codes are made up.
# certificates: chứng thư số ký văn bản của cơ quan. Whose signatures speak for the agency.

[[agency]]
code = "H99.07"
name = "Sở Nội vụ tỉnh H99"
level = "province"
certificates = ["pki/signers/H99.07.pem"]

[[agency]]
code = "H99.115"
name = "UBND phường An Bình"
level = "commune"
certificates = ["pki/signers/H99.115.pem"]
"""

HEADING: Final = "# axis send, inbox, fetch, ack and status read these"


def environment(folder: Path, code: str, credentials: Mapping[str, str]) -> str:
    """Shell settings for one example system, to be read with `.`; paths are quoted whatever they hold."""
    settings = {
        "AXIS_URL": "https://127.0.0.1:8443",
        "AXIS_CA": str(folder / "pki" / "tls-ca.pem"),
        "AXIS_FROM": code,
        "AXIS_SIGN_CERT": str(folder / "pki" / "signers" / f"{code}.pem"),
        "AXIS_SIGN_KEY": str(folder / "pki" / "signers" / f"{code}.key"),
    }
    lines = [f"export {name}={shlex.quote(value)}" for name, value in {**settings, **credentials}.items()]
    return "\n".join([HEADING, "unset AXIS_CERT AXIS_KEY AXIS_API_KEY_FILE", *lines, ""])


def next_commands(folder: Path, today: date) -> tuple[str, str, str]:
    """What to try after `axis init`, as it can be pasted."""
    config = shlex.quote(str(folder / "axis.toml"))
    settings = shlex.quote(str(folder / "clients" / "so-noi-vu.env"))
    subject = f"--subject 'Văn bản thử ngày {today:%d/%m/%Y}'"
    return (
        f"axis check -c {config}",
        f"axis serve -c {config}",
        f"( . {settings}; axis send --to H99.115 --number 1 --notation SNV-VP {subject} )",
    )
