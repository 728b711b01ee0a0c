"""What commands say about faults and next steps, in Vietnamese: one table, by the English words.

`{}` stands for what differs from time to time, in the same order in both languages. A test holds that whatever
`axis.config` and `axis.cli` give as a reason, hint or remedy stands here, or is in both languages itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Final

from axis.cli.reasons import MISUSES, REASONS
from axis.cli.written import WRITTEN

_HINTS: Final = {
    # files and keys
    "paths are relative to the file they are written in": "đường dẫn tính từ thư mục chứa tệp cấu hình này",
    "paths are relative to the file they are written in; a key in use is restored from its copy, never made anew": (
        "đường dẫn tính từ thư mục chứa tệp cấu hình này; khóa đang dùng thì phục hồi từ bản cất giữ, không tạo mới"
    ),
    "name the file itself": "nêu chính tệp đó",
    "name a folder of the node's own; it is made where it is not there": (
        "nêu một thư mục riêng của trục; chưa có thì trục tạo"
    ),
    "chmod 600 {}": "chmod 600 {}",
    "run this as the node's own account, or let it read the file": (
        "chạy bằng tài khoản của trục, hoặc cho tài khoản này quyền đọc tệp"
    ),
    "put the secret into it; a key in use is restored, never made anew": (
        "ghi bí mật vào đó; khóa đang dùng thì phục hồi, không tạo mới"
    ),
    "are certificate and key exchanged?": "có phải đã đổi chỗ chứng thư số và khóa?",
    "openssl x509 -inform DER -in FILE -out FILE.pem": "đổi sang PEM: openssl x509 -inform DER -in TỆP -out TỆP.pem",
    "ask the authority for its certificate as PEM, or openssl x509 -in FILE -out FILE.pem": (
        "xin nơi cấp chứng thư số dạng PEM, hoặc openssl x509 -in TỆP -out TỆP.pem"
    ),
    "copy it again, and into place with mv": "chép lại, rồi đặt vào chỗ bằng mv",
    "one file for one certificate, without its chain": "mỗi tệp một chứng thư số, không kèm chuỗi",
    "PEM, without a password; the pair must match": "dạng PEM, không mật khẩu; khóa và chứng thư số phải là một cặp",
    "openssl genpkey -algorithm ed25519 -out FILE makes one; a key in use is restored, never made anew": (
        "openssl genpkey -algorithm ed25519 -out TỆP tạo khóa; khóa đang dùng thì phục hồi, không tạo mới"
    ),
    '"sha256:" and 64 hex digits': '"sha256:" và 64 chữ số hex',
    '"sha256:" and 64 hex digits, of the DER form: openssl x509 -noout -fingerprint -sha256 -in FILE': (
        '"sha256:" và 64 chữ số hex của dạng DER: openssl x509 -noout -fingerprint -sha256 -in TỆP'
    ),
    "\"sha256:\" and the output of: printf %s 'axk_...' | sha256sum": (
        "\"sha256:\" và kết quả của: printf %s 'axk_...' | sha256sum"
    ),
    '{ "sha256:..." = "2030-01-01" }': 'viết { "sha256:..." = "2030-01-01" }',
    "put it beside the data folder, best on another disk: it must survive a restored backup": (
        "đặt cạnh thư mục dữ liệu, tốt nhất trên đĩa khác: nó phải còn nguyên khi khôi phục bản sao lưu"
    ),
    'the label of the key after the colon: "hsm:axis-receipts"': 'nhãn của khóa sau dấu hai chấm: "hsm:axis-receipts"',
    "add [hsm] with module, token and pin_file": "thêm [hsm] với module, token và pin_file",
    "add [objects] with endpoint, key_id, secret_file": "thêm [objects] với endpoint, key_id, secret_file",
    "key_id and secret_file go together; without both, the environment is asked": (
        "key_id và secret_file đi cùng nhau; không có cả hai thì lấy từ môi trường"
    ),
    "axis init DIR makes a configuration to begin with; -c names another one": (
        "axis init THƯ_MỤC tạo một cấu hình để bắt đầu; -c chỉ tệp khác"
    ),
    "axis cert bind makes it; or take registry.bindings out of the configuration": (
        "axis cert bind tạo tệp này; hoặc bỏ registry.bindings khỏi cấu hình"
    ),
    "put it back; to end a binding: axis cert bind --end": (
        "đặt tệp trở lại; muốn kết thúc ràng buộc: axis cert bind --end"
    ),
    # addresses and stores
    'host and port: "0.0.0.0:8443", "[::1]:8443"': 'địa chỉ và cổng: "0.0.0.0:8443", "[::1]:8443"',
    'use "127.0.0.1:9443" and reach it through ssh -L or a proxy that asks who is there': (
        'dùng "127.0.0.1:9443" và vào qua ssh -L, hoặc qua proxy có hỏi danh tính'
    ),
    "give each its own port": "cho mỗi bên một cổng riêng",
    'a name without port: "truc.h99.example.vn"': 'tên máy, không có cổng: "truc.h99.example.vn"',
    'the host that certificates name: "ocsp.ca.ptc"': 'tên máy mà chứng thư số ghi: "ocsp.ca.ptc"',
    "only the host is replaced: the path is the certificate's own": ("chỉ thay tên máy: đường dẫn là của chứng thư số"),
    '{ "ocsp.ca.ptc" = "http://ocsp.ca.gov.vn" }': 'viết { "ocsp.ca.ptc" = "http://ocsp.ca.gov.vn" }',
    "secrets stand in files of their own": "bí mật nằm trong tệp riêng",
    "use {}://": "dùng {}://",
    "put it into a file and name it in password_file": "ghi vào một tệp và nêu tệp đó ở password_file",
    '"postgresql+psycopg://axis@host/axis"': 'ví dụ "postgresql+psycopg://axis@may/axis"',
    'use "sqlite:///axis.db", relative to the data folder': 'dùng "sqlite:///axis.db", tính từ thư mục dữ liệu',
    'use "sqlite:///axis.db", relative to the data folder, or "postgresql+psycopg://axis@host/axis"': (
        'dùng "sqlite:///axis.db", tính từ thư mục dữ liệu, hoặc "postgresql+psycopg://axis@may/axis"'
    ),
    '"files", or a bucket with a prefix: "s3://axis/truc-tinh"': '"files", hoặc kho kèm tiền tố: "s3://axis/truc-tinh"',
    # agencies, endpoints, routes
    "an agency code is 1 to 35 ASCII letters and digits in groups joined by dots": (
        "mã cơ quan gồm 1 đến 35 chữ cái không dấu và chữ số, thành nhóm cách nhau bằng dấu chấm"
    ),
    '{}, or "*" for everything': '{}, hoặc "*" cho mọi mã',
    'a prefix means all below it: write "{}"': 'tiền tố đã gồm mọi mã bên dưới: ghi "{}"',
    "name the agencies that this system sends for": "nêu các cơ quan mà hệ thống này gửi thay",
    "give it certificates or api_keys": "cho nó certificates hoặc api_keys",
    "name their authority in listen.client_ca": "nêu nơi cấp của chúng ở listen.client_ca",
    "a node has at most one": "một nút có nhiều nhất một",
    "list it in a file of registry.files first": "thêm cơ quan vào một tệp của registry.files trước",
    "list it, or leave the line out: the code's grammar is then used": (
        "thêm vào danh mục, hoặc bỏ dòng này: khi đó lấy theo cấu trúc mã"
    ),
    "by its code it stands below {}: leave the line out, or write that": (
        "theo mã thì nó nằm dưới {}: bỏ dòng này, hoặc ghi mã đó"
    ),
    "cut it somewhere": "bỏ bớt một chỗ cho hết vòng",
    "keep one; or close the older one with valid_to and successors": (
        "giữ một; hoặc đóng mã cũ bằng valid_to và successors"
    ),
    "one certificate, one agency; for several, with dates: axis cert bind": (
        "mỗi chứng thư số một cơ quan; nhiều cơ quan, có ngày: axis cert bind"
    ),
    "the two must be the same: axis cert inspect FILE tells its fingerprint": (
        "hai bên phải là một: axis cert inspect TỆP cho biết vân tay"
    ),
}

_REMEDIES: Final = {
    # axis doctor
    "set the clock before the daemon runs: timedatectl set-ntp true": (
        "chỉnh đồng hồ trước khi chạy trục: timedatectl set-ntp true"
    ),
    "LimitNOFILE={} in the unit (elsewhere: ulimit -Hn), or a smaller limits.connections": (
        "LimitNOFILE={} trong đơn vị systemd (nơi khác: ulimit -Hn), hoặc limits.connections nhỏ hơn"
    ),
    "run chrony or systemd-timesyncd": "chạy chrony hoặc systemd-timesyncd",
    "make room: without it nothing is taken in": "dọn chỗ: hết chỗ thì trục không nhận văn bản",
    "less than a tenth is left": "còn chưa đến một phần mười: lên kế hoạch thêm đĩa",
    "chmod go-w {}": "chmod go-w {}",
    "chmod o-rwx {}": "chmod o-rwx {}",
    "give a certificate as PEM or DER": "đưa chứng thư số dạng PEM hoặc DER",
    "it has expired: renew it": "đã hết hạn: cấp lại rồi thay tệp tại chỗ (mv)",
    "it expires in {} days: renew it": "còn {} ngày là hết hạn: cấp lại rồi thay tệp tại chỗ (mv)",
    "fetch the authority's newest list into trust.crls: until then its documents are held": (
        "tải danh sách mới nhất của nơi cấp vào trust.crls: đến lúc đó văn bản bị tạm giữ"
    ),
    "name files or folders of lists (PEM or DER)": "nêu tệp hoặc thư mục danh sách thu hồi (PEM hoặc DER)",
    "it takes no part in any verdict: remove or replace it": "tệp này không được dùng khi xét: bỏ đi hoặc thay",
    "large packages are refused with 503 until it answers: look at [objects], the network, the server": (
        "gói tin lớn bị từ chối (503) cho đến khi kho trả lời: xem [objects], mạng, máy chủ"
    ),
    "repair it: the daemon does not start with it": "sửa tệp: trục không khởi động với nó",
    "pip uninstall {}, then install {} again": "pip uninstall {}, rồi cài lại {}",
    "stop the daemon, then: axis migrate": "dừng trục, rồi: axis migrate",
    "something else has opened the database: stop it": "chương trình khác đã mở cơ sở dữ liệu: dừng nó",
    "stop the server, then: pg_checksums --enable": "dừng máy chủ, rồi: pg_checksums --enable",
    "as a superuser: ALTER ROLE ... SET log_parameter_max_length = 0, or switch that off for the node's role": (
        "bằng quyền superuser: ALTER ROLE ... SET log_parameter_max_length = 0, hoặc tắt nó cho vai trò của trục"
    ),
    "as a superuser: ALTER ROLE ... SET track_activities = on": (
        "bằng quyền superuser: ALTER ROLE ... SET track_activities = on"
    ),
    "axis log verify tells what is wrong": "axis log verify nói sai ở đâu",
    "axis fsck; was something put back from a backup?": "axis fsck; có gì vừa được lấy lại từ bản sao lưu không?",
    "axis serve publishes it when it starts; while it runs, look again": (
        "axis serve công bố vòng này khi khởi động; trục đang chạy thì xem lại"
    ),
    "node.name must not change": "node.name không được đổi: ghi lại tên cũ",
    # stores, logs, ports
    "look at the disk, and at owner and mode of its files; run this as the node's own account": (
        "xem đĩa, chủ và quyền của các tệp; chạy bằng tài khoản của trục"
    ),
    "about {}: {}": "tại {}: {}",
    "the checkpoint store remembers a log, so there was a store: is its disk mounted? "
    "Make no new one; if it is lost: axis restore": (
        "kho mốc nhớ một nhật ký, tức là đã từng có cơ sở dữ liệu: đĩa của nó đã gắn chưa? "
        "Đừng tạo mới; nếu đã mất: axis restore"
    ),
    "axis migrate makes one": "axis migrate tạo cơ sở dữ liệu",
    "stop the daemon, back it up, then: axis migrate": "dừng trục, sao lưu, rồi: axis migrate",
    "a daemon is already running on this store ({}): one process at a time": (
        "một trục đang chạy trên kho này ({}): mỗi lúc một tiến trình"
    ),
    "pip install --require-hashes -r requirements/postgres.lock, into the environment of this program": (
        "pip install --require-hashes -r requirements/postgres.lock, vào môi trường của chương trình này"
    ),
    "look at [store], at the server and the way to it; docs/operations.md, section 12, has the settings": (
        "xem [store], máy chủ và đường mạng đến nó; các thiết lập ở docs/operations.md, mục 12"
    ),
    "nothing was signed. Was something put back? axis fsck looks, axis restore goes on (docs/care.md)": (
        "chưa ký gì. Có gì vừa được lấy lại không? axis fsck xem, axis restore đi tiếp (docs/care.md)"
    ),
    "nothing was signed. The heads are signed by another key or under another name: were node.name, keys.log "
    "or keys.checkpoints changed? A new key of the log takes over while keys.log_former names the one before it": (
        "chưa ký gì. Kho mốc do khóa khác, hay dưới tên khác, ký: có ai đổi node.name, keys.log hay keys.checkpoints? "
        "Khóa nhật ký mới chỉ tiếp quản khi keys.log_former còn ghi khóa trước đó"
    ),
    "nothing was signed. The log goes on with the key that it names, and with no other: put that one back under "
    "keys.log": (
        "chưa ký gì. Nhật ký chỉ đi tiếp với khóa mà nó ghi, không với khóa nào khác: đặt lại khóa đó vào keys.log"
    ),
    "nothing was signed. Make a key that this log has never had (openssl genpkey -algorithm ed25519)": (
        "chưa ký gì. Tạo một khóa mà nhật ký này chưa từng dùng (openssl genpkey -algorithm ed25519)"
    ),
    "nothing was signed. Is the disk of the log or of the checkpoint store not mounted, or its path another one? "
    "If it is lost: docs/care.md": (
        "chưa ký gì. Đĩa của nhật ký hay kho mốc chưa gắn, hoặc đường dẫn đã đổi? Nếu đã mất: docs/care.md"
    ),
    "nothing was taken in. Is its disk not mounted, or does store.blobs name another bucket? Put back what a backup "
    "has (its folder blobs); if they are lost for good: axis serve --accept-loss (axis fsck tells whose they were)": (
        "chưa nhận gì. Đĩa của nó chưa gắn, hay store.blobs ghi kho khác? Lấy lại từ bản sao lưu (thư mục blobs); "
        "nếu đã mất hẳn: axis serve --accept-loss, và axis fsck cho biết của văn bản nào"
    ),
    "nothing more was signed: database, log and checkpoint store were put back together, or the log's key signs "
    "elsewhere too. Put the newest of all three back; if it is lost for good: docs/operations.md, section 9": (
        "không ký tiếp gì nữa: cơ sở dữ liệu, nhật ký và kho mốc đã cùng bị lùi lại, hoặc khóa nhật ký còn ký ở nơi "
        "khác. "
        "Lấy lại bản mới nhất của cả ba; nếu đã mất hẳn: docs/operations.md, mục 9"
    ),
    "the log goes on without it; ask its operator, and look at the network and [[witness]]": (
        "nhật ký vẫn ghi tiếp; hỏi người vận hành bên chứng kiến, xem đường mạng và [[witness]]"
    ),
    "--witness-key once for each witness": "--witness-key một lần cho mỗi bên chứng kiến",
    "name+hash+base64, as `axis witness init` printed it": "tên+mã băm+base64, như `axis witness init` đã in",
    "a key that has cosigned goes on with its own memory only: name another folder": (
        "khóa đã ký chỉ đi tiếp cùng trí nhớ của nó: nêu thư mục khác"
    ),
    "a name has no blanks and no plus sign": "tên không có khoảng trắng và dấu cộng",
    "all keys of one log stand in one file": "mọi khóa của một nhật ký nằm trong một tệp",
    "axis log key, at the node, prints it": "axis log key, tại trục, in ra nó",
    "axis witness init makes key and memory": "axis witness init tạo khóa và trí nhớ",
    "is not the verifier key of a witness": "không phải khóa kiểm tra của bên chứng kiến",
    "look at the disk and at --listen": "xem đĩa và --listen",
    "one line, name+hash+base64, as its operator's `axis witness init` has printed it": (
        "một dòng, tên+mã băm+base64, như `axis witness init` của người vận hành đã in"
    ),
    "one process at a time has a witness's memory": "mỗi lúc một tiến trình giữ trí nhớ của bên chứng kiến",
    "nothing is cosigned without the memory of this key: bring it back, or retire the key and make a new witness": (
        "không có trí nhớ của khóa này thì không ký gì: lấy lại nó, hoặc bỏ khóa và tạo bên chứng kiến mới"
    ),
    "a witness stands here twice: it would count once": "một bên chứng kiến ghi hai lần: chỉ tính một",
    "nothing was signed: axis fsck looks closer (docs/care.md)": "chưa ký gì: axis fsck xem kỹ hơn (docs/care.md)",
    "another process listens there (ss -ltnp names it): stop it, or give [listen] another port": (
        "tiến trình khác đang lắng nghe ở đó (ss -ltnp cho biết): dừng nó, hoặc đổi cổng trong [listen]"
    ),
    "this machine does not have that address: ip address lists those that it has; 0.0.0.0 listens on all of them": (
        "máy này không có địa chỉ đó: ip address liệt kê các địa chỉ; 0.0.0.0 là tất cả"
    ),
    "ports below 1024 need a right: take 8443, or give the unit CAP_NET_BIND_SERVICE": (
        "cổng dưới 1024 cần quyền: dùng 8443, hoặc cho đơn vị systemd CAP_NET_BIND_SERVICE"
    ),
    "store.blobs names a bucket: look at [objects]": "store.blobs nêu một kho đối tượng: xem [objects]",
    "a key or certificate that [keys], [hsm], [trust] or [listen] names; axis check looks at them": (
        "khóa hoặc chứng thư số mà [keys], [hsm], [trust], [listen] nêu; axis check xem chúng"
    ),
    # care
    "axis doctor looks closer": "axis doctor xem kỹ hơn",
    "axis doctor looks at all of them": "axis doctor xem tất cả",
    "the log is verified with its key": "kiểm tra nhật ký cần khóa của nó",
    "a backup belongs somewhere else": "bản sao lưu phải nằm ở nơi khác",
    "leave --with-keys out": "bỏ --with-keys",
    "there is no backup: name a folder that is new or empty": (
        "không có bản sao lưu nào được tạo: nêu thư mục mới, hoặc trống"
    ),
    "{}: move that away, and keep it: its log may be needed (--log)": (
        "{}: chuyển nó sang chỗ khác và giữ lại: nhật ký trong đó có thể cần (--log)"
    ),
    "there is no backup": "không có bản sao lưu nào được tạo",
    "there is no backup: the node is damaged, look at it with axis fsck --deep": (
        "không có bản sao lưu nào được tạo: nút bị hỏng, xem bằng axis fsck --deep"
    ),
    "nothing was put into place": "chưa đặt gì vào chỗ",
    "a restore fills {}: let it finish, or axis restore with the same backup again; to begin without it, remove {}": (
        "một lần khôi phục đang ghi {}: chờ nó xong, hoặc chạy lại axis restore cùng bản đó; muốn bỏ nó thì xóa {}"
    ),
    "a restore is not finished: axis restore, with its backup again": "khôi phục dở: chạy lại axis restore cùng bản đó",
    "axis restore, with the same backup again: it goes on by itself": "chạy lại axis restore, cùng bản đó: tự làm tiếp",
    "the database: what was accepted goes on at the next start": (
        "cơ sở dữ liệu: những gì đã nhận được làm tiếp ở lần khởi động sau"
    ),
    "{}: stop the daemon first": "{}: hãy dừng trục trước",
    "{}; is keys.checkpoints the store of this node's log?": "{}; keys.checkpoints có đúng là kho mốc của nút này?",
    "more was signed than the backup knows: give the log's folder of the node's last data, or an auditor's copy of it, "
    "with --log; without these entries this log can never be continued": (
        "đã ký nhiều hơn bản sao lưu biết: đưa thư mục nhật ký của dữ liệu cuối cùng, hoặc bản của kiểm toán, bằng "
        "--log; thiếu các bản ghi đó thì nhật ký này không bao giờ nối tiếp được"
    ),
    "the copy of the log does not reach as far as what was signed: look for a newer one": (
        "bản nhật ký không đủ đến chỗ đã ký: tìm bản mới hơn"
    ),
    "the backup or the copy holds another history than the one that was signed: nothing may be signed on top of it": (
        "bản sao lưu hay bản nhật ký là lịch sử khác với điều đã ký: không được ký tiếp lên đó"
    ),
    "the checkpoint store knows less than the backup: it was put back, or is another node's; "
    "put the newest one back, or move it away if it is lost": (
        "kho mốc biết ít hơn bản sao lưu: nó bị lấy lại từ trước, hoặc của nút khác; đặt kho mới nhất trở lại, "
        "hoặc chuyển nó đi nếu đã mất"
    ),
    "documents with receipts, deliveries and statuses may be lost: --accept-loss says that you know": (
        "văn bản đã có biên nhận, lượt chuyển, trạng thái có thể mất: --accept-loss nghĩa là bạn biết điều đó"
    ),
    "nothing was changed; axis fsck looks closer": "chưa đổi gì; axis fsck xem kỹ hơn",
    "nothing was removed; axis fsck looks closer": "chưa xóa gì; axis fsck xem kỹ hơn",
    "a store goes with its node: node.name must be the same": "kho đi với nút của nó: node.name phải giống nhau",
    "give TO_CONFIG another [store]": "cho TO_CONFIG một [store] khác",
    "nothing was changed in the store that is copied": "kho được chép không bị sửa gì",
    # certificates, queue, log
    "nothing was changed": "chưa sửa gì",
    "write its rows as [[binding]] tables, or edit it by hand; nothing was changed": (
        "viết các dòng thành bảng [[binding]], hoặc sửa tay; chưa sửa gì"
    ),
    "a PEM or DER file, or sha256: and 64 hex digits": "tệp PEM hoặc DER, hoặc sha256: và 64 chữ số hex",
    "repeating is safe": "gọi lại là an toàn",
    "is this the right -c?": "-c có đúng tệp cấu hình không?",
    "the daemon runs and its operator's port does not answer": "trục đang chạy mà cổng quản trị không trả lời",
    "run the command as the account of the daemon, or as root": "chạy lệnh bằng tài khoản của trục, hoặc root",
    "keys/receipt.pub of the node, in PEM": "keys/receipt.pub của nút, dạng PEM",
    "three lines, an empty line and the signature, octet for octet as `axis log checkpoint` prints them": (
        "ba dòng, một dòng trống và chữ ký, đúng từng byte như `axis log checkpoint` in ra"
    ),
    "its octets as they came: axis send --receipt": "đúng các byte đã nhận: axis send --receipt",
    "axis log key prints it": "axis log key in ra khóa",
    "axis log verify says more": "axis log verify nói rõ hơn",
    "name one entry: --entry, or --receipt": "nêu một bản ghi: --entry, hoặc --receipt",
    "name a new file": "nêu một tệp mới",
    "a text as axis log prove writes it": "văn bản như axis log prove ghi ra",
    "the head is older than the entry: ask again in a few seconds, or look with axis log show": (
        "mốc cũ hơn bản ghi: hỏi lại sau vài giây, hoặc xem bằng axis log show"
    ),
    "it is this log's when its `merge_by` has passed: axis log verify --receipt says more": (
        "biên nhận của nhật ký này thì có bản ghi khi đã qua `merge_by`: axis log verify --receipt nói rõ hơn"
    ),
    "its line `extra` is missing: in an evidence bundle the entry stands beside the proof, see axis verify": (
        "thiếu dòng `extra`: trong gói chứng cứ, bản ghi nằm cạnh chứng minh, xem axis verify"
    ),
    "nothing was found out about the log": "chưa biết gì về nhật ký",
    "is {} the folder of a log?": "{} có phải thư mục nhật ký không? Của một nút thì là data/log",
    "the log names documents by the axis' reference, as the receipt and axis why tell it; numbers are not in it": (
        "nhật ký ghi văn bản bằng tham chiếu của trục (có trong biên nhận, và axis why cho biết); số, ký hiệu không có "
        "trong nhật ký"
    ),
    "is it the key of this log?": "có đúng khóa của nhật ký này không?",
    "name one by its reference: {}": "nêu một văn bản bằng tham chiếu: {}",
    "name one by its reference, as listed": "nêu một văn bản bằng tham chiếu, như liệt kê",
    "name one: {}": "nêu một: {}",
    "name it as for axis why: the ref in its receipt, its DocumentId, or its official number": (
        "nêu như với axis why: tham chiếu trong biên nhận, mã định danh văn bản, hoặc số, ký hiệu"
    ),
    # evidence bundles
    "use the very file that was exported: cut off, unpacked and packed anew, it is another one": (
        "dùng đúng tệp đã xuất: bị cắt, hay mở ra rồi nén lại, thì là tệp khác"
    ),
    "nothing in it is believed: ask for it anew from the node (axis evidence export), compare the two": (
        "không tin được gì trong đó: xin trục xuất lại (axis evidence export) rồi so hai tệp"
    ),
    "a newer version of this program has written it: take that one": "phiên bản mới hơn đã ghi tệp này: dùng bản đó",
    "it is no bundle: use the very file that was exported": "không phải gói chứng cứ: dùng đúng tệp đã xuất",
    # trying, sending
    "name a new directory": "nêu thư mục mới",
    "name a new folder": "nêu thư mục mới",
    "logs: {}": "nhật ký vận hành: {}",
    "repeating the command is safe": "chạy lại lệnh là an toàn",
    "nothing was sent: look at the files that --attach, --sign-cert and --sign-key name": (
        "chưa gửi gì: xem lại các tệp mà --attach, --sign-cert, --sign-key nêu; khóa và chứng thư số phải là một cặp"
    ),
    "the package is kept; once the axis answers: axis send {}; when that has its receipt, delete the file": (
        "gói tin được giữ lại; khi trục trả lời: axis send {}; có biên nhận rồi thì xóa tệp này"
    ),
    "the axis' certificate has expired, or this machine's clock is wrong: tell its administrator; {}": (
        "chứng thư số của trục hết hạn, hoặc đồng hồ máy này sai: báo người quản trị trục; {}"
    ),
    "--ca names the authority of the axis' server certificate, --url the host that stands in it; {}": (
        "--ca nêu nơi cấp chứng thư số của trục, --url nêu tên máy ghi trong đó; {}"
    ),
    "an axis answers agencies over TLS: --url https://...; {}": "trục trả lời cơ quan qua TLS: --url https://...; {}",
    "repeat it later, let it wait longer with --tsa-wait, or send without a time stamp: --tsa-optional": (
        "làm lại sau, chờ lâu hơn bằng --tsa-wait, hoặc gửi không có dấu thời gian: --tsa-optional"
    ),
    "ask who runs the authority, look at --tsa-trust, or send without a time stamp: --tsa-optional": (
        "hỏi nơi cấp dấu, xem lại --tsa-trust, hoặc gửi không có dấu thời gian: --tsa-optional"
    ),
    "nothing is applied: a start reads the files anyway; listen.operator must be the running node's": (
        "chưa áp dụng gì: lúc khởi động trục cũng đọc các tệp; listen.operator phải là của trục đang chạy"
    ),
    "nothing has changed: the configuration of before goes on": "không có gì đổi: cấu hình cũ vẫn có hiệu lực",
    "axis reload --dry-run says what would change": "axis reload --dry-run cho biết sẽ đổi những gì",
    "files in PEM; key and certificate belong together, and the key has no password": (
        "tệp dạng PEM; khóa và chứng thư số phải là một cặp, khóa không có mật khẩu"
    ),
}

WORDS: Final[Mapping[str, str]] = MappingProxyType(REASONS | MISUSES | WRITTEN | _HINTS | _REMEDIES)


def in_vietnamese(said: str) -> str:
    """The same in Vietnamese; empty where the table does not have it, or `said` is in both languages itself."""
    if not said:
        return ""
    found = WORDS.get(said)
    if found is not None and "{}" not in said:
        return found
    for pattern, words in _patterns():
        match = pattern.fullmatch(said)
        if match is not None:
            return words.format(*(in_vietnamese(part) or part for part in match.groups()))
    return ""


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    """The templates, those with more words of their own first."""
    order = sorted((one for one in WORDS if "{}" in one), key=lambda one: -len(one))
    return tuple((re.compile("(.+?)".join(map(re.escape, one.split("{}"))), re.DOTALL), WORDS[one]) for one in order)
