// Tools over several turns, and structured output.

import assert from 'node:assert/strict';

import { client, collect, model, test } from './client.mjs';

const input_schema = {
  type: 'object',
  properties: { city: { type: 'string' }, unit: { type: 'string', enum: ['C', 'F'] } },
  required: ['city', 'unit'],
  additionalProperties: false,
};
const tools = [{ name: 'get_weather', description: 'The weather of a city.', input_schema }];
const question = { role: 'user', content: 'What is the weather in Paris?' };
const body = (more) => ({ model: model('TOOLS'), max_tokens: 1000, messages: [question], tools, ...more });
const create = (more) => client.messages.create(body(more));
const streamed = (more) => client.messages.stream(body(more)).finalMessage();

function checkCall(block) {
  assert.deepEqual([block.type, block.name], ['tool_use', 'get_weather']);
  assert.equal(typeof block.input.city, 'string');
  assert.ok(['C', 'F'].includes(block.input.unit));
}

function resultsOf(content, text) {
  const calls = content.filter((block) => block.type === 'tool_use');
  return { role: 'user', content: calls.map((call) => ({ type: 'tool_result', tool_use_id: call.id, content: text })) };
}

for (const [how, ask] of [['', create], [' in a stream', streamed]]) {
  test(`a tool is called and its result answered${how}`, [], async () => {
    const first = await ask({});
    assert.equal(first.stop_reason, 'tool_use');
    checkCall(first.content.at(-1));
    const answered = [question, { role: 'assistant', content: first.content }, resultsOf(first.content, '21 degrees')];
    const second = await ask({ messages: answered });
    assert.equal(second.stop_reason, 'end_turn');
    assert.match(second.content[0].text, /21/);
  });
}

test('arguments stream in pieces', ['simulator'], async () => {
  const events = await collect(create({ stream: true }));
  const pieces = events.filter((event) => event.delta?.type === 'input_json_delta').map((event) => event.delta.partial_json);
  assert.ok(pieces.filter((piece) => piece).length > 2);
  assert.equal(typeof JSON.parse(pieces.join('')).city, 'string');
});

test('several tools are called at once', ['simulator'], async () => {
  const whole = (await create({ model: model('TOOLS_TWO') })).content;
  const pieces = (await streamed({ model: model('TOOLS_TWO') })).content;
  assert.deepEqual(pieces.map((block) => block.input), whole.map((block) => block.input));
  assert.equal(new Set(whole.map((block) => block.id)).size, 2);
});

test('tools go on over several turns', ['simulator'], async () => {
  const messages = [question];
  for (const turn of [0, 1, 2]) {
    const { content } = await create({ model: model('TOOLS_TWO'), messages });
    messages.push({ role: 'assistant', content }, resultsOf(content, `${turn} degrees`));
    const final = await create({ model: model('TOOLS_TWO'), messages });
    assert.ok(final.content[0].text.includes(`${turn} degrees; ${turn} degrees`));
    messages.push({ role: 'assistant', content: final.content }, { role: 'user', content: 'And tomorrow?' });
  }
});

test('thinking goes back with its signature', ['simulator', 'same'], async () => {
  const ask = { model: model('REASONING_TOOLS'), max_tokens: 2000, thinking: { type: 'enabled', budget_tokens: 1024 } };
  const { content } = await streamed(ask);
  assert.deepEqual(content.map((block) => block.type), ['thinking', 'tool_use']);
  const messages = [question, { role: 'assistant', content }, resultsOf(content, '21 degrees')];
  assert.match((await create({ ...ask, messages })).content.at(-1).text, /21/);
});

test('the choice of a tool is obeyed', ['simulator'], async () => {
  for (const tool_choice of [{ type: 'any' }, { type: 'tool', name: 'get_weather' }]) {
    checkCall((await create({ model: model('CHAT'), tool_choice })).content[0]);
  }
  const none = await create({ tool_choice: { type: 'none' } });
  assert.deepEqual(none.content.map((block) => block.type), ['text']);
});

test("the SDK's own runner calls the function and gets the final answer", [], async () => {
  const asked = [];
  const run = (input) => (asked.push(input), '21 degrees');
  const runnable = { ...tools[0], run, parse: (content) => content };
  // thread: the conversation is not held by the server.
  const runner = client.beta.messages.toolRunner(body({ tools: [runnable], thread: false }));
  assert.match((await runner.runUntilDone()).content[0].text, /21/);
  assert.equal(asked.length, 1);
  assert.equal(typeof asked[0].city, 'string');
});

const people = {
  type: 'array',
  items: {
    type: 'object',
    additionalProperties: false,
    required: ['name', 'age'],
    properties: { name: { type: 'string' }, age: { type: ['integer', 'null'] } },
  },
};
const schema = {
  type: 'object',
  additionalProperties: false,
  required: ['title', 'kind', 'people'],
  properties: { title: { type: 'string' }, kind: { enum: ['meeting', 'party'], type: 'string' }, people },
};

test('structured output has the form that was asked for', [], async () => {
  const answer = await client.messages.create({
    model: model('CHAT'),
    max_tokens: 1000,
    messages: [{ role: 'user', content: 'Extract the event.' }],
    output_config: { format: { type: 'json_schema', schema } },
  });
  const event = JSON.parse(answer.content[0].text);
  assert.ok(['meeting', 'party'].includes(event.kind));
  assert.ok(event.people.length && event.people.every((person) => typeof person.name === 'string'));
});
