import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { EditorLayout, layLine } from '../../../../src/cli/commands/chat/editor-layout.ts';
import { EditorScreen } from '../../../../src/cli/commands/chat/editor-screen.ts';
import { KeyDecoder, type Press, unmarkedPaste } from '../../../../src/cli/commands/chat/key-decoder.ts';
import { type Key, LineEditor } from '../../../../src/cli/commands/chat/line-editor.ts';
import { readLine } from '../../../../src/cli/commands/chat/slash-commands.ts';
import { width } from '../../../../src/terminal/width.ts';
import { seed } from '../../../support/seed.ts';

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
    ['begins a line with Shift-Enter', ['a', key('return', { shift: true }), 'b'], 'a\nb', 3],
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

  test('never leaves a row wider than the terminal, and the cursor where its text ends', () => {
    const text = fc
      .array(fc.constantFrom('a', ' ', '\n', '漢', 'e\u0301', '👩‍👩‍👧', '\t', '\u001b', 'กำ', 'की'), { maxLength: 60 })
      .map((all) => all.join(''));
    fc.assert(
      fc.property(text, fc.nat(60), fc.integer({ min: 12, max: 30 }), (written, at, columns) => {
        const cursor = Math.min(at, written.length);
        const { rows, rowCount, row, before } = new EditorLayout().lay(written, cursor, 2, columns);
        const all = rows(0, rowCount);
        for (const each of all) expect(width(each) + 2).toBeLessThan(columns);
        expect(all[row]?.startsWith(before)).toBe(true);
      }),
      { seed, numRuns: 500 },
    );
  });

  test('is the same whether a text is laid out at once or key by key', () => {
    const keys = fc.array(fc.constantFrom('a', 'bc ', '\n', '漢', '👩‍👩‍👧', '\t'), { maxLength: 40 });
    fc.assert(
      fc.property(keys, fc.infiniteStream(fc.nat(100)), (typed, places) => {
        const layout = new EditorLayout();
        let text = '';
        for (const each of typed) {
          const at = (places.next().value as number) % (text.length + 1);
          text = text.slice(0, at) + each + text.slice(at);
          const { rows, rowCount, ...place } = layout.lay(text, at, 2, 20);
          const { rows: rowsAtOnce, rowCount: countAtOnce, ...placeAtOnce } = new EditorLayout().lay(text, at, 2, 20);
          expect({ rows: rows(0, rowCount), place }).toEqual({ rows: rowsAtOnce(0, countAtOnce), place: placeAtOnce });
        }
      }),
      { seed, numRuns: 100 },
    );
  });

  test('after a paste of 2000 lines a key costs what its own line does', () => {
    let linesLaid = 0;
    const screen = new EditorScreen((...parameters) => {
      linesLaid += 1;
      return layLine(...parameters);
    });
    const editor = new LineEditor();
    const draw = (): string => screen.draw('> ', 2, editor.text, editor.cursor, { columns: 80, rows: 24 });
    editor.press(undefined, key('paste-start'));
    editor.press(Array.from({ length: 2000 }, (_, at) => `row ${at} some text here`).join('\r'), key('pasted'));
    editor.press(undefined, key('paste-end'));
    draw();
    expect(linesLaid).toBe(2000);
    for (const pressed of ['Z', key('left'), key('backspace'), key('up'), 'y', key('return', { meta: true })]) {
      linesLaid = 0;
      if (typeof pressed === 'string') editor.press(pressed, key(pressed));
      else editor.press(undefined, pressed);
      expect(draw().length).toBeLessThan(24 * 80);
      expect(linesLaid).toBeLessThanOrEqual(2);
    }
  });
});

describe('the keys that a terminal sends', () => {
  const names = (presses: readonly Press[]): string[] =>
    presses.map(
      ([characters, { name, ctrl, meta, shift }]) =>
        `${ctrl ? 'ctrl-' : ''}${meta ? 'alt-' : ''}${shift ? 'shift-' : ''}${name}${characters !== undefined && characters !== name && characters >= ' ' && characters !== '\u007f' ? `:${characters}` : ''}`,
    );

  test.each<[string, string[]]>([
    ['ab漢', ['ab漢']],
    ['\r', ['return']],
    ['\u001b[27;2;13~', ['shift-return']],
    ['\u001b[13;2u', ['shift-return']],
    ['\u001b[13;2:1u', ['shift-return']],
    ['\u001b[13;2:3u', []],
    ['\u001b[13u', ['return']],
    ['\u001b[13;5u\u001b[27;5;13~', ['ctrl-return', 'ctrl-return']],
    ['\u001b[13;3u\u001b\r', ['alt-return', 'alt-return']],
    ['\u001bOM\u001b[57414u', ['return', 'return']],
    ['\u001b[57414;2u', ['shift-return']],
    ['\u001b[97;5u\u001b[27;5;97~\u0001', ['ctrl-a', 'ctrl-a', 'ctrl-a']],
    ['\u001b[99;5u\u0003', ['ctrl-c', 'ctrl-c']],
    ['\u001b[97;2u\u001b[97:65;2u\u001b[32;2u', ['shift-a:A', 'shift-a:A', 'shift- ']],
    ['\u001b[228;;228u', ['ä']],
    ['\u001b[127;2u\u001b[9;2u\u001b[27u', ['shift-backspace', 'shift-tab', 'escape']],
    ['\u001b[57400u', ['1']],
    ['\u001b[A\u001bOA\u001b[1;1A\u001b[57419u', ['up', 'up', 'up', 'up']],
    ['\u001b[1;5C\u001b[1;3D\u001b\u001b[D', ['ctrl-right', 'alt-left', 'alt-left']],
    ['\u001b[3~\u001b[H\u001b[4~\u001b[Z', ['delete', 'home', 'end', 'shift-tab']],
    ['\u001bb\u001bF\u001b\u007f', ['alt-b', 'alt-F', 'alt-backspace']],
    // Function keys, Shift alone, the focus, a mouse, and answers to questions that were never asked.
    ['\u001b[15~\u001bOP\u001b[1;2P\u001b[[A\u001b[57441;2u', []],
    ['\u001b[I\u001b[O\u001b[<0;3;4M\u001b[12;5R\u001b[?62;c\u001b]11;rgb:0/0/0\u0007\u001bP>|x\u001b\\', []],
    ['\u001b[200~a\rb\u001b[2J\u001b[201~c', ['paste-start', 'pasted:a\rb\u001b[2J', 'paste-end', 'c']],
    ['\u001b[201~x', ['x']],
  ])('%j', (sent, expected) => {
    expect(names(new KeyDecoder().decode(sent))).toEqual(expected);
  });

  test('are the same wherever a read ends', () => {
    const sent = [
      'a',
      '漢',
      '\r',
      '\u001b[27;2;13~',
      '\u001b[97;5u',
      '\u001b[A',
      '\u001bOB',
      '\u001b[200~x\r\u001b[y\u001b[201~',
    ];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...sent), { maxLength: 12 }), fc.array(fc.nat(100)), (keys, places) => {
        const text = keys.join('');
        const all = new KeyDecoder().decode(text);
        const decoder = new KeyDecoder();
        const cuts = [...new Set(places.map((place) => place % (text.length + 1)))].toSorted((a, b) => a - b);
        const cut = [...cuts, text.length].flatMap((end, at) => decoder.decode(text.slice(cuts[at - 1] ?? 0, end)));
        // A read may end in the middle of a text or of a paste.
        const typed = (presses: readonly Press[]): string[] => {
          const found: string[] = [];
          let isGoingOn = '';
          for (const [characters = '', { name = '', ctrl, shift }] of presses) {
            const kind = name === 'pasted' ? 'pasted' : characters === name ? 'text' : '';
            if (kind !== '' && kind === isGoingOn) found.push((found.pop() ?? '') + characters);
            else found.push(kind === '' ? `${ctrl} ${shift} ${name}` : `${kind} ${characters}`);
            isGoingOn = kind;
          }
          return found;
        };
        expect(typed(cut)).toEqual(typed(all));
      }),
      { seed, numRuns: 300 },
    );
  });

  test.each([
    ['two\rlines\r', ['paste-start', 'pasted:two\rlines', 'paste-end']],
    ['line\r', null],
    ['\r\r', null],
    ['a\u001b\rb\r', null],
  ])('%j, which nobody waited for, is a paste: %j', (sent, expected) => {
    const presses = unmarkedPaste(sent);
    expect(presses && names(presses)).toEqual(expected);
  });

  test('Escape alone is a key once nothing follows it', () => {
    const decoder = new KeyDecoder();
    expect(decoder.decode('\u001b')).toEqual([]);
    expect(decoder.isWaiting).toBe(true);
    expect(names(decoder.flush())).toEqual(['escape']);
    expect(names(decoder.decode('a'))).toEqual(['a']);
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
    ['exit', { type: 'leave', word: 'exit' }],
    ['Quit ', { type: 'leave', word: 'Quit' }],
    [' exit', { type: 'prompt', text: ' exit' }],
    ['exit code 3?', { type: 'prompt', text: 'exit code 3?' }],
  ])('%j', (text, line) => {
    expect(readLine(text)).toEqual(line);
  });
});
