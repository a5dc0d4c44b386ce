"""Typed errors: each failure is the exception that the SDK has for it."""

import socket

import anthropic
import httpx2
import pytest

HELLO = {"max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]}


def failure(client, kind, **request):
    with pytest.raises(kind) as caught:
        answer = client.messages.create(**request)
        if request.get("stream"):
            list(answer)
    return caught.value


def test_a_wrong_key_is_an_authentication_error(client, model):
    stranger = client.with_options(api_key="sk-wrong-key")
    error = failure(stranger, anthropic.AuthenticationError, model=model("CHAT"), **HELLO)
    assert error.type == "authentication_error"
    with pytest.raises(anthropic.AuthenticationError):
        stranger.messages.count_tokens(model=model("CHAT"), messages=HELLO["messages"])


def test_the_key_may_come_as_x_api_key(client, model):
    old = client.with_options(default_headers={"x-api-key": client.api_key, "authorization": anthropic.Omit()})
    assert old.messages.create(model=model("CHAT"), **HELLO).content


def test_an_unknown_model_is_not_found(client, model):
    error = failure(client, anthropic.NotFoundError, model=model("UNKNOWN"), **HELLO)
    assert error.type == "not_found_error"
    assert model("UNKNOWN") in error.api_message


@pytest.mark.single
@pytest.mark.parametrize("stream", [False, True])
def test_a_rate_limit_is_a_rate_limit_error_that_says_when_to_come_back(client, model, stream):
    error = failure(client, anthropic.RateLimitError, model=model("429"), stream=stream, **HELLO)
    assert error.type == "rate_limit_error"
    assert int(error.response.headers["retry-after"]) >= 1


@pytest.mark.parametrize("stream", [False, True])
def test_a_failing_provider_is_an_internal_server_error(client, model, stream):
    error = failure(client, anthropic.InternalServerError, model=model("500"), stream=stream, **HELLO)
    assert error.type == "api_error"


@pytest.mark.simulator
@pytest.mark.parametrize("stream", [False, True])
def test_an_overloaded_provider_is_told_apart(client, model, stream):
    error = failure(client, anthropic.InternalServerError, model=model("529"), stream=stream, **HELLO)
    assert error.type == "overloaded_error"


@pytest.mark.direct
def test_a_provider_that_is_down_is_a_connection_error(client, model):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    failure(client.with_options(base_url=f"http://127.0.0.1:{port}"), anthropic.APIConnectionError, model=model("CHAT"), **HELLO)


@pytest.mark.gateway
@pytest.mark.parametrize("stream", [False, True])
def test_a_provider_that_is_down_behind_the_gateway_is_an_internal_server_error(client, model, stream):
    error = failure(client, anthropic.InternalServerError, model=model("DOWN"), stream=stream, **HELLO)
    assert error.status_code in (502, 503)
    assert error.type == "api_error"


def cut_stream(client, model, kind):
    seen, finished = 0, False
    with pytest.raises(kind):
        for event in client.messages.create(model=model("CUT"), stream=True, **HELLO):
            seen += event.type == "content_block_delta"
            finished |= event.type == "message_stop"
    return seen, finished


@pytest.mark.direct
def test_a_stream_that_is_cut_is_a_broken_connection(client, model):
    assert cut_stream(client, model, httpx2.RemoteProtocolError) == (3, False)


@pytest.mark.gateway
@pytest.mark.simulator
def test_a_stream_that_is_cut_behind_the_gateway_is_a_typed_error(client, model):
    assert cut_stream(client, model, anthropic.APIStatusError) == (3, False)


@pytest.mark.simulator
@pytest.mark.same
@pytest.mark.single
@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"max_tokens": -1}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "narrator", "content": "Once"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "21"}]}]}, "toolu_1"),
        ({"messages": [{"role": "user", "content": ""}]}, "messages.0"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1023}}, "budget_tokens"),
        ({"stop_sequences": [" "]}, "stop_sequences"),
        ({"extra_body": {"z_unknown": 1}}, "z_unknown"),
        ({"extra_body": {"temperature": 0.5}}, "temperature"),
    ],
)
def test_what_the_vendor_refuses_is_a_bad_request(client, model, changed, named):
    error = failure(client, anthropic.BadRequestError, **{"model": model("CHAT"), **HELLO, **changed})
    assert error.type == "invalid_request_error"
    assert named in error.api_message


@pytest.mark.gateway
def test_what_is_no_request_is_a_bad_request(client, model):
    with pytest.raises(anthropic.BadRequestError) as caught:
        client.post("/v1/messages", body={"model": 3}, cast_to=object)
    assert caught.value.type == "invalid_request_error"
