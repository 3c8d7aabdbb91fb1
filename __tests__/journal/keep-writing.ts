import { join } from 'node:path';
import { History } from '../../src/history/history.ts';
import { Journal } from '../../src/journal/journal.ts';
import { identifyProcess } from '../../src/files/process-identity.ts';

/**
 * keep-writing DIRECTORY [COUNT]: a turn whose reply comes a delta at a time, each journaled before it is printed. Stops
 * after COUNT of them, as a process does that was killed: without an end.
 */
const [directory = '', count = '1000000'] = process.argv.slice(2);
process.on('SIGXFSZ', () => {});
const uid = process.getuid?.() ?? null;
const history = History.open(join(directory, 'history.db'), { uid });
const turn = { messages: [{ role: 'user', content: 'count' }], model: 'fake-model' };
const place = history.beginTurn({ ...turn, conversation: { name: 'count', system: null } });
const journal = new Journal(join(directory, 'journal'), { uid, identity: identifyProcess(process.pid) }).begin({
  conversationId: place.conversationId,
  turnId: place.turnId,
  turn: { ...turn, name: 'count', system: null },
});
journal.head({ status: 200, headers: { 'content-type': 'text/event-stream' }, url: 'http://127.0.0.1/' });

let number = 0;
function next(): void {
  const chunk = {
    id: 'c',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'fake-model',
    choices: [{ index: 0, delta: { content: `${number} ` } }],
  };
  try {
    journal.read(Buffer.from(`data: ${JSON.stringify(chunk)}\n\n`));
  } catch (error) {
    process.stdout.write(`failed ${String((error as { code?: unknown }).code)}`);
    return;
  }
  process.stdout.write(`${number} `, () => {
    number += 1;
    if (number < Number(count)) setImmediate(next);
    else process.stdin.resume();
  });
}
next();
