"""What may be wrong with a configuration, or with the words of a command, in Vietnamese: by the English words, as in
`axis.cli.vietnamese`."""

from __future__ import annotations

from typing import Final

REASONS: Final = {
    # any table
    "is missing": "còn thiếu",
    "unknown key": "khóa lạ, trục không biết",
    "unknown value {}": "giá trị lạ: {}",
    "unknown adapter {}": "loại kết nối lạ: {}",
    "unknown store {}": "loại cơ sở dữ liệu lạ: {}",
    "must be true or false": "phải là true hoặc false",
    "must be text in quotes": "phải là chữ trong dấu nháy kép",
    "must be a whole number": "phải là số nguyên",
    "must be a list in brackets": "phải là danh sách trong ngoặc vuông",
    "must be a table": "phải là một bảng",
    "must not be empty": "không được để trống",
    "must be at least {}": "ít nhất là {}",
    "must be at most {}": "nhiều nhất là {}",
    "must have at most {} characters": "nhiều nhất {} ký tự",
    "must be longer than zero": "phải dài hơn 0",
    "must be more than zero": "phải lớn hơn 0",
    "the file is not UTF-8": "tệp không phải UTF-8",
    "no such file or directory": "không có tệp này",
    "permission denied": "không có quyền đọc",
    "a name is 1 to 63 of a-z, 0-9, dot and dash, and begins and ends with a letter or digit": (
        "tên dài 1 đến 63 ký tự a-z, 0-9, chấm, gạch ngang; đầu và cuối là chữ hoặc số"
    ),
    "a duration needs a unit": "thời hạn phải có đơn vị",
    "a size needs a unit": "dung lượng phải có đơn vị",
    "{} is not a duration": "{} không phải thời hạn",
    "{} is too long: no calendar reaches so far": "{} quá dài, không lịch nào tới",
    "{} is not a size": "{} không phải dung lượng",
    "{} is not a day": "{} không phải một ngày",
    "{} is too short: what is under way could be removed": "{} quá ngắn: việc đang dở có thể bị xóa",
    "{} is too short: what senders and recipients still ask for would be gone": (
        "{} quá ngắn: điều nơi gửi và nơi nhận còn hỏi đến sẽ mất"
    ),
    'at least "{}d", or "{}"': 'ít nhất "{}d", hoặc "{}"',
    "{} is no time to wait for an answer": "{} không phải thời gian chờ hợp lý",
    "{}.{} is longer than {}.{}": "{}.{} dài hơn {}.{}",
    "must be a date without quotes": "phải là ngày, không có dấu nháy",
    "a time needs its zone": "giờ phải kèm múi giờ",
    # what a running node cannot change
    "cannot change while the node runs": "không đổi được khi trục đang chạy",
    "cannot come or go while the node runs": "không thêm, bớt được khi trục đang chạy",
    "of the national axis, cannot change while the node runs": "của trục quốc gia, không đổi được khi trục đang chạy",
    "the national axis comes or goes with a start": "trục quốc gia chỉ thêm, bớt được khi khởi động",
    "{}: the national axis comes or goes with a start": "{}: trục quốc gia chỉ thêm, bớt được khi khởi động",
    "an endpoint does not become another kind of connection while the node runs": (
        "một điểm kết nối không đổi thành loại khác được khi trục đang chạy"
    ),
    # files
    "must name a file": "phải nêu tên tệp",
    "{} is a folder": "{} là thư mục",
    "{} is a file": "{} là tệp, không phải thư mục",
    "{} does not exist": "không có {}",
    "{} cannot be read: {}": "không đọc được {}: {}",
    "{} is open to other users (mode {})": "người khác đọc được {} (quyền {})",
    "{} is empty": "{} rỗng",
    "{} is a private key, not a certificate": "{} là khóa bí mật, không phải chứng thư số",
    "{} holds no certificate in PEM form": "{} không có chứng thư số dạng PEM",
    "{} holds no certificate, neither as PEM nor as DER": "{} không có chứng thư số, cả PEM lẫn DER",
    "{} holds no revocation list, neither as PEM nor as DER": "{} không có danh sách thu hồi, cả PEM lẫn DER",
    "{} is cut off inside a certificate": "{} bị cụt giữa một chứng thư số",
    "{} holds {} certificates": "{} có {} chứng thư số",
    "{} holds another certificate": "{} là chứng thư số khác",
    "{} is not the fingerprint of a certificate": "{} không phải vân tay chứng thư số",
    "must be a table of fingerprints and days": "phải là bảng vân tay và ngày",
    "does not belong to the certificate": "khóa không thuộc chứng thư số này",
    "is not a key that TLS can use": "không phải khóa dùng được cho TLS",
    "is not an Ed25519 private key in PEM, without a password": "không phải khóa Ed25519 dạng PEM không mật khẩu",
    "the checkpoint store lies inside the log": "kho mốc nằm trong thư mục nhật ký",
    "the file of bindings does not exist": "không có tệp ràng buộc chứng thư",
    # addresses
    "{} is not an address to listen on": "{} không phải địa chỉ để lắng nghe",
    "{} would show queues and health to the network without a password": (
        "{} để cả mạng xem hàng đợi và tình trạng mà không cần mật khẩu"
    ),
    "agencies and operator have one address": "cổng cho cơ quan và cổng quản trị trùng nhau",
    "{} is no host": "{} không phải tên máy",
    "{} has a path": "{} có đường dẫn",
    "must be a table of hosts": "phải là bảng tên máy",
    "{} is not a URL": "{} không phải URL",
    "must be a URL that begins with {}": "phải là URL bắt đầu bằng {}",
    "a URL holds no user name or password": "URL không chứa tên người dùng hay mật khẩu",
    "must end with the path: no question mark, no fragment": "phải kết thúc ở đường dẫn: không có ? hay #",
    "{}:// is only for this machine itself": "{}:// chỉ dùng cho chính máy này",
    "the address of the store holds a password": "địa chỉ cơ sở dữ liệu chứa mật khẩu",
    "the address names no database": "địa chỉ không nêu tên cơ sở dữ liệu",
    "{} names no file": "{} không nêu tệp nào",
    "{} is no place for blobs": "{} không phải nơi giữ gói tin",
    "is in a bucket, and there is no [objects]": "nằm trong kho đối tượng mà không có [objects]",
    "names no key of the token": "không nêu khóa nào trong thiết bị",
    "is in a token, and there is no [hsm]": "nằm trong thiết bị mà không có [hsm]",
    # agencies, endpoints, routes
    "{} is no agency code": "{} không phải mã cơ quan",
    "{} is no status code": "{} không phải mã trạng thái",
    "no agency {} is listed": "danh mục không có cơ quan {}",
    "agency {} stands twice": "cơ quan {} có hai lần",
    "{} and {} are one place in the tree, written in two grammars": "{} và {} là một chỗ, viết theo hai kiểu mã",
    "parents go round: {}": "quan hệ cấp trên đi vòng: {}",
    "the agency ends before it begins": "cơ quan kết thúc trước khi bắt đầu",
    "an agency with successors is closed": "cơ quan có kế thừa thì đã đóng",
    "this certificate already speaks for {}": "chứng thư số này đã ký thay {}",
    "this certificate already speaks for {} in that time": "trong thời gian đó chứng thư số này đã ký thay {}",
    "the binding ends before it begins": "ràng buộc kết thúc trước khi bắt đầu",
    "there are two endpoints {}": "có hai điểm kết nối {}",
    "a second national axis": "trục quốc gia thứ hai",
    "no endpoint is called {}": "không có điểm kết nối {}",
    "a second route for {}": "tuyến thứ hai cho {}",
    '"*" is only for other axes': '"*" chỉ dành cho trục khác',
    "nobody can prove to be this endpoint": "không ai chứng minh được mình là điểm kết nối này",
    "client certificates are not asked for": "trục chưa hỏi chứng thư số của bên gọi",
    "this certificate already proves another endpoint": "chứng thư số này đã dùng cho điểm kết nối khác",
    "this key already proves another endpoint": "khóa này đã dùng cho điểm kết nối khác",
    "must be the hash of a key, never the key itself": "phải là giá trị băm của khóa, không bao giờ là chính khóa",
    "is not the hash of a key": "không phải giá trị băm của khóa",
}

MISUSES: Final = {
    # click's own, of which it tells no more than the words
    "Option {} requires an argument.": "tùy chọn {} cần một giá trị",
    "Option {} does not take a value.": "tùy chọn {} không nhận giá trị",
    "Got unexpected extra argument ({})": "thừa đối số: {}",
    "Got unexpected extra arguments ({})": "thừa đối số: {}",
    # what was written
    "{} is no date: write 02/12/2026 (day first), 2026-12-02 or 2026-12-02T08:30": (
        "{} không phải ngày giờ: ghi 02/12/2026 (ngày trước), 2026-12-02 hoặc 2026-12-02T08:30"
    ),
    "{} is no number: write it with the digits 0 to 9": "{} không phải số: ghi bằng các chữ số 0 đến 9",
    '{} is no duration: a number and one unit of s, m, h, d: "14d"': (
        '{} không phải thời hạn: số và một đơn vị s, m, h, d: "14d"'
    ),
    'an address is host and port: "127.0.0.1:18999", "[::1]:0"': (
        'địa chỉ gồm tên máy và cổng: "127.0.0.1:18999", "[::1]:0"'
    ),
    "{} is unknown; {}": "không có mã {}; các mã: {}",
    "{} is no delivery: 26 characters, as axis queue list shows them": (
        "{} không phải lượt chuyển: 26 ký tự, như axis queue list hiện"
    ),
    "{} exists already; name another file with -o": "đã có {}; nêu tệp khác bằng -o",
    "{} exists already; name another file": "đã có {}; nêu tệp khác",
    "{} holds no certificate that can be read: {}": "{} không có chứng thư số đọc được: {}",
    # what goes together
    "--to must lie after --from": "--to phải sau --from",
    "--end ends a binding now: it takes no --from, --to or --replace": (
        "--end kết thúc ràng buộc ngay: không dùng với --from, --to, --replace"
    ),
    "whom does it speak for? Name at least one --agency": "nó ký thay ai? Nêu ít nhất một --agency",
    "{} is at most 300 characters that can be printed": "{} dài nhất 300 ký tự in được",
    "--cert and --key go together": "--cert và --key đi cùng nhau",
    "--url is an address like https://host:8443, not {}": "--url là địa chỉ như https://may:8443, không phải {}",
    "a package goes into a file: half of one must never be taken for it; name one with -o": (
        "gói tin phải ghi vào tệp, để không ai lấy nhầm một nửa: nêu tệp bằng -o"
    ),
    "{} {} needs the reason: --note": "{} {} phải có lý do: --note",
    "--name is 1 to 63 of a-z, 0-9, dot and dash, and begins and ends with a letter or digit": (
        "--name dài 1 đến 63 ký tự a-z, 0-9, chấm, gạch ngang; đầu và cuối là chữ hoặc số"
    ),
    "--receipt-key is for --receipt": "--receipt-key dùng với --receipt",
    "name deliveries, or --endpoint, or --document": "nêu các lượt chuyển, hoặc --endpoint, hoặc --document",
    "giving up needs a reason: --reason, for the sender's question why": (
        "bỏ lượt chuyển phải có lý do: --reason, để trả lời bên gửi"
    ),
    "name FILEs, or make a document with --from, --to, --number, --notation, --subject": (
        "nêu tệp, hoặc tạo văn bản bằng --from, --to, --number, --notation, --subject"
    ),
    "--receipt names a new file, for one package": "--receipt nêu một tệp mới, cho một gói tin",
    "--parts is for a document that is made here; FILEs are sent as they are": (
        "--parts dành cho văn bản tạo tại đây; tệp có sẵn được gửi nguyên"
    ),
    "--tsa stamps what is signed here; FILEs are sent as they are": (
        "--tsa đóng dấu điều được ký tại đây; tệp có sẵn được gửi nguyên"
    ),
    "--sign-cert and --sign-key go together": "--sign-cert và --sign-key đi cùng nhau",
    "--tsa stamps a signature: name --sign-cert and --sign-key, or a key in a token": (
        "--tsa đóng dấu một chữ ký: nêu --sign-cert và --sign-key, hoặc khóa trong thiết bị"
    ),
    "--hsm-module, --hsm-token, --hsm-key and --pin-file go together": (
        "--hsm-module, --hsm-token, --hsm-key và --pin-file đi cùng nhau"
    ),
    "--tsa names the authority that the other options of --tsa are about": (
        "--tsa nêu nơi cấp dấu mà các tùy chọn --tsa khác nói đến"
    ),
    "--tsa needs --tsa-trust: the root under which the authority is believed": (
        "--tsa cần --tsa-trust: gốc để tin nơi cấp dấu"
    ),
    "--tsa is an address that begins with http:// or https://": "--tsa là địa chỉ bắt đầu bằng http:// hoặc https://",
    "an evidence bundle brings its own: only --trust, --log-key, --receipt-key and --json go with it": (
        "gói chứng cứ mang theo mọi thứ: chỉ dùng với --trust, --log-key, --receipt-key, --json"
    ),
    "--log-key and --receipt-key are for evidence bundles": "--log-key và --receipt-key dành cho gói chứng cứ",
    "name --trust, or the configuration of a node with -c: a signature is worth its root": (
        "nêu --trust, hoặc cấu hình của một nút bằng -c: chữ ký chỉ đáng tin như gốc của nó"
    ),
}
