/**
 * The upstream of faults.bench.mjs, a process of its own: it plays the scenarios of the tests, and one good stream broken
 * at a byte. faults.bench.mjs bundles it, for the scenarios are TypeScript. What to play stands in the prompt, as JSON:
 *
 *   { scenario }                                   a scenario of the tests, by its name
 *   { scenario, fault, offset }                    its bytes up to there, then `fin`, `reset` or `stall`
 *   { redirect }                                   a redirect with that status to another origin
 *
 * It tells its parent its address and the scenarios, and, when asked, what has come to that other origin.
 */
import { faultScenarios } from '../../__tests__/support/fault-scenarios.ts';
import { chunk, defaultUsage, finishChunk, textChunk } from '../../__tests__/support/fake-upstream.ts';
import { coded, event, head, lastChunk, startFaultServer } from '../../__tests__/support/fault-server.ts';

const text = 'Grüße, 世界 👋.';
const events = [
  ...['Grüße', ', 世', '界 👋', '.'].map((piece) => event(textChunk(piece, { role: 'assistant' }))),
  event(finishChunk()),
  event(chunk([{ index: 0, delta: {} }], { usage: defaultUsage })),
  event('[DONE]'),
];
const closing = head(200, { 'Content-Type': 'text/event-stream', Connection: 'close' });
const swept = [
  { name: 'a good stream, chunked', acts: [head(), ...events.map(coded), lastChunk], text },
  { name: 'a good stream, ended by the connection', acts: [closing, ...events], text },
];

const bytesOf = (acts) => {
  const end = acts.findIndex((act) => typeof act !== 'string' && !(act instanceof Uint8Array));
  return Buffer.concat(acts.slice(0, end === -1 ? acts.length : end).map((act) => Buffer.from(act)));
};
const known = new Map([...faultScenarios, ...swept].map((each) => [each.name, { ...each, bytes: bytesOf(each.acts) }]));
const ends = { fin: { fin: true }, reset: { reset: true }, stall: { stall: true } };

const elsewhere = await startFaultServer([head(), ...events.map(coded), lastChunk]);
const server = await startFaultServer(({ body }) => {
  const { messages } = JSON.parse(body);
  const { scenario, fault, offset, redirect } = JSON.parse(messages[0].content);
  if (redirect) return [head(redirect, { Location: `${elsewhere.baseUrl}/v1/chat/completions` }), lastChunk];
  const { acts, bytes } = known.get(scenario);
  return fault === undefined ? acts : [bytes.subarray(0, offset), ends[fault]];
});

process.on('message', (key) => {
  process.send({
    requests: elsewhere.requests.length,
    keys: elsewhere.requests.filter((request) => request.head.includes(key)).length,
    prompts: elsewhere.requests.filter((request) => request.body.includes('redirect')).length,
  });
  elsewhere.requests.length = 0;
});
process.on('disconnect', () => process.exit());
const told = (each) => ({
  name: each.name,
  text: each.text,
  limits: each.limits ?? {},
  isWhole: each.code === null,
  length: known.get(each.name).bytes.length,
});
process.send({ baseUrl: server.baseUrl, scenarios: faultScenarios.map(told), swept: swept.map(told) });
