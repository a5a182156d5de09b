"""A browser for tests: Chromium without a window, spoken to by the DevTools protocol over a pair of pipes.

    with Browser(folder) as browser:
        page = browser.open(path)               # an HTML file; waits until `ready`, an expression, is true
        page.evaluate("document.title")
        page.press("ArrowRight"); page.move(30, 40); page.click(30, 40); page.screenshot(path)
        page.requests, page.complaints          # URLs asked for after the file itself; errors on its console

`browser_path()` is where Chromium is, None where there is none. Messages are JSON, each ended by a zero byte.
"""
import base64
import fcntl
import json
import os
import select
import shutil
import signal
import time
from pathlib import Path

FLAGS = ("--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
         "--disable-component-update --disable-sync --hide-scrollbars --remote-debugging-pipe").split()
# of a key that types nothing: its number, and of one that does: the text
NUMBERS = {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Escape": 27, "Tab": 9}
TEXTS = {"Enter": "\r"}
SHIFT = 8


def browser_path():
    """The path of Chromium or Chrome, or None."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Browser:
    """One process. folder: an empty one, for what it keeps."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.number, self.buffer, self.pages = 0, b"", {}

    def __enter__(self):
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (*os.pipe(), *os.pipe())]
        theirs_in, self.to, self.back, theirs_out = ends            # all above 4, so that none is in the way
        actions = [(os.POSIX_SPAWN_DUP2, theirs_in, 3), (os.POSIX_SPAWN_DUP2, theirs_out, 4),
                   *((os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_RDWR, 0) for stream in (0, 1, 2))]
        command = [browser_path(), *FLAGS, f"--user-data-dir={self.folder}", "about:blank"]
        self.process = os.posix_spawn(command[0], command, os.environ, file_actions=actions, setpgroup=0)
        os.close(theirs_in)
        os.close(theirs_out)
        return self

    def __exit__(self, *error):
        os.killpg(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)
        os.close(self.to)
        os.close(self.back)

    def call(self, method, session=None, seconds=30, **parameters):
        """The result of a method of the protocol."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        message |= {"sessionId": session} if session else {}
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.to, data):]
        deadline = time.monotonic() + seconds
        while True:
            answer = self.receive(deadline)
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            if answer.get("sessionId") in self.pages:
                self.pages[answer["sessionId"]].notice(answer["method"], answer["params"])

    def receive(self, deadline):
        """The next message."""
        while b"\0" not in self.buffer:
            if not select.select([self.back], [], [], max(0, deadline - time.monotonic()))[0]:
                raise TimeoutError("the browser does not answer")
            data = os.read(self.back, 1 << 20)
            if not data:
                raise RuntimeError("the browser has ended")
            self.buffer += data
        message, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(message)

    def open(self, path, fragment="", width=1280, height=1000, dark=False, ready="window.minivit"):
        """A Page of the file at `path`."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        page = Page(self, self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"], target)
        for domain in ("Network", "Log", "Runtime", "Page"):
            page.call(f"{domain}.enable")
        page.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=width < 500)
        page.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        page.go(path, fragment)
        page.wait(ready)
        return page


class Page:
    """One page. requests: (URL) of all that was asked for but the page itself; complaints: what its console says of
    errors and warnings."""

    def __init__(self, browser, session, target):
        self.browser, self.session, self.target = browser, session, target
        self.requests, self.complaints = [], []
        browser.pages[session] = self

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def notice(self, method, about):
        """Keep what an event says."""
        if method == "Network.requestWillBeSent" and about["type"] != "Document":
            self.requests.append(about["request"]["url"])
        elif method == "Network.requestWillBeSent" and not about["request"]["url"].startswith("file:"):
            self.requests.append(about["request"]["url"])
        elif method == "Log.entryAdded" and about["entry"]["level"] in ("error", "warning"):
            self.complaints.append(about["entry"]["text"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(about["exceptionDetails"].get("exception", {}).get("description", str(about)))
        elif method == "Runtime.consoleAPICalled" and about["type"] in ("error", "warning", "assert"):
            self.complaints.append(str(about["args"]))

    def go(self, path, fragment=""):
        """Load a file."""
        self.call("Page.navigate", url=Path(path).resolve().as_uri() + fragment)

    def evaluate(self, expression):
        """The value of an expression, which may be a promise."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"]["exception"].get("description", expression))
        return result["result"].get("value")

    def wait(self, expression, seconds=20):
        """Wait until an expression is true."""
        deadline = time.monotonic() + seconds
        while not self.evaluate(f"!!({expression})"):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{expression} has not become true; the console: {self.complaints}")
            time.sleep(0.02)

    def press(self, *keys):
        """Press keys, one after the other; "Shift+ArrowUp" is one with the shift key."""
        for key in keys:
            modifiers, name = (SHIFT, key[6:]) if key.startswith("Shift+") else (0, key)
            code = NUMBERS.get(name, 0)
            text = "" if code else TEXTS.get(name, name)
            self.call("Input.dispatchKeyEvent", type="keyDown", key=name, text=text, modifiers=modifiers,
                      windowsVirtualKeyCode=code or ord(text))
            self.call("Input.dispatchKeyEvent", type="keyUp", key=name, modifiers=modifiers,
                      windowsVirtualKeyCode=code or ord(text))

    def move(self, x, y):
        """Move the pointer."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def click(self, x, y):
        """Press and release the left button."""
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def screenshot(self, path, whole=True):
        """Write what is seen, or the whole page, to a PNG file."""
        data = self.call("Page.captureScreenshot", captureBeyondViewport=whole)["data"]
        Path(path).write_bytes(base64.b64decode(data))

    def close(self):
        self.browser.call("Target.closeTarget", targetId=self.target)
