from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import build, client_of, served
from flask.testing import FlaskClient

from longtake.pipeline.browse.server import Server


@pytest.fixture(autouse=True, scope="session")
def _own_cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus of tests/browsing.py, for reading only."""
    root = tmp_path_factory.mktemp("corpus") / "out"
    build(root)
    return root


@pytest.fixture(scope="session")
def server(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Reads that corpus; its decisions are elsewhere."""
    found = served(built, decisions=str(tmp_path_factory.mktemp("marks") / "decisions.csv"))
    yield found
    found.close()


@pytest.fixture
def client(server: Server) -> FlaskClient:
    return client_of(server)
