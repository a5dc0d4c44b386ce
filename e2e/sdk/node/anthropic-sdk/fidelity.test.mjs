// Nothing that a client sends is lost or changed on the way: the simulator answers with the request that it got.

import assert from 'node:assert/strict';

import { client, model, test } from './client.mjs';

const fields = {
  max_tokens: 4096,
  system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral', ttl: '1h' } }],
  messages: [
    {
      role: 'user',
      content: [
        { type: 'text', text: 'What is this? "Quotes", \\ and \u2028 and 𝄞.' },
        { type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } },
      ],
    },
    { role: 'assistant', content: [{ type: 'tool_use', id: 'toolu_1', name: 'look', input: { at: 1.5, b: null } }] },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_1', content: 'A cat.', is_error: false }] },
  ],
  tools: [{ name: 'look', description: 'Looks.', input_schema: { type: 'object', properties: { at: { type: 'number' } } } }],
  tool_choice: { type: 'none' },
  stop_sequences: ['END', 'STOP'],
  metadata: { user_id: 'ann' },
  service_tier: 'standard_only',
  thinking: { type: 'disabled' },
  output_config: { effort: 'low' },
  z_unknown: { deep: [1, 2.5, null, { é: 'ü' }] },
};

function bodyOf(text) {
  const { model: _, ...body } = JSON.parse(text).body;
  return body;
}

test('every field arrives, also unknown ones', ['simulator', 'same'], async () => {
  const answer = await client.messages.create({ model: model('ECHO'), ...fields });
  assert.deepEqual(bodyOf(answer.content[0].text), fields);
});

test('every field of a stream arrives', ['simulator', 'same'], async () => {
  const text = await client.messages.stream({ model: model('ECHO'), ...fields }).finalText();
  assert.deepEqual(bodyOf(text), { ...fields, stream: true });
});
