import hashlib
import json
import sys
import threading
import types
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cryptoequity.data import DownloadError, sources
from cryptoequity.data.cache import Cache, default_folder, download
from cryptoequity.errors import DataError, SpecError

PRICES = b"date,BTC,QQQ\n2024-01-02,45000.5,400\n2024-01-03,42000,401\n"
FRED = b"observation_date,DGS10\n2024-01-01,.\n2024-01-02,3.95\n2024-01-03,-0.1\n"


class Server:
    """A web server on this machine that answers from a list and remembers what it was asked."""

    def __init__(self):
        self.answers, self.asked = [], []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append(self.path)
                answer = outer.answers.pop(0) if len(outer.answers) > 1 else outer.answers[0]
                status, body, headers = (*answer, {})[:3]
                if status == "silence":
                    threading.Event().wait(body)
                    return
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if "Content-Length" not in headers:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()


@pytest.fixture
def server():
    running = Server()
    yield running
    running.http.shutdown()
    running.http.server_close()


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    """Remember the pauses instead of making them."""
    slept = []
    clock = types.SimpleNamespace(sleep=slept.append, monotonic=__import__("time").monotonic)
    monkeypatch.setattr("cryptoequity.data.cache.time", clock)
    monkeypatch.setattr("cryptoequity.data.sources.time", clock)
    return slept


def test_a_file_is_fetched_once_and_kept_with_its_checksum(server, tmp_path):
    server.answers = [(200, PRICES)]
    url = f"{server.url}/p.csv?x=1"
    first = sources.csv_url(url, cache=tmp_path)
    again = sources.csv_url(url, cache=tmp_path)
    pd.testing.assert_frame_equal(first, again)
    assert first.attrs == again.attrs
    assert server.asked == ["/p.csv?x=1"]
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    entry = manifest["files"][url]
    assert entry["sha256"] == hashlib.sha256(PRICES).hexdigest() == first.attrs["source"]["sha256"]
    assert entry["bytes"] == len(PRICES)
    assert pd.Timestamp(entry["retrieved"]).tz is not None
    assert (tmp_path / entry["file"]).read_bytes() == PRICES
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([entry["file"], "manifest.json"])


def test_an_altered_copy_is_refused_until_refreshed(server, tmp_path):
    server.answers = [(200, PRICES)]
    url = f"{server.url}/p.csv"
    sources.csv_url(url, cache=tmp_path)
    kept = tmp_path / json.loads((tmp_path / "manifest.json").read_text())["files"][url]["file"]
    kept.write_bytes(PRICES.replace(b"401", b"402"))
    with pytest.raises(DataError, match=r"has sha256 \w{16}…, the manifest says \w{16}….*refresh=True"):
        sources.csv_url(url, cache=tmp_path)
    sources.csv_url(url, cache=tmp_path, refresh=True)
    sources.csv_url(url, cache=tmp_path)
    assert len(server.asked) == 2
    kept.unlink()
    sources.csv_url(url, cache=tmp_path)
    assert len(server.asked) == 3


def test_a_pinned_checksum_holds(server, tmp_path):
    server.answers = [(200, PRICES)]
    url, digest = f"{server.url}/p.csv", hashlib.sha256(PRICES).hexdigest()
    with pytest.raises(DataError, match=rf"has sha256 {digest}, not 00ff: the source changed it"):
        sources.csv_url(url, cache=tmp_path, sha256="00ff")
    assert not (tmp_path / "manifest.json").exists()
    sources.csv_url(url, cache=tmp_path, sha256=digest.upper())
    with pytest.raises(DataError, match="not 00ff"):
        sources.csv_url(url, cache=tmp_path, sha256="00ff")


def test_refusals_that_pass_are_tried_again(server, tmp_path, pauses):
    server.answers = [
        (429, b"slow", {"Retry-After": "7"}),
        (500, b"no"),
        (503, b"no", {"Retry-After": "9999"}),
        (200, PRICES),
    ]
    assert sources.csv_url(f"{server.url}/p.csv", cache=tmp_path, pause=0.5).shape == (2, 2)
    assert pauses == [7.0, 1.0, 60.0]
    assert len(server.asked) == 4


@pytest.mark.parametrize("status", [429, 500])
def test_patience_is_bounded(server, tmp_path, pauses, status):
    server.answers = [(status, b"no")]
    with pytest.raises(DownloadError, match=rf"HTTP {status} .*after 3 attempts of at most 30 s.*try again later"):
        sources.csv_url(f"{server.url}/p.csv", cache=tmp_path, retries=2, pause=0.25)
    assert pauses == [0.25, 0.5]
    assert not (tmp_path / "manifest.json").exists()


def test_final_refusals_are_not_repeated(server, tmp_path):
    server.answers = [(404, b"no")]
    with pytest.raises(DownloadError, match=r"HTTP 404 .*check the address"):
        sources.csv_url(f"{server.url}/p.csv", cache=tmp_path)
    assert len(server.asked) == 1
    with pytest.raises(SpecError, match=r"must start with http"):
        sources.csv_url("file:///etc/hostname", cache=tmp_path)


def test_silence_times_out(server, tmp_path):
    server.answers = [("silence", 1.0), (200, PRICES)]
    assert sources.csv_url(f"{server.url}/p.csv", cache=tmp_path, timeout=0.2).shape == (2, 2)
    server.answers = [("silence", 1.0)]
    with pytest.raises(DownloadError, match=r"timed out, after 2 attempts of at most 0.2 s"):
        sources.csv_url(f"{server.url}/q.csv", cache=tmp_path, timeout=0.2, retries=1)


def test_half_an_answer_is_no_answer(server):
    server.answers = [(200, PRICES, {"Content-Length": "9999"}), (200, b""), (200, PRICES)]
    assert download(f"{server.url}/p.csv", pause=0) == PRICES
    assert len(server.asked) == 3


def test_nobody_there(server):
    server.http.shutdown()
    server.http.server_close()
    with pytest.raises(DownloadError, match=r"refused, after 2 attempts"):
        download(server.url, retries=1, pause=0)


def test_fred(server, tmp_path):
    server.answers = [(200, FRED), (200, b"DATE,DFF\n2024-01-01,5.33\n2024-01-02,5.33\n")]
    base = f"{server.url}/graph/fredgraph.csv"
    rates = sources.fred(["DGS10", "DFF"], "2024-01-01", "2024-01-31", base_url=base, cache=tmp_path)
    assert server.asked[0] == "/graph/fredgraph.csv?id=DGS10&cosd=2024-01-01&coed=2024-01-31"
    assert list(rates.columns) == ["DGS10", "DFF"]
    assert np.isnan(rates.iloc[0, 0])
    assert rates["DGS10"].iloc[2] == -0.1  # a yield may be negative, and the gap stays
    assert np.isnan(rates["DFF"].iloc[2])
    assert rates.attrs["source"][0]["bytes"] == len(FRED)
    sources.fred(["DGS10", "DFF"], "2024-01-01", "2024-01-31", base_url=base, cache=tmp_path)
    assert len(server.asked) == 2


@pytest.mark.parametrize("body", [b"<html>no such series</html>", b"observation_date,OTHER\n2024-01-01,1\n"])
def test_what_is_not_fred_data_does_not_enter_the_cache(server, tmp_path, body):
    server.answers = [(200, body)]
    with pytest.raises(DownloadError, match=r"answer for 'DGS10' is not a CSV with a column of that name"):
        sources.fred("DGS10", base_url=server.url, cache=tmp_path)
    assert not (tmp_path / "manifest.json").exists()


def test_fred_text_is_refused(server, tmp_path):
    server.answers = [(200, FRED.replace(b"3.95", b"high"))]
    with pytest.raises(DataError, match=r"'DGS10' holds 'high' at 2024-01-02"):
        sources.fred("DGS10", base_url=server.url, cache=tmp_path)
    for bad in ([], ["A", "A"], [""]):
        with pytest.raises(SpecError, match="one or more different names"):
            sources.fred(bad, cache=tmp_path)


class YFRateLimitError(Exception):
    pass


@pytest.fixture
def yfinance(monkeypatch):
    """A stand-in for the package: answers of `Ticker(name).history` from a list."""
    module = types.ModuleType("yfinance")
    module.answers, module.asked = [], []

    class Ticker:
        def __init__(self, name):
            self.name = name

        def history(self, **kw):
            module.asked.append((self.name, kw))
            answer = module.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

    module.Ticker = Ticker
    monkeypatch.setitem(sys.modules, "yfinance", module)
    return module


def history(dates, closes, tz):
    return pd.DataFrame({"Open": closes, "Close": closes}, index=pd.DatetimeIndex(dates, tz=tz, name="Date"))


def test_yahoo(yfinance, tmp_path, pauses):
    coin = history(["2024-01-05", "2024-01-06", "2024-01-07"], [1 / 3, 2.0, 3.0], "UTC")
    fund = history(["2024-01-05"], [400.0], "America/New_York")
    yfinance.answers = [YFRateLimitError("Too Many Requests"), coin, fund]
    prices = sources.yahoo(["BTC-USD", "QQQ"], "2024-01-05", "2024-01-07", cache=tmp_path)
    assert yfinance.asked[1] == ("BTC-USD", {"start": "2024-01-05", "end": "2024-01-08", "auto_adjust": True})
    assert pauses == [1.0]
    assert prices.index.tz is None
    assert prices["BTC-USD"].tolist() == [1 / 3, 2.0, 3.0]
    assert prices["QQQ"].notna().tolist() == [True, False, False]
    assert len(prices.attrs["source"]) == 2
    pd.testing.assert_frame_equal(sources.yahoo(["BTC-USD", "QQQ"], "2024-01-05", "2024-01-07", cache=tmp_path), prices)
    assert len(yfinance.asked) == 3


def test_yahoo_refusals(yfinance, tmp_path, monkeypatch):
    yfinance.answers = [YFRateLimitError("Too Many Requests")] * 3
    with pytest.raises(DownloadError, match=r"'QQQ': YFRateLimitError: Too Many Requests, after 3 attempts"):
        sources.yahoo("QQQ", "2024-01-05", "2024-01-07", cache=tmp_path, retries=2, pause=0)
    yfinance.answers = [KeyError("chart")]
    with pytest.raises(DownloadError, match=r"'QQQ': KeyError: 'chart'"):
        sources.yahoo("QQQ", "2024-01-05", "2024-01-07", cache=tmp_path)
    yfinance.answers = [pd.DataFrame()]
    with pytest.raises(DownloadError, match=r"no prices of 'QQQX' from 2024-01-05 to 2024-01-07; check the symbol"):
        sources.yahoo("QQQX", "2024-01-05", "2024-01-07", cache=tmp_path)
    with pytest.raises(SpecError, match=r"bar of a running day is not a close; use end='"):
        sources.yahoo("QQQ", "2024-01-05", "2999-01-01", cache=tmp_path)
    with pytest.raises(SpecError, match=r"comes after end"):
        sources.yahoo("QQQ", "2024-01-05", "2024-01-01", cache=tmp_path)
    with pytest.raises(SpecError, match=r"must be dates like"):
        sources.yahoo("QQQ", "yesterday-ish", "2024-01-01", cache=tmp_path)
    monkeypatch.setitem(sys.modules, "yfinance", None)
    with pytest.raises(ImportError, match=r"needs yfinance: pip install 'cryptoequity\[data\]'"):
        sources.yahoo("QQQ", "2024-01-05", "2024-01-07", cache=tmp_path)
    assert not (tmp_path / "manifest.json").exists()


def test_the_folder_of_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("CRYPTOEQUITY_CACHE", str(tmp_path / "mine"))
    assert default_folder() == tmp_path / "mine"
    assert Cache.at(None).folder == tmp_path / "mine"
    assert Cache.at("here").folder == Path("here")
    monkeypatch.delenv("CRYPTOEQUITY_CACHE")
    assert default_folder().parts[-2:] == (".cache", "cryptoequity")


def test_a_failed_write_leaves_nothing_behind(tmp_path, monkeypatch):
    cache = Cache(tmp_path)
    cache.fetch("a", lambda: b"one")

    def full(*args):
        raise OSError("disk full")

    monkeypatch.setattr("cryptoequity.data.cache.os.replace", full)
    with pytest.raises(OSError, match="disk full"):
        cache.fetch("a", lambda: b"two", refresh=True)
    monkeypatch.undo()
    path, _ = cache.fetch("a", lambda: b"three")
    assert path.read_bytes() == b"one"
    assert not list(tmp_path.glob(".writing-*"))
    assert not (tmp_path / "manifest.lock").exists()


def test_a_damaged_manifest_and_a_forgotten_lock_are_named(tmp_path, monkeypatch):
    cache = Cache(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(DataError, match=r"manifest.json is damaged; delete it"):
        cache.fetch("a", lambda: b"one")
    (tmp_path / "manifest.json").unlink()
    (tmp_path / "manifest.lock").touch()
    monkeypatch.setattr("cryptoequity.data.cache._LOCK_PATIENCE", 0.05)
    with pytest.raises(DataError, match=r"manifest.lock has been held for 0.05 s; .*delete it"):
        cache.fetch("a", lambda: b"one")


def test_threads_do_not_lose_each_others_entries(tmp_path):
    cache = Cache(tmp_path)
    threads = [threading.Thread(target=cache.fetch, args=(f"k{i}", lambda i=i: b"%d" % i)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(cache.manifest()) == {f"k{i}" for i in range(8)}
    assert cache.fetch("k3", lambda: b"never")[0].read_bytes() == b"3"
