import { expect, test } from '@jest/globals';
import { terminalSafe } from '../../src/terminal/terminal-safe.ts';
import { errorFromResponse } from '../../src/client/answer/error-response.ts';
import { retryAfterOf } from '../../src/client/reply/retry.ts';
import { safeText, secretValues } from '../../src/client/safe-text.ts';
import { matchesGlob } from '../../src/client/served-policy.ts';
import { bodyKind } from '../../src/protocol/body-kind.ts';
import { readEvent } from '../../src/protocol/chunk.ts';
import { toErrorFrame } from '../../src/protocol/error/error-frame.ts';
import { cleanErrorMessage, isBudgetRefusal, reduceTraceback } from '../../src/protocol/error/error-message.ts';
import { foldLines, withoutFinal } from '../../src/protocol/fold-lines.ts';
import { htmlTitle, isHtml } from '../../src/protocol/error/html-title.ts';

/** Everything that looks at a text of the proxy, or of what stands in front of it, with more than `indexOf`. */
const readers: Record<string, (text: string) => unknown> = {
  cleanErrorMessage,
  reduceTraceback,
  toErrorFrame,
  foldLines,
  htmlTitle,
  isHtml,
  'isBudgetRefusal of a message': (message) => isBudgetRefusal({ message, type: null }),
  'bodyKind of a prefix': (text) => bodyKind(text, null, true),
  'bodyKind of a content type': (text) => bodyKind('x', text, true),
  'readEvent of data': (data) => readEvent({ event: 'message', data }),
  'readEvent of an error': (data) => readEvent({ event: 'error', data }),
  'readEvent of an error frame': (message) => readEvent({ event: 'message', data: JSON.stringify({ error: message }) }),
  'withoutFinal line feeds': (text) => withoutFinal('\n', text),
  'retryAfterOf a header': (text) => retryAfterOf({ 'retry-after': text, 'retry-after-ms': text }),
  'matchesGlob with stars': (text) => matchesGlob(text, '*a*a*b*b*?*x*z'),
  'matchesGlob with wide stars': (text) => matchesGlob(text, '******'),
  'safeText of a message': (text) => safeText(text, { keys: ['sk-some-key'], prompts: [] }),
  'secretValues of a header': (text) => secretValues({ authorization: text }),
  terminalSafe,
  'errorFromResponse of a body': (body) => respond(400, body),
  'errorFromResponse of JSON': (message) => respond(500, JSON.stringify({ error: { message, type: message } })),
  'errorFromResponse of a location': (text) => respond(302, '', { location: text }),
};

function respond(status: number, body: string, headers: Record<string, string> = {}): unknown {
  const request = { method: 'POST', url: 'http://127.0.0.1:1/v1/chat/completions' };
  return errorFromResponse({ status, headers, body }, { request, hasKey: true, secrets: { keys: [], prompts: [] } });
}

const seeds = [
  [' ', '\n', '\t', '\r', '\r\n', '\0', '\v', '\u00A0', '\uFEFF', '\u2028', '\u202E', '\u001B', '\u001B[', '\u009B'],
  [' \n', '\n ', '\n\n ', ' \n\t', '\n  File "', '\n  ^^^^ ', '\n^', '^ ', '\nTraceback (most recent call last)'],
  ['a', 'A', '0', '9', 'f', '-', '.', '+', '=', ':', ';', ',', '/', '\\', '\\\\', '"', "'", '`', '&', '#', '*', '~'],
  ['a ', 'a.', 'a:', 'ab', '&#', '&#1', '&amp', '&amp;', '\\x', '\\x41', '\\xc3', "b'", 'b"', " b'", "\\'"],
  ['{', '{ ', '[', '[{', '{"', "{'", '{"a":', '"message"', '"message":', '"message":"', "'detail': ", '"message": "\\'],
  ['<', '<!', '<h1', '<h1 ', '<h1>', '<title', '<title ', '<title>', '<script', '<script>', '<style ', '</script'],
  ['<script></script>', '<a', '< ', '<>', '<html><script>', '<!DOCTYPE html>', '<html>', '<head>'],
  ['\nLiteLLM: model group ', '\n LiteLLM: ', 'Received Model Group=', '. Received Model Group', ' LiteLLM Retried: 1'],
  [
    'bearer ',
    'Bearer',
    'bearer  ',
    'basic a',
    'sk-',
    'sk',
    'pk-a',
    'AIza',
    'ghp_',
    'hf_',
    'gsk-',
    'xoxb-',
    'github_pat_',
  ],
  ['crossed budget', 'ExceededBudget', 'input token count', 'model', 'model ', 'model does not', 'too many '],
  [
    'AException',
    'Exception',
    'A.',
    'litellm.',
    'data:',
    'data: {',
    'data: {"error":',
    'event: ',
    'error: {',
    ':',
    'id',
  ],
  ['1 ', '1.', '1,', '-1', '5, ', 'Mon ', 'Mon, 1 Jan ', '(', '((', '()', '2001-', '12:', 'GMT ', 'text/event-stream'],
  ['http:', 'http://', '://', '//', '?', '%', '%2', '@', '|', '{"error":{"message":"'],
].flat();

const length = 30_000;

/** What the first and the last characters of a text decide is not decided by its middle. */
const forms: ((text: string) => string)[] = [
  (text) => text,
  (text) => `x${text}y`,
  (text) => `<html>${text}x`,
  (text) => `{"error":{"message":"${text}!`,
];

function grown(seed: string, characters: number): string {
  return seed.repeat(Math.ceil(characters / seed.length)).slice(0, characters);
}

/** The least of some runs, in milliseconds of this process: what else the machine does is not counted. */
function time(read: (text: string) => unknown, text: string, runs: number): number {
  let least = Number.POSITIVE_INFINITY;
  for (let run = 0; run < runs; run += 1) {
    const start = process.cpuUsage();
    read(text);
    const { user, system } = process.cpuUsage(start);
    least = Math.min(least, (user + system) / 1000);
  }
  return least;
}

test.each(Object.keys(readers))('%s takes time that grows with the text, whatever the text', (name) => {
  const read = readers[name] ?? (() => {});
  const slow: string[] = [];
  for (const seed of seeds) {
    for (const [index, form] of forms.entries()) {
      const part = form(grown(seed, length / 8));
      const small = time(read, part, 1);
      // A square would take at most sixty-four times that for the whole: too little to see, or to matter.
      if (small < 0.25) continue;
      const before = Math.min(small, time(read, part, 3));
      if (before < 0.25) continue;
      // Eight times the text is eight times the work, a square sixty-four. A cubic one is stopped before it stops the suite.
      const whole = before > 300 ? Number.POSITIVE_INFINITY : time(read, form(grown(seed, length)), 3);
      if (whole > 250 && whole / before > 30)
        slow.push(`${JSON.stringify(seed)} in form ${index}: ${whole.toFixed(0)} ms`);
    }
  }
  expect(slow).toEqual([]);
});
