"""Tools over two turns, and structured output."""

import json
from typing import List, Literal, Optional

import pytest
from pydantic import BaseModel

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["C", "F"]}},
            "required": ["city", "unit"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}
QUESTION = {"role": "user", "content": "What is the weather in Paris?"}


def check_arguments(text):
    arguments = json.loads(text)
    assert isinstance(arguments["city"], str)
    assert arguments["unit"] in ("C", "F")


def test_a_tool_is_called_and_its_result_answered(client, model):
    first = client.chat.completions.create(model=model("TOOLS"), messages=[QUESTION], tools=[WEATHER])
    choice = first.choices[0]
    assert choice.finish_reason == "tool_calls"
    (call,) = choice.message.tool_calls
    assert call.type == "function"
    assert call.function.name == "get_weather"
    check_arguments(call.function.arguments)
    second = client.chat.completions.create(
        model=model("TOOLS"),
        messages=[QUESTION, choice.message, {"role": "tool", "tool_call_id": call.id, "content": "21 degrees"}],
        tools=[WEATHER],
    )
    assert second.choices[0].finish_reason == "stop"
    assert "21" in second.choices[0].message.content


def streamed_calls(stream):
    calls, finish = {}, None
    for chunk in stream:
        for choice in chunk.choices:
            finish = choice.finish_reason or finish
            for delta in choice.delta.tool_calls or []:
                call = calls.setdefault(delta.index, {"id": "", "type": "function", "function": {"name": "", "arguments": ""}})
                call["id"] += delta.id or ""
                call["function"]["name"] += delta.function.name or ""
                call["function"]["arguments"] += delta.function.arguments or ""
    return [calls[index] for index in sorted(calls)], finish


def test_a_tool_call_streams_in_pieces_and_its_result_is_answered(client, model):
    stream = client.chat.completions.create(model=model("TOOLS"), messages=[QUESTION], tools=[WEATHER], stream=True)
    calls, finish = streamed_calls(stream)
    assert finish == "tool_calls"
    assert [call["function"]["name"] for call in calls] == ["get_weather"]
    check_arguments(calls[0]["function"]["arguments"])
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "21 degrees"} for call in calls]
    messages = [QUESTION, {"role": "assistant", "content": None, "tool_calls": calls}, *results]
    stream = client.chat.completions.create(model=model("TOOLS"), messages=messages, tools=[WEATHER], stream=True)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    assert "21" in text


@pytest.mark.simulator
def test_several_tools_are_called_at_once(client, model):
    create = client.chat.completions.create
    whole = create(model=model("TOOLS_TWO"), messages=[QUESTION], tools=[WEATHER]).choices[0].message.tool_calls
    calls, finish = streamed_calls(create(model=model("TOOLS_TWO"), messages=[QUESTION], tools=[WEATHER], stream=True))
    assert finish == "tool_calls"
    assert [call["function"] for call in calls] == [call.function.model_dump() for call in whole]
    assert len({call["id"] for call in calls}) == 2
    single = create(model=model("TOOLS_TWO"), messages=[QUESTION], tools=[WEATHER], parallel_tool_calls=False)
    assert len(single.choices[0].message.tool_calls) == 1


@pytest.mark.simulator
def test_tools_go_on_over_several_turns(client, model):
    messages = [QUESTION]
    for turn in range(3):
        answer = client.chat.completions.create(model=model("TOOLS_TWO"), messages=messages, tools=[WEATHER])
        assert answer.choices[0].finish_reason == "tool_calls", turn
        calls = answer.choices[0].message.tool_calls
        results = [
            {"role": "tool", "tool_call_id": call.id, "content": f"{turn}{number} degrees"} for number, call in enumerate(calls)
        ]
        messages += [answer.choices[0].message, *results]
        final = client.chat.completions.create(model=model("TOOLS_TWO"), messages=messages, tools=[WEATHER])
        assert f"{turn}0 degrees; {turn}1 degrees" in final.choices[0].message.content
        messages += [final.choices[0].message, {"role": "user", "content": "And tomorrow?"}]


@pytest.mark.simulator
def test_the_choice_of_a_tool_is_obeyed(client, model):
    create = client.chat.completions.create
    named = {"type": "function", "function": {"name": "get_weather"}}
    for choice in ("required", named):
        answer = create(model=model("CHAT"), messages=[QUESTION], tools=[WEATHER], tool_choice=choice)
        assert answer.choices[0].message.tool_calls[0].function.name == "get_weather"
    answer = create(model=model("TOOLS"), messages=[QUESTION], tools=[WEATHER], tool_choice="none")
    assert answer.choices[0].message.tool_calls is None


class Person(BaseModel):
    name: str
    age: Optional[int]


class Event(BaseModel):
    title: str
    kind: Literal["meeting", "party"]
    people: List[Person]


def test_structured_output_is_parsed(client, model):
    answer = client.chat.completions.parse(
        model=model("CHAT"), messages=[{"role": "user", "content": "Extract the event."}], response_format=Event
    )
    event = answer.choices[0].message.parsed
    assert isinstance(event, Event)
    assert event.people and all(person.name for person in event.people)


def test_structured_output_is_parsed_from_a_stream(client, model):
    with client.chat.completions.stream(
        model=model("CHAT"), messages=[{"role": "user", "content": "Extract the event."}], response_format=Event
    ) as stream:
        kinds = {event.type for event in stream}
        answer = stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert isinstance(answer.choices[0].message.parsed, Event)


@pytest.mark.same
def test_json_mode_gives_an_object(client, model):
    answer = client.chat.completions.create(
        model=model("CHAT"),
        messages=[{"role": "user", "content": "Answer with a JSON object."}],
        response_format={"type": "json_object"},
    )
    assert isinstance(json.loads(answer.choices[0].message.content), dict)
