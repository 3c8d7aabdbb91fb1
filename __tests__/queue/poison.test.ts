import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { handlingOf, Room } from '../../src/queue/poison.ts';

test('what a worker did not come back from is tried once more alone, and given up then', () => {
  expect([handlingOf(0, false), handlingOf(1, false), handlingOf(5, false)]).toEqual([
    'beside others',
    'alone',
    'alone',
  ]);
  expect(handlingOf(2, true)).toBe('given up');
  // Given back in good order, it is no longer marked.
  expect(handlingOf(0, true)).toBe('beside others');
});

describe('a room', () => {
  test('has one alone or any number beside each other, and lets everybody in in the end', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ isAlone: fc.boolean(), turns: fc.nat(4) }), { maxLength: 30 }),
        async (guests) => {
          const room = new Room();
          const inside = new Set<boolean>();
          let [count, most] = [0, 0];
          await Promise.all(
            guests.map(async ({ isAlone, turns }) => {
              const leave = await room.enter(isAlone ? 'alone' : 'beside others');
              count += 1;
              most = Math.max(most, count);
              inside.add(isAlone);
              expect(isAlone ? count === 1 : !inside.has(true)).toBe(true);
              for (let turn = 0; turn < turns; turn += 1) await turnOfTheLoop();
              count -= 1;
              if (count === 0) inside.clear();
              leave();
              leave();
            }),
          );
          expect(count).toBe(0);
        },
      ),
    );
  });

  test('lets nobody in before the one that waits to be alone', async () => {
    const room = new Room();
    const order: string[] = [];
    const leave = await room.enter('beside others');
    const enter = async (how: 'alone' | 'beside others'): Promise<void> => {
      const leaveAgain = await room.enter(how);
      order.push(how);
      leaveAgain();
    };
    const [alone, other] = [enter('alone'), enter('beside others')];
    await turnOfTheLoop();
    expect(order).toEqual([]);
    leave();
    await Promise.all([alone, other]);
    expect(order).toEqual(['alone', 'beside others']);
  });
});
