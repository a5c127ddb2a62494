"""`langchain-openai`, the classes for OpenAI and for Azure, over each provider form."""

from typing import Any, Callable, Iterator

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import AzureChatOpenAI, AzureOpenAIEmbeddings, ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel
from setting import API_VERSION, CHAT, EMBED, Setting

Case = Callable[[Setting], None]


class City(BaseModel):
    """A city."""

    name: str
    people: int


@tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"17 degrees in {city}"


def openai_chat(setting: Setting, **options: Any) -> ChatOpenAI:
    return ChatOpenAI(model=CHAT, api_key=setting.key, base_url=f"{setting.url}/v1", max_retries=0, **options)


def azure_chat(setting: Setting, **options: Any) -> AzureChatOpenAI:
    return AzureChatOpenAI(
        azure_deployment=CHAT,
        api_key=setting.key,
        azure_endpoint=setting.url,
        api_version=API_VERSION,
        max_retries=0,
        **options,
    )


def cases(forms: dict[str, Any]) -> Iterator[tuple[str, Case, str]]:
    for form in forms:
        for name, chat in (("ChatOpenAI", openai_chat), ("AzureChatOpenAI", azure_chat)):
            for case in (invoke_stream_and_batch, structured_output, a_loop_of_tools, aborted):
                title = case.__name__.replace("_", " ")
                yield f"langchain {name} over {form}: {title}", (lambda s, c=case, m=chat: c(s, m)), form
        yield f"langchain ChatOpenAI over {form}: the Responses API", responses, form
        yield f"langchain over {form}: embeddings", embeddings, form


def invoke_stream_and_batch(setting: Setting, chat: Callable[..., Any]) -> None:
    setting.forget_faults()
    model = chat(setting)
    answer = model.invoke("Hello")
    assert "You said" in answer.content and answer.usage_metadata["total_tokens"] > 0
    assert answer.response_metadata["finish_reason"] == "stop"
    parts = list(chat(setting, stream_usage=True).stream("Hello"))
    whole = parts[0]
    for part in parts[1:]:
        whole += part
    assert whole.content == answer.content
    assert whole.usage_metadata["output_tokens"] == answer.usage_metadata["output_tokens"]
    assert ["Number 1" in one.content for one in model.batch(["Number 1", "Number 2"])] == [True, False]


def structured_output(setting: Setting, chat: Callable[..., Any]) -> None:
    for method in ("json_schema", "function_calling"):
        answer = chat(setting).with_structured_output(City, method=method).invoke("A city please")
        assert isinstance(answer, City), method


def a_loop_of_tools(setting: Setting, chat: Callable[..., Any]) -> None:
    model = chat(setting).bind_tools([get_weather])
    messages: list[Any] = [HumanMessage("Please get_weather of Oslo")]
    answer = model.invoke(messages)
    assert [call["name"] for call in answer.tool_calls] == ["get_weather"]
    results = [get_weather.invoke(call) for call in answer.tool_calls]
    assert all(isinstance(one, ToolMessage) for one in results)
    assert model.invoke([*messages, answer, *results]).content


def aborted(setting: Setting, chat: Callable[..., Any]) -> None:
    setting.reset()
    setting.fault("slow-tokens;ms=20")
    stream = chat(setting).stream("200 words please")
    for part in stream:
        if part.content:
            break
    stream.close()
    setting.soon(
        lambda: any(one["aborted"] for one in setting.requests("chat.completions")), "the provider's stream ended"
    )
    setting.reset()


def responses(setting: Setting) -> None:
    model = openai_chat(setting, use_responses_api=True, use_previous_response_id=True)
    first = model.invoke("Hello")
    assert "_tdm" in first.response_metadata["id"]
    assert model.invoke([HumanMessage("Hello"), first, HumanMessage("And?")]).text
    assert "".join(part.text for part in model.stream("Hello")) == first.text


def embeddings(setting: Setting) -> None:
    # Counting tokens would load a table from the network.
    options: Any = {"api_key": setting.key, "dimensions": 16, "check_embedding_ctx_length": False}
    plain = OpenAIEmbeddings(model=EMBED, base_url=f"{setting.url}/v1", **options)
    azure = AzureOpenAIEmbeddings(model=EMBED, azure_endpoint=setting.url, api_version=API_VERSION, **options)
    for one in (plain, azure):
        vectors = one.embed_documents(["one", "two"])
        assert [len(vector) for vector in vectors] == [16, 16] and vectors[0] != vectors[1]
