// OpenAI's own SDK, unmodified, against whatever OPENAI_BASE_URL names.
//
// OPENAI_BASE_URL, OPENAI_API_KEY   where to and with which key, as the SDK reads them itself
// ROUTE_SWITCH_TARGET               what stands there, which selects the tests: simulate (default), serve or aimock
// MODEL_CHAT, MODEL_TOOLS, ...      names of models, see MODELS

import { test as register } from 'node:test';

import OpenAI from 'openai';

const TARGET = process.env.ROUTE_SWITCH_TARGET ?? 'simulate';

// Marks of the tests that a target cannot or should not run. simulator: needs our simulator as the provider; direct: only
// without the gateway; gateway: only through it.
const LEFT_OUT = { simulate: ['gateway'], serve: ['direct'], aimock: ['direct', 'simulator'] }[TARGET];

const MODELS = {
  CHAT: 'sim-fast',
  TOOLS: 'sim-tools',
  TOOLS_TWO: 'sim-tools-2',
  ECHO: 'sim-echo',
  429: 'sim-429',
  500: 'sim-500',
  CUT: 'sim-cut-3',
  DOWN: 'sim-down',
  UNKNOWN: 'no-such-model',
};

/** The name of a model by its purpose. */
export const model = (purpose) => process.env[`MODEL_${purpose}`] ?? MODELS[purpose];

export const client = new OpenAI({ maxRetries: 0, timeout: 30_000 });

/** Registers a test unless one of its marks is left out on this target. */
export function test(name, marks, body) {
  if (!marks.some((mark) => LEFT_OUT.includes(mark))) register(name, body);
}

/** All chunks of a stream. */
export async function collect(stream) {
  const chunks = [];
  for await (const chunk of await stream) chunks.push(chunk);
  return chunks;
}

/** The text of all chunks. */
export const textOf = (chunks) => chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('');
