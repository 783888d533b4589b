"""Opportunities in Chromium: my terms, groups that stay in their order, and a drawer that stays as it was left."""

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from test_pages_in_browser import ROW_IDS, Page, grid

pytestmark = pytest.mark.browser

KAITO = "KAITO-USDT:gate:bybit"
# A grid that is just taking rows may drop a selection: then once more, as one would click again.
OPEN = """if (document.querySelector('.drawer.open .fact summary')) return true;
  window.dash_ag_grid.getApiAsync('opportunities-grid').then(api => {
    const node = api.getRowNode(arguments[0]);
    if (node && !node.isSelected()) node.setSelected(true, true);
  });"""


@pytest.fixture
def page(serve, browser):
    made = Page(browser, serve().url)
    made.open("/opportunities").until(ROW_IDS + ".length > 5")
    return made


def type_in(page, field_id, words):
    field = page.driver.find_element(By.ID, field_id)
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys(words, Keys.ENTER)


def value(page, field_id):
    return page.run("return document.getElementById(arguments[0]).value", field_id)


def test_sort_groups_selection_and_filter_survive_ticks(page):
    grid(page, "api.applyColumnState({state: [{colId: 'symbol', sort: 'desc'}], defaultState: {sort: null}})")
    page.until(OPEN, KAITO)
    page.ticks(2)

    shown = grid(page, "api.getRenderedNodes().map(n => [n.data.group, n.data.heading ? '' : n.data.symbol])")
    groups = [group for group, _ in shown]
    assert groups == sorted(groups)
    for group in set(groups):
        symbols = [symbol for of, symbol in shown if of == group and symbol]
        assert symbols == sorted(symbols, reverse=True)
    headings = [group for group, symbol in shown if not symbol]
    assert headings == sorted(set(headings)), "each heading stands once, before its group"
    grid(
        page,
        "api.setColumnFilterModel('sell', {filterType: 'text', type: 'contains', filter: 'Bybit'})"
        ".then(() => api.onFilterChanged())",
    )
    page.ticks(1)
    filtered = page.run(ROW_IDS)
    assert filtered
    assert all(row.endswith(":bybit") for row in filtered)
    assert grid(page, "api.getSelectedNodes().map(n => n.id)") == [KAITO]


def test_what_is_open_in_the_drawer_stays_open_and_escape_closes_step_by_step(page):
    page.until(OPEN, KAITO)
    page.run("for (const part of ['.figure-row', '.fact']) document.querySelector(part + ' summary').click()")
    page.ticks(2)

    assert "gross edge + book walk" in page.until("return document.querySelector('.fact[open] .panel')?.textContent")
    assert page.until("return document.querySelector('.figure-row[open]')")
    assert page.until("return document.querySelector('#drawer-link').getAttribute('href')").startswith("/spreads?")
    page.keys(Keys.ESCAPE)
    page.until("return !document.querySelector('.fact[open]') && document.querySelector('.drawer.open')")
    page.keys(Keys.ESCAPE)
    page.until("return !document.querySelector('.drawer.open') && !document.querySelector('.ag-row-selected')")
    assert page.severe() == []


def test_explanation_is_copied_as_text(page):
    page.driver.execute_cdp_cmd(
        "Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    )
    page.until(OPEN, KAITO)
    page.click("drawer-copy")

    page.until("return document.getElementById('drawer-copied').textContent === 'Copied'")
    copied = page.driver.execute_async_script("navigator.clipboard.readText().then(arguments[0])")
    assert copied.startswith("KAITO-USDT: buy Gate.io, sell Bybit")


def test_my_terms_judge_the_table_and_are_kept_until_reset(page):
    type_in(page, "opportunities-min-net", "500")
    page.until("return document.querySelector('#opportunities-min-net-chip.changed')")
    page.run("document.querySelector('#opportunities-tab input').click()")
    assert "No pair clears 500.0 bps" in page.until(
        "const it = document.getElementById('opportunities-empty');"
        " return it.classList.contains('hidden') ? null : it.textContent"
    )
    type_in(page, "opportunities-size", "ten")
    assert "'ten' is not a number" in page.until("return document.getElementById('opportunities-wrong').textContent")

    page.driver.refresh()
    page.until("return document.querySelector('#opportunities-min-net-chip.changed')")
    assert value(page, "opportunities-min-net") == "500"
    page.click("opportunities-reset")
    page.until("return document.querySelector('#opportunities-min-net-chip:not(.changed)')")
    assert value(page, "opportunities-min-net") == "0"
    assert value(page, "opportunities-size").replace("\u2009", "") == "10000"
    assert page.severe() == []
