// Anthropic's own SDK, unmodified; ANTHROPIC_BASE_URL and ANTHROPIC_API_KEY are read by itself.

import Anthropic from '@anthropic-ai/sdk';

import { testsOf } from '../suite.mjs';

export { attempts, collect, model } from '../suite.mjs';

export const client = new Anthropic({ maxRetries: 0, timeout: 30_000 });

export const test = testsOf('anthropic');

/** The text of all events. */
export const textOf = (events) => events.map((event) => event.delta?.text ?? '').join('');
