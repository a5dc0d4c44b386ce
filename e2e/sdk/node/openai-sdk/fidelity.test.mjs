// Nothing that a client sends is lost or changed on the way: the simulator answers with the request that it got.

import assert from 'node:assert/strict';

import { client, collect, model, test, textOf } from './client.mjs';

const fields = {
  messages: [
    { role: 'system', content: 'Be brief.', name: 'house' },
    { role: 'developer', content: [{ type: 'text', text: 'Answer in verse. "Quotes", \\ and \u2028 and 𝄞.' }] },
    {
      role: 'user',
      content: [
        { type: 'text', text: 'What is this?' },
        { type: 'image_url', image_url: { url: 'https://example.com/a.png', detail: 'low' } },
      ],
    },
    { role: 'assistant', content: null, tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'look', arguments: '{"at": "it"}' } }] },
    { role: 'tool', tool_call_id: 'call_1', content: 'A cat.' },
    { role: 'user', content: 'And now as JSON?', name: 'ann' },
  ],
  tools: [{ type: 'function', function: { name: 'look', parameters: { type: 'object', properties: { at: { type: 'string' } } } } }],
  tool_choice: 'none',
  parallel_tool_calls: false,
  temperature: 0.30000000000000004,
  top_p: 1,
  n: 1,
  stop: ['END', 'STOP'],
  max_completion_tokens: 100_000,
  presence_penalty: -2,
  frequency_penalty: 0.5,
  logit_bias: { 50256: -100 },
  logprobs: true,
  top_logprobs: 0,
  seed: 7,
  user: 'ann',
  metadata: { team: 'a', purpose: 'test' },
  store: false,
  service_tier: 'default',
  reasoning_effort: 'low',
  verbosity: 'low',
  prediction: { type: 'content', content: 'A cat.' },
  response_format: { type: 'text' },
  z_unknown: { deep: [1, 2.5, null, { é: 'ü' }] },
  top_k: 40,
};

function bodyOf(text) {
  const { model: _, ...body } = JSON.parse(text).body;
  return body;
}

test('every field arrives, also unknown ones', ['simulator', 'same'], async () => {
  const answer = await client.chat.completions.create({ model: model('ECHO'), ...fields });
  assert.deepEqual(bodyOf(answer.choices[0].message.content), fields);
});

test('every field of a stream arrives', ['simulator', 'same'], async () => {
  const sent = { ...fields, stream: true, stream_options: { include_usage: true, include_obfuscation: false } };
  const chunks = await collect(client.chat.completions.create({ model: model('ECHO'), ...sent }));
  assert.deepEqual(bodyOf(textOf(chunks)), sent);
});
