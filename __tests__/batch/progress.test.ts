import { expect, test } from '@jest/globals';
import { type Progress, progressBar, ProgressDisplay, progressLine } from '../../src/cli/commands/batch/progress.ts';
import type { Output } from '../../src/terminal/output.ts';

const erased = '\r\u001b[K';
const half: Progress = { done: 500, earlier: 100, failed: 2, total: 1_000, costUsd: 0.5 };

test('a line says how far it is, how fast, what it cost and how long it will take', () => {
  expect(progressLine(half, 40_000)).toBe('500 of 1000 done · 2 failed · 10.0/s · $0.50 · 0:50 left');
  expect(progressLine({ ...half, total: null, failed: 0, costUsd: null }, 40_000)).toBe('500 done · 10.0/s');
  expect(progressLine({ ...half, earlier: 499 }, 40_000)).toContain('5:33:20 left');
});

test.each([40, 80, 200])('a bar fits %d columns', (columns) => {
  expect(progressBar(half, 40_000, columns).length).toBeLessThan(columns);
});

function display(facts: Partial<Output>): { text: () => string; interval: number; tick: () => void; end: () => void } {
  let [text, interval] = ['', 0];
  let tick = (): void => {};
  const output = {
    isTTY: false,
    isStyled: false,
    columns: 80,
    write: (piece: string) => void (text += piece),
    ...facts,
  };
  const shown = new ProgressDisplay(
    output as Output,
    half,
    () => 0,
    (milliseconds, act) => {
      [interval, tick] = [milliseconds, act];
      return () => {};
    },
  );
  return { text: () => text, interval, tick: () => tick(), end: () => shown.end() };
}

test('a log gets a line a minute, without cursor codes', () => {
  const log = display({});
  expect(log.interval).toBe(60_000);
  log.tick();
  log.end();
  expect(log.text()).toBe('cllm: 500 of 1000 done · 2 failed · 0.0/s · $0.50\n');
});

test('a terminal gets a bar that is drawn over and leaves nothing behind', () => {
  const terminal = display({ isTTY: true, isStyled: true });
  expect(terminal.interval).toBeLessThan(1_000);
  terminal.tick();
  expect(terminal.text()).toContain(`${erased}[=====`);
  expect(terminal.text()).toContain('] 500 of 1000 done');
  terminal.end();
  expect(terminal.text().endsWith(erased)).toBe(true);
});

test('a terminal without styles gets lines as a log does', () => {
  expect(display({ isTTY: true }).interval).toBe(60_000);
});
