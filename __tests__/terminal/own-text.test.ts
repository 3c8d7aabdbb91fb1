import { describe, expect, test } from '@jest/globals';
import { OutgoingText } from '../../src/terminal/outgoing-text.ts';
import { clipboardCode, drawn, joined, ours, OwnText, runnerCommand, styled } from '../../src/terminal/own-text.ts';

const shown = (text: OwnText): string => String(text);

describe('a stranger’s text in a line of ours', () => {
  test.each([
    ['a line feed', 'one\ntwo', 'one\\ntwo'],
    ['a carriage return', 'one\rtwo', 'one\\x0dtwo'],
    ['both', 'one\r\ntwo', 'one\\r\\ntwo'],
    ['the line end of Unicode', 'one\u2028two', 'one\\u{2028}two'],
    ['its paragraph end', 'one\u2029two', 'one\\u{2029}two'],
    ['a code', 'one\u001b[2Jtwo', 'one\\x1b[2Jtwo'],
    ['nothing odd', 'one two', 'one two'],
  ])('stays in it: %s', (_name, text, safe) => {
    expect(shown(ours`${text}!\n`)).toBe(`${safe}!\n`);
    expect(shown(joined([text, ours`&\n`], ', '))).toBe(`${safe}, &\n`);
    expect(shown(styled({ isStyled: true }, 'bold', text))).toBe(`\u001b[1m${safe}\u001b[22m`);
    expect(shown(styled({ isStyled: false }, 'bold', text))).toBe(safe);
  });

  test('is nobody’s command and nobody’s clipboard', () => {
    for (const text of [ours`a${'b'}`, joined(['a']), drawn('a'), new OwnText('a')])
      expect(text).toMatchObject({ isCommand: false, isClipboard: false });
    expect(runnerCommand('::error::x')).toMatchObject({ isCommand: true, isClipboard: false });
  });

  test('of numbers and texts of ours is as it is', () => {
    expect(shown(ours`${1} of ${ours`a\nb`}`)).toBe('1 of a\nb');
  });
});

describe('what goes into the clipboard', () => {
  const hostile = 'a\u0007\u001b]0;title\u0007é';
  const terminal = (): OutgoingText => new OutgoingText({ isTTY: true, isForPeople: false });

  test('is one whole code, of letters that drive nothing', () => {
    const [, , text = ''] = /^(.*;c;)(.*)$/.exec(shown(clipboardCode(hostile)).slice(1, -1)) ?? [];
    expect(Buffer.from(text, 'base64').toString()).toBe(hostile);
    expect(clipboardCode('x')).toMatchObject({ isClipboard: true, isCommand: false });
  });

  test('reaches a terminal, behind what waited for the end of a letter', () => {
    const outgoing = terminal();
    expect(outgoing.write('a\r')).toBe('a');
    const written = outgoing.write(clipboardCode(hostile));
    expect(written.endsWith(shown(clipboardCode(hostile)))).toBe(true);
    expect(written.length).toBeGreaterThan(shown(clipboardCode(hostile)).length);
  });

  test('obeys no log, and a pipe has it as it is', () => {
    expect(new OutgoingText({ isTTY: false, isForPeople: true }).write(clipboardCode('x'))).not.toContain('\u001b');
    expect(new OutgoingText({ isTTY: false, isForPeople: false }).write(clipboardCode('x'))).toBe(
      shown(clipboardCode('x')),
    );
  });

  test.each([
    ['a code within', '\u001b]52;c;eA==\u0007\u001b]52;c;eA==\u0007'],
    ['no end', '\u001b]52;c;eA=='],
    ['another code', '\u001b]0;title\u0007'],
    ['letters of none', '\u001b]52;c;e A\u0007'],
  ])('with %s is none', (_name, text) => {
    expect(terminal().write(new OwnText(text, { isClipboard: true }))).not.toContain('\u001b]');
  });

  test('said by others is none', () => {
    expect(terminal().write(drawn(shown(clipboardCode('x'))))).not.toContain('\u001b]52');
    expect(terminal().write(shown(clipboardCode('x')))).not.toContain('\u001b');
  });
});

describe('a text that comes in pieces', () => {
  test.each(['\u{10000}', '\u{103ff}', '\u{10ffff}', '😀'])('has the two halves of %j together', (letter) => {
    const outgoing = new OutgoingText({ isTTY: true, isForPeople: false });
    expect([letter.slice(0, 1), letter.slice(1)].map((half) => outgoing.write(half))).toEqual(['', letter]);
    expect(outgoing.end()).toBe('');
  });

  test('does not wait for what is no half', () => {
    const outgoing = new OutgoingText({ isTTY: true, isForPeople: false });
    for (const letter of ['\ud7ff', '\ue000', '\udc00', 'a']) expect(outgoing.write(letter)).toBe(letter);
  });

  test.each([1, 63, 64, 65, 500])('completes no command of a runner behind %d blanks, however it is cut', (blanks) => {
    for (const pieces of [[':', ':error::x'], ['::error::x'], [' ', ':', ':', 'error::x']]) {
      const outgoing = new OutgoingText({ isTTY: false, isForPeople: true });
      const log = [' '.repeat(blanks), ...pieces].map((piece) => outgoing.write(piece)).join('');
      expect(log).toMatch(/^ +:\\x3aerror::x$/);
    }
  });
});
