"""What does a case need to know: where to ask, and what arrived at the provider?"""

from __future__ import annotations

import json
import time
import urllib.request
from typing import Any, Callable

import openai

CHAT = "gpt-4o"
REASONING = "gpt-5-mini"
EMBED = "text-embedding-3-small"
INSTRUCT = "gpt-3.5-turbo-instruct"
IMAGE = "gpt-image-1"
SPEECH = "gpt-4o-mini-tts"
TRANSCRIBE = "gpt-4o-transcribe"
WHISPER = "whisper-1"
MODERATION = "omni-moderation-latest"

#: Of Azure's classes; which one the gateway then uses is its own affair.
API_VERSION = "2025-04-01-preview"
PATIENCE_SECONDS = 10


class Setting:
    def __init__(self, facts: dict[str, Any], form: str) -> None:
        self.form = form
        self.key: str = facts["key"]
        self.url: str = facts["forms"][form]["gateway"]
        self._simulator: str = facts["forms"][form]["simulator"]

    def openai(self, **options: Any) -> openai.OpenAI:
        return openai.OpenAI(api_key=self.key, base_url=f"{self.url}/v1", **{"max_retries": 0, **options})

    def azure(self, **options: Any) -> openai.AzureOpenAI:
        given = {"max_retries": 0, "api_version": API_VERSION, **options}
        return openai.AzureOpenAI(api_key=self.key, azure_endpoint=self.url, **given)

    def fault(self, fault: str, **more: Any) -> None:
        """Planned at the simulator until `reset`."""
        self._control("POST", "faults", {"fault": fault, **more})

    def reset(self) -> None:
        self._control("POST", "reset")

    def forget_faults(self) -> None:
        self._control("DELETE", "faults")

    def requests(self, operation: str) -> list[dict[str, Any]]:
        """What arrived at the provider for an operation (`chat.completions`), oldest first."""
        kept = self._control("GET", "requests")
        entries = kept["requests"] if isinstance(kept, dict) else kept
        return [one for one in entries if one.get("operation") == operation]

    def soon(self, is_so: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_so():
            assert time.monotonic() < deadline, f"it did not come about that {what}"
            time.sleep(0.01)

    def _control(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(f"{self._simulator}/_sim/{path}", data, headers, method=method)
        with urllib.request.urlopen(request) as response:
            text = response.read()
        return json.loads(text) if text else None


def refused(call: Callable[[], Any], error: type[openai.APIStatusError], code: str | None) -> openai.APIStatusError:
    try:
        call()
    except error as raised:
        assert raised.code == code, f"{raised.code}: {raised}"
        assert raised.request_id and raised.request_id.startswith("req_")
        return raised
    raise AssertionError("it was answered")


def not_offered(call: Callable[[], Any]) -> None:
    """The route's providers do not have the operation: refused clearly, at once."""
    refused(call, openai.NotFoundError, "operation_not_supported")
