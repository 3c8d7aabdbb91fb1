import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { layout } from '../../../src/cli/chat/editor-screen.ts';
import { type Key, LineEditor } from '../../../src/cli/chat/line-editor.ts';
import { readLine } from '../../../src/cli/chat/slash-commands.ts';
import { width } from '../../../src/cli/render/width.ts';
import { seed } from '../../support/seed.ts';

const key = (name: string, more: Partial<Key> = {}): Key => ({ name, ...more });
const control = (name: string): Key => key(name, { ctrl: true });

/** Presses keys, a string being typed character by character. */
function edited(keys: readonly (string | Key)[], history: readonly string[] = []): LineEditor {
  const editor = new LineEditor(history);
  for (const each of keys) {
    if (typeof each === 'string') for (const character of each) editor.press(character, key(character));
    else editor.press(undefined, each);
  }
  return editor;
}

describe('the line editor', () => {
  test.each<[string, (string | Key)[], string, number]>([
    ['types where the cursor is', ['ad', key('left'), 'bc'], 'abcd', 3],
    ['takes a whole character away, however many units it has', ['x👩‍👩‍👧', key('backspace')], 'x', 1],
    ['deletes before and after the cursor', ['abc', key('left'), key('backspace'), key('delete')], 'a', 1],
    ['goes to both ends of a line', ['one', control('a'), '>', control('e'), '<'], '>one<', 5],
    ['takes a word away and puts it back', ['one two', control('w'), control('y'), control('y')], 'one twotwo', 10],
    ['takes the line away on both sides', ['one', key('left'), control('k'), control('u')], '', 0],
    [
      'goes from word to word',
      ['one two', key('b', { meta: true }), 'x', key('f', { meta: true }), 'y'],
      'one xtwoy',
      9,
    ],
    ['begins a line with Alt-Enter', ['a', key('return', { meta: true }), 'b'], 'a\nb', 3],
    ['moves between lines', ['abc', key('return', { meta: true }), 'd', key('up'), 'x'], 'axbc\nd', 2],
    ['knows no key that types a control character', ['a', '\u0007', '\u001b'], 'a', 1],
  ])('%s', (_name, keys, text, cursor) => {
    const editor = edited(keys);
    expect([editor.text, editor.cursor]).toEqual([text, cursor]);
  });

  test('goes through earlier prompts and comes back to what was being written', () => {
    const editor = edited(['draft', key('up'), key('up'), key('up')], ['first', 'second']);
    expect(editor.text).toBe('first');
    for (const text of ['second', 'draft', 'draft']) {
      editor.press(undefined, key('down'));
      expect(editor.text).toBe(text);
    }
  });

  test('takes a paste as text, its Enter included, and shows it once', () => {
    const editor = new LineEditor();
    editor.press(undefined, key('paste-start'));
    for (const character of 'a\rb\u001b[2J') expect(editor.press(character, key('return'))).toBe('none');
    expect(editor.press(undefined, key('paste-end'))).toBe('edited');
    expect(editor.text).toBe('a\nb[2J');
  });

  test.each<[Key, string, string]>([
    [key('return'), 'a', 'submit'],
    [key('enter'), 'a', 'submit'],
    [control('c'), 'a', 'interrupt'],
    [control('d'), '', 'end'],
    [control('d'), 'a', 'edited'],
    [key('tab'), '/m', 'complete'],
  ])('%j after %j is %s', (pressed, text, action) => {
    expect(edited([text]).press(undefined, pressed)).toBe(action);
  });

  test('never leaves a row wider than the terminal, nor the cursor off the text', () => {
    const text = fc
      .array(fc.constantFrom('a', ' ', '\n', '漢', 'e\u0301', '👩‍👩‍👧', '\t', '\u001b'), { maxLength: 60 })
      .map((all) => all.join(''));
    fc.assert(
      fc.property(text, fc.nat(60), fc.integer({ min: 10, max: 30 }), (written, at, columns) => {
        const { rows, row, column } = layout(written, Math.min(at, written.length), 2, columns);
        for (const each of rows) expect(width(each) + 2).toBeLessThan(columns + 3);
        expect(row).toBeLessThan(rows.length);
        expect(column).toBeLessThan(columns);
      }),
      { seed, numRuns: 500 },
    );
  });
});

describe('a line of the chat', () => {
  test.each<[string, unknown]>([
    ['hello', { type: 'prompt', text: 'hello' }],
    ['/model gpt-x', { type: 'command', name: 'model', rest: 'gpt-x' }],
    ['/edit a\nb', { type: 'command', name: 'edit', rest: 'a\nb' }],
    ['/exit', { type: 'command', name: 'quit', rest: '' }],
    ['/sytem x', { type: 'unknown', name: 'sytem', nearest: 'system' }],
    ['/etc/hosts says what?', { type: 'prompt', text: '/etc/hosts says what?' }],
    ['//model', { type: 'prompt', text: '/model' }],
  ])('%j', (text, line) => {
    expect(readLine(text)).toEqual(line);
  });
});
