"""The Dash app: the frame, the pages, and everything they need served from here."""

from pathlib import Path

import dash
import fastapi

from desk import Desk
from layouts.episodes import callbacks as episodes
from layouts.exchanges import callbacks as exchanges
from layouts.families import callbacks as families
from layouts.funding import callbacks as funding
from layouts.instruments import callbacks as instruments
from layouts.opportunities import callbacks as opportunities
from layouts.overview import callbacks as overview
from layouts.shell import callbacks as shell
from layouts.shell import layout
from layouts.spreads import callbacks as spreads

ASSETS = Path(__file__).resolve().parent.parent / "assets"

# The theme is set before the first paint: a dark page that flashes white hurts at night.
INDEX = """<!DOCTYPE html>
<html lang="en" data-theme="dark" data-bs-theme="dark">
<head>
{%metas%}
<title>{%title%}</title>
<link rel="icon" type="image/svg+xml" href="/assets/favicon.svg">
<script>
try {
  const theme = JSON.parse(localStorage.getItem("theme-store") || '"dark"') === "light" ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  document.documentElement.dataset.bsTheme = theme;
} catch (error) { /* no storage: dark it is */ }
</script>
{%css%}
</head>
<body>
{%app_entry%}
<footer>{%config%}{%scripts%}{%renderer%}</footer>
</body>
</html>"""


def build_app(desk: Desk, server: fastapi.FastAPI) -> dash.Dash:
    """Build the pages on a FastAPI server.

    Routes of the API must be added before the server starts: Dash then takes every other address for a page.
    """
    app = dash.Dash(
        __name__,
        server=server,  # type: ignore[arg-type]  # its stubs know Flask only
        title="Perpscope",
        update_title="",
        assets_folder=str(ASSETS),
        serve_locally=True,
        suppress_callback_exceptions=True,  # a page's components exist only while it is open
        index_string=INDEX,
    )
    app.layout = layout.frame(desk.settings.refresh_ms, desk.settings.stale_after_s)
    for part in (shell, overview, opportunities, spreads, exchanges, instruments, episodes, funding, families):
        part.register(app, desk)
    # Dash 4.4 lists its assets at the first request for "/" and serves a deep link that comes before without any.
    app._setup_server()
    return app
