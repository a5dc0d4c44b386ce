"""Nothing that a client sends is lost or changed on the way: the simulator answers with the request that it got."""

import json
import os

import pytest

pytestmark = [pytest.mark.simulator, pytest.mark.same]

FIELDS = {
    "max_tokens": 4096,
    "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
    "messages": [
        {"role": "user", "content": [
            {"type": "text", "text": "What is this? \"Quotes\", \\ and \u2028 and 𝄞."},
            {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
        ]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": 1.50, "b": None}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "A cat.", "is_error": False}]},
    ],
    "tools": [{"name": "look", "description": "Looks.", "input_schema": {"type": "object", "properties": {"at": {"type": "number"}}}}],
    "tool_choice": {"type": "none"},
    "stop_sequences": ["END", "STOP"],
    "metadata": {"user_id": "ann"},
    "service_tier": "standard_only",
    "thinking": {"type": "disabled"},
    "output_config": {"effort": "low"},
}
UNKNOWN = {"z_unknown": {"deep": [1, 2.5, None, {"é": "ü"}]}, "mcp_servers": [], "seed": 9007199254740993}


def echoed(text):
    echo = json.loads(text)
    echo["body"].pop("model")
    return echo


def test_every_field_arrives_also_unknown_ones(client, model):
    answer = client.messages.create(model=model("ECHO"), **FIELDS, extra_body=UNKNOWN)
    assert echoed(answer.content[0].text)["body"] == {**FIELDS, **UNKNOWN}


def test_every_field_of_a_stream_arrives(client, model):
    with client.messages.stream(model=model("ECHO"), **FIELDS, extra_body=UNKNOWN) as stream:
        text = stream.get_final_text()
    assert echoed(text)["body"] == {**FIELDS, **UNKNOWN, "stream": True}


def test_version_and_betas_arrive(client, model):
    betas = ["context-1m-2025-08-07", "interleaved-thinking-2025-05-14"]
    answer = client.beta.messages.create(model=model("ECHO"), betas=betas, **FIELDS)
    headers = echoed(answer.content[0].text)["headers"]
    assert headers["anthropic-beta"] == ",".join(betas)
    assert headers["anthropic-version"] == "2026-10-21"


@pytest.mark.gateway
def test_the_clients_key_is_not_passed_on(client, model):
    headers = echoed(client.messages.create(model=model("ECHO"), **FIELDS).content[0].text)["headers"]
    own = "..." + os.environ["ANTHROPIC_API_KEY"][-4:]
    assert own not in (headers.get("authorization"), headers.get("x-api-key"))
    assert headers["x-api-key"] == "...-own"
