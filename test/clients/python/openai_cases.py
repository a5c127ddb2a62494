"""The `openai` package, both of its classes, over each provider form."""

import asyncio
import io
import json
import struct
import time
from typing import Any, Callable, Iterator

import openai
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel
from setting import (
    CHAT,
    EMBED,
    IMAGE,
    INSTRUCT,
    MODERATION,
    REASONING,
    SPEECH,
    TRANSCRIBE,
    WHISPER,
    Setting,
    not_offered,
    refused,
)

Case = Callable[[Setting], None]
ClientCase = Callable[[OpenAI, Setting], None]

CLIENT_CASES: list[ClientCase] = []
SETTING_CASES: list[Case] = []

HELLO: Any = [{"role": "user", "content": "Hello"}]
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
#: Of `responses`: the same, one level higher.
WEATHER_OF_RESPONSES: Any = {"type": "function", **WEATHER["function"]}
HAS_TAG = "_tdm"


class City(BaseModel):
    name: str
    people: int


def each_class(case: ClientCase) -> ClientCase:
    CLIENT_CASES.append(case)
    return case


def once(case: Case) -> Case:
    SETTING_CASES.append(case)
    return case


def cases(forms: dict[str, Any]) -> Iterator[tuple[str, Case, str]]:
    classes: dict[str, Callable[[Setting], OpenAI]] = {
        "OpenAI": lambda setting: setting.openai(),
        "AzureOpenAI": lambda setting: setting.azure(),
    }
    for form in forms:
        for name, construct in classes.items():
            for case in CLIENT_CASES:
                yield f"openai {name} over {form}: {title(case)}", bound(case, construct), form
    for form in forms:
        for once_case in SETTING_CASES:
            yield f"openai over {form}: {title(once_case)}", once_case, form


def bound(case: ClientCase, construct: Callable[[Setting], OpenAI]) -> Case:
    def run(setting: Setting) -> None:
        setting.forget_faults()
        with construct(setting) as client:
            case(client, setting)

    return run


def title(case: Callable[..., None]) -> str:
    return case.__name__.replace("_", " ")


def wav(seconds: float = 0.5, rate: int = 8000) -> bytes:
    samples = bytes(2 * int(seconds * rate))
    shape = struct.pack("<IHHIIHH", 16, 1, 1, rate, 2 * rate, 2, 16)
    content = b"WAVEfmt " + shape + b"data" + struct.pack("<I", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", len(content)) + content


def png() -> bytes:
    return bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
        "0000000d49444154789c6360000002000001e221bc330000000049454e44ae426082"
    )


def stopped(cancel: Callable[[], Any], retrieve: Callable[[], Any]) -> None:
    """Cancelled, or over before the cancelling arrived."""
    try:
        assert cancel().status in ("cancelling", "cancelled", "completed")
    except openai.APIStatusError:
        assert retrieve().status in ("completed", "succeeded")


@each_class
def chat_plain_and_streamed(client: OpenAI, setting: Setting) -> None:
    raw = client.chat.completions.with_raw_response.create(model=CHAT, messages=HELLO)
    answer = raw.parse()
    assert "You said" in (answer.choices[0].message.content or "")
    assert raw.headers["x-tandem-provider"] == ("openai" if setting.form == "OpenAI" else "azure")
    assert answer._request_id == raw.headers["x-request-id"]
    text, usage = "", None
    options: Any = {"include_usage": True}
    for chunk in client.chat.completions.create(model=CHAT, messages=HELLO, stream=True, stream_options=options):
        for choice in chunk.choices:
            text += (choice.delta.content if choice.delta else None) or ""
        usage = chunk.usage or usage
    assert text == answer.choices[0].message.content
    assert usage and usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


@each_class
def chat_stream_helper(client: OpenAI, setting: Setting) -> None:
    kinds = set()
    with client.chat.completions.stream(model=CHAT, messages=HELLO) as stream:
        for event in stream:
            kinds.add(event.type)
        whole = stream.get_final_completion()
    assert whole.choices[0].finish_reason == "stop"
    assert {"chunk", "content.delta", "content.done"} <= kinds, kinds


@each_class
def structured_output_plain_and_streamed(client: OpenAI, setting: Setting) -> None:
    ask: Any = {"model": CHAT, "messages": HELLO, "response_format": City}
    parsed = client.chat.completions.parse(**ask).choices[0].message.parsed
    assert isinstance(parsed, City)
    with client.chat.completions.stream(**ask) as stream:
        streamed = stream.get_final_completion().choices[0].message.parsed
    assert streamed == parsed
    answer = client.responses.parse(model=CHAT, input="Hello", text_format=City)
    assert isinstance(answer.output_parsed, City)


@each_class
def a_loop_of_tools(client: OpenAI, setting: Setting) -> None:
    messages: Any = [{"role": "user", "content": "Please get_weather of Oslo"}]
    for _ in range(5):
        answer = client.chat.completions.create(model=CHAT, messages=messages, tools=[WEATHER]).choices[0]
        messages.append(answer.message.to_dict())
        if answer.finish_reason != "tool_calls":
            break
        for call in answer.message.tool_calls or []:
            assert call.type == "function" and "city" in json.loads(call.function.arguments)
            messages.append({"role": "tool", "tool_call_id": call.id, "content": "17 degrees"})
    assert [one["role"] for one in messages] == ["user", "assistant", "tool", "assistant"]
    assert messages[-1]["content"]


@each_class
def a_loop_of_tools_in_responses(client: OpenAI, setting: Setting) -> None:
    first = client.responses.create(model=CHAT, input="Please get_weather of Oslo", tools=[WEATHER_OF_RESPONSES])
    calls = [item for item in first.output if item.type == "function_call"]
    assert len(calls) == 1 and "city" in json.loads(calls[0].arguments)
    outputs: Any = [{"type": "function_call_output", "call_id": calls[0].call_id, "output": "17 degrees"}]
    tools: Any = [WEATHER_OF_RESPONSES]
    second = client.responses.create(model=CHAT, input=outputs, previous_response_id=first.id, tools=tools)
    assert second.output_text and second.previous_response_id == first.id


@each_class
def reasoning_models_take_what_they_take(client: OpenAI, setting: Setting) -> None:
    answer = client.chat.completions.create(
        model=REASONING, messages=HELLO, max_completion_tokens=2000, reasoning_effort="low"
    )
    assert answer.choices[0].message.content
    assert answer.usage and answer.usage.completion_tokens_details


@each_class
def completions_plain_and_streamed(client: OpenAI, setting: Setting) -> None:
    whole = client.completions.create(model=INSTRUCT, prompt="Say hi", max_tokens=5)
    streamed = client.completions.create(model=INSTRUCT, prompt="Say hi", max_tokens=5, stream=True)
    text = "".join(choice.text for part in streamed for choice in part.choices)
    assert text == whole.choices[0].text and whole.choices[0].finish_reason == "length"


@each_class
def embeddings(client: OpenAI, setting: Setting) -> None:
    floats = client.embeddings.create(model=EMBED, input=["one", "two"], dimensions=32, encoding_format="float")
    decoded = client.embeddings.create(model=EMBED, input=["one", "two"], dimensions=32)
    for a, b in zip(floats.data, decoded.data):
        assert len(a.embedding) == 32 and all(abs(x - y) < 1e-6 for x, y in zip(a.embedding, b.embedding))


@each_class
def responses_plain_streamed_and_kept(client: OpenAI, setting: Setting) -> None:
    answer = client.responses.create(model=CHAT, input="Hello")
    assert HAS_TAG in answer.id
    text, kinds = "", []
    with client.responses.stream(model=CHAT, input="Hello") as stream:
        for event in stream:
            kinds.append(event.type)
            if event.type == "response.output_text.delta":
                text += event.delta
        final = stream.get_final_response()
    assert text == answer.output_text == final.output_text
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
    assert client.responses.retrieve(final.id).output_text == text
    following = client.responses.create(model=CHAT, input="And?", previous_response_id=answer.id)
    assert following.previous_response_id == answer.id
    assert len(list(client.responses.input_items.list(following.id))) > 0
    client.responses.delete(answer.id)
    try:
        client.responses.retrieve(answer.id)
    except openai.NotFoundError:
        return
    raise AssertionError("it was deleted and is there")


@each_class
def responses_in_the_background(client: OpenAI, setting: Setting) -> None:
    later = client.responses.create(model=CHAT, input="Hello", background=True)
    while later.status in ("queued", "in_progress"):
        time.sleep(0.02)
        later = client.responses.retrieve(later.id)
    assert later.status == "completed" and later.output_text
    other = client.responses.create(model=CHAT, input="Hello", background=True)
    stopped(lambda: client.responses.cancel(other.id), lambda: client.responses.retrieve(other.id))


@each_class
def responses_compacted_and_counted(client: OpenAI, setting: Setting) -> None:
    def counted() -> Any:
        return client.responses.input_tokens.count(model=CHAT, input="Hello")
    def compacted() -> Any:
        return client.responses.compact(model=CHAT, input="Hello")
    if setting.form != "OpenAI":
        not_offered(counted)
        not_offered(compacted)
        return
    assert counted().input_tokens > 0
    assert compacted().output


@each_class
def images(client: OpenAI, setting: Setting) -> None:
    made = client.images.generate(model=IMAGE, prompt="a dot", n=2)
    assert made.data and len(made.data) == 2 and made.data[0].b64_json
    kinds = [event.type for event in client.images.generate(model=IMAGE, prompt="a dot", stream=True, partial_images=1)]
    assert kinds[-1] == "image_generation.completed", kinds
    edited = client.images.edit(model=IMAGE, image=("a.png", png(), "image/png"), prompt="a line")
    assert edited.data and edited.data[0].b64_json


@each_class
def speech(client: OpenAI, setting: Setting) -> None:
    ask: Any = {"model": SPEECH, "input": "hello there", "voice": "alloy", "response_format": "wav"}
    whole = client.audio.speech.create(**ask).read()
    assert whole[:4] == b"RIFF"
    with client.audio.speech.with_streaming_response.create(**ask) as response:
        assert b"".join(response.iter_bytes()) == whole


@each_class
def transcriptions(client: OpenAI, setting: Setting) -> None:
    sound = ("speech.wav", wav(), "audio/wav")
    said = client.audio.transcriptions.create(model=TRANSCRIBE, file=sound)
    assert said.text
    lines = client.audio.transcriptions.create(model=WHISPER, file=sound, response_format="srt")
    assert "-->" in lines
    detailed = client.audio.transcriptions.create(
        model=WHISPER, file=sound, response_format="verbose_json", timestamp_granularities=["word", "segment"]
    )
    assert detailed.segments is not None
    kinds = [event.type for event in client.audio.transcriptions.create(model=TRANSCRIBE, file=sound, stream=True)]
    assert kinds[-1] == "transcript.text.done", kinds
    assert client.audio.translations.create(model=WHISPER, file=sound).text


@each_class
def moderations(client: OpenAI, setting: Setting) -> None:
    def call() -> Any:
        return client.moderations.create(model=MODERATION, input=["I want to kill them", "a nice day"])
    if setting.form != "OpenAI":
        refused(call, openai.NotFoundError, "model_not_found")
        return
    assert [one.flagged for one in call().results] == [True, False]


@each_class
def files(client: OpenAI, setting: Setting) -> None:
    content = bytes([0, 255, 13, 10, 45, 45, 200, 1])
    # Of those that both providers have, the one whose files may be downloaded and are not read.
    file = client.files.create(file=("data.jsonl", content), purpose="fine-tune")
    assert HAS_TAG in file.id and file.bytes == len(content)
    assert client.files.content(file.id).read() == content
    assert client.files.retrieve(file.id).filename == "data.jsonl"
    assert client.files.wait_for_processing(file.id).id == file.id
    assert file.id in [one.id for one in client.files.list()]
    assert client.files.delete(file.id).deleted
    refused(lambda: client.files.retrieve("file-unknown"), openai.NotFoundError, "resource_not_found")


@each_class
def batches(client: OpenAI, setting: Setting) -> None:
    body = {"model": CHAT, "messages": HELLO}
    request = {"method": "POST", "url": "/v1/chat/completions", "body": body}
    lines = [{"custom_id": f"line {i}", **request} for i in range(3)]
    content = "\n".join(json.dumps(line) for line in lines).encode()
    file = client.files.create(file=("batch.jsonl", content), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    assert batch.endpoint == "/v1/chat/completions"
    while batch.status in ("validating", "in_progress", "finalizing"):
        time.sleep(0.02)
        batch = client.batches.retrieve(batch.id)
    assert batch.status == "completed" and batch.request_counts and batch.request_counts.completed == 3, batch
    output = client.files.content(batch.output_file_id or "").text
    answers = [json.loads(line) for line in output.strip().splitlines()]
    assert sorted(one["custom_id"] for one in answers) == ["line 0", "line 1", "line 2"]
    assert answers[0]["response"]["body"]["choices"]
    assert batch.id in [one.id for one in client.batches.list()]
    again = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    stopped(lambda: client.batches.cancel(again.id), lambda: client.batches.retrieve(again.id))


@each_class
def vector_stores(client: OpenAI, setting: Setting) -> None:
    store = client.vector_stores.create(name="notes")
    file = client.vector_stores.files.upload_and_poll(
        vector_store_id=store.id, file=("a.txt", b"The fjord is deep."), poll_interval_ms=20
    )
    assert file.status == "completed" and file.vector_store_id == store.id
    paths = [("b.txt", io.BytesIO(b"The hill is high.")), ("c.txt", io.BytesIO(b"The sea is wide."))]
    batch = client.vector_stores.file_batches.upload_and_poll(
        vector_store_id=store.id, files=paths, poll_interval_ms=20
    )
    assert batch.status == "completed" and batch.file_counts.completed == 2
    assert len(list(client.vector_stores.file_batches.list_files(batch.id, vector_store_id=store.id))) == 2
    assert len(list(client.vector_stores.files.list(store.id))) == 3
    changed = client.vector_stores.files.update(file.id, vector_store_id=store.id, attributes={"kind": "water"})
    assert changed.attributes == {"kind": "water"}
    assert client.vector_stores.update(store.id, name="others").name == "others"
    if setting.form != "Azure, v1":
        found = list(client.vector_stores.search(store.id, query="fjord"))
        assert found and found[0].file_id == file.id
        assert list(client.vector_stores.files.content(file.id, vector_store_id=store.id))
    tool: Any = {"type": "file_search", "vector_store_ids": [store.id]}
    answer = client.responses.create(model=CHAT, input="Use file_search for the fjord", tools=[tool])
    assert "file_search_call" in [item.type for item in answer.output]
    assert store.id in [one.id for one in client.vector_stores.list()]
    assert client.vector_stores.files.delete(file.id, vector_store_id=store.id).deleted
    assert client.vector_stores.delete(store.id).deleted


@each_class
def fine_tuning(client: OpenAI, setting: Setting) -> None:
    example = {"messages": [*HELLO, {"role": "assistant", "content": "Hi"}]}
    content = "\n".join([json.dumps(example)] * 10).encode()
    file = client.files.create(file=("train.jsonl", content), purpose="fine-tune")
    job = client.fine_tuning.jobs.create(model=CHAT, training_file=file.id)
    assert HAS_TAG in job.id and job.training_file == file.id
    assert client.fine_tuning.jobs.retrieve(job.id).id == job.id
    assert list(client.fine_tuning.jobs.list_events(job.id))
    list(client.fine_tuning.jobs.checkpoints.list(job.id))
    assert job.id in [one.id for one in client.fine_tuning.jobs.list()]
    other = client.fine_tuning.jobs.create(model=CHAT, training_file=file.id)
    stopped(lambda: client.fine_tuning.jobs.cancel(other.id), lambda: client.fine_tuning.jobs.retrieve(other.id))


@each_class
def uploads_in_parts(client: OpenAI, setting: Setting) -> None:
    content = b"some text " * 10
    def create() -> Any:
        return client.uploads.create(
        bytes=len(content), filename="b.txt", mime_type="text/plain", purpose="assistants"
    )
    if setting.form != "OpenAI":
        not_offered(create)
        return
    upload = create()
    parts = [client.uploads.parts.create(upload.id, data=content[at : at + 50]).id for at in (0, 50)]
    done = client.uploads.complete(upload.id, part_ids=parts)
    assert done.status == "completed" and done.file
    assert client.files.retrieve(done.file.id).bytes == len(content)
    assert client.uploads.cancel(create().id).status == "cancelled"
    chunked = client.uploads.upload_file_chunked(
        file=content, filename="c.txt", bytes=len(content), mime_type="text/plain", purpose="assistants", part_size=40
    )
    assert chunked.status == "completed"


@each_class
def containers(client: OpenAI, setting: Setting) -> None:
    def create() -> Any:
        return client.containers.create(name="box")
    if setting.form == "Azure, dated":
        not_offered(create)
        return
    box = create()
    assert HAS_TAG in box.id and client.containers.retrieve(box.id).id == box.id
    file = client.containers.files.create(box.id, file=("a.csv", b"1,2"))
    assert client.containers.files.retrieve(file.id, container_id=box.id).bytes == 3
    assert client.containers.files.content.retrieve(file.id, container_id=box.id).read() == b"1,2"
    assert [one.id for one in client.containers.files.list(box.id)] == [file.id]
    tool: Any = {"type": "code_interpreter", "container": box.id}
    answer = client.responses.create(model=CHAT, input="Use code_interpreter", tools=[tool])
    calls = [item for item in answer.output if item.type == "code_interpreter_call"]
    assert calls and calls[0].container_id == box.id
    client.containers.files.delete(file.id, container_id=box.id)
    assert box.id in [one.id for one in client.containers.list()]
    client.containers.delete(box.id)


@each_class
def conversations(client: OpenAI, setting: Setting) -> None:
    items: Any = [{"type": "message", "role": "user", "content": "Hi"}]
    def create() -> Any:
        return client.conversations.create(items=items, metadata={"a": "b"})
    if setting.form != "OpenAI":
        not_offered(create)
        return
    talk = create()
    assert HAS_TAG in talk.id and client.conversations.retrieve(talk.id).id == talk.id
    assert client.conversations.update(talk.id, metadata={"a": "c"}).metadata == {"a": "c"}
    said = client.responses.create(model=CHAT, input="Hello", conversation=talk.id)
    assert said.conversation and said.conversation.id == talk.id
    added = client.conversations.items.create(talk.id, items=items)
    kept = list(client.conversations.items.list(talk.id))
    assert len(kept) >= 4
    assert client.conversations.items.retrieve(added.data[0].id or "", conversation_id=talk.id)
    client.conversations.items.delete(added.data[0].id or "", conversation_id=talk.id)
    assert client.conversations.delete(talk.id).deleted


@each_class
def stored_completions(client: OpenAI, setting: Setting) -> None:
    if setting.form != "OpenAI":
        not_offered(lambda: client.chat.completions.list())
        return
    kept = client.chat.completions.create(model=CHAT, messages=HELLO, store=True, metadata={"a": "b"})
    assert HAS_TAG in kept.id and client.chat.completions.retrieve(kept.id).id == kept.id
    assert [one.role for one in client.chat.completions.messages.list(kept.id)] == ["user"]
    assert client.chat.completions.update(kept.id, metadata={"a": "c"}).metadata == {"a": "c"}
    assert kept.id in [one.id for one in client.chat.completions.list()]
    assert client.chat.completions.delete(kept.id).deleted


@each_class
def models_of_the_route(client: OpenAI, setting: Setting) -> None:
    names = [model.id for model in client.models.list()]
    assert CHAT in names and "chat-prod" not in names
    assert client.models.retrieve(CHAT).id == CHAT


@each_class
def an_aborted_stream_ends_at_the_provider(client: OpenAI, setting: Setting) -> None:
    setting.reset()
    setting.fault("slow-tokens;ms=20")
    messages: Any = [{"role": "user", "content": "200 words please"}]
    stream = client.chat.completions.create(model=CHAT, messages=messages, stream=True)
    for chunk in stream:
        if chunk.choices and chunk.choices[0].delta and chunk.choices[0].delta.content:
            break
    stream.close()
    setting.soon(
        lambda: any(one["aborted"] for one in setting.requests("chat.completions")), "the provider's stream ended"
    )
    setting.reset()


@once
def retries_are_as_many_as_they_should_be(setting: Setting) -> None:
    for fault, attempts in (
        ("503;retry-after-ms=5", 3),
        ("429-quota" if setting.form == "OpenAI" else "401", 1),
        ("400", 1),
    ):
        setting.reset()
        setting.fault(fault, match={"operation": "chat.completions"})
        try:
            setting.openai(max_retries=2).chat.completions.create(model=CHAT, messages=HELLO)
        except openai.APIStatusError:
            pass
        else:
            raise AssertionError(f"{fault} was answered")
        assert len(setting.requests("chat.completions")) == attempts, (fault, setting.requests("chat.completions"))
    setting.reset()


@once
def a_retry_after_is_waited_for(setting: Setting) -> None:
    setting.reset()
    setting.fault("429;retry-after-ms=30", match={"operation": "chat.completions"}, times=1)
    answer = setting.openai(max_retries=2).chat.completions.create(model=CHAT, messages=HELLO)
    assert answer.choices[0].finish_reason == "stop"
    setting.reset()


@once
def errors_are_typed(setting: Setting) -> None:
    client = setting.openai()
    refused(
        lambda: client.chat.completions.create(model="gpt-9", messages=HELLO), openai.NotFoundError, "model_not_found"
    )
    stranger = OpenAI(api_key="tdm-nobody", base_url=f"{setting.url}/v1", max_retries=0)
    refused(lambda: stranger.models.list(), openai.AuthenticationError, "invalid_api_key")
    setting.fault("context-length", match={"operation": "chat.completions"}, times=1)
    refused(
        lambda: client.chat.completions.create(model=CHAT, messages=HELLO),
        openai.BadRequestError,
        "context_length_exceeded",
    )
    setting.fault("error-event;after=2;code=server_error", match={"operation": "chat.completions"}, times=1)
    try:
        for _ in client.chat.completions.create(model=CHAT, messages=HELLO, stream=True):
            pass
    except openai.APIError:
        return
    raise AssertionError("the stream ended well")


@once
def the_asynchronous_class_does_several_at_once(setting: Setting) -> None:
    async def ask() -> list[str]:
        async with AsyncOpenAI(api_key=setting.key, base_url=f"{setting.url}/v1", max_retries=0) as client:

            async def one(i: int) -> str:
                text = ""
                messages: Any = [{"role": "user", "content": f"Number {i}"}]
                async for chunk in await client.chat.completions.create(model=CHAT, messages=messages, stream=True):
                    for choice in chunk.choices:
                        text += (choice.delta.content if choice.delta else None) or ""
                return text

            return await asyncio.gather(*(one(i) for i in range(5)))

    for i, text in enumerate(asyncio.run(ask())):
        assert f"Number {i}" in text


@once
def a_deployment_in_the_base_url(setting: Setting) -> None:
    client = setting.azure(azure_deployment="gpt-4o")
    assert client.chat.completions.create(model="whatever", messages=HELLO).choices[0].finish_reason == "stop"
    by_name = setting.azure(azure_deployment="chat-prod").chat.completions
    if setting.form == "OpenAI":
        refused(lambda: by_name.create(model="whatever", messages=HELLO), openai.NotFoundError, "model_not_found")
    else:
        assert by_name.create(model="whatever", messages=HELLO).choices[0].finish_reason == "stop"
