import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { openHistory } from '../support/history-samples.ts';
import { useChildScript } from '../support/child-script.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

const directory = useTemporaryDirectory();
const appendTurns = useChildScript('history/append-turns.ts');
const readHistory = useChildScript('history/read-history.ts');

describe('several processes', () => {
  test('that start the same history and write into one conversation lose nothing and leave no gap', async () => {
    const path = join(directory(), 'data', 'history.db');
    const runs = await Promise.all(Array.from({ length: 4 }, () => appendTurns([path, 'shared', '25'])));
    const exits = await Promise.all(runs.map(({ exit }) => exit));
    expect(exits.map(({ code, stderr }) => ({ code, stderr }))).toEqual(
      Array.from({ length: 4 }, () => ({ code: 0, stderr: '' })),
    );

    const history = openHistory(path);
    const turns = history.turns(history.find('shared').id);
    expect(turns.map(({ seq }) => seq)).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
    // What each process was told is what is there: the acknowledged numbers, each once.
    const acknowledged = exits.flatMap(({ stdout }) => stdout.trim().split('\n').map(Number));
    expect(acknowledged.toSorted((one, other) => one - other)).toEqual(turns.map(({ seq }) => seq));
    expect(new Set(turns.map(({ messages }) => messages[0]?.content)).size).toBe(100);
    expect(history.verify().problems).toEqual([]);
    history.close();
  }, 60_000);

  test('that are killed leave a sound file with every turn that they had acknowledged', async () => {
    const path = join(directory(), 'data', 'history.db');
    let acknowledged = 0;
    const earlier: number[] = [];
    for (let round = 0; round < 5; round += 1) {
      const { child, stdout, exit } = await appendTurns([path, 'killed', '100000']);
      const target = round * 7 + 3;
      await new Promise<void>((fulfil) => {
        child.stdout?.on('data', () => {
          if (stdout().split('\n').length > target) fulfil();
        });
      });
      child.kill('SIGKILL');
      const lines = (await exit).stdout.split('\n').slice(0, -1).map(Number);
      acknowledged = Math.max(acknowledged, ...lines);
      const history = openHistory(path);
      const { problems } = history.verify();
      const turns = history.turns(history.find('killed').id);
      expect(problems).toEqual([]);
      expect(turns.length).toBeGreaterThanOrEqual(acknowledged);
      // Each turn of this run that was acknowledged, and those of the runs before it, are there and whole.
      const whole = turns.filter(({ verdict }) => verdict === 'complete').map(({ seq }) => seq);
      expect(lines.filter((seq) => !whole.includes(seq))).toEqual([]);
      expect(earlier.filter((seq) => !whole.includes(seq))).toEqual([]);
      earlier.push(...lines);
      history.close();
    }
  }, 60_000);
});

describe('a disk that is full', () => {
  test('loses nothing that was committed, and everything works once there is room', async () => {
    const path = join(directory(), 'data', 'history.db');
    // A limit on the size of a file fails a write as a full disk does, in the middle of a page too.
    const run = await appendTurns([path, 'full', '1000', '20000'], (command) => [
      'bash',
      '-c',
      `ulimit -f 600; exec ${command}`,
    ]);
    const lines = (await run.exit).stdout.trim().split('\n');
    const failure = JSON.parse(String(lines.pop()));
    expect(failure).toMatchObject({
      code: 'history_unusable',
      message: expect.stringContaining(path),
      hint: expect.any(String),
    });
    expect(lines.length).toBeGreaterThan(3);

    const again = await appendTurns([path, 'full', '3']);
    expect((await again.exit).stdout).toMatch(/^\d+\n\d+\n\d+\n$/);
    const history = openHistory(path);
    const turns = history.turns(history.find('full').id);
    expect(turns.slice(0, lines.length).map(({ seq, verdict }) => [seq, verdict])).toEqual(
      lines.map((line) => [Number(line), 'complete']),
    );
    expect(history.verify().problems).toEqual([]);
    history.close();
  }, 60_000);

  test('leaves the history to be read, and every write says why not', async () => {
    const path = join(directory(), 'data', 'history.db');
    const written = await appendTurns([path, 'plan', '2']);
    await written.exit;
    // Under a limit of nothing WAL cannot make the files that it keeps beside the database.
    const run = await readHistory([path], (command) => ['bash', '--norc', '-c', `ulimit -f 0; exec ${command}`]);
    const { stdout, stderr } = await run.exit;
    const full = {
      code: 'history_unusable',
      message: `${path} can not be read or written (I/O error): the disk is full, or fails`,
    };
    expect({ stderr, ...JSON.parse(stdout) }).toEqual({
      stderr: '',
      titles: [expect.stringMatching(/^\d+ 0$/)],
      found: 0,
      problems: [],
      write: full,
      erase: full,
    });
    const again = await readHistory([path]);
    expect(JSON.parse((await again.exit).stdout)).toMatchObject({ write: null, erase: null });
  }, 30_000);
});
