"""A real browser for tests: Chromium, asked over its DevTools protocol.

The one that `TEST_CHROMIUM` names, or one on PATH; having none is a failure, never a skip.
https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from .support import poll

LARGEST_MESSAGE = 2**26
OPTIONS = (
    "--headless",
    "--no-sandbox",  # root has none
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-ipc-flooding-protection",  # a test may follow more links than anybody would
    "--remote-debugging-port=0",
)


@contextmanager
def browser(folder: Path) -> Iterator[str]:
    """A running browser: the address that it takes commands at.

    Args:
        folder: empty; for its profile.
    """
    process = subprocess.Popen(
        [_binary(), *OPTIONS, f"--user-data-dir={folder}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    told = folder / "DevToolsActivePort"
    try:
        poll(lambda: told.exists() and len(told.read_text().split()) == 2)
        port, path = told.read_text().split()
        yield f"ws://127.0.0.1:{port}{path}"
    finally:
        process.kill()
        process.wait()


class Tab:
    """A page in the browser, as one person sees it.

    Attributes:
        faults: what the browser logged of pages, such as broken policies and uncaught errors.
    """

    def __init__(self, connection: WebSocketClientConnection) -> None:
        self.faults: list[str] = []
        self._connection = connection
        self._session = ""
        self._sent = 0
        self._loads = 0

    @classmethod
    async def open(
        cls, address: str, *, width: int = 1280, dark: bool = False, script: bool = True
    ) -> Tab:
        """An empty one.

        Args:
            address: of the browser.
            width: of the screen, in pixels of CSS.
            dark: whether the person prefers that.
            script: whether pages may run any.
        """
        connection = await websocket_connect(address, max_message_size=LARGEST_MESSAGE)
        tab = cls(connection)
        made = await tab.ask("Target.createTarget", url="about:blank")
        attached = await tab.ask("Target.attachToTarget", targetId=made["targetId"], flatten=True)
        tab._session = attached["sessionId"]
        for domain in ("Page", "Log", "Runtime"):
            await tab.ask(f"{domain}.enable")
        await tab.ask("Emulation.setScriptExecutionDisabled", value=not script)
        await tab.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=844,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await tab.ask("Emulation.setEmulatedMedia", features=[scheme])
        return tab

    async def go(self, url: str) -> None:
        """Loads a page, and waits until it is there."""
        loads = self._loads
        await self.ask("Page.navigate", url=url)
        while self._loads == loads:
            self._note(await self._read())

    async def evaluate(self, expression: str):
        """The value of an expression of JavaScript on the page."""
        answer = await self.ask(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def type(self, text: str) -> None:
        """Types into what has the focus."""
        await self.ask("Input.insertText", text=text)

    async def click(self, selector: str) -> None:
        """Clicks where an element is."""
        x, y = await self.evaluate(
            f"(() => {{ const it = document.querySelector({json.dumps(selector)});"
            "it.scrollIntoView({block: 'center'}); const box = it.getClientRects()[0];"
            "return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.ask(
                "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1
            )

    async def ask(self, method: str, **params):
        """The result of a command of the protocol."""
        self._sent += 1
        command = {"id": self._sent, "method": method, "params": params}
        if self._session:
            command["sessionId"] = self._session
        await self._connection.write_message(json.dumps(command))
        while True:
            message = await self._read()
            if message.get("id") == self._sent:
                assert "error" not in message, (method, message["error"])
                return message["result"]
            self._note(message)

    def close(self) -> None:
        """Leaves it; the browser goes on."""
        self._connection.close()

    async def _read(self):
        message = await self._connection.read_message()
        assert message is not None, "the browser has ended"
        return json.loads(message)

    def _note(self, message) -> None:
        match message.get("method"):
            case "Page.loadEventFired":
                self._loads += 1
            case "Log.entryAdded":
                self.faults.append(message["params"]["entry"]["text"])
            case "Runtime.exceptionThrown":
                self.faults.append(message["params"]["exceptionDetails"]["text"])


def _binary() -> str:
    given = os.environ.get("TEST_CHROMIUM")
    if given:
        return given
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found:
            return found
    pytest.fail("There is no Chromium: install one, or name it in TEST_CHROMIUM.")
