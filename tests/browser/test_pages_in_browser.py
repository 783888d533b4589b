"""The pages in Chromium, while the market behind them moves."""

import csv
import time
from datetime import datetime

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

pytestmark = pytest.mark.browser

PATIENCE_S = 15.0
PAGES = ("/", "/opportunities", "/spreads", "/instruments", "/exchanges")


class Page:
    """What the tests do with a page."""

    def __init__(self, driver, url):
        self.driver = driver
        self.url = url

    def open(self, path="/"):
        self.driver.get(self.url + path)
        self.until("return document.getElementById('clock-time')?.textContent")
        return self

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def until(self, script, *arguments):
        """Wait until a script returns something true; return it."""
        return WebDriverWait(self.driver, PATIENCE_S, 0.1).until(
            lambda driver: driver.execute_script(script, *arguments)
        )

    def until_changed(self, script):
        """Wait until what a script returns is no longer what it was."""
        before = self.run(script)
        assert before, script
        WebDriverWait(self.driver, PATIENCE_S, 0.1).until(
            lambda driver: driver.execute_script(script) not in (before, None, "")
        )

    def ticks(self, count=3):
        """Wait for some ticks to be answered and shown."""
        for _ in range(count):
            self.until_changed("return document.getElementById('opportunities-applied')?.title + ''"
                               " + (window.dash_component_api.getLayout('answer')?.props.data.judged)")  # fmt: skip

    def click(self, element_id):
        self.driver.find_element(By.ID, element_id).click()

    def keys(self, *keys):
        self.driver.find_element(By.TAG_NAME, "body").send_keys(*keys)

    def severe(self):
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]


ROW_IDS = """return [...document.querySelectorAll('.ag-center-cols-container .ag-row')]
  .sort((a, b) => a.getAttribute('row-index') - b.getAttribute('row-index')).map(row => row.getAttribute('row-id'))"""
GRID = "return (await window.dash_ag_grid.getApiAsync('opportunities-grid'))."


@pytest.fixture
def page(serve, browser):
    served = serve()
    made = Page(browser, served.url)
    made.served = served
    return made


def grid(page, expression):
    return page.run(f"return (async () => {{ const api = await window.dash_ag_grid.getApiAsync('opportunities-grid');"
                    f" return {expression} }})()")  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
def test_no_page_logs_an_error(page, path):
    page.open(path).ticks(3)

    assert page.severe() == []


def test_walking_through_all_pages_logs_no_error(page):
    page.open("/")
    for key, path in (
        ("p", "/opportunities"),
        ("s", "/spreads"),
        ("i", "/instruments"),
        ("e", "/exchanges"),
        ("o", "/"),
    ):
        page.keys("g", key)
        page.until("return location.pathname === arguments[0]", path)
        page.ticks(2)

    assert page.severe() == []


def test_overview_shows_figures_that_move(page):
    page.open("/")

    page.until("return document.querySelectorAll('#overview-best tr').length === 10")
    page.until("return document.querySelectorAll('#overview-strip tr').length === 4")
    page.until("return document.querySelector('#overview-heatmap .hm')")
    page.until_changed("return document.querySelector('#overview-best .profit').textContent")


def test_grid_rows_change_in_place(page):
    page.open("/opportunities")
    page.until(ROW_IDS + ".length > 5")

    page.until_changed("return document.querySelector('.ag-row [col-id=notional]').textContent")


def downloaded(driver):
    """The one file of the download folder, once it is complete."""

    def complete(_):
        files = [path for path in driver.downloads.iterdir() if path.suffix == ".csv"]
        return files and files[0]

    with WebDriverWait(driver, PATIENCE_S, 0.1).until(complete).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_csv_of_opportunities_parses_and_names_its_source(page):
    page.open("/opportunities")
    page.until(ROW_IDS + ".length > 5")
    page.click("opportunities-csv")

    rows = downloaded(page.driver)
    assert {row["source"] for row in rows} == {"demo"}
    assert all(float(row["gross_edge_bps"]) > -1_000 for row in rows)


def test_csv_of_a_spread_parses(page):
    page.open("/spreads?symbol=KAITO-USDT&buy=gate&sell=bybit")
    page.until("return document.querySelector('#spreads-statistics td')")
    page.click("spreads-csv")

    rows = downloaded(page.driver)
    assert len(rows) > 100
    assert float(rows[0]["buy_price"]) > 0


def test_theme_switches_and_is_remembered(page):
    page.open("/").keys("t")
    page.until("return document.documentElement.dataset.theme === 'light'")
    page.until("return document.documentElement.dataset.bsTheme === 'light'")
    page.driver.refresh()

    page.until("return document.documentElement.dataset.theme === 'light'")
    page.until("return document.getElementById('clock-time')?.textContent")
    assert page.run("return document.documentElement.dataset.theme") == "light"


def _seconds(ends):
    start, end = (datetime.fromisoformat(value.replace(" ", "T")) for value in ends)
    return (end - start).total_seconds()


def _narrower(page, chart, span_s):
    """The range of time that is drawn, once it is narrower than so many seconds."""
    ends = page.run(f"return {chart}._fullLayout.xaxis.range")
    return ends if _seconds(ends) < span_s else None


def test_zoom_of_a_spread_is_kept_over_ticks(page):
    page.open("/spreads?symbol=KAITO-USDT&buy=gate&sell=bybit")
    chart = "document.querySelector('#spreads-chart .js-plotly-plot')"
    page.until(f"return {chart}?._fullLayout && {chart}.data.length === 3 && {chart}._fullData[0].x?.length > 100")
    whole = page.run(f"return {chart}._fullLayout.xaxis.range")
    # By the mouse: only what the user did is kept.
    panel = page.driver.find_element(By.CSS_SELECTOR, "#spreads-chart .nsewdrag[data-subplot='xy']")
    ActionChains(page.driver).move_to_element(panel).click_and_hold().move_by_offset(160, 0).release().perform()
    zoomed = WebDriverWait(page.driver, PATIENCE_S, 0.1).until(lambda _: _narrower(page, chart, _seconds(whole) / 2))
    page.ticks(4)

    assert page.run(f"return {chart}._fullLayout.xaxis.range") == zoomed
    assert page.severe() == []


def test_legs_are_swapped_and_the_address_follows(page):
    page.open("/spreads?symbol=KAITO-USDT&buy=gate&sell=bybit")
    page.until("return document.querySelector('#spreads-statistics td')")
    page.click("spreads-swap")

    page.until("return location.search === '?symbol=KAITO-USDT&buy=bybit&sell=gate'")
    page.until("return document.getElementById('spreads-buy').value === 'bybit'")


def test_search_opens_the_spreads_of_a_symbol(page):
    page.open("/").keys("/")
    page.driver.switch_to.active_element.send_keys("myro", Keys.ENTER)

    page.until("return location.pathname === '/spreads'")
    page.until("return document.getElementById('spreads-symbol')?.value === 'MYRO-USDT'")


def test_pause_stops_the_figures_and_go_on_starts_them(page):
    page.open("/").ticks(1)
    page.keys("p")
    page.until("return document.getElementById('clock-age').textContent === 'paused'")
    judged = "return window.dash_component_api.getLayout('answer').props.data.judged"
    time.sleep(0.7)  # an answer that was under way may still arrive
    before = page.run(judged)
    time.sleep(1.0)  # three ticks would have come
    assert page.run(judged) == before
    page.keys("p")
    page.until_changed(judged)


def test_help_opens_by_key_and_closes_by_escape(page):
    page.open("/").keys("?")
    page.until("return document.querySelector('.modal.show')")
    page.keys(Keys.ESCAPE)
    page.until("return !document.querySelector('.modal.show')")


def test_clock_turns_yellow_then_red_when_the_server_stops(page):
    page.open("/").ticks(1)
    assert page.run("return document.getElementById('clock').dataset.level") == "ok"
    page.served.close_server()

    page.until("return document.getElementById('clock').dataset.level === 'warn'")
    page.until("return document.getElementById('clock').dataset.level === 'err'")


def test_clock_turns_when_the_feeds_are_silent(serve, browser):
    served = serve(stale_after_s=1.0)
    page = Page(browser, served.url).open("/")
    served.desk.market.feed.silent = True

    page.until("return document.getElementById('clock').dataset.level === 'warn'")
    page.until("return document.getElementById('clock').dataset.level === 'err'")


def test_band_stands_on_every_page_while_simulated(page):
    for path in PAGES:
        page.open(path)
        assert "SIMULATED MARKET" in page.until("return document.querySelector('.band:not(.hidden)')?.textContent")


def test_nothing_reachable_offers_the_simulated_market(serve, browser):
    served = serve(source="live", reachable=False)
    page = Page(browser, served.url)
    browser.get(served.url)
    page.until("return document.querySelector('.unreachable')?.offsetParent")
    assert "None of 3 exchanges can be reached" in page.run("return document.querySelector('.unreachable').textContent")
    assert "name not resolved" in page.run("return document.querySelector('.unreachable').textContent")
    page.click("open-demo")

    page.until("return document.querySelector('.band:not(.hidden)')")
    page.until("return document.querySelectorAll('#overview-best tr').length === 10")
    assert page.run("return document.querySelector('.unreachable').offsetParent") is None
    page.click("band-live")
    page.until("return document.querySelector('.unreachable')?.offsetParent")


def test_exchange_actions_reach_the_feed(page):
    page.open("/exchanges?exchange=gate")
    page.until("return document.querySelector('#exchange-head h2')?.textContent === 'Gate.io'")
    page.click("exchange-reconnect")
    page.click("exchange-stop")
    page.until("return !document.getElementById('exchange-start').disabled")

    assert ("restart", "gate") in page.served.desk.market.feed.actions
    page.click("exchange-start")
    page.until("return document.getElementById('exchange-start').disabled")


def test_a_phone_shows_cards_and_a_bottom_bar(page):
    page.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    )
    page.open("/opportunities")
    page.until("return document.querySelectorAll('.card').length > 5")
    rail = page.run("return document.querySelector('.rail').getBoundingClientRect().toJSON()")
    assert rail["width"] == 390
    assert rail["bottom"] == 844
    labels = "return [...document.querySelectorAll('.rail a .label')].map(e => e.getBoundingClientRect().toJSON())"
    edges = [edge for label in page.run(labels) for edge in (label["left"], label["right"])]
    assert len(edges) == 14
    assert edges == sorted(edges)  # side by side
    assert edges[0] >= 0
    assert edges[-1] <= 390
    page.open("/")
    page.until("return document.querySelectorAll('.heat-table tbody tr').length")
    assert page.run("return document.documentElement.scrollWidth") <= 390
