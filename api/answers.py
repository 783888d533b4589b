"""A table as it is answered: JSON, or CSV where the path or the client says so."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

import orjson
from fastapi import APIRouter, Request, Response

from api.models import Problem, Rows
from api.tables import csv_bytes

Format = Literal["json", "csv"]

REFUSALS: dict[int | str, dict[str, Any]] = {
    404: {"model": Problem, "description": "There is no such symbol or exchange."},
    422: {"model": Problem, "description": "A parameter is unknown or its value is wrong."},
}
CSV = {"text/csv": {"schema": {"type": "string"}}}
CSV_NOTE = " The same as CSV, with a column `source`: the path with `.csv`, or `Accept: text/csv`."


def add_table(
    api: APIRouter, path: str, row: type, handler: Callable[..., Any], summary: str, description: str
) -> None:
    """Add GET `path` and `path`.csv to a router; the handler answers both."""
    responses = {200: {"content": CSV}, **REFUSALS}
    api.add_api_route(
        f"{path}.csv",
        handler,
        summary=f"{summary} as CSV",
        description=description,
        response_class=Response,
        responses=responses,
        name=f"{handler.__name__}_csv",
    )
    api.add_api_route(
        path,
        handler,
        summary=summary,
        description=description + CSV_NOTE,
        response_model=Rows[row],  # type: ignore[valid-type]
        responses=responses,
    )


def table_body(form: Format, stamp: dict[str, Any], row_type: type, rows: Sequence[Any]) -> bytes:
    """Rows as they are sent. Large ones take a while: write them off the event loop."""
    if form == "csv":
        return csv_bytes(row_type, rows, stamp["source"])
    return orjson.dumps(stamp | {"count": len(rows), "rows": rows})


def table_response(form: Format, stamp: dict[str, Any], name: str, body: bytes) -> Response:
    """The answer around a table's body; CSV becomes a file named after its source and time."""
    headers = {"Cache-Control": "no-store", "Vary": "Accept"}
    if form == "csv":
        at = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(stamp["as_of"]))
        headers["Content-Disposition"] = f'attachment; filename="perpscope-{name}-{stamp["source"]}-{at}.csv"'
    return Response(body, headers=headers, media_type="application/json" if form == "json" else "text/csv")


def json_response(content: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, {"Cache-Control": "no-store"}, "application/json")


def form_of(request: Request) -> Format:
    """CSV where the path or the client's first choice says so."""
    if request.url.path.endswith(".csv"):
        return "csv"
    best: Format = "json"
    best_quality = 0.0
    for choice in request.headers.get("accept", "").split(","):
        kind, *parameters = (part.strip().lower() for part in choice.split(";"))
        quality = next((_quality(part[2:]) for part in parameters if part.startswith("q=")), 1.0)
        if kind in ("text/csv", "application/json") and quality > best_quality:
            best, best_quality = ("csv" if kind == "text/csv" else "json"), quality
    return best


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
