import { History } from '../../src/history/history.ts';

/** read-history PATH: prints what can be read of a history, and how a write to it fails. */
const history = History.open(String(process.argv[2]), { uid: process.getuid?.() ?? null });

function failure(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    const { code, message } = error as { code?: string; message?: string };
    return { code, message };
  }
  return null;
}

// A write past the file-size limit is to fail as on a full disk, instead of ending the process.
process.on('SIGXFSZ', () => {});
const turn = { conversation: { system: null }, messages: [], model: 'fake-model' };
const result = {
  titles: history.list().map(({ title }) => title),
  found: history.search('needle').length,
  problems: history.verify().problems,
  write: failure(() => history.beginTurn(turn)),
  erase: failure(() => history.delete('plan')),
};
history.close();
process.stdout.write(JSON.stringify(result));
