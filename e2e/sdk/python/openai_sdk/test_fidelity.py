"""Nothing that a client sends is lost or changed on the way: the simulator answers with the request that it got."""

import json
import os

import pytest

pytestmark = [pytest.mark.simulator, pytest.mark.same]

TOOL = {
    "type": "function",
    "function": {"name": "look", "description": "Looks.", "parameters": {"type": "object", "properties": {"at": {"type": "string"}}}},
}
MESSAGES = [
    {"role": "system", "content": "Be brief.", "name": "house"},
    {"role": "developer", "content": [{"type": "text", "text": "Answer in verse. \"Quotes\", \\ and \u2028 and 𝄞."}]},
    {"role": "user", "content": [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
    ]},
    {"role": "assistant", "content": None, "tool_calls": [
        {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{\"at\": \"it\"}"}},
    ]},
    {"role": "tool", "tool_call_id": "call_1", "content": "A cat."},
    {"role": "user", "content": "And now as JSON?", "name": "ann"},
]
FIELDS = {
    "messages": MESSAGES,
    "tools": [TOOL],
    "tool_choice": "none",
    "parallel_tool_calls": False,
    "temperature": 0.30000000000000004,
    "top_p": 1.0,
    "n": 1,
    "stop": ["END", "STOP"],
    "max_completion_tokens": 100_000,
    "presence_penalty": -2,
    "frequency_penalty": 0.5,
    "logit_bias": {"50256": -100},
    "logprobs": True,
    "top_logprobs": 0,
    "seed": 9007199254740993,
    "user": "ann",
    "metadata": {"team": "a", "purpose": "test"},
    "store": False,
    "service_tier": "default",
    "reasoning_effort": "low",
    "verbosity": "low",
    "modalities": ["text"],
    "prediction": {"type": "content", "content": "A cat."},
    "prompt_cache_key": "k",
    "safety_identifier": "s",
    "response_format": {"type": "text"},
    "web_search_options": {"search_context_size": "low"},
}
UNKNOWN = {"z_unknown": {"deep": [1, 2.5, None, {"é": "ü"}]}, "top_k": 40, "min_p": 0.05, "guided_choice": ["a", "b"]}


def echoed(text):
    echo = json.loads(text)
    echo["body"].pop("model")
    return echo


def test_every_field_arrives_also_unknown_ones(client, model):
    answer = client.chat.completions.create(model=model("ECHO"), **FIELDS, extra_body=UNKNOWN)
    assert echoed(answer.choices[0].message.content)["body"] == {**FIELDS, **UNKNOWN}


def test_every_field_of_a_stream_arrives(client, model):
    sent = {**FIELDS, "stream": True, "stream_options": {"include_usage": True, "include_obfuscation": False}}
    stream = client.chat.completions.create(model=model("ECHO"), **sent, extra_body=UNKNOWN)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    assert echoed(text)["body"] == {**sent, **UNKNOWN}


@pytest.mark.direct
def test_key_and_headers_arrive(client, model):
    answer = client.chat.completions.create(
        model=model("ECHO"), messages=[{"role": "user", "content": "Hello"}], extra_headers={"x-mine": "yes"}
    )
    headers = echoed(answer.choices[0].message.content)["headers"]
    assert headers["x-mine"] == "yes"
    assert headers["authorization"] == "..." + os.environ["OPENAI_API_KEY"][-4:]
    assert headers["user-agent"].startswith("OpenAI/Python")


@pytest.mark.gateway
def test_the_clients_key_is_not_passed_on(client, model):
    answer = client.chat.completions.create(model=model("ECHO"), messages=[{"role": "user", "content": "Hello"}])
    headers = echoed(answer.choices[0].message.content)["headers"]
    assert headers.get("authorization") != "..." + os.environ["OPENAI_API_KEY"][-4:]
