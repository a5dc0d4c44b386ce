"""Tools over several turns, and structured output."""

from typing import List, Literal, Optional

import pytest
from anthropic import beta_tool
from pydantic import BaseModel

WEATHER = {
    "name": "get_weather",
    "description": "The weather of a city.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["C", "F"]}},
        "required": ["city", "unit"],
        "additionalProperties": False,
    },
}
QUESTION = {"role": "user", "content": "What is the weather in Paris?"}
ASK = {"max_tokens": 1000, "tools": [WEATHER]}


def check_call(block):
    assert (block.type, block.name) == ("tool_use", "get_weather")
    assert isinstance(block.input["city"], str)
    assert block.input["unit"] in ("C", "F")


def results_of(content, text="21 degrees"):
    calls = [block for block in content if block.type == "tool_use"]
    return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": text} for call in calls]}


def test_a_tool_is_called_and_its_result_answered(client, model):
    first = client.messages.create(model=model("TOOLS"), messages=[QUESTION], **ASK)
    assert first.stop_reason == "tool_use"
    check_call(first.content[-1])
    messages = [QUESTION, {"role": "assistant", "content": first.content}, results_of(first.content)]
    second = client.messages.create(model=model("TOOLS"), messages=messages, **ASK)
    assert second.stop_reason == "end_turn"
    assert "21" in second.content[0].text


def test_a_tool_call_streams_in_pieces_and_its_result_is_answered(client, model):
    with client.messages.stream(model=model("TOOLS"), messages=[QUESTION], **ASK) as stream:
        pieces = [event.partial_json for event in stream if event.type == "input_json"]
        first = stream.get_final_message()
    assert first.stop_reason == "tool_use"
    assert len("".join(pieces)) > 10
    check_call(first.content[-1])
    messages = [QUESTION, {"role": "assistant", "content": first.content}, results_of(first.content)]
    with client.messages.stream(model=model("TOOLS"), messages=messages, **ASK) as stream:
        assert "21" in stream.get_final_text()


@pytest.mark.simulator
def test_several_tools_are_called_at_once(client, model):
    whole = client.messages.create(model=model("TOOLS_TWO"), messages=[QUESTION], **ASK)
    with client.messages.stream(model=model("TOOLS_TWO"), messages=[QUESTION], **ASK) as stream:
        streamed = stream.get_final_message()
    assert [block.input for block in streamed.content] == [block.input for block in whole.content]
    assert len({block.id for block in whole.content}) == 2
    alone = {"type": "auto", "disable_parallel_tool_use": True}
    single = client.messages.create(model=model("TOOLS_TWO"), messages=[QUESTION], **ASK, tool_choice=alone)
    assert len(single.content) == 1


@pytest.mark.simulator
def test_tools_go_on_over_several_turns(client, model):
    messages = [QUESTION]
    for turn in range(3):
        answer = client.messages.create(model=model("TOOLS_TWO"), messages=messages, **ASK)
        assert answer.stop_reason == "tool_use", turn
        messages += [{"role": "assistant", "content": answer.content}, results_of(answer.content, f"{turn} degrees")]
        final = client.messages.create(model=model("TOOLS_TWO"), messages=messages, **ASK)
        assert f"{turn} degrees; {turn} degrees" in final.content[0].text
        messages += [{"role": "assistant", "content": final.content}, {"role": "user", "content": "And tomorrow?"}]


@pytest.mark.simulator
@pytest.mark.same
def test_thinking_goes_back_with_its_signature(client, model):
    ask = {**ASK, "max_tokens": 2000, "thinking": {"type": "enabled", "budget_tokens": 1024}}
    with client.messages.stream(model=model("REASONING_TOOLS"), messages=[QUESTION], **ask) as stream:
        first = stream.get_final_message()
    assert [block.type for block in first.content] == ["thinking", "tool_use"]
    messages = [QUESTION, {"role": "assistant", "content": first.content}, results_of(first.content)]
    second = client.messages.create(model=model("REASONING_TOOLS"), messages=messages, **ask)
    assert [block.type for block in second.content] == ["thinking", "text"]
    assert "21" in second.content[1].text


@pytest.mark.simulator
def test_the_choice_of_a_tool_is_obeyed(client, model):
    for choice in ({"type": "any"}, {"type": "tool", "name": "get_weather"}):
        answer = client.messages.create(model=model("CHAT"), messages=[QUESTION], **ASK, tool_choice=choice)
        check_call(answer.content[0])
    answer = client.messages.create(model=model("TOOLS"), messages=[QUESTION], **ASK, tool_choice={"type": "none"})
    assert [block.type for block in answer.content] == ["text"]


@pytest.mark.simulator
def test_results_may_be_blocks_and_errors(client, model):
    first = client.messages.create(model=model("TOOLS"), messages=[QUESTION], **ASK)
    result = {
        "type": "tool_result",
        "tool_use_id": first.content[-1].id,
        "content": [{"type": "text", "text": "no such"}, {"type": "text", "text": " city"}],
        "is_error": True,
    }
    messages = [QUESTION, {"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    second = client.messages.create(model=model("TOOLS"), messages=messages, **ASK)
    assert "no such city" in second.content[0].text


def test_the_sdks_own_runner_calls_the_function_and_gets_the_final_answer(client, model):
    asked = []

    @beta_tool
    def get_weather(city: str, unit: Literal["C", "F"]) -> str:
        """The weather of a city.

        Args:
            city: Its name.
            unit: Of the temperature.
        """
        asked.append((city, unit))
        return "21 degrees"

    # thread: the conversation is not held by the server.
    ask = {"max_tokens": 1000, "messages": [QUESTION], "tools": [get_weather], "thread": False}
    runner = client.beta.messages.tool_runner(model=model("TOOLS"), **ask)
    assert "21" in runner.until_done().content[0].text
    assert len(asked) == 1


class Person(BaseModel):
    name: str
    age: Optional[int]


class Event(BaseModel):
    title: str
    kind: Literal["meeting", "party"]
    people: List[Person]


EXTRACT = {"max_tokens": 1000, "messages": [{"role": "user", "content": "Extract the event."}], "output_format": Event}


def test_structured_output_is_parsed(client, model):
    event = client.messages.parse(model=model("CHAT"), **EXTRACT).parsed_output
    assert isinstance(event, Event)
    assert event.people and all(person.name for person in event.people)


def test_structured_output_is_parsed_from_a_stream(client, model):
    with client.messages.stream(model=model("CHAT"), **EXTRACT) as stream:
        event = stream.get_final_message().parsed_output
    assert isinstance(event, Event)
