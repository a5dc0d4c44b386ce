"""Messages and streams: shapes, usage, images, thinking, counts, models."""

import asyncio
import base64

import pytest

HELLO = {"max_tokens": 100, "system": "Be brief.", "messages": [{"role": "user", "content": "Hello, who are you?"}]}


def text_of(events):
    deltas = [event.delta for event in events if event.type == "content_block_delta"]
    return "".join(delta.text for delta in deltas if delta.type == "text_delta")


def test_a_message_is_answered(client, model):
    answer = client.messages.create(model=model("CHAT"), **HELLO)
    assert (answer.type, answer.role, answer.stop_reason) == ("message", "assistant", "end_turn")
    (block,) = answer.content
    assert block.type == "text" and block.text
    assert answer.usage.input_tokens > 0
    assert answer.usage.output_tokens > 0


def test_a_stream_has_every_event_in_its_place(client, model):
    events = list(client.messages.create(model=model("CHAT"), **HELLO, stream=True))
    kinds = [event.type for event in events]
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert set(kinds[2:-3]) == {"content_block_delta"}
    assert events[0].message.content == [] and events[0].message.stop_reason is None
    assert events[-2].delta.stop_reason == "end_turn"
    assert events[-2].usage.output_tokens > 0
    assert text_of(events)


@pytest.mark.simulator
def test_a_stream_says_what_the_whole_answer_says_and_costs_the_same(client, model):
    whole = client.messages.create(model=model("CHAT"), **HELLO)
    with client.messages.stream(model=model("CHAT"), **HELLO) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == whole.content[0].text == final.content[0].text
    assert (final.usage.input_tokens, final.usage.output_tokens) == (whole.usage.input_tokens, whole.usage.output_tokens)


def test_an_async_client_streams_many_at_once(async_client, model):
    async def one():
        async with async_client.messages.stream(model=model("CHAT"), **HELLO) as stream:
            return "".join([text async for text in stream.text_stream])

    async def all_of_them():
        async with async_client:
            return await asyncio.gather(*[one() for _ in range(20)])

    texts = asyncio.run(all_of_them())
    assert len(texts) == 20
    assert all(texts)


@pytest.mark.gateway
def test_the_gateway_says_what_it_did(client, model, attempts):
    response = client.messages.with_raw_response.create(model=model("CHAT"), **HELLO)
    answer = response.parse()
    assert answer.id.startswith("gen-")
    assert response.headers["x-generation-id"] == answer.id
    assert response.headers["x-route-switch-snapshot"]
    assert response.headers["x-route-switch-attempts"] == str(attempts)


def test_the_beta_client_is_answered_too(client, model):
    answer = client.beta.messages.create(model=model("CHAT"), **HELLO)
    assert answer.content[0].text


def test_system_and_content_may_be_blocks(client, model):
    system = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}, {"type": "text", "text": "Be kind."}]
    content = [{"type": "text", "text": "Hello,"}, {"type": "text", "text": " who are you?"}]
    messages = [{"role": "user", "content": content}, {"role": "assistant", "content": "I am"}, {"role": "user", "content": "Hello?"}]
    answer = client.messages.create(model=model("CHAT"), max_tokens=100, system=system, messages=messages)
    assert answer.content[0].text


PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(300_000)).decode()


def test_an_image_is_seen(client, model):
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    messages = [{"role": "user", "content": [image, {"type": "text", "text": "What is in the image?"}]}]
    answer = client.messages.create(model=model("CHAT"), max_tokens=100, messages=messages)
    assert "image" in answer.content[0].text


@pytest.mark.simulator
def test_images_arrive_whole_and_by_their_url(client, model):
    images = [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
    ]
    answer = client.messages.create(model=model("CHAT"), max_tokens=100, messages=[{"role": "user", "content": images}])
    assert "an image/png of 300008 bytes and an image at https://example.com/a.png" in answer.content[0].text


@pytest.mark.simulator
def test_the_limit_ends_an_answer_and_a_stop_sequence_does(client, model):
    cut = client.messages.create(model=model("CHAT"), **{**HELLO, "max_tokens": 4})
    assert cut.stop_reason == "max_tokens"
    assert cut.usage.output_tokens == 4
    word = cut.content[0].text.split()[1]
    stopped = client.messages.create(model=model("CHAT"), **HELLO, stop_sequences=[word])
    assert stopped.stop_reason in ("stop_sequence", "end_turn")
    assert word not in stopped.content[0].text


@pytest.mark.simulator
@pytest.mark.same
def test_the_stop_sequence_is_told(client, model):
    word = client.messages.create(model=model("CHAT"), **HELLO).content[0].text.split()[1]
    stopped = client.messages.create(model=model("CHAT"), **HELLO, stop_sequences=[word])
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", word)


@pytest.mark.simulator
def test_tokens_of_the_cache_are_told(client, model):
    whole = client.messages.create(model=model("CACHED"), **HELLO).usage
    assert (whole.cache_read_input_tokens, whole.cache_creation_input_tokens) == (2, 3)
    plain = client.messages.create(model=model("CHAT"), **HELLO).usage
    assert whole.input_tokens == plain.input_tokens - 5
    with client.messages.stream(model=model("CACHED"), **HELLO) as stream:
        streamed = stream.get_final_message().usage
    assert (streamed.input_tokens, streamed.cache_read_input_tokens) == (whole.input_tokens, 2)


@pytest.mark.simulator
def test_thinking_comes_before_the_text(client, model):
    whole = client.messages.create(model=model("REASONING"), **HELLO)
    assert [block.type for block in whole.content] == ["thinking", "text"]
    with client.messages.stream(model=model("REASONING"), **HELLO) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_message()
    assert kinds.index("thinking") < kinds.index("text")
    assert final.content[0].thinking == whole.content[0].thinking
    assert final.content[1].text == whole.content[1].text
    assert final.content[0].signature == whole.content[0].signature


@pytest.mark.simulator
def test_thinking_with_a_budget_and_without(client, model):
    budget = {"type": "enabled", "budget_tokens": 1024}
    answer = client.messages.create(model=model("REASONING"), **{**HELLO, "max_tokens": 2000}, thinking=budget)
    assert answer.content[0].type == "thinking"


def test_tokens_are_counted(client, model):
    short = client.messages.count_tokens(model=model("CHAT"), messages=HELLO["messages"])
    long = client.messages.count_tokens(model=model("CHAT"), messages=HELLO["messages"], system="Be brief. " * 100)
    assert 0 < short.input_tokens < long.input_tokens


@pytest.mark.simulator
@pytest.mark.same
def test_a_count_is_what_an_answer_charges(client, model):
    counted = client.messages.count_tokens(model=model("CHAT"), system=HELLO["system"], messages=HELLO["messages"])
    assert counted.input_tokens == client.messages.create(model=model("CHAT"), **HELLO).usage.input_tokens


@pytest.mark.direct
def test_models_are_listed_and_found(client, model):
    listed = list(client.models.list(limit=5))
    assert model("CHAT") in [entry.id for entry in listed]
    assert len(listed) > 5, "the pages go on"
    assert client.models.retrieve(model("CHAT")).type == "model"
