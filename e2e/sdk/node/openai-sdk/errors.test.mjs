// Typed errors: each failure is the exception that the SDK has for it.

import assert from 'node:assert/strict';
import { createServer } from 'node:net';

import OpenAI from 'openai';

import { client, collect, model, test } from './client.mjs';

const messages = [{ role: 'user', content: 'Hello' }];
const create = (more) => client.chat.completions.create({ model: model('CHAT'), messages, ...more });

/** The error that was thrown, which must be of this class. */
async function failure(promise, type) {
  const error = await promise.then(() => undefined, (error) => error);
  assert.ok(error instanceof type, `${error?.constructor.name}: ${error?.message}`);
  return error;
}

test('a wrong key is an authentication error', [], async () => {
  const stranger = client.withOptions({ apiKey: 'sk-wrong-key' });
  const error = await failure(stranger.chat.completions.create({ model: model('CHAT'), messages }), OpenAI.AuthenticationError);
  assert.equal(error.code, 'invalid_api_key');
  await failure(stranger.models.list(), OpenAI.AuthenticationError);
});

test('an unknown model is not found', [], async () => {
  const error = await failure(create({ model: model('UNKNOWN') }), OpenAI.NotFoundError);
  assert.equal(error.code, 'model_not_found');
  await failure(client.models.retrieve(model('UNKNOWN')), OpenAI.NotFoundError);
});

for (const stream of [false, true]) {
  test(`a rate limit is a rate limit error that says when to come back, stream ${stream}`, ['single'], async () => {
    const error = await failure(create({ model: model('429'), stream }), OpenAI.RateLimitError);
    assert.equal(error.code, 'rate_limit_exceeded');
    assert.ok(Number(error.headers.get('retry-after')) >= 1);
  });

  test(`a failing provider is an internal server error, stream ${stream}`, [], async () => {
    await failure(create({ model: model('500'), stream }), OpenAI.InternalServerError);
  });

  test(`a provider that is down behind the gateway is an internal server error, stream ${stream}`, ['gateway'], async () => {
    const error = await failure(create({ model: model('DOWN'), stream }), OpenAI.InternalServerError);
    assert.ok([502, 503].includes(error.status));
  });
}

test('a provider that is down is a connection error', ['direct'], async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((ready) => server.once('listening', ready));
  const { port } = server.address();
  await new Promise((closed) => server.close(closed));
  const baseURL = `http://127.0.0.1:${port}/v1`;
  await failure(client.withOptions({ baseURL }).chat.completions.create({ model: model('CHAT'), messages }), OpenAI.APIConnectionError);
});

test('a stream that is cut is never a silent end', ['simulator'], async () => {
  let seen = 0;
  const stream = await create({ model: model('CUT'), stream: true });
  const reading = (async () => {
    for await (const chunk of stream) seen += chunk.choices[0]?.delta.content ? 1 : 0;
  })();
  await failure(reading, Error);
  assert.equal(seen, 3);
});

for (const [changed, param] of [
  [{ temperature: 3 }, 'temperature'],
  [{ n: 0 }, 'n'],
  [{ messages: [] }, 'messages'],
  [{ messages: [{ role: 'tool', tool_call_id: 'call_1', content: '21' }] }, 'messages.[0].role'],
  [{ stream_options: { include_usage: true } }, 'stream_options'],
]) {
  test(`what the vendor refuses is a bad request: ${param}`, ['simulator', 'same', 'single'], async () => {
    const error = await failure(create(changed), OpenAI.BadRequestError);
    assert.equal(error.param, param);
  });
}

test('an error in a stream before the first content has its status', ['single'], async () => {
  await failure(create({ model: model('429'), stream: true }).then(collect), OpenAI.RateLimitError);
});

test('what the other vendor cannot do is a bad request that names it', ['simulator', 'crossing'], async () => {
  const error = await failure(create({ n: 2 }), OpenAI.BadRequestError);
  assert.match(error.message, /\bn\b/);
});
