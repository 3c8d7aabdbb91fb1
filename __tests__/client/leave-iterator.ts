import { setTimeout as wait } from 'node:timers/promises';
import { LiteLLMClient } from '../../src/client/client.ts';

/** Asks for a reply that does not end, and leaves its iterator: `unasked`, or after a chunk of it. */
const [, , baseUrl = '', how] = process.argv;
const client = new LiteLLMClient({ baseUrl, retries: 0 });
const iterator = client.stream({ model: 'fake', messages: 'hi' })[Symbol.asyncIterator]();
if (how !== 'unasked') await iterator.next();
console.log('left');
if (how === 'beside another') {
  // What somebody waits for goes on beside it, over a connection of its own.
  const completion = await client.complete({ model: 'fake', messages: 'hi' });
  console.log(completion.choices[0]?.message.content);
}
if (how === 'slow work') {
  await wait(200);
  await iterator.next();
  console.log('worked');
}
