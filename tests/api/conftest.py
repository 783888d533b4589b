from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from desk import Desk
from tests.api.serving import scripted_market, serve
from tests.store.scripted import desk_of


@pytest.fixture(scope="module")
def desk() -> Desk:
    return desk_of(scripted_market())


@pytest.fixture(scope="module")
def client(desk: Desk) -> Iterator[TestClient]:
    with serve(desk) as client:
        yield client
