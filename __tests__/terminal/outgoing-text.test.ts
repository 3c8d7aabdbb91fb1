import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { OutgoingText } from '../../src/terminal/outgoing-text.ts';
import { drawn, ours, type OwnText, runnerCommand, styled } from '../../src/terminal/own-text.ts';
import { jsonLine } from '../../src/terminal/terminal-safe.ts';
import { memoryIo } from '../support/memory-io.ts';
import { seed } from '../support/seed.ts';

const escape = '\u001b';
// oxlint-disable-next-line no-control-regex -- control characters are what this is about
const control = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

/** What a runner of jobs would obey: GitHub's two forms, Azure's, TeamCity's, GitLab's and Travis'. */
function commandsIn(log: string): string[] {
  const patterns = [/^\s*::[\w-]+.*::/, /##\[/, /##vso\[/i, /##teamcity\[/i, /section_(start|end):/, /travis_fold:/];
  return log.split('\n').filter((line) => patterns.some((pattern) => pattern.test(line)));
}

function through(outgoing: OutgoingText, pieces: readonly (string | OwnText)[]): string {
  return pieces.map((piece) => outgoing.write(piece)).join('') + outgoing.end();
}

function cutAt(text: string, places: readonly number[]): string[] {
  const sorted = [...new Set(places.map((place) => place % (text.length + 1)))].toSorted((a, b) => a - b);
  return [...sorted, text.length].map((end, at) => text.slice(sorted[at - 1] ?? 0, end));
}

const terminal = (): OutgoingText => new OutgoingText({ isTTY: true, isForPeople: false });
const log = (): OutgoingText => new OutgoingText({ isTTY: false, isForPeople: true });
const pipe = (): OutgoingText => new OutgoingText({ isTTY: false, isForPeople: false });

const parts = [
  '::',
  ':',
  '::add-mask::x',
  '##',
  '#',
  '[',
  '##[group]',
  '##vso[task.complete]',
  'vso[',
  '##TeamCity[',
  '\n',
  ' ',
  '\t',
  '\u00a0',
  '\u3000',
  '\r',
  '\r\n',
  '\u2028',
  'section_start:1:a',
  'section_',
  'start:',
  'travis_fold:',
  'x',
  escape,
  `${escape}[2J`,
  `${escape}[31m`,
  `${escape}]0;t\u0007`,
  '\u009b5m',
  '\u007f',
  '\u202e',
  '👩',
  '\ud83d',
];
const texts = fc.array(fc.constantFrom(...parts), { maxLength: 20 }).map((words) => words.join(''));
const places = fc.array(fc.nat(200), { maxLength: 8 });

describe('a string', () => {
  test.each([
    ['a terminal', terminal],
    ['the log of a job', log],
  ])('for %s holds no control, wherever it is cut', (_where, outgoing) => {
    fc.assert(
      fc.property(texts, places, (text, cuts) => {
        const written = through(outgoing(), cutAt(text, cuts));
        expect(written.replaceAll('\r\n', '')).not.toMatch(control);
        expect(written).toBe(through(outgoing(), [text]));
      }),
      { seed, numRuns: 1000 },
    );
  });

  test('for a program is left as it is', () => {
    fc.assert(
      fc.property(texts, places, (text, cuts) => {
        expect(through(pipe(), cutAt(text, cuts))).toBe(text);
      }),
      { seed },
    );
  });

  test('may be cut in the middle of a character', () => {
    expect(through(terminal(), ['a\ud83d', '\udc69b'])).toBe('a👩b');
  });

  test('can not forge a code of ours, which goes with what it is put into', () => {
    const io = memoryIo();
    Object.assign(io.stderr, { isStyled: true });
    const evil = `${escape}[31mred${escape}[2A\n${escape}]0;t\u0007`;
    const line = ours`${styled(io.stderr, 'bold', evil)} ${evil} ${drawn(`${escape}[K`)}\n`;
    const shown = '\\x1b[31mred\\x1b[2A\\n\\x1b]0;t\\x07';
    expect(terminal().write(line)).toBe(`${escape}[1m${shown}${escape}[22m ${shown} ${escape}[K\n`);
  });

  test('that a renderer let through is held to the codes that cllm writes', () => {
    const evil = `${escape}[5m${escape}[?1049h${escape}]52;c;aGk=\u0007${escape}[99;99H${escape}c\u009b5m${escape}`;
    expect(terminal().write(drawn(`${escape}[1m${evil}${escape}[22m`))).toBe(
      `${escape}[1m\\x1b[5m\\x1b[?1049h\\x1b]52;c;aGk=\\x07\\x1b[99;99H\\x1bc\\x9b5m\\x1b${escape}[22m`,
    );
  });
});

describe('the log of a job', () => {
  test('holds no command, wherever it is cut', () => {
    fc.assert(
      fc.property(texts, places, (text, cuts) => {
        const written = through(log(), cutAt(text, cuts));
        expect(commandsIn(written)).toEqual([]);
        expect(written).toBe(through(log(), [text]));
      }),
      { seed, numRuns: 2000 },
    );
  });

  test.each([
    ['::set-output name=a::b', ':\\x3aset-output name=a::b'],
    ['x\n \u00a0::stop-commands::y', 'x\n \u00a0:\\x3astop-commands::y'],
    ['a ##[add-mask]b', 'a ##\\x5badd-mask]b'],
    ['a ##vso[task.setvariable variable=PATH]b', 'a ##vso\\x5btask.setvariable variable=PATH]b'],
    ["##teamcity[buildStop comment='']", "##teamcity\\x5bbuildStop comment='']"],
    ['section_start:1790000000:a\r\u001b[0K', 'section_start\\x3a1790000000:a\\x0d\\x1b[0K'],
  ])('shows %j as words', (text, shown) => {
    expect(through(log(), [text])).toBe(shown);
    expect(through(log(), text.split(''))).toBe(shown);
  });

  test.each(['std::vector, a::b', '## A heading', '# [x]', 'http://[::1]:4000', 'cllm: ::1'])(
    'leaves %j alone',
    (text) => {
      expect(through(log(), [`the ${text}`])).toBe(`the ${text}`);
    },
  );

  test('holds our own commands, and no others in them', () => {
    const written = through(log(), [runnerCommand('::error title=a::b ##vso[x]\n'), '::add-mask::c\n']);
    expect(written).toBe('::error title=a::b ##vso\\x5bx]\n:\\x3aadd-mask::c\n');
  });

  test('takes a long line of spaces or colons in no time', () => {
    for (const text of [
      `${' '.repeat(1_000_000)}::a`,
      ':'.repeat(1_000_000),
      '#'.repeat(1_000_000),
      '##a'.repeat(300_000),
    ])
      expect(commandsIn(through(log(), [text]))).toEqual([]);
  });
});

describe('a line of JSON', () => {
  test('holds nothing that a terminal obeys, and the same values', () => {
    fc.assert(
      fc.property(fc.anything({ withNullPrototype: false }), texts, (value, text) => {
        const given = JSON.parse(JSON.stringify([text, value])) as unknown;
        const line = jsonLine(given);
        expect(line).not.toMatch(control);
        expect(JSON.parse(line)).toEqual(given);
        expect(terminal().write(line)).toBe(line);
      }),
      { seed, numRuns: 500 },
    );
  });
});
