"""How something is written in a configuration, in Vietnamese: by the English words, as in `axis.cli.vietnamese`."""

from __future__ import annotations

from typing import Final

WRITTEN: Final = {
    'did you mean "{}"?': 'có phải "{}"?',
    "write {}": "ghi {}",
    "write {}, without quotes": "ghi {}, không có dấu nháy",
    "a number from {} to {}, without quotes, without a unit: {} = {}": (
        "số từ {} đến {}, không dấu nháy, không đơn vị: {} = {}"
    ),
    "a list in brackets: {} = {}": "danh sách trong dấu ngoặc vuông: {} = {}",
    "text in quotes: {} = {}": "chữ trong dấu nháy kép: {} = {}",
    "a table: [{}] alone in its line, its keys below it": "một bảng: [{}] một mình một dòng, các khóa ở dưới",
    "write true or false, in small letters": "ghi true hoặc false, chữ thường",
    "write true or false, in small letters, without quotes": "ghi true hoặc false, chữ thường, không có dấu nháy",
    'write "{}s", or use ms, m, h or d': 'ghi "{}s", hoặc dùng ms, m, h, d',
    'write "{}B", or use KB, MB or GB': 'ghi "{}B", hoặc dùng KB, MB, GB',
    "write {}+07:00, or only the day": "ghi {}+07:00, hoặc chỉ ngày",
    "for example {}": "ví dụ {}",
    "one of {}": "một trong {}",
    "known here: {}": "ở đây có: {}",
    "endpoints here: {}": "các điểm kết nối ở đây: {}",
    "none yet": "chưa có",
    "put the old value back, or restart the node: this counts from a start": (
        "ghi lại trị số cũ, hoặc khởi động lại trục: trị số này chỉ có hiệu lực từ lúc khởi động"
    ),
    "give the new one another name, or restart the node": "đặt tên khác cho điểm mới, hoặc khởi động lại trục",
    "the codes are {}, as text in quotes": "các mã là {}, trong dấu nháy kép",
    'a number and one unit of ms, s, m, h, d: "5s", "10m", "7d"': 'số và một đơn vị ms, s, m, h, d: "5s", "10m", "7d"',
    'at most "36500d", a hundred years': 'nhiều nhất "36500d", một trăm năm',
    'a number and one unit of B, KB, MB, GB (1 KB is 1,024 bytes): "128KB", "200MB"': (
        'số và một đơn vị B, KB, MB, GB (1 KB là 1.024 byte): "128KB", "200MB"'
    ),
    'at least "1h"; "7d" is usual': 'ít nhất "1h"; thường là "7d"',
    'from "2s" to "5m"; "20s" is usual': 'từ "2s" đến "5m"; thường là "20s"',
    'year, month, day: "2017-01-01"': 'năm, tháng, ngày: "2017-01-01"',
    "text stands in quotes": "chữ phải nằm trong dấu nháy kép",
    'quotes are straight: "text", not “text”': 'dấu nháy phải thẳng: "chữ", không phải “chữ”',
    "a text ends in its own line, with the quote that it begins with": (
        "chữ kết thúc trên cùng dòng, bằng đúng dấu nháy mở đầu"
    ),
    "commas stand between the items of a list, and ] at its end": (
        "giữa các mục của danh sách có dấu phẩy, cuối danh sách có ]"
    ),
    "paths are written with /; a backslash in quotes is written twice": (
        "đường dẫn viết bằng /; dấu \\ trong dấu nháy phải viết hai lần"
    ),
    "the name of a table stands in brackets, alone in its line: [node], [[endpoint]]": (
        "tên bảng nằm trong dấu ngoặc, một mình một dòng: [node], [[endpoint]]"
    ),
    "a line is key = value, [table] or # a comment; text stands in quotes": (
        "mỗi dòng là khóa = giá trị, [bảng] hoặc # ghi chú; chữ phải nằm trong dấu nháy kép"
    ),
    "this key or table was written before: join the two": "khóa hay bảng này đã có ở trên: gộp hai chỗ làm một",
    "each one begins with [[{}]], in two brackets: look at the ones above too": (
        "mỗi khối bắt đầu bằng [[{}]], hai dấu ngoặc: xem cả các khối ở trên"
    ),
    "the file begins with a byte order mark: save it as UTF-8 without one": (
        "tệp bắt đầu bằng dấu BOM: lưu lại dạng UTF-8 không BOM"
    ),
    "save it as UTF-8 (iconv -t UTF-8)": "lưu lại dạng UTF-8 (iconv -t UTF-8)",
    "the first one stands in line {}": "cái đầu ở dòng {}",
    "first in {}": "lần đầu ở {}",
    "the key is not written, so its default counts; {}": "khóa này không được ghi, nên lấy giá trị mặc định; {}",
    "the key is not written, so its default counts": "khóa này không được ghi, nên lấy giá trị mặc định",
    "add {} = {}": "thêm {} = {}",
    "add [{}]": "thêm [{}]",
    'now {} = "{}", {} = "{}": change one of them, written or not': (
        'hiện nay {} = "{}", {} = "{}": sửa một trong hai, dù đã ghi hay chưa'
    ),
    "exchange the dates": "đổi chỗ hai ngày",
    "add valid_from = 2026-11-24: a day of Vietnam's calendar, or a time with its zone": (
        "thêm valid_from = 2026-11-24: ngày theo lịch Việt Nam, hoặc giờ kèm múi giờ"
    ),
    "add valid_to": "thêm valid_to",
}
