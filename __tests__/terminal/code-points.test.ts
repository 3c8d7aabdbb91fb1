import { describe, expect, test } from '@jest/globals';
import { onlyOwnCodes, safeJson, terminalSafe, TerminalSafe } from '../../src/terminal/terminal-safe.ts';

/** Every code point below U+3000, by what a terminal makes of it. The ranges are written out, from the standards themselves. */
const ranges = (...pairs: (readonly [number, number])[]): Set<number> =>
  new Set(pairs.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, at) => first + at)));

/** C0 but tab, LF and CR (ECMA-48), DEL and C1. */
const controls = ranges([0x00, 0x08], [0x0b, 0x0c], [0x0e, 0x1f], [0x7f, 0x9f]);
/** UAX #9: ALM, LRM and RLM, the embeddings and overrides, the isolates. */
const bidi = ranges([0x061c, 0x061c], [0x200e, 0x200f], [0x202a, 0x202e], [0x2066, 0x2069]);
const all = Array.from({ length: 0x3000 }, (_, code) => code);
const around = (code: number): string => `a${String.fromCodePoint(code)}b`;
const named = (code: number): string => `U+${code.toString(16).padStart(4, '0')}`;

/** Those that come out as something else. */
const changed = (filter: (text: string) => string): string[] =>
  all.filter((code) => filter(around(code)) !== around(code)).map(named);

describe('to a terminal', () => {
  const driving = [...controls, 0x0d, ...bidi].toSorted((a, b) => a - b).map(named);

  test('goes everything but what drives it', () => {
    expect(changed(terminalSafe)).toEqual(driving);
    expect(
      changed((text) => {
        const filter = new TerminalSafe();
        return (
          Array.from(text)
            .map((piece) => filter.write(piece))
            .join('') + filter.end()
        );
      }),
    ).toEqual(driving);
  });

  test('what drives it can be read, and told apart', () => {
    const shown = [...controls, 0x0d, ...bidi].map((code) => terminalSafe(String.fromCodePoint(code)));
    expect(new Set(shown).size).toBe(shown.length);
    for (const each of shown) expect(each).toMatch(/^\\(x[0-9a-f]{2}|u\{[0-9a-f]{3,4}\})$/);
    expect(terminalSafe('\u001b[2J')).toBe('\\x1b[2J');
    expect(terminalSafe('\u009b2J')).toBe('\\x9b2J');
    expect(terminalSafe('\u202e')).toBe('\\u{202e}');
  });

  test('a CR goes only before an LF', () => {
    expect(terminalSafe('a\r\nb')).toBe('a\r\nb');
    expect(terminalSafe('a\rb\r')).toBe('a\\x0db\\x0d');
  });

  test('of what a renderer made, escape sequences that are not ours go as text', () => {
    // An escape alone is none of ours either.
    expect(changed(onlyOwnCodes)).toEqual([...controls, ...bidi].toSorted((a, b) => a - b).map(named));
    for (const own of ['\u001b[1m', '\u001b[K', '\u001b[J', '\u001b[3A', '\u001b[?2004h'])
      expect(onlyOwnCodes(own)).toBe(own);
    for (const foreign of [
      '\u001b]0;title\u0007',
      '\u001b[?1049h',
      '\u001b[3;4r',
      '\u001b[8m',
      '\u001bc',
      '\u001b[6n',
      '\u001bP',
      '\u001b]52;c;',
    ])
      expect(onlyOwnCodes(foreign)).not.toContain('\u001b');
  });
});

test('in JSON nothing stands as itself that drives a terminal, and the value is the same', () => {
  for (const code of all) {
    const json = safeJson(JSON.stringify(around(code)));
    expect(JSON.parse(json)).toBe(around(code));
    const raw = Array.from(json, (character) => character.codePointAt(0) ?? 0);
    expect(raw.filter((each) => controls.has(each) || bidi.has(each) || each === 0x0d).map(named)).toEqual([]);
  }
});
