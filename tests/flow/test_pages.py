"""What an operator sees: numbers, escaped text, and in a real browser nothing that comes from elsewhere."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from click.testing import CliRunner
from lxml import etree

from axis.cli import main
from tests.site import FINANCE, HOME_AFFAIRS, OFFICE, Site, kept_running, until
from tests.tools import need

pytestmark = pytest.mark.slow

HOSTILE = "<script>document.title='pwned'</script><img src=x onerror=alert(1)>"
ESCAPED = "&lt;script&gt;document.title=&#39;pwned&#39;&lt;/script&gt;"
CHROMIUM = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def documents() -> dict[str, str]:
    return {}


@pytest.fixture(scope="module")
def site(documents: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Three documents: one handled by both recipients, one waiting, one with hostile texts in every shown field."""
    made = Site(tmp_path_factory.mktemp("pages"))
    with kept_running(made):
        handled = made.take(made.package(OFFICE, [HOME_AFFAIRS, FINANCE]), OFFICE)["document"]
        for by in (HOME_AFFAIRS, FINANCE):
            made.receive(by, handled)
            assert made.status(by, handled, "03").status == 202
        made.take(made.package(FINANCE, [OFFICE]), FINANCE)

        def hostile(root: etree._Element) -> None:
            for name in ("CodeNumber", "DocumentId", "Subject"):
                next(root.iter(f"{{*}}{name}")).text = HOSTILE

        documents |= {
            "handled": handled,
            "hostile": made.take(made.package(OFFICE, [HOME_AFFAIRS], before=hostile), OFFICE)["document"],
        }
        # Their worker answers in its own time, and the numbers of the pages are those of a log at rest.
        judged = "SELECT count(*) FROM log_intent WHERE kind = 'attachments'"
        until("the attachments of all three are judged", lambda: made.rows(judged)[0][0] == 3)
        yield made


def _open(site: Site, path: str) -> tuple[int, dict[str, str], str]:
    try:
        with urllib.request.urlopen(site.pages + path, timeout=20) as answer:
            return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, {k.lower(): v for k, v in error.headers.items()}, error.read().decode()


@pytest.mark.parametrize(
    "path", ["/", "/documents", "/refusals", "/documents/DOC", "/documents/01m8rt71bqpd5b0afdbdtc42rj"]
)
def test_every_page_has_one_title_of_its_own_and_the_way_to_the_others(
    path: str, site: Site, documents: dict[str, str]
) -> None:
    """By keyboard and by ear: a heading of the first level, where one is, a way past the head."""
    page = etree.HTML(_open(site, path.replace("DOC", documents["handled"]))[2])
    assert len(page.findall(".//h1")) == 1
    title = page.findtext(".//title")
    assert title is not None and " · " in title
    assert page.get("lang") == "vi"
    assert [one.get("href") for one in page.findall(".//nav/a")] == ["/", "/documents", "/refusals"]
    assert [one.get("href") for one in page.findall(".//nav/a[@aria-current]")] == [path] * (path.count("/") == 1)
    first = page.find(".//body/a")
    assert first is not None and page.find(f".//main[@id='{first.get('href')[1:]}']") is not None


def _text(html: str) -> str:
    """What a reader sees, in one line."""
    return re.sub(r"\s+", " ", " ".join(map(str, etree.HTML(html).itertext())))


def _head(site: Site) -> tuple[int, str]:
    """Size and root of the newest checkpoint, once everything is in it."""

    def whole() -> tuple[int, str] | None:
        checkpoint = site.verified().checkpoint
        waiting = site.rows("SELECT count(*) FROM log_intent")[0][0]
        found = checkpoint is not None and checkpoint.size == waiting
        return (checkpoint.size, checkpoint.root.hex()) if found and checkpoint else None

    return until("a checkpoint of everything", whole)


def test_the_overview_tells_the_numbers(site: Site, documents: dict[str, str]) -> None:
    size, root = _head(site)
    status, headers, html = _open(site, "/")
    assert status == 200
    assert headers["content-type"] == "text/html; charset=utf-8"
    seen = _text(html)
    assert "3 văn bản đã nhận" in seen
    assert "0 văn bản tạm giữ" in seen
    assert f"{size} bản ghi nhật ký đã ký" in seen and root in seen
    rows = {cells[0]: cells for cells in _rows(html)}
    assert rows["01"] == ["01", "Đã đến arrived", "2"]
    assert rows["03"] == ["03", "Đã tiếp nhận accepted", "2"]
    assert rows["06"][2] == "0"
    assert rows["so-noi-vu"] == ["so-noi-vu", "1", "0", "0", "1", "0", "0"]
    assert f'href="/documents/{documents["handled"]}"' in html


def _rows(html: str, table: str = "") -> list[list[str]]:
    """The cells of the table with that id, or of all."""
    root = etree.HTML(html)
    rows = root.xpath(f"//table[@id='{table}']//tr") if table else root.iter("tr")
    return [
        [" ".join("".join(map(str, cell.itertext())).split()) for cell in row.iter("td")]
        for row in rows
        if row.find("td") is not None
    ]


def test_a_document_s_page_tells_where_it_went_and_what_was_said(site: Site, documents: dict[str, str]) -> None:
    status, _, html = _open(site, f"/documents/{documents['handled']}")
    assert status == 200
    seen = _text(html)
    assert "Chữ ký hợp lệ" in seen and "TOTAL-PASSED" in seen
    waits = _rows(_open(site, f"/documents/{documents['hostile']}")[2])
    assert [row[2] for row in waits if row[1:2] == ["văn bản document"]] == ["chờ nơi nhận lấy waits to be fetched"]
    facts = site.facts(documents["handled"], OFFICE)
    assert facts["sha256"] in seen and facts["document_id"] in seen
    assert [row[0] for row in _rows(html) if row[1:2] == ["văn bản document"]] == [
        f"so-noi-vu {HOME_AFFAIRS}",
        f"so-tai-chinh {FINANCE}",
    ]
    told = {row[1]: row[4] for row in _rows(html) if row[0] == FINANCE}
    assert told == {
        "01": "tiến lên trạng thái này applied; trục ghi khi giao this axis, on handing over",
        "03": "tiến lên trạng thái này applied; nơi nhận báo the recipient said so",
    }
    said = sorted((row[0], row[1]) for row in _rows(html) if row[0] in (HOME_AFFAIRS, FINANCE))
    assert said == [(HOME_AFFAIRS, "01"), (HOME_AFFAIRS, "03"), (FINANCE, "01"), (FINANCE, "03")]


def test_a_document_s_page_and_axis_why_tell_the_same_in_both_languages(site: Site, documents: dict[str, str]) -> None:
    _head(site)  # what one of them says of the log, the other still says a moment later
    for name, least in (("handled", 9), ("hostile", 3)):
        result = CliRunner().invoke(main, ["why", documents[name], "-c", str(site.config), "--json"])
        assert result.exit_code == 0, result.output
        told = json.loads(result.stdout)
        assert told["present"] and told["running"] is True
        html = _open(site, f"/documents/{documents[name]}")[2]
        shown = [row for id_ in ("journey", "present") for row in _rows(html, id_)]
        steps = [*told["past"], *told["present"]]
        assert len(shown) == len(steps)
        for row, step in zip(shown, steps, strict=True):
            assert step["told"]["vi"] in row[2] and step["told"]["en"] in row[2]
            assert (step["next"] is None) or step["next"]["vi"] in row[2]
        log = told["log"]
        assert log["entries"] == log["signed"] >= least
        assert f"Nhật ký: {log['entries']} bản ghi, đều nằm dưới mốc đã ký {log['head']}." in _text(html)


def test_the_reason_of_a_status_is_shown(site: Site, documents: dict[str, str]) -> None:
    said = "chuyển phòng Tổ chức xử lý"
    assert site.status(HOME_AFFAIRS, documents["handled"], "04", description=said).status == 202
    html = _open(site, f"/documents/{documents['handled']}")[2]
    assert [row[5] for row in _rows(html, "statuses") if row[1] == "04"] == [said]
    assert any(f"«{said}»" in row[2] for row in _rows(html, "journey"))
    (reached,) = re.findall(r'<dd id="reached">.*?</dd>', html)
    assert "<b>04 Phân công xử lý</b>" in reached and "<b>03 Đã tiếp nhận</b>" in reached


def test_a_list_of_documents_tells_how_far_each_has_come_with_its_recipients(
    site: Site, documents: dict[str, str]
) -> None:
    for path in ("/", "/documents"):
        hostile, waits, handled = (row[-1] for row in _rows(_open(site, path)[2], "recent"))
        assert hostile == waits == "chờ nơi nhận lấy waits to be fetched", "one recipient is not counted"
        assert "1 × 03 Đã tiếp nhận 03 accepted" in handled, path


def test_a_document_is_found_by_the_id_that_its_sender_gave_it_or_by_its_reference(
    site: Site, documents: dict[str, str]
) -> None:
    ref = documents["handled"]
    asked = site.facts(ref, OFFICE)["document_id"]
    number = re.findall(r"<h1>(.*?)</h1>", _open(site, f"/documents/{ref}")[2])[0]
    delivery = site.facts(ref, OFFICE)["deliveries"][0]["delivery"]
    for text in (asked, ref, f"  {asked} ", number, delivery):
        html = _open(site, f"/documents?{urlencode({'q': text})}")[2]
        assert re.findall(r'href="/documents/([a-z0-9]{26})"', html) == [ref]
    assert "Không có văn bản nào mang đúng mã đó" in _open(site, "/documents?q=nothing")[2]


def test_documents_are_found_by_the_day_on_which_they_came(site: Site) -> None:
    listed = _open(site, "/documents")[2].count('href="/documents/0')
    for day, wanted in (("31/12/2099", listed), ("2099-12-31", listed), ("01/01/2001", 0), ("31/02/2099", 0)):
        html = _open(site, f"/documents?{urlencode({'q': day})}")[2]
        assert html.count('href="/documents/0') == wanted, day
        assert (f"đến hết ngày {day}" in html.replace("Đến", "đến")) is (day != "31/02/2099")


def test_all_documents_are_reached_page_by_page(site: Site, documents: dict[str, str]) -> None:
    html = _open(site, "/documents")[2]
    listed = re.findall(r'href="/documents/([a-z0-9]{26})"', html)
    assert len(listed) == 3 and {documents["handled"], documents["hostile"]} < set(listed)
    assert "Cũ hơn" not in html
    older = _open(site, f"/documents?before={listed[0]}")[2]
    assert re.findall(r'href="/documents/([a-z0-9]{26})"', older) == listed[1:]
    assert "Không còn văn bản nào" in _open(site, f"/documents?before={listed[-1]}")[2]
    for nothing in ("%00", "%F0%9F%98%80", "x" * 300):
        status, _, first = _open(site, f"/documents?before={nothing}")
        assert (status, first) == (200, html), "what is no reference asks for the first page"
    assert _open(site, "/documents?q=%00")[2] == html


def test_hostile_texts_are_shown_as_text(site: Site, documents: dict[str, str]) -> None:
    assert HOSTILE not in _open(site, f"/documents?{urlencode({'q': HOSTILE + '?'})}")[2]
    for path in ("/", "/documents", f"/documents/{documents['hostile']}", f"/documents?{urlencode({'q': HOSTILE})}"):
        html = _open(site, path)[2]
        assert ESCAPED in html
        assert "<script" not in html and "<img" not in html


def test_every_page_forbids_what_is_not_its_own(site: Site, documents: dict[str, str]) -> None:
    for path in ("/", "/documents", "/refusals", f"/documents/{documents['handled']}", f"/documents/{'a' * 26}"):
        headers = _open(site, path)[1]
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'" and policy["frame-ancestors"] == "'none'"
        assert "script-src" not in policy
        assert headers["x-content-type-options"] == "nosniff"


def test_what_was_refused_is_counted_by_code_and_told_from_the_log(site: Site, documents: dict[str, str]) -> None:
    assert site.send(site.package(OFFICE, ["000.00.77.H99"], subject="trích yếu mật"), OFFICE).status == 422
    assert site.get("/v1/inbox", OFFICE).status == 200
    assert site.ask("GET", "/v1/inbox").status == 401
    assert site.status(HOME_AFFAIRS, documents["hostile"], "13").status == 409
    html = _open(site, "/refusals")[2]
    counts = {row[0]: row for row in _rows(html, "counts")}
    assert counts["unknown-agency"][1:3] == [
        "Mã cơ quan không tồn tại an agency code is not registered",
        "nơi gửi sender",
    ]
    assert "thêm vào danh mục (registry.files)" in counts["unknown-agency"][3]
    assert counts["unknown-agency"][4] == "1" and counts["unknown-agency"][5] != "–"
    assert counts["unauthenticated"][5] == "–", "who has no credentials is counted, and not in the log"
    status, document = _rows(html, "lately")[:2]
    assert (status[1], status[2], status[3]) == ("so-noi-vu", "trạng thái 13 status 13", "illegal-status")
    assert (document[1], document[2], document[3]) == ("van-phong", "văn bản document", "unknown-agency")
    assert "Chữ ký hợp lệ" in document[5]
    assert f'href="/documents/{documents["hostile"]}"' in html and "trích yếu mật" not in html
    assert "/refusals" in _open(site, "/")[2]
    assert re.search(r"đã từ chối \d+ lần từ", _text(_open(site, "/")[2]))


def test_everything_that_a_page_says_is_said_in_both_languages(site: Site, documents: dict[str, str]) -> None:
    """Headings, heads of columns, paragraphs and labels: where there is Vietnamese there is English, and the other way
    round. What names a document or an attachment is in nobody's language."""
    of = f"/documents/{documents['handled']}", f"/documents/{documents['hostile']}", f"/documents/{'a' * 26}"
    for path in ("/", "/documents", "/documents?q=khong-co", *of, "/refusals"):
        root = etree.HTML(_open(site, path)[2])
        for element in root.iter("h1", "h2", "th", "dt", "p", "label", "header"):
            english = element.xpath("string(descendant-or-self::*[@lang='en'])")
            other = "".join(element.xpath(".//text()[not(ancestor::*[@lang='en'] or ancestor::code)]")).strip()
            named = other == "SHA-256" or (element.tag == "h1" and path in of[:2])
            assert named or english, f"{path}: only in Vietnamese: {other}"
            assert other or element.get("lang"), f"{path}: only in English: {english}"


def test_what_is_not_there_is_not_found(site: Site) -> None:
    assert _open(site, f"/documents/{'a' * 26}")[0] == 404
    assert "Không tìm thấy" in _open(site, f"/documents/{'a' * 26}")[2]
    for path in ("/documents/1", "/static/../console.py", "/static/%2e%2e/console.py", "/v1/inbox"):
        assert _open(site, path)[0] == 404, path


def test_health_readiness_and_metrics(site: Site) -> None:
    size, _ = _head(site)
    assert _open(site, "/healthz")[0] == 200
    status, _, body = _open(site, "/readyz")
    assert status == 200 and '"ready": true' in body
    metrics = _open(site, "/metrics")[2]
    assert 'axis_documents{state="accepted"} 3.0' in metrics
    assert 'axis_statuses{code="03"} 2.0' in metrics
    assert 'axis_deliveries{endpoint="so-noi-vu",state="queued"} 1.0' in metrics
    assert f"axis_log_size {float(size)}" in metrics


@pytest.mark.browser
async def test_a_real_browser_shows_the_numbers_and_asks_nobody_else(site: Site, documents: dict[str, str]) -> None:
    from playwright.async_api import async_playwright

    executable = need("chromium")
    size, root = _head(site)
    asked: list[str] = []
    complaints: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=list(CHROMIUM))
        page = await browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        answer = await page.goto(site.pages + "/")
        assert answer is not None and answer.status == 200
        assert "3 văn bản đã nhận" in await _seen(page, ".tile.accepted")
        assert f"{size} bản ghi nhật ký" in await _seen(page, "#log-head")
        assert root in await _seen(page, "#log-head")
        received = page.locator("tr", has=page.locator("code", has_text=re.compile("^03$")))
        assert (await received.locator("td").all_inner_texts())[2] == "2"
        assert HOSTILE in await _seen(page, "#recent")
        await page.locator("#recent a", has_text="onerror").click()
        await page.wait_for_url(f"**/documents/{documents['hostile']}")
        assert HOSTILE in await _seen(page, "main")
        assert "pwned" not in (await page.title()).split("<")[0]
        font = await page.evaluate("getComputedStyle(document.querySelector('main')).maxWidth")
        assert font != "none", "the style sheet did not come"
        await browser.close()
    assert {urlsplit(url).netloc for url in asked} == {urlsplit(site.pages).netloc}
    assert f"{site.pages}/static/console.css" in asked
    assert complaints == []


@pytest.mark.browser
async def test_pages_can_be_read_on_a_narrow_screen_without_scripts_and_in_the_dark(
    site: Site, documents: dict[str, str]
) -> None:
    """No page is wider than a telephone, tables scroll in themselves; in the dark a link is not the browser's blue."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=need("chromium"), args=list(CHROMIUM))
        page = await browser.new_page(
            viewport={"width": 390, "height": 800}, java_script_enabled=False, color_scheme="dark"
        )
        of = [f"/documents/{documents[name]}" for name in ("handled", "hostile")]
        for path in ("/", "/documents", "/refusals", *of):
            await page.goto(site.pages + path)
            assert await page.evaluate("document.documentElement.scrollWidth") == 390, path
        await page.set_viewport_size({"width": 360, "height": 800})
        present = page.locator("#present")  # what to do next is read without scrolling sideways, and is a table still
        box = await present.bounding_box()
        assert box is not None and box["x"] + box["width"] <= 360
        assert (
            await page.get_by_role("table").filter(has_text="waits to be fetched").first.get_by_role("cell").count() > 4
        )
        await page.set_viewport_size({"width": 390, "height": 800})
        await page.goto(site.pages + "/documents")
        await page.get_by_label("Mã định danh văn bản").fill(documents["handled"])
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/documents?q=*")
        assert await page.locator("#recent tbody tr").count() == 1
        await page.goto(site.pages + "/")
        assert (
            await page.evaluate("getComputedStyle(document.querySelector('#recent a')).color") == "rgb(138, 184, 255)"
        )
        await page.locator("#recent a").first.focus()
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/documents/*")
        await browser.close()


async def _seen(page: Any, selector: str) -> str:
    return re.sub(r"\s+", " ", await page.locator(selector).first.inner_text())
