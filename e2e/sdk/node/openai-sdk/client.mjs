// OpenAI's own SDK, unmodified; OPENAI_BASE_URL and OPENAI_API_KEY are read by itself.

import OpenAI from 'openai';

import { testsOf } from '../suite.mjs';

export { attempts, collect, model } from '../suite.mjs';

export const client = new OpenAI({ maxRetries: 0, timeout: 30_000 });

export const test = testsOf('openai');

/** The text of all chunks. */
export const textOf = (chunks) => chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('');
