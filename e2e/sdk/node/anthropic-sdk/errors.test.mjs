// Typed errors: each failure is the exception that the SDK has for it.

import assert from 'node:assert/strict';
import { createServer } from 'node:net';

import Anthropic from '@anthropic-ai/sdk';

import { client, collect, model, test } from './client.mjs';

const hello = { max_tokens: 100, messages: [{ role: 'user', content: 'Hello' }] };
const create = (more, by = client) => by.messages.create({ model: model('CHAT'), ...hello, ...more });

/** The error that was thrown, which must be of this class and, if told, of this type. */
async function failure(promise, kind, type) {
  const error = await promise.then(() => undefined, (error) => error);
  assert.ok(error instanceof kind, `${error?.constructor.name}: ${error?.message}`);
  if (type) assert.equal(error.type, type);
  return error;
}

test('a wrong key is an authentication error', [], async () => {
  const stranger = client.withOptions({ apiKey: 'sk-wrong-key' });
  await failure(create({}, stranger), Anthropic.AuthenticationError, 'authentication_error');
});

test('an unknown model is not found', [], async () => {
  const error = await failure(create({ model: model('UNKNOWN') }), Anthropic.NotFoundError, 'not_found_error');
  assert.ok(error.message.includes(model('UNKNOWN')));
});

for (const stream of [false, true]) {
  test(`a rate limit is a rate limit error that says when to come back, stream ${stream}`, ['single'], async () => {
    const error = await failure(create({ model: model('429'), stream }), Anthropic.RateLimitError, 'rate_limit_error');
    assert.ok(Number(error.headers.get('retry-after')) >= 1);
  });

  test(`a failing provider is an internal server error, stream ${stream}`, [], async () => {
    await failure(create({ model: model('500'), stream }), Anthropic.InternalServerError, 'api_error');
  });

  test(`an overloaded provider is told apart, stream ${stream}`, ['simulator'], async () => {
    await failure(create({ model: model('529'), stream }), Anthropic.InternalServerError, 'overloaded_error');
  });

  test(`a provider that is down behind the gateway is an internal server error, stream ${stream}`, ['gateway'], async () => {
    const error = await failure(create({ model: model('DOWN'), stream }), Anthropic.InternalServerError, 'api_error');
    assert.ok([502, 503].includes(error.status));
  });
}

test('a provider that is down is a connection error', ['direct'], async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((ready) => server.once('listening', ready));
  const { port } = server.address();
  await new Promise((closed) => server.close(closed));
  const gone = client.withOptions({ baseURL: `http://127.0.0.1:${port}` });
  await failure(create({}, gone), Anthropic.APIConnectionError);
});

test('a stream that is cut is never a silent end', ['simulator'], async () => {
  let seen = 0;
  const stream = await create({ model: model('CUT'), stream: true });
  const reading = (async () => {
    for await (const event of stream) {
      seen += event.type === 'content_block_delta' ? 1 : 0;
      assert.notEqual(event.type, 'message_stop');
    }
  })();
  await failure(reading, Error);
  assert.equal(seen, 3);
});

for (const [changed, named] of [
  [{ max_tokens: -1 }, 'max_tokens'],
  [{ messages: [] }, 'messages'],
  [{ messages: [{ role: 'user', content: '' }] }, 'messages.0'],
  [{ thinking: { type: 'enabled', budget_tokens: 1023 } }, 'budget_tokens'],
  [{ temperature: 0.5 }, 'temperature'],
  [{ z_unknown: 1 }, 'z_unknown'],
]) {
  test(`what the vendor refuses is a bad request: ${named}`, ['simulator', 'same', 'single'], async () => {
    const error = await failure(create(changed), Anthropic.BadRequestError, 'invalid_request_error');
    assert.ok(error.message.includes(named), error.message);
  });
}

test('an error in a stream before the first content has its status', ['single'], async () => {
  const stream = client.messages.stream({ model: model('429'), ...hello });
  await failure(stream.finalMessage(), Anthropic.RateLimitError);
  await failure(create({ model: model('429'), stream: true }).then(collect), Anthropic.RateLimitError);
});
