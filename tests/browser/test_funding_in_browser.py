"""The Funding page and the quote currencies in Chromium."""

import csv

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from test_pages_in_browser import PATIENCE_S, Page

pytestmark = pytest.mark.browser

ROWS = "return document.querySelectorAll('.ag-pinned-left-cols-container .ag-row').length"
FIRST = "return document.querySelector('.ag-pinned-left-cols-container [row-index=\"0\"] .row-name')?.textContent"


def test_rates_are_sorted_searched_and_exported_and_currencies_are_a_tab_away(serve, browser):
    """One walk: every wait that is saved is a second for everybody."""
    page = Page(browser, serve(samples=5).url).open("/")
    page.keys("g", "f")
    page.until("return location.pathname === '/funding'")
    page.until(ROWS + " === 3")
    assert "+10.9" in page.until("return document.querySelector('.ag-center-cols-container .fund .apr')?.textContent")
    assert page.run("return document.querySelector('.fund .every').textContent") == "8 h"
    # Rates are equal everywhere: nothing to earn, and it is said.
    assert "No two comparable rates" in page.until("return document.getElementById('funding-best').textContent")
    assert "No settlement seen yet since" in page.run("return document.getElementById('funding-quality').textContent")
    head = "return document.querySelector('.ag-floating-top-container .fund-head')?.textContent"
    assert page.until(head) in ("59 m", "60 m", "1 h 00 m")

    # A click on 'name' sorts, and ticks leave it so.
    page.run("document.querySelector('#funding-sort input[value=symbol]').click()")
    page.until(FIRST + " === 'BTC'")
    page.until_changed("return window.dash_component_api.getLayout('funding-shown')?.props.data")
    assert page.run(FIRST) == "BTC"

    page.driver.find_element(By.ID, "funding-search").send_keys("kai")
    page.until(ROWS + " === 1")
    page.click("funding-csv")

    def complete(_):
        files = [path for path in page.driver.downloads.iterdir() if path.suffix == ".csv"]
        return files and files[0]

    with WebDriverWait(page.driver, PATIENCE_S, 0.1).until(complete).open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [(line["symbol"], line["exchange"]) for line in lines] == [
        ("KAITO-USDT", "binance"),
        ("KAITO-USDT", "gate"),
        ("KAITO-USDT", "bybit"),
    ]

    page.driver.find_element(By.LINK_TEXT, "Across quote currencies").click()
    page.until("return location.pathname === '/funding/families'")
    page.until("return document.getElementById('families-rates').textContent.includes('no rate')")
    assert "Nothing can be compared" in page.run("return document.getElementById('families-pairs').textContent")
    assert page.run("return document.querySelector('.rail a.active').textContent").startswith("Funding")
    assert page.severe() == []
