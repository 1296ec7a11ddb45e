"""A profile for the property tests: the same small examples each time, no deadline. A browser."""

import os
import pickle
import tempfile
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from hypothesis import HealthCheck, settings

same = {"derandomize": True, "max_examples": 40, "deadline": None, "database": None}
settings.register_profile("grokkit", **same, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("grokkit")
torch.set_num_threads(1)  # the same bits, and no quarrel over cores, whoever runs the tests

NO_BROWSER = (
    "no browser for the page tests: `sudo apt-get install chromium` (Debian, Ubuntu), "
    "`brew install --cask chromium` (macOS) or, anywhere, "
    "`.venv/bin/python -m playwright install chromium`"
)


@pytest.fixture(scope="session", autouse=True)
def shared(tmp_path_factory, worker_id):
    """A folder for all workers, with the default store: that of whoever runs them is not read."""
    base = tmp_path_factory.getbasetemp()
    folder = base if worker_id == "master" else base.parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROKKIT_STORE", str(folder / "default"))
        patch.delenv("GROKKIT_RESULTS", raising=False)
        yield folder


@pytest.fixture
def store(tmp_path):
    """An empty store, without the shipped results."""
    from grokkit.store.store import Store

    return Store(tmp_path / "store", "")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A store of its own for everything that asks for the default one."""
    monkeypatch.setenv("GROKKIT_STORE", str(tmp_path / "home"))
    monkeypatch.setenv("GROKKIT_RESULTS", "")
    return tmp_path / "home"


@pytest.fixture
def place():
    """A folder in memory, where there is one: writing and deleting there takes no time."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def board(shared, tmp_path_factory):
    """Every result that the shipped records give, by claim: computed by one worker for all."""
    from grokkit.store.store import Store
    from varma2023 import experiments
    from varma2023.board import results

    path = shared / "board.pickle"
    with FileLock(f"{path}.lock"):
        if not path.exists():
            records = experiments.all_records(store=Store(tmp_path_factory.mktemp("store")))
            path.write_bytes(pickle.dumps(results(records)))
        return pickle.loads(path.read_bytes())


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium, the system's or playwright's own, that knows no other host."""
    from playwright.sync_api import sync_playwright

    from varma2023.publish.browser import find_browser

    with sync_playwright() as playwright:
        path = find_browser(playwright.chromium.executable_path)
        if path is None:
            (pytest.fail if os.environ.get("CI") else pytest.skip)(NO_BROWSER)
        here = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
        plain = ["--disable-gpu", "--disable-software-rasterizer"]  # and so the same everywhere
        chromium = playwright.chromium.launch(executable_path=path, args=[here, *plain])
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def context(browser):
    """What all tabs share: a cache."""
    context = browser.new_context()
    context.set_default_timeout(120_000)  # a machine may be busy
    return context
