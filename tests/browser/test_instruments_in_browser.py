"""The Instruments page in Chromium: search, filters, details, CSV."""

import csv

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait
from test_pages_in_browser import Page

from analytics.quarantine import Misfit
from market.overrides import apply_overrides, parse_overrides

pytestmark = pytest.mark.browser

PATIENCE_S = 15.0
COUNT_IS = "return document.querySelectorAll('.ag-pinned-left-cols-container .ag-row').length === arguments[0]"
DENY = """
[[deny]]
exchange = "gate"
exchange_symbol = "KAITOUSDT"
author = "mk"
date = 2026-09-05
reason = "another asset"
"""


@pytest.fixture
def page(serve, browser):
    served = serve()
    made = Page(browser, served.url)
    made.served = served
    made.open("/instruments")
    made.until(COUNT_IS, 4)
    return made


def test_instruments_are_found_explained_kept_up_to_date_and_exported(page):
    """One walk through the page: it has no state that a second browser would show better."""
    field = page.driver.find_element(By.ID, "instruments-search")
    field.send_keys("kai")
    page.until(COUNT_IS, 1)
    assert page.until("return document.getElementById('instruments-count').textContent") == "1 of 4 symbols"

    page.until("return document.querySelector('.ag-center-cols-container .ag-row .listing')").click()
    page.until("return document.querySelector('.instrument-pane.open')")
    page.until("return document.querySelectorAll('#instruments-details tbody tr').length === 3")
    details = page.run("return document.getElementById('instruments-details').textContent")
    assert "KAITOUSDT" in details
    assert "compared by its name" in details

    # Another listing reaches the page by itself; the details follow, selection and search stay.
    market = page.served.desk.market
    listed = [row for (exchange, _), row in market.store.grid.instruments.items() if exchange == "gate"]
    denied, _ = apply_overrides(listed, parse_overrides(DENY, "overrides.toml", ("gate",)))
    market.store.set_instruments("gate", denied)
    page.until("return document.querySelector('.ag-row .listing.marked .shape-closed')")
    page.until("return document.getElementById('instruments-details').textContent.includes('another asset')")
    assert page.run("return document.querySelector('.instrument-pane.open') !== null")

    page.click("instruments-csv")

    def complete(_):
        files = [path for path in page.driver.downloads.iterdir() if path.suffix == ".csv"]
        return files and files[0]

    with WebDriverWait(page.driver, PATIENCE_S, 0.1).until(complete).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["symbol"] for row in rows} == {"KAITO-USDT"}
    assert [row["pairing"] for row in rows] == ["ok", "deny", "ok"]

    page.driver.find_element(By.TAG_NAME, "body").send_keys(Keys.ESCAPE)
    page.until("return !document.querySelector('.instrument-pane.open')")
    field.send_keys("zzz")
    page.until("return !document.getElementById('instruments-empty').classList.contains('hidden')")
    assert page.severe() == []


def test_what_is_in_quarantine_is_listed_by_itself(page):
    """MYRO on Gate.io has an index half as high again as the others'."""
    now = page.served.desk.view.judgement.time
    quarantine = page.served.desk.market.quarantine
    quarantine.misfits = {("gate", "MYRO-USDT"): Misfit("gate", "MYRO-USDT", 1.5, now - 300.0, now)}
    page.run(
        "const box = document.getElementById('instruments-pairing'); box.value = 'quarantine';"
        "box.dispatchEvent(new Event('change', {bubbles: true}));"
    )
    page.until(COUNT_IS, 1)
    page.until("return document.querySelector('.ag-center-cols-container .ag-row .listing')").click()
    page.until(
        "return document.getElementById('instruments-details').textContent.includes('1.5\u00d7 the others, in quar')"
    )
    assert page.severe() == []
