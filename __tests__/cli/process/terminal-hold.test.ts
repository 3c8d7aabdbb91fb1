import { EventEmitter } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { TerminalEcho } from '../../../src/cli/process/terminal-echo.ts';
import { type HoldState, TerminalHold } from '../../../src/cli/process/terminal-hold.ts';

/** A process whose stop returns at once, and a holder that says what it is told. */
function held(): { process: EventEmitter; told: HoldState[]; taken: Promise<void> } {
  const process = Object.assign(new EventEmitter(), { signal: () => {}, isForeground: () => true });
  const echo = new TerminalEcho(
    0,
    () => false,
    () => {
      throw new Error('the terminal is not to be changed');
    },
  );
  const told: HoldState[] = [];
  const taken = new Promise<void>((resolve) => {
    new TerminalHold(process, echo).hold({
      isDrawing: true,
      release: () => {},
      retake: (state) => resolve(void told.push(state)),
    });
  });
  return { process, told, taken };
}

test('a SIGCONT that is told late is one return to the terminal, not two', async () => {
  const { process, told, taken } = held();
  process.emit('SIGTSTP');
  for (let turns = 0; turns < 20; turns += 1) await turn();
  process.emit('SIGCONT');
  await taken;
  expect(told).toEqual([{ wasReleased: true, isForeground: true }]);
});

test('a stop that nobody can continue, since it did not stop, gives the terminal back', async () => {
  const { process, told, taken } = held();
  const keepAlive = setInterval(() => {}, 1000);
  process.emit('SIGTSTP');
  await taken;
  clearInterval(keepAlive);
  expect(told).toEqual([{ wasReleased: true, isForeground: true }]);
});

test('a SIGCONT after a SIGSTOP says that nothing was taken away', async () => {
  const { process, told, taken } = held();
  process.emit('SIGCONT');
  await taken;
  expect(told).toEqual([{ wasReleased: false, isForeground: true }]);
});
