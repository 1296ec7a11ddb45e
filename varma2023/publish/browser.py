"""Where a Chromium is: the page tests and the README's picture draw with it."""

import os
import shutil
from pathlib import Path

COMMANDS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "msedge")
MAC = "/Applications/{0}.app/Contents/MacOS/{0}"


def find_browser(own: str = "") -> str | None:
    """$GROKKIT_BROWSER, else the system's Chromium or Chrome, else `own`, as a path, or None."""
    known = [os.environ.get("GROKKIT_BROWSER"), *map(shutil.which, COMMANDS)]
    known += [MAC.format(name) for name in ("Chromium", "Google Chrome")] + [own]
    return next((path for path in known if path and Path(path).exists()), None)
