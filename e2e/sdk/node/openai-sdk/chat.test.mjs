// Chat and streams: shapes, usage, images, models.

import assert from 'node:assert/strict';

import { attempts, client, collect, model, test, textOf } from './client.mjs';

const messages = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'Hello, who are you?' },
];
const create = (more) => client.chat.completions.create({ model: model('CHAT'), messages, ...more });

test('a chat is answered', [], async () => {
  const answer = await create({});
  assert.equal(answer.object, 'chat.completion');
  assert.equal(answer.choices[0].finish_reason, 'stop');
  assert.equal(answer.choices[0].message.role, 'assistant');
  assert.ok(answer.choices[0].message.content);
  const { prompt_tokens, completion_tokens, total_tokens } = answer.usage;
  assert.ok(prompt_tokens > 0 && completion_tokens > 0 && total_tokens === prompt_tokens + completion_tokens);
});

test('a stream holds the role, the text and the end', [], async () => {
  const chunks = await collect(create({ stream: true }));
  assert.equal(chunks[0].choices[0].delta.role, 'assistant');
  assert.ok(textOf(chunks));
  assert.equal(chunks.filter((chunk) => chunk.choices.length).at(-1).choices[0].finish_reason, 'stop');
  assert.equal(new Set(chunks.map((chunk) => chunk.id)).size, 1);
  assert.ok(chunks.every((chunk) => chunk.object === 'chat.completion.chunk'));
});

test('a stream says what the whole answer says', ['simulator'], async () => {
  const whole = await create({});
  assert.equal(textOf(await collect(create({ stream: true }))), whole.choices[0].message.content);
});

test("the SDK's own stream helper puts the answer together", [], async () => {
  const stream = client.chat.completions.stream({ model: model('CHAT'), messages });
  let text = '';
  stream.on('content', (delta) => (text += delta));
  const answer = await stream.finalChatCompletion();
  assert.equal(answer.choices[0].message.content, text);
  assert.ok(text);
});

test('many streams at once', [], async () => {
  const texts = await Promise.all(Array.from({ length: 20 }, async () => textOf(await collect(create({ stream: true })))));
  assert.ok(texts.every((text) => text));
});

test('include_usage gives a last chunk with usage and no choices', [], async () => {
  const chunks = await collect(create({ stream: true, stream_options: { include_usage: true } }));
  const last = chunks.pop();
  assert.deepEqual(last.choices, []);
  assert.ok(last.usage.total_tokens > 0);
  assert.equal(last.usage.total_tokens, last.usage.prompt_tokens + last.usage.completion_tokens);
  assert.ok(chunks.every((chunk) => chunk.choices.length && !chunk.usage));
});

test('without include_usage no chunk has usage', ['direct'], async () => {
  const chunks = await collect(create({ stream: true }));
  assert.ok(chunks.every((chunk) => chunk.choices.length && !chunk.usage));
});

test('without include_usage the finish chunk has it', ['gateway'], async () => {
  const chunks = await collect(create({ stream: true }));
  assert.ok(chunks.every((chunk) => chunk.choices.length));
  const counted = chunks.filter((chunk) => chunk.usage);
  assert.deepEqual(counted.map((chunk) => chunk.choices[0].finish_reason), ['stop']);
  assert.ok(counted[0].usage.completion_tokens > 0);
});

test('the gateway says what it did', ['gateway'], async () => {
  const { data, response } = await create({}).withResponse();
  assert.match(data.id, /^gen-/);
  assert.equal(response.headers.get('x-generation-id'), data.id);
  assert.ok(response.headers.get('x-route-switch-snapshot'));
  assert.equal(response.headers.get('x-route-switch-attempts'), attempts);
});

const image = (bytes) => `data:image/png;base64,${Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), Buffer.alloc(bytes)]).toString('base64')}`;

test('an image is seen', [], async () => {
  const content = [
    { type: 'text', text: 'What is in the image?' },
    { type: 'image_url', image_url: { url: image(300_000) } },
  ];
  const answer = await create({ messages: [{ role: 'user', content }] });
  assert.match(answer.choices[0].message.content, /image/);
});

test('an image arrives whole', ['simulator'], async () => {
  const content = [{ type: 'image_url', image_url: { url: image(300_000), detail: 'high' } }];
  const answer = await create({ messages: [{ role: 'user', content }] });
  assert.match(answer.choices[0].message.content, /image\/png of 300008 bytes/);
});

test('an image by its URL is seen', ['simulator'], async () => {
  const content = [{ type: 'image_url', image_url: { url: 'https://example.com/a.png' } }];
  const answer = await create({ messages: [{ role: 'user', content }] });
  assert.match(answer.choices[0].message.content, /an image at https:\/\/example.com\/a.png/);
});

test('the limit ends an answer', ['simulator'], async () => {
  const answer = await create({ max_completion_tokens: 4 });
  assert.equal(answer.choices[0].finish_reason, 'length');
  assert.equal(answer.usage.completion_tokens, 4);
});

test('tokens of the cache are told', ['simulator'], async () => {
  const { usage } = await create({ model: model('CACHED') });
  assert.equal(usage.prompt_tokens_details.cached_tokens, 2);
  assert.equal(usage.prompt_tokens_details.cache_write_tokens, 3);
});

test('several choices, limits and log probabilities', ['simulator', 'same'], async () => {
  const answer = await create({ n: 3, max_completion_tokens: 4, logprobs: true, top_logprobs: 2 });
  assert.deepEqual(answer.choices.map((choice) => choice.index), [0, 1, 2]);
  for (const choice of answer.choices) {
    assert.equal(choice.finish_reason, 'length');
    assert.equal(choice.logprobs.content.length, 4);
    assert.equal(choice.logprobs.content[0].top_logprobs.length, 2);
  }
  assert.equal(answer.usage.completion_tokens, 12);
});

test('a stream that the client leaves ends', [], async () => {
  const stream = await create({ stream: true });
  for await (const chunk of stream) {
    assert.ok(chunk.id);
    break;
  }
  assert.ok(stream.controller.signal.aborted);
});

test('models are listed and found', [], async () => {
  const ids = [];
  for await (const entry of client.models.list()) ids.push(entry.id);
  assert.ok(ids.includes(model('CHAT')));
  assert.equal((await client.models.retrieve(model('CHAT'))).id, model('CHAT'));
});
