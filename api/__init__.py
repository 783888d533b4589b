"""The REST API: the numbers of the pages for programs and spreadsheets."""

from fastapi import APIRouter

from api.routes import build
from desk import Desk

__all__ = ["router"]


def router(desk: Desk) -> APIRouter:
    """The routes under /api over what a desk shows, ready to be included in the server."""
    return build(desk)
