"""A server of chat completions that behaves as it is told."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from carina.studies.manifest import Manifest, write_manifest
from carina.study import Radiograph, Report, Study


@dataclass
class Act:
    """What the server does with one request."""

    content: object = ""  # the model's words; bytes are sent as the whole reply
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    dies: bool = False
    finish: str = "stop"
    usage: bool = True


class FakeServer:
    """Asks `behave(report, call)` what to do; `call` counts the requests about one report."""

    Act = Act

    def __init__(self) -> None:
        self.behave: Callable[[str, int], Act] = lambda report, call: Act("{}")
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.requests: list[dict] = []
        self._lock = threading.Lock()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                fake.answer(self, json.loads(self.rfile.read(length)))

            def log_message(self, *words: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.address = f"http://127.0.0.1:{self._server.server_port}/v1"

    def answer(self, handler: BaseHTTPRequestHandler, request: dict) -> None:
        report = request["messages"][-1]["content"]
        with self._lock:
            self.asked.append(report)
            self.requests.append(request)
            self.headers.append(dict(handler.headers))
            call = self.asked.count(report)
        act = self.behave(report, call)
        time.sleep(act.delay_s)
        usage = {"usage": {"prompt_tokens": 100, "completion_tokens": 10}} if act.usage else {}
        choice = {"message": {"content": act.content}, "finish_reason": act.finish}
        body = (
            act.content
            if isinstance(act.content, bytes)
            else json.dumps({"choices": [choice], **usage}).encode()
        )
        handler.send_response(act.status)
        for name, value in act.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[: len(body) // 2] if act.dies else body)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def fake() -> Iterator[FakeServer]:
    server = FakeServer()
    yield server
    server.close()


@pytest.fixture
def studies_of() -> Callable[..., tuple[Study, ...]]:
    """Studies with the given reports: s0, s1, ..."""

    def make(*texts: str) -> tuple[Study, ...]:
        return tuple(
            Study(
                study_id=f"s{i}",
                patient_id=f"p{i}",
                source="test",
                radiographs=(Radiograph(path=f"{i}.png"),),
                report=Report(text=text),
            )
            for i, text in enumerate(texts)
        )

    return make


@pytest.fixture
def manifest_of(studies_of, tmp_path: Path) -> Callable[..., Manifest]:
    """A written manifest of studies with the given reports."""

    def make(*texts: str) -> Manifest:
        return write_manifest(studies_of(*texts), tmp_path / "m.parquet", tmp_path)

    return make
