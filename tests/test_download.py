"""Downloads, from a server in this process: what is resumed, what is refused, and what is left behind."""
import hashlib
import http.server
import socket
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from minivit.data import download
from minivit.data.download import DownloadError, fetch
from minivit.data.named import NAMED, Remote

CONTENT = np.random.default_rng(0).bytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Answers by `behaviours`, {first folder of the path: function(handler, range start)}; remembers what was asked."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = []

    def mirror(self, behaviour):
        return f"http://127.0.0.1:{self.server_port}/{behaviour}/"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        behaviour, asked = self.path.split("/")[1], self.headers.get("Range")
        self.server.asked.append((behaviour, asked))
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        getattr(self, behaviour)(start)

    def answer(self, status, content, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(content)

    def good(self, start):
        if start:
            self.answer(206, CONTENT[start:], Content_Length=len(CONTENT) - start,
                        Content_Range=f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        else:
            self.answer(200, CONTENT, Content_Length=len(CONTENT))

    def no_ranges(self, start):
        self.answer(200, CONTENT, Content_Length=len(CONTENT))

    def stops(self, start):
        """Promises everything, sends 100,000 bytes more, and hangs up."""
        self.answer(206 if start else 200, CONTENT[start:start + 100_000], Content_Length=len(CONTENT) - start,
                    Content_Range=f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")

    def endless(self, start):
        """Does not say how much it sends, and sends too much."""
        self.answer(200, CONTENT + b"more")

    def wrong(self, start):
        self.answer(206 if start else 200, bytes(len(CONTENT) - start), Content_Length=len(CONTENT) - start,
                    Content_Range=f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")

    def other_range(self, start):
        self.answer(206, CONTENT, Content_Length=len(CONTENT) - start, Content_Range=f"bytes 0-1/{len(CONTENT)}")

    def page(self, start):
        self.answer(200, b"<html>moved</html>", Content_Length=18)

    def missing(self, start):
        self.send_error(404, "Not Found")

    def unsatisfiable(self, start):
        self.send_error(416, "Range Not Satisfiable") if start else self.good(start)

    def broken(self, start):
        self.connection.sendall(b"what is this\r\n\r\n")

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def running():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def server(running):
    running.asked.clear()
    return running


@pytest.fixture
def remote(server):
    """A function that makes the Remote whose mirrors behave so."""
    def make(*behaviours, **changes):
        mirrors = tuple(server.mirror(name) for name in behaviours)
        return replace(Remote("file.bin", len(CONTENT), SHA256, "sub/folder", mirrors), **changes)
    return make


def test_a_file_is_downloaded_once(remote, server, tmp_path):
    seen = []
    path = fetch(remote("good"), tmp_path, lambda done, total: seen.append((done, total)))
    assert path == tmp_path / "sub" / "folder" / "file.bin" and path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT)) and seen == sorted(seen) and len(seen) > 3
    fetch(remote("good"), tmp_path)
    assert len(server.asked) == 1 and [file.name for file in path.parent.iterdir()] == ["file.bin"]


@pytest.mark.parametrize("behaviour", ["good", "no_ranges"])
def test_a_partial_file_is_gone_on_with(remote, server, tmp_path, behaviour):
    (tmp_path / "sub" / "folder").mkdir(parents=True)
    (tmp_path / "sub" / "folder" / "file.bin.part").write_bytes(CONTENT[:123_456])
    seen = []
    path = fetch(remote(behaviour), tmp_path, lambda done, total: seen.append(done))
    assert path.read_bytes() == CONTENT and server.asked == [(behaviour, "bytes=123456-")]
    assert (min(seen) > 123_456) is (behaviour == "good")


@pytest.mark.parametrize("part", [CONTENT, CONTENT + b"x", CONTENT[:-1] + b"?", b"", bytes(9)])
def test_whatever_lies_in_the_partial_file_the_result_is_right(remote, tmp_path, part):
    (tmp_path / "file.bin.part").write_bytes(part)
    assert fetch(remote("good", folder=""), tmp_path).read_bytes() == CONTENT
    assert [file.name for file in tmp_path.iterdir()] == ["file.bin"]


def test_the_next_mirror_goes_on_where_one_stopped(remote, server, tmp_path):
    path = fetch(remote("stops", "stops", "good"), tmp_path)
    assert path.read_bytes() == CONTENT
    assert server.asked == [("stops", None), ("stops", "bytes=100000-"), ("good", "bytes=200000-")]


@pytest.mark.parametrize("behaviour, reason", [
    ("missing", "Not Found"), ("page", "offers 18 bytes, and the file has 300000"), ("broken", "what is this"),
    ("wrong", "what came is another file than the one that was published"), ("stops", "stopped after 100000 of")])
def test_a_mirror_that_fails_is_named_and_the_next_is_asked(remote, tmp_path, behaviour, reason):
    with pytest.raises(DownloadError, match=rf"(?s)file.bin could not be downloaded.*/{behaviour}/file.bin: .*{reason}"
                                            rf".*put it to .*sub/folder/file.bin \(300000 bytes, sha256 {SHA256}\)"):
        fetch(remote(behaviour), tmp_path)
    assert not (tmp_path / "sub" / "folder" / "file.bin").exists()
    assert fetch(remote(behaviour, "good"), tmp_path).read_bytes() == CONTENT


def test_a_wrong_file_is_removed(remote, tmp_path):
    with pytest.raises(DownloadError):
        fetch(remote("wrong", "wrong"), tmp_path)
    assert list((tmp_path / "sub" / "folder").iterdir()) == []


@pytest.mark.parametrize("behaviour", ["wrong", "other_range", "unsatisfiable", "page"])
def test_a_bad_answer_to_a_range_is_not_added(remote, tmp_path, behaviour):
    (tmp_path / "file.bin.part").write_bytes(CONTENT[:1000])
    assert fetch(remote(behaviour, "good", folder=""), tmp_path).read_bytes() == CONTENT


def test_too_much_is_not_written(remote, tmp_path):
    assert fetch(remote("endless"), tmp_path).read_bytes() == CONTENT


def test_a_server_that_is_not_there_is_named(remote, tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(DownloadError, match=f"127.0.0.1:{port}/file.bin: .*refused"):
        fetch(remote(mirrors=(f"http://127.0.0.1:{port}/",)), tmp_path)


def test_a_silent_server_is_given_up(remote, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "_TIMEOUT", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(DownloadError, match="timed out"):
            fetch(remote(mirrors=(f"http://127.0.0.1:{silent.getsockname()[1]}/",)), tmp_path)


def test_a_file_of_the_users_is_not_overwritten(remote, server, tmp_path):
    (tmp_path / "file.bin").write_bytes(b"mine")
    with pytest.raises(OSError, match="file.bin is there, and is not the file that was published .*move it away"):
        fetch(remote("good", folder=""), tmp_path)
    assert (tmp_path / "file.bin").read_bytes() == b"mine" and server.asked == []


def test_ctrl_c_keeps_what_has_come(remote, server, tmp_path):
    def interrupt(done, total):
        if done > 100_000:
            raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        fetch(remote("good", folder=""), tmp_path, interrupt)
    kept = (tmp_path / "file.bin.part").read_bytes()
    assert 100_000 < len(kept) < 300_000 and kept == CONTENT[:len(kept)]
    fetch(remote("good", folder=""), tmp_path)
    assert server.asked[-1] == ("good", f"bytes={len(kept)}-")


def test_a_single_wrong_bit_is_refused(remote, tmp_path):
    random = np.random.default_rng(1)
    for position in random.integers(0, len(CONTENT), 20):
        wrong = bytearray(CONTENT)
        wrong[position] ^= 1 << random.integers(8)
        (tmp_path / "file.bin.part").write_bytes(wrong)
        with pytest.raises(DownloadError, match="another file"):
            fetch(remote("wrong", folder=""), tmp_path)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_is_named(remote, server, tmp_path):
    (tmp_path / "file.bin.part").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device: what has come so far is kept: '.*file.bin.part'"):
        fetch(remote("good", "good", folder=""), tmp_path)
    assert len(server.asked) == 1


# minivit data get

@pytest.fixture
def named(remote, monkeypatch):
    """A function that makes fashion-mnist a single small file, on mirrors that behave so."""
    def make(*behaviours):
        monkeypatch.setitem(NAMED, "fashion-mnist", replace(NAMED["fashion-mnist"], files=(remote(*behaviours),)))
    return make


def test_get_downloads_below_the_right_folder(minivit, named, tmp_path, monkeypatch):
    named("good")
    monkeypatch.setenv("MINIVIT_DATA", str(tmp_path / "env"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    path = tmp_path / "env" / "sub" / "folder" / "file.bin"
    assert minivit("data", "get", "fashion-mnist") == (0, f"{path}\n", "") and path.read_bytes() == CONTENT
    monkeypatch.delenv("MINIVIT_DATA")
    assert minivit("data", "get", "fashion-mnist")[1].startswith(f"{tmp_path}/home/minivit/data/sub")
    assert minivit("data", "get", "fashion-mnist", "--root", tmp_path / "r")[1].startswith(f"{tmp_path}/r/sub")


def test_get_says_what_to_put_where(minivit, named, tmp_path):
    named("missing", "page")
    status, printed, complaint = minivit("data", "get", "fashion-mnist", "--root", tmp_path)
    assert (status, printed) == (2, "") and f"{tmp_path}/sub/folder/file.bin (300000 bytes, sha256 " in complaint
    assert "/missing/file.bin: Not Found" in complaint and "/page/file.bin: offers 18 bytes" in complaint


def test_get_is_interrupted_and_says_how_to_go_on(minivit, named, tmp_path, monkeypatch):
    named("good")

    def interrupted(file, folder, progress):
        return fetch(file, folder, lambda done, total: (_ for _ in ()).throw(KeyboardInterrupt))
    monkeypatch.setattr("minivit.cli.data.fetch", interrupted)
    assert minivit("data", "get", "fashion-mnist", "--root", tmp_path) == (
        130, "", "stopped; what has come is kept: go on with minivit data get fashion-mnist\n")
    assert (tmp_path / "sub" / "folder" / "file.bin.part").stat().st_size == 2 ** 16


def test_the_table_of_data_sets_is_sound():
    files = [file for known in NAMED.values() for file in known.files]
    assert len({file.sha256 for file in files}) == len(files) == 10
    for file in files:
        assert len(file.sha256) == 64 and set(file.sha256) <= set("0123456789abcdef") and file.size > 1000
        assert len(file.mirrors) > 1 and all(url.startswith("http") and url.endswith("/") for url in file.mirrors)
    for known in NAMED.values():            # what is downloaded is found
        for file in known.files:
            assert file.folder in known.places or file.name in known.places
