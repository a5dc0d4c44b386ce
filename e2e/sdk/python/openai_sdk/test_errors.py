"""Typed errors: each failure is the exception that the SDK has for it."""

import socket

import openai
import pytest

HELLO = [{"role": "user", "content": "Hello"}]


def test_a_wrong_key_is_an_authentication_error(client, model):
    stranger = client.with_options(api_key="sk-wrong-key")
    with pytest.raises(openai.AuthenticationError) as caught:
        stranger.chat.completions.create(model=model("CHAT"), messages=HELLO)
    assert caught.value.code == "invalid_api_key"
    with pytest.raises(openai.AuthenticationError):
        stranger.models.list()


def test_an_unknown_model_is_not_found(client, model):
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model=model("UNKNOWN"), messages=HELLO)
    assert caught.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve(model("UNKNOWN"))


@pytest.mark.single
@pytest.mark.parametrize("stream", [False, True])
def test_a_rate_limit_is_a_rate_limit_error_that_says_when_to_come_back(client, model, stream):
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model=model("429"), messages=HELLO, stream=stream)
    assert caught.value.code == "rate_limit_exceeded"
    assert int(caught.value.response.headers["retry-after"]) >= 1


@pytest.mark.parametrize("stream", [False, True])
def test_a_failing_provider_is_an_internal_server_error(client, model, stream):
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model=model("500"), messages=HELLO, stream=stream)
    assert caught.value.message


@pytest.mark.simulator
@pytest.mark.parametrize("stream", [False, True])
def test_an_overloaded_provider_is_an_internal_server_error(client, model, stream):
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model=model("529"), messages=HELLO, stream=stream)
    assert caught.value.status_code in (502, 503, 529)


@pytest.mark.direct
def test_a_provider_that_is_down_is_a_connection_error(client, model):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(openai.APIConnectionError):
        client.with_options(base_url=f"http://127.0.0.1:{port}/v1").chat.completions.create(model=model("CHAT"), messages=HELLO)


@pytest.mark.gateway
@pytest.mark.parametrize("stream", [False, True])
def test_a_provider_that_is_down_behind_the_gateway_is_an_internal_server_error(client, model, stream):
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model=model("DOWN"), messages=HELLO, stream=stream)
    assert caught.value.status_code in (502, 503)


@pytest.mark.simulator
def test_a_stream_that_is_cut_is_never_a_silent_end(client, model):
    seen = 0
    with pytest.raises(openai.APIError):
        for chunk in client.chat.completions.create(model=model("CUT"), messages=HELLO, stream=True):
            seen += sum(bool(choice.delta.content) for choice in chunk.choices)
    assert seen == 3


@pytest.mark.simulator
@pytest.mark.same
@pytest.mark.single
@pytest.mark.parametrize(
    ("changed", "param"),
    [
        ({"temperature": 3}, "temperature"),
        ({"n": 0}, "n"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "narrator", "content": "Once"}]}, "messages[0].role"),
        ({"messages": [{"role": "tool", "tool_call_id": "call_1", "content": "21"}]}, "messages.[0].role"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}}, "response_format.json_schema.name"),
    ],
)
def test_what_the_vendor_refuses_is_a_bad_request(client, model, changed, param):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**{"model": model("CHAT"), "messages": HELLO, **changed})
    assert caught.value.param == param


@pytest.mark.crossing
@pytest.mark.simulator
@pytest.mark.parametrize(("changed", "param"), [({"n": 2}, "n"), ({"logprobs": True}, "logprobs")])
def test_what_the_other_vendor_cannot_do_is_a_bad_request_that_names_it(client, model, changed, param):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**{"model": model("CHAT"), "messages": HELLO, **changed})
    assert param in caught.value.message
