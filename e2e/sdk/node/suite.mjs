// What the suites of both SDKs share: which tests a target gets, and the names of models.
//
// ROUTE_SWITCH_TARGET           what stands there, which selects the tests: see TARGETS
// MODEL_CHAT, MODEL_TOOLS, ...  names of models, see MODELS

import { test as register } from 'node:test';

// What each target is: behind the gateway, with our simulator as the provider, which dialects the provider that answers
// speaks, and at which attempt it answers.
const TARGETS = {
  simulate: { gateway: false, simulator: true, dialects: ['openai', 'anthropic'], attempts: 1 },
  openai: { gateway: true, simulator: true, dialects: ['openai'], attempts: 1 },
  anthropic: { gateway: true, simulator: true, dialects: ['anthropic'], attempts: 1 },
  'to-openai': { gateway: true, simulator: true, dialects: ['openai'], attempts: 2 },
  'to-anthropic': { gateway: true, simulator: true, dialects: ['anthropic'], attempts: 2 },
  aimock: { gateway: true, simulator: false, dialects: ['openai'], attempts: 1 },
  'aimock-anthropic': { gateway: true, simulator: false, dialects: ['anthropic'], attempts: 1 },
};
const target = TARGETS[process.env.ROUTE_SWITCH_TARGET ?? 'simulate'];

const MODELS = {
  CHAT: 'sim-fast',
  TOOLS: 'sim-tools',
  TOOLS_TWO: 'sim-tools-2',
  ECHO: 'sim-echo',
  REASONING: 'sim-reasoning',
  REASONING_TOOLS: 'sim-reasoning-tools',
  CACHED: 'sim-cached-2-written-3',
  429: 'sim-429',
  500: 'sim-500',
  529: 'sim-529',
  CUT: 'sim-cut-3',
  DOWN: 'sim-down',
  UNKNOWN: 'no-such-model',
};

/** The attempt at which the gateway gets an answer. */
export const attempts = String(target.attempts);

/** The name of a model by its purpose. */
export const model = (purpose) => process.env[`MODEL_${purpose}`] ?? MODELS[purpose];

/**
 * Makes the function that registers a test of this SDK unless one of its marks is left out on this target. simulator: needs our
 * simulator as the provider; direct: only without the gateway; gateway: only through it; same: needs a provider of the SDK's
 * own dialect; crossing: of the other one; single: needs one target, as another one would speak in its own words or in
 * its place.
 */
export function testsOf(sdk) {
  const leftOut = [target.gateway ? 'direct' : 'gateway', target.dialects.includes(sdk) ? 'crossing' : 'same'];
  if (!target.simulator) leftOut.push('simulator');
  if (target.attempts > 1) leftOut.push('single');
  return (name, marks, body) => {
    if (!marks.some((mark) => leftOut.includes(mark))) register(name, body);
  };
}

/** All that a stream yields. */
export async function collect(stream) {
  const all = [];
  for await (const one of await stream) all.push(one);
  return all;
}
