import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Output } from '../../src/terminal/output.ts';
import { MarkdownPrinter } from '../../src/cli/views/markdown-printer.ts';
import { OutgoingText } from '../../src/terminal/outgoing-text.ts';
import { PlainPrinter } from '../../src/cli/views/plain-printer.ts';
import { table } from '../../src/cli/views/table.ts';
import { TerminalSafe, terminalSafe } from '../../src/terminal/terminal-safe.ts';
import { toolCallText } from '../../src/cli/views/tool-call.ts';
import { seed } from '../support/seed.ts';

// Everything that could drive a terminal: C0 but tab and newline, DEL, C1, bidi controls.
// oxlint-disable-next-line no-control-regex -- control characters are what this is about
const control = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

const hostile = [
  '\u001b[2J',
  '\u001b]0;title\u0007',
  '\u001b]52;c;aGk=\u0007',
  '\u009b31m',
  '\u0090q\u009c',
  '\r',
  '\r\n',
  '\n',
  '\b\b\b',
  '\u007f',
  '\u202egnp.exe',
  '\u2066',
  '\u061c',
  '&#27;[31m',
  '&#x9b;1m',
  '&#8238;',
  '`',
  '**',
  '```',
  '| a |',
  '[l](\u001b]8;;x)',
  '<\u001b>',
  'text',
  ' ',
];
const texts = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.array(fc.constantFrom(...hostile), { maxLength: 20 }).map((parts) => parts.join('')),
);

/** A terminal that makes strings safe as the real one does, and is trusting of what renderers made. */
function outputOf(isStyled: boolean): Output & { written: string } {
  const outgoing = new OutgoingText({ isTTY: true, isForPeople: false });
  return {
    written: '',
    isTTY: true,
    columns: 40,
    isStyled,
    reflows: true,
    isClosed: false,
    failure: null,
    masked: (text) => text,
    write(text) {
      this.written += typeof text === 'string' ? outgoing.write(text) : String(text);
    },
    stream: () => ({ rows: 10, on() {}, off() {} }) as unknown as NodeJS.WriteStream,
    async flush() {
      this.written += outgoing.end();
    },
  };
}

function cutAt(text: string, places: readonly number[]): string[] {
  const sorted = [...new Set(places.map((place) => place % (text.length + 1)))].toSorted((a, b) => a - b);
  return [...sorted, text.length].map((end, at) => text.slice(sorted[at - 1] ?? 0, end));
}

describe('text on its way to a terminal', () => {
  const places = fc.array(fc.nat(500), { maxLength: 8 });

  test('holds no control byte, for any input and any cut', () => {
    fc.assert(
      fc.property(texts, places, (text, cuts) => {
        const safe = new TerminalSafe();
        const written =
          cutAt(text, cuts)
            .map((part) => safe.write(part))
            .join('') + safe.end();
        expect(written.replaceAll('\r\n', '')).not.toMatch(control);
        // A cut changes nothing.
        const whole = new TerminalSafe();
        expect(written).toBe(whole.write(text) + whole.end());
      }),
      { seed, numRuns: 1000 },
    );
  });

  test.each(['plain', 'markdown'])('as %s, for any input and any cut', async (kind) => {
    await fc.assert(
      fc.asyncProperty(texts, places, async (text, cuts) => {
        // Without colours the printer itself writes no code at all.
        const output = outputOf(false);
        const printer = kind === 'plain' ? new PlainPrinter(output) : new MarkdownPrinter(output, () => 0);
        for (const part of cutAt(text, cuts)) await printer.write(part);
        await printer.end();
        await output.flush();
        expect(output.written.replaceAll('\r\n', '')).not.toMatch(control);
      }),
      { seed, numRuns: 300 },
    );
  });

  test('in colours holds only the codes that cllm itself writes', async () => {
    await fc.assert(
      fc.asyncProperty(texts, places, async (text, cuts) => {
        const output = outputOf(true);
        const printer = new MarkdownPrinter(output, () => 0);
        for (const part of cutAt(text, cuts)) await printer.write(part);
        await printer.end();
        // oxlint-disable-next-line no-control-regex -- our own codes, taken away
        const rest = output.written.replace(/\u001b\[(\d+m|\d*[AB]|[JK]|\?2026[hl])/g, '').replaceAll('\r', '');
        expect(rest).not.toMatch(control);
      }),
      { seed, numRuns: 300 },
    );
  });

  test('in tables, in tool calls and in single lines', () => {
    fc.assert(
      fc.property(texts, (text) => {
        const call = { id: text, name: text, input: text, isMalformed: false };
        for (const shown of [
          table(outputOf(false), ['a'], [[text]]),
          toolCallText(call, outputOf(false)),
          terminalSafe(text),
        ]) {
          expect(String(shown).replaceAll('\r\n', '')).not.toMatch(control);
        }
      }),
      { seed, numRuns: 500 },
    );
  });
});
