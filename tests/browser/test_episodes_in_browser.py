"""Episodes in Chromium: the page's table, curves and CSV file, the Overview's list, the pair's statistics."""

import sys
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from test_pages_in_browser import Page, downloaded

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "layouts"))

from test_episodes_page import episode

pytestmark = pytest.mark.browser

ROWS = "return [...document.querySelectorAll('#episodes-grid .ag-pinned-left-cols-container .ag-row')].length"

SORT_BY_OPENING = """return window.dash_ag_grid.getApiAsync('episodes-grid')
  .then(api => api.applyColumnState({state: [{colId: 'opened', sort: 'asc'}]}))"""


@pytest.fixture
def page(serve, browser):
    served = serve(min_net_bps=5_000.0)  # nothing opens by itself
    now = served.desk.view.judgement.time
    book = served.desk.market.detector.episodes
    book.closed = tuple(
        episode(i, opened=now - 60.0 - i, closed=now - 58.0 + i % 5, symbol=("KAITO-USDT", "BTC-USDT")[i % 2])
        for i in range(30)
    )
    made = Page(browser, served.url)
    made.served, made.book = served, book
    return made


def test_episodes_are_listed_drawn_filtered_and_exported_and_lead_to_their_pair(page):
    """One walk: three pages share one browser, as browsers are slow to start."""
    page.open("/")
    page.until("return document.querySelectorAll('#overview-opened tr').length === 10")
    page.run("document.querySelector('#overview-side input[value=refused]').click()")
    page.until("return document.querySelector('#overview-reasons').offsetParent")
    assert page.run("return document.querySelector('#overview-opened').offsetParent") is None

    page.keys("g", "d")
    page.until("return location.pathname === '/episodes'")
    page.until("return document.getElementById('episodes-count').textContent === '30 of 30 episodes, 0 open'")
    page.until(ROWS + " > 5")
    page.until("return document.querySelectorAll('#episodes-curve .js-line').length >= 1")
    page.run("document.querySelector('#episodes-by input[value=symbol]').click()")
    page.until("return document.querySelectorAll('#episodes-groups tbody tr').length === 2")

    # One that opens comes by itself, on top.
    now = page.served.desk.view.judgement.time
    page.book._open = {("BTC-USDT", "gate", "bybit"): episode(99, opened=now, closed=None, reason=None)}
    page.until("return document.querySelector('.ag-row[row-index=\"0\"] .ended.still')")
    assert page.run("return document.querySelector('.ag-row [col-id=size]').textContent") == "1\u2009700.0"
    page.run(SORT_BY_OPENING)
    page.until("return document.querySelector('.ag-row[row-index=\"1\"] [col-id=symbol]')")
    assert page.run("return document.querySelector('.ag-row[row-index=\"0\"] .ended.still') !== null")
    field = page.driver.find_element(By.ID, "episodes-symbol")
    field.send_keys("btc")
    page.until("return document.getElementById('episodes-count').textContent.startsWith('15 of 31')")
    page.click("episodes-csv")
    assert {row["symbol"] for row in downloaded(page.driver)} == {"BTC-USDT"}

    page.run("document.querySelector('#episodes-grid .row-name').click()")
    page.until("return location.pathname + location.search === '/spreads?symbol=BTC-USDT&buy=gate&sell=bybit'")
    page.until("return document.querySelectorAll('#spreads-ranks tbody tr').length === 4")
    page.until("return document.querySelectorAll('#spreads-episodes tbody tr').length === 15")
    page.until("return document.querySelector('#spreads-lead').textContent.includes('By our receipt')")
    page.run("document.querySelector('#spreads-window input[value=\"1440\"]').click()")
    page.until("return document.getElementById('spreads-statistics-note').textContent.startsWith('24 h')")
    assert page.severe() == []
