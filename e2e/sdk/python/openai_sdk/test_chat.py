"""Chat and streams: shapes, usage, images, models."""

import asyncio
import base64

import pytest

HELLO = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello, who are you?"}]


def test_a_chat_is_answered(client, model):
    answer = client.chat.completions.create(model=model("CHAT"), messages=HELLO)
    choice = answer.choices[0]
    assert choice.finish_reason == "stop"
    assert choice.message.role == "assistant"
    assert choice.message.content
    assert answer.object == "chat.completion"
    assert answer.usage.prompt_tokens > 0
    assert answer.usage.completion_tokens > 0
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_a_stream_holds_the_role_the_text_and_the_end(client, model):
    chunks = list(client.chat.completions.create(model=model("CHAT"), messages=HELLO, stream=True))
    assert chunks[0].choices[0].delta.role == "assistant"
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert len({chunk.id for chunk in chunks}) == 1
    assert all(chunk.object == "chat.completion.chunk" for chunk in chunks)


@pytest.mark.simulator
def test_a_stream_says_what_the_whole_answer_says(client, model):
    whole = client.chat.completions.create(model=model("CHAT"), messages=HELLO)
    stream = client.chat.completions.create(model=model("CHAT"), messages=HELLO, stream=True)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    assert text == whole.choices[0].message.content


def test_an_async_client_streams_many_at_once(async_client, model):
    async def one():
        stream = await async_client.chat.completions.create(model=model("CHAT"), messages=HELLO, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])

    async def all_of_them():
        async with async_client:
            return await asyncio.gather(*[one() for _ in range(20)])

    texts = asyncio.run(all_of_them())
    assert len(texts) == 20
    assert all(texts)


def test_include_usage_gives_a_last_chunk_with_usage_and_no_choices(client, model):
    chunks = list(
        client.chat.completions.create(
            model=model("CHAT"), messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
    )
    *others, last = chunks
    assert last.choices == []
    assert last.usage.total_tokens == last.usage.prompt_tokens + last.usage.completion_tokens > 0
    assert all(chunk.usage is None and chunk.choices for chunk in others)


@pytest.mark.direct
def test_without_include_usage_no_chunk_has_usage(client, model):
    chunks = list(client.chat.completions.create(model=model("CHAT"), messages=HELLO, stream=True))
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)


@pytest.mark.gateway
def test_without_include_usage_the_finish_chunk_has_it(client, model):
    chunks = list(client.chat.completions.create(model=model("CHAT"), messages=HELLO, stream=True))
    assert all(chunk.choices for chunk in chunks)
    with_usage = [chunk for chunk in chunks if chunk.usage]
    assert [chunk.choices[0].finish_reason for chunk in with_usage] == ["stop"]
    assert with_usage[0].usage.completion_tokens > 0


@pytest.mark.gateway
def test_the_gateway_says_what_it_did(client, model, attempts):
    response = client.chat.completions.with_raw_response.create(model=model("CHAT"), messages=HELLO)
    answer = response.parse()
    assert answer.id.startswith("gen-")
    assert response.headers["x-generation-id"] == answer.id
    assert response.headers["x-route-switch-snapshot"]
    assert response.headers["x-route-switch-attempts"] == str(attempts)


def test_an_image_is_seen(client, model):
    image = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(300_000)).decode()
    parts = [{"type": "text", "text": "What is in the image?"}, {"type": "image_url", "image_url": {"url": image}}]
    answer = client.chat.completions.create(model=model("CHAT"), messages=[{"role": "user", "content": parts}])
    assert "image" in answer.choices[0].message.content


@pytest.mark.simulator
def test_an_image_arrives_whole(client, model):
    image = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(300_000)).decode()
    parts = [{"type": "image_url", "image_url": {"url": image, "detail": "high"}}]
    answer = client.chat.completions.create(model=model("CHAT"), messages=[{"role": "user", "content": parts}])
    assert "image/png of 300008 bytes" in answer.choices[0].message.content


@pytest.mark.simulator
def test_an_image_by_its_url_is_seen(client, model):
    parts = [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]
    answer = client.chat.completions.create(model=model("CHAT"), messages=[{"role": "user", "content": parts}])
    assert "an image at https://example.com/a.png" in answer.choices[0].message.content


@pytest.mark.simulator
def test_the_limit_ends_an_answer_and_a_stop_sequence_does(client, model):
    cut = client.chat.completions.create(model=model("CHAT"), messages=HELLO, max_completion_tokens=4)
    assert cut.choices[0].finish_reason == "length"
    assert cut.usage.completion_tokens == 4
    word = cut.choices[0].message.content.split()[1]
    stopped = client.chat.completions.create(model=model("CHAT"), messages=HELLO, stop=[word])
    assert stopped.choices[0].finish_reason == "stop"
    assert word not in stopped.choices[0].message.content


@pytest.mark.simulator
def test_tokens_of_the_cache_are_told(client, model):
    usage = client.chat.completions.create(model=model("CACHED"), messages=HELLO).usage
    assert usage.prompt_tokens_details.cached_tokens == 2
    assert usage.prompt_tokens_details.cache_write_tokens == 3
    assert usage.prompt_tokens > 5
    stream = client.chat.completions.create(
        model=model("CACHED"), messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    *_, last = stream
    assert last.usage.prompt_tokens_details.cached_tokens == 2
    assert last.usage.prompt_tokens == usage.prompt_tokens


@pytest.mark.simulator
@pytest.mark.same
def test_several_choices_limits_and_logprobs(client, model):
    answer = client.chat.completions.create(
        model=model("CHAT"), messages=HELLO, n=3, max_completion_tokens=4, logprobs=True, top_logprobs=2
    )
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert all(choice.finish_reason == "length" for choice in answer.choices)
    assert all(len(choice.logprobs.content) == 4 for choice in answer.choices)
    assert len(answer.choices[0].logprobs.content[0].top_logprobs) == 2
    assert answer.usage.completion_tokens == 12


@pytest.mark.simulator
@pytest.mark.same
def test_several_choices_stream_side_by_side(client, model):
    texts = {}
    for chunk in client.chat.completions.create(model=model("CHAT"), messages=HELLO, n=2, stream=True):
        for choice in chunk.choices:
            texts[choice.index] = texts.get(choice.index, "") + (choice.delta.content or "")
    assert set(texts) == {0, 1}
    assert texts[0] and texts[1] and texts[0] != texts[1]


@pytest.mark.simulator
def test_reasoning_comes_before_the_text_and_is_counted(client, model):
    stream = client.chat.completions.create(
        model=model("REASONING"), messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    kinds, usage = [], None
    for chunk in stream:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            kinds += ["reasoning"] if getattr(choice.delta, "reasoning_content", None) else []
            kinds += ["text"] if choice.delta.content else []
    assert kinds == sorted(kinds) and set(kinds) == {"reasoning", "text"}
    assert usage.completion_tokens_details.reasoning_tokens == kinds.count("reasoning")


def test_models_are_listed_and_found(client, model):
    listed = client.models.list()
    assert listed.object == "list"
    assert model("CHAT") in [entry.id for entry in listed]
    assert client.models.retrieve(model("CHAT")).id == model("CHAT")
