import { expect, test } from '@jest/globals';
import { type JobCalls, whenLogged } from '../../../../src/cli/commands/spend/job-calls.ts';
import { SpendTable } from '../../../../src/spending/spend-table.ts';

const calls = (...ids: string[]): JobCalls => ({ table: new SpendTable(), ids: new Set(ids), isCut: false });

/** A clock that goes on while somebody waits, and at no other time. */
function waiting(): { now: () => number; pause: (ms: number) => Promise<void>; waitedMs: () => number } {
  let time = 5_000;
  return { now: () => time, pause: async (ms) => void (time += ms), waitedMs: () => time - 5_000 };
}

test('a job without known calls is looked at once', async () => {
  const clock = waiting();
  expect(await whenLogged(async () => calls('a'), new Set(), clock)).toMatchObject({ missingCalls: 0 });
  expect(clock.waitedMs()).toBe(0);
});

test('calls that are late are waited for, and no longer', async () => {
  const clock = waiting();
  const logs = [calls(), calls('a'), calls('a', 'b', 'of a batch')];
  const { calls: found, missingCalls } = await whenLogged(
    async () => logs.shift() as JobCalls,
    new Set(['a', 'b']),
    clock,
  );
  expect([found.ids.size, missingCalls, clock.waitedMs()]).toEqual([3, 0, 2_000]);
});

test('after a minute those that are still missing are counted', async () => {
  const clock = waiting();
  const { missingCalls } = await whenLogged(async () => calls('a'), new Set(['a', 'b', 'c']), clock);
  expect([missingCalls, clock.waitedMs()]).toEqual([2, 60_000]);
});

test('a log that is longer than anybody looks is not waited for', async () => {
  const clock = waiting();
  const { missingCalls } = await whenLogged(async () => ({ ...calls(), isCut: true }), new Set(['a']), clock);
  expect([missingCalls, clock.waitedMs()]).toEqual([0, 0]);
});
