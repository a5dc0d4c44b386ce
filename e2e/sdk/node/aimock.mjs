// A mock of the vendors that is not ours, as a second opinion on the wire format: `node aimock.mjs PORT`.
// Its answers are the fixtures of ../aimock; a request that none of them fits is an error. Runs until it is killed.

import { fileURLToPath } from 'node:url';

import { LLMock } from '@copilotkit/aimock';

const [, , port, fixtures = fileURLToPath(new URL('../aimock', import.meta.url))] = process.argv;
const mock = new LLMock({ port: Number(port ?? 0), strict: true, logLevel: 'warn' });
mock.loadFixtureDir(fixtures);
await mock.start();
console.log(`aimock on ${mock.url}/v1`);
