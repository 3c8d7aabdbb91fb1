import { History } from '../../src/history/history.ts';

/** append-turns PATH NAME COUNT [FILL]: whole turns into one conversation; prints the number of each that is committed, or how it failed. */
const [path = '', name = '', count = '0', fill = '0'] = process.argv.slice(2);

// A write past the file-size limit is to fail as on a full disk, instead of ending the process.
process.on('SIGXFSZ', () => {});

try {
  const history = History.open(path, { uid: process.getuid?.() ?? null });
  for (let index = 0; index < Number(count); index += 1) {
    const { turnId, seq } = history.beginTurn({
      conversation: { name, system: null },
      messages: [{ role: 'user', content: `${process.pid} ${index}` }],
      model: 'fake-model',
    });
    const message = { role: 'assistant', content: `reply to ${process.pid} ${index} ${'x'.repeat(Number(fill))}` };
    history.endTurn(turnId, {
      completion: {
        id: '',
        object: 'chat.completion',
        created: 0,
        model: 'fake-model',
        choices: [{ index: 0, message, finish_reason: 'stop' }],
        usage: null,
      },
      verdict: 'complete',
      error: null,
      receipt: null,
    });
    process.stdout.write(`${seq}\n`);
  }
  history.close();
} catch (error) {
  const { code, message, hint } = error as { code?: string; message?: string; hint?: string };
  process.stdout.write(`${JSON.stringify({ code, message, hint })}\n`);
}
