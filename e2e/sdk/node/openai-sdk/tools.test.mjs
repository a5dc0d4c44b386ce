// Tools over two turns, and structured output.

import assert from 'node:assert/strict';

import { client, collect, model, test, textOf } from './client.mjs';

const parameters = {
  type: 'object',
  properties: { city: { type: 'string' }, unit: { type: 'string', enum: ['C', 'F'] } },
  required: ['city', 'unit'],
  additionalProperties: false,
};
const tools = [{ type: 'function', function: { name: 'get_weather', description: 'The weather of a city.', parameters, strict: true } }];
const question = { role: 'user', content: 'What is the weather in Paris?' };
const create = (more) => client.chat.completions.create({ model: model('TOOLS'), messages: [question], tools, ...more });

function checkArguments(text) {
  const { city, unit } = JSON.parse(text);
  assert.equal(typeof city, 'string');
  assert.ok(['C', 'F'].includes(unit));
}

function callsOf(chunks) {
  const calls = [];
  for (const delta of chunks.flatMap((chunk) => chunk.choices[0]?.delta.tool_calls ?? [])) {
    const call = (calls[delta.index] ??= { id: '', type: 'function', function: { name: '', arguments: '' } });
    call.id += delta.id ?? '';
    call.function.name += delta.function?.name ?? '';
    call.function.arguments += delta.function?.arguments ?? '';
  }
  return calls;
}

test('a tool is called and its result answered', [], async () => {
  const first = (await create({})).choices[0];
  assert.equal(first.finish_reason, 'tool_calls');
  assert.deepEqual(first.message.tool_calls.map((call) => call.function.name), ['get_weather']);
  const [call] = first.message.tool_calls;
  checkArguments(call.function.arguments);
  const result = { role: 'tool', tool_call_id: call.id, content: '21 degrees' };
  const second = (await create({ messages: [question, first.message, result] })).choices[0];
  assert.equal(second.finish_reason, 'stop');
  assert.match(second.message.content, /21/);
});

test('a tool call streams in pieces and its result is answered', [], async () => {
  const chunks = await collect(create({ stream: true }));
  const calls = callsOf(chunks);
  assert.deepEqual(calls.map((call) => call.function.name), ['get_weather']);
  checkArguments(calls[0].function.arguments);
  assert.equal(chunks.filter((chunk) => chunk.choices.length).at(-1).choices[0].finish_reason, 'tool_calls');
  const results = calls.map((call) => ({ role: 'tool', tool_call_id: call.id, content: '21 degrees' }));
  const messages = [question, { role: 'assistant', content: null, tool_calls: calls }, ...results];
  assert.match(textOf(await collect(create({ stream: true, messages }))), /21/);
});

test('several tools are called at once', ['simulator'], async () => {
  const whole = (await create({ model: model('TOOLS_TWO') })).choices[0].message.tool_calls;
  const streamed = callsOf(await collect(create({ model: model('TOOLS_TWO'), stream: true })));
  assert.deepEqual(streamed.map((call) => call.function), whole.map((call) => call.function));
  assert.equal(new Set(streamed.map((call) => call.id)).size, 2);
});

test("the SDK's own runner calls the function and gets the final answer", [], async () => {
  const asked = [];
  const get_weather = { ...tools[0].function, strict: undefined, parse: JSON.parse, function: (call) => (asked.push(call), '21 degrees') };
  const runner = client.chat.completions.runTools({
    model: model('TOOLS'), messages: [question], tools: [{ type: 'function', function: get_weather }],
  });
  assert.match(await runner.finalContent(), /21/);
  assert.equal(asked.length, 1);
  assert.equal(typeof asked[0].city, 'string');
});

const schema = {
  type: 'object',
  additionalProperties: false,
  required: ['title', 'kind', 'people'],
  properties: {
    title: { type: 'string' },
    kind: { enum: ['meeting', 'party'], type: 'string' },
    people: {
      type: 'array',
      items: { type: 'object', additionalProperties: false, required: ['name', 'age'], properties: { name: { type: 'string' }, age: { type: ['integer', 'null'] } } },
    },
  },
};

test('structured output is parsed', [], async () => {
  const answer = await client.chat.completions.parse({
    model: model('CHAT'),
    messages: [{ role: 'user', content: 'Extract the event.' }],
    response_format: { type: 'json_schema', json_schema: { name: 'event', strict: true, schema }, $parseRaw: JSON.parse, $brand: 'auto-parseable-response-format' },
  });
  const { parsed } = answer.choices[0].message;
  assert.ok(['meeting', 'party'].includes(parsed.kind));
  assert.ok(parsed.people.length && parsed.people.every((person) => typeof person.name === 'string'));
});

test('JSON mode gives an object', ['same'], async () => {
  const answer = await client.chat.completions.create({
    model: model('CHAT'), messages: [{ role: 'user', content: 'Answer with a JSON object.' }], response_format: { type: 'json_object' },
  });
  assert.equal(typeof JSON.parse(answer.choices[0].message.content), 'object');
});
