// Messages and streams: shapes, usage, images, thinking, counts, models.

import assert from 'node:assert/strict';

import { attempts, client, collect, model, test, textOf } from './client.mjs';

const hello = { max_tokens: 100, system: 'Be brief.', messages: [{ role: 'user', content: 'Hello, who are you?' }] };
const create = (more) => client.messages.create({ model: model('CHAT'), ...hello, ...more });
const stream = (more) => client.messages.stream({ model: model('CHAT'), ...hello, ...more });

test('a message is answered', [], async () => {
  const answer = await create({});
  assert.deepEqual([answer.type, answer.role, answer.stop_reason], ['message', 'assistant', 'end_turn']);
  assert.equal(answer.content.length, 1);
  assert.ok(answer.content[0].text);
  assert.ok(answer.usage.input_tokens > 0 && answer.usage.output_tokens > 0);
});

test('a stream has every event in its place', [], async () => {
  const events = await collect(create({ stream: true }));
  const kinds = events.map((event) => event.type).filter((kind) => kind !== 'ping');
  assert.deepEqual(kinds.slice(0, 2), ['message_start', 'content_block_start']);
  assert.deepEqual(kinds.slice(-3), ['content_block_stop', 'message_delta', 'message_stop']);
  assert.deepEqual([...new Set(kinds.slice(2, -3))], ['content_block_delta']);
  assert.equal(events.at(-2).delta.stop_reason, 'end_turn');
  assert.ok(events.at(-2).usage.output_tokens > 0);
  assert.ok(textOf(events));
});

test('a stream says what the whole answer says and costs the same', ['simulator'], async () => {
  const whole = await create({});
  const final = await stream({}).finalMessage();
  assert.equal(final.content[0].text, whole.content[0].text);
  const counts = ({ input_tokens, output_tokens }) => [input_tokens, output_tokens];
  assert.deepEqual(counts(final.usage), counts(whole.usage));
});

test('many streams at once', [], async () => {
  const texts = await Promise.all(Array.from({ length: 20 }, () => stream({}).finalText()));
  assert.ok(texts.every((text) => text));
});

test('the gateway says what it did', ['gateway'], async () => {
  const { data, response } = await create({}).withResponse();
  assert.match(data.id, /^gen-/);
  assert.equal(response.headers.get('x-generation-id'), data.id);
  assert.ok(response.headers.get('x-route-switch-snapshot'));
  assert.equal(response.headers.get('x-route-switch-attempts'), attempts);
});

const png = Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), Buffer.alloc(300_000)]).toString('base64');
const inline = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: png } };

test('an image is seen', [], async () => {
  const answer = await create({ messages: [{ role: 'user', content: [inline, { type: 'text', text: 'What is in the image?' }] }] });
  assert.match(answer.content[0].text, /image/);
});

test('images arrive whole and by their URL', ['simulator'], async () => {
  const linked = { type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } };
  const answer = await create({ messages: [{ role: 'user', content: [inline, linked] }] });
  assert.match(answer.content[0].text, /an image\/png of 300008 bytes and an image at https:\/\/example.com\/a.png/);
});

test('the limit ends an answer', ['simulator'], async () => {
  const answer = await create({ max_tokens: 4 });
  assert.equal(answer.stop_reason, 'max_tokens');
  assert.equal(answer.usage.output_tokens, 4);
});

test('tokens of the cache are told', ['simulator'], async () => {
  const { usage } = await create({ model: model('CACHED') });
  assert.deepEqual([usage.cache_read_input_tokens, usage.cache_creation_input_tokens], [2, 3]);
});

test('thinking comes before the text', ['simulator'], async () => {
  const whole = await create({ model: model('REASONING') });
  assert.deepEqual(whole.content.map((block) => block.type), ['thinking', 'text']);
  const final = await stream({ model: model('REASONING') }).finalMessage();
  const said = (message) => message.content.map((block) => block.thinking ?? block.text);
  assert.deepEqual(said(final), said(whole));
});

test('tokens are counted', [], async () => {
  const body = { model: model('CHAT'), messages: hello.messages };
  const count = async (more) => (await client.messages.countTokens({ ...body, ...more })).input_tokens;
  const short = await count({});
  assert.ok(short > 0);
  assert.ok((await count({ system: 'Be brief. '.repeat(100) })) > short);
});

test('a stream that the client leaves ends', [], async () => {
  const left = await create({ stream: true });
  for await (const event of left) {
    assert.ok(event.type);
    break;
  }
  assert.ok(left.controller.signal.aborted);
});

test('models are listed and found', ['direct'], async () => {
  const ids = [];
  for await (const entry of client.models.list({ limit: 5 })) ids.push(entry.id);
  assert.ok(ids.length > 5 && ids.includes(model('CHAT')));
  assert.equal((await client.models.retrieve(model('CHAT'))).type, 'model');
});
