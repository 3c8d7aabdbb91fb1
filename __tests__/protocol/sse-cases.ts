/** Event streams and what the standard makes of them. Each event is written as [event, data]. */
export interface SseCase {
  name: string;
  input: string | number[];
  events: [string, string][];
}

const message = (...data: string[]): [string, string][] => data.map((text) => ['message', text]);

/** The data of web-platform-tests, eventsource/format-*, with the blank line that its server appends. */
const webPlatformTests: SseCase[] = [
  {
    name: 'one byte order mark at the start is removed, later ones are part of the field name',
    input: '\uFEFFdata:1\n\n\uFEFFdata:2\n\ndata:3\n\n',
    events: message('1', '3'),
  },
  {
    name: 'of two byte order marks at the start one stays',
    input: '\uFEFF\uFEFFdata:1\n\ndata:2\n\ndata:3\n\n',
    events: message('2', '3'),
  },
  {
    name: 'comments of any length and content are ignored',
    input: `data:1\r:\0\n:\r\ndata:2\n:${'x'.repeat(300)}\rdata:3\n:data:fail\r:${'x'.repeat(300)}\ndata:4\n\n`,
    events: message('1\n2\n3\n4'),
  },
  {
    name: 'a block that no blank line closes is discarded',
    input: 'retry:1000\ndata:test1\n\nid:test\ndata:test2',
    events: message('test1'),
  },
  {
    name: 'data without a value counts as an empty line',
    input: 'data:\n\ndata\ndata\n\ndata:test\n\n',
    events: message('', '\n', 'test'),
  },
  {
    name: 'event names the next event only',
    input: 'event:test\ndata:x\n\ndata:x\n\n',
    events: [
      ['test', 'x'],
      ['message', 'x'],
    ],
  },
  { name: 'an empty event name is no name', input: 'event: \ndata:data\n\n', events: message('data') },
  {
    name: 'a field name is compared whole and with its case',
    input:
      'data:\0\ndata:  2\rData:1\ndata\0:2\ndata:1\r\0data:4\nda-ta:3\rdata_5\ndata:3\rdata:\r\n data:32\ndata:4\n\n',
    events: message('\0\n 2\n1\n3\n\n4'),
  },
  {
    name: 'unknown fields are ignored',
    input: 'data:test\n data\ndata\nfoobar:xxx\njustsometext\n:thisisacommentyay\ndata:test\n\n',
    events: message('test\n\ntest'),
  },
  {
    name: 'only one space after the colon is removed',
    input: 'data:\ttest\rdata: \ndata:test\n\n',
    events: message('\ttest\n\ntest'),
  },
  {
    name: 'the three line ends may be mixed',
    input: 'data:test\r\ndata\ndata:test\r\n\r',
    events: message('test\n\ntest'),
  },
  { name: 'a NUL is data', input: 'data:\0\n\n\n\n', events: message('\0') },
  {
    name: 'ids and reconnection times change nothing',
    input: 'id:1\nretry:3000\ndata:x\n\nid\nretry:x\ndata:y\n\n',
    events: message('x', 'y'),
  },
  { name: 'the input is UTF-8', input: 'data:ok…\n\n', events: message('ok…') },
];

/** From the text of WHATWG HTML §9.2.5 and §9.2.6, its four examples among them. */
const fromTheText: SseCase[] = [
  {
    name: 'several data lines are one event',
    input: 'data: YHOO\ndata: +2\ndata: 10\n\n',
    events: message('YHOO\n+2\n10'),
  },
  {
    name: 'a comment, events with ids, and a last block that is discarded',
    input: ': test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event',
    events: message('first event', 'second event'),
  },
  { name: 'two events of empty lines', input: 'data\n\ndata\ndata\n\ndata:', events: message('', '\n') },
  {
    name: 'the space after the colon is optional',
    input: 'data:test\n\ndata: test\n\n',
    events: message('test', 'test'),
  },
  { name: 'an empty stream', input: '', events: [] },
  { name: 'nothing but line ends', input: '\n\r\r\n\n\r', events: [] },
  { name: 'nothing but a byte order mark', input: '\uFEFF', events: [] },
  {
    name: 'an event name without data is no event, and is forgotten',
    input: 'event: a\n\ndata: x\n\n',
    events: message('x'),
  },
  { name: 'the last event name of a block counts', input: 'event: a\nevent: b\ndata: x\n\n', events: [['b', 'x']] },
  { name: 'an event name may follow the data', input: 'data: x\nevent: a\n\n', events: [['a', 'x']] },
  { name: 'LF only', input: 'data: a\n\ndata: b\n\n', events: message('a', 'b') },
  { name: 'CR only', input: 'data: a\r\rdata: b\r\r', events: message('a', 'b') },
  { name: 'CRLF only', input: 'data: a\r\n\r\ndata: b\r\n\r\n', events: message('a', 'b') },
  { name: 'a bare CR closes the last event', input: 'data: a\n\r', events: message('a') },
  { name: 'a CR after a CRLF closes the last event', input: 'data: a\r\n\r', events: message('a') },
  { name: 'LF CR is two line ends', input: 'data: a\n\rdata: b\n\r', events: message('a', 'b') },
  { name: 'CR CR LF is two line ends', input: 'data: a\r\r\ndata: b\r\r\n', events: message('a', 'b') },
  {
    name: 'other line separators of Unicode are data',
    input: 'data: a\u2028b\u2029c\u0085d\u000Be\u000Cf\n\n',
    events: message('a\u2028b\u2029c\u0085d\u000Be\u000Cf'),
  },
  { name: 'the value begins at the first colon', input: 'data: a:b: c\n\n', events: message('a:b: c') },
  { name: 'a field name with a space is unknown', input: 'data : a\ndata: b\n\n', events: message('b') },
  { name: 'a colon alone is a comment', input: ':\n:\ndata: x\n:\n\n', events: message('x') },
  {
    name: 'the Latin-1 reading of a byte order mark is data, not a mark',
    input: 'ï»¿data: a\n\ndata: b\n\n',
    events: message('b'),
  },
  { name: 'a byte order mark in data stays', input: 'data: \uFEFFx\n\n', events: message('\uFEFFx') },
  {
    name: 'characters of two, three and four bytes',
    input: 'data: é€😀\n\nevent: é\ndata: 漢字\n\n',
    events: [
      ['message', 'é€😀'],
      ['é', '漢字'],
    ],
  },
  { name: 'an invalid byte becomes U+FFFD', input: bytes('data: a', [0xff], 'b\n\n'), events: message('a\uFFFDb') },
  {
    name: 'a character that ends too early becomes one U+FFFD',
    input: bytes('data: ', [0xe2, 0x82], 'x\n\n'),
    events: message('\uFFFDx'),
  },
  {
    name: 'a line end is not swallowed by a character that ends too early',
    input: bytes('data: ', [0xf0, 0x9f, 0x98], '\n\n'),
    events: message('\uFFFD'),
  },
  {
    name: 'an encoded surrogate becomes three U+FFFD',
    input: bytes('data: ', [0xed, 0xa0, 0x80], '\n\n'),
    events: message('\uFFFD\uFFFD\uFFFD'),
  },
  {
    name: 'an overlong encoding is invalid',
    input: bytes('data: ', [0xc0, 0xaf, 0xe0, 0x80, 0xaf], '\n\n'),
    events: message('\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD'),
  },
  {
    name: 'a number past the last character is invalid',
    input: bytes('data: ', [0xf4, 0x90, 0x80, 0x80], '\n\n'),
    events: message('\uFFFD\uFFFD\uFFFD\uFFFD'),
  },
  {
    name: 'half a byte order mark is invalid',
    input: bytes([0xef, 0xbb], 'data: a\n\ndata: b\n\n'),
    events: message('b'),
  },
];

/** What OpenAI-compatible servers send. */
const openAiShapes: SseCase[] = [
  {
    name: 'a chunk and the end mark',
    input: 'data: {"id":"1"}\n\ndata: [DONE]\n\n',
    events: message('{"id":"1"}', '[DONE]'),
  },
  {
    name: 'keep-alive comments before, between and after',
    input: ': ping\n\ndata: {"a":1}\n\n: ping\n\n: OPENROUTER PROCESSING\n\ndata: [DONE]\n\n',
    events: message('{"a":1}', '[DONE]'),
  },
  { name: 'no space after the colon', input: 'data:{"a":1}\n\ndata:[DONE]\n\n', events: message('{"a":1}', '[DONE]') },
  {
    name: 'JSON over several data lines',
    input: 'data: {\ndata: "a": 1\ndata: }\n\n',
    events: message('{\n"a": 1\n}'),
  },
  { name: 'a named error', input: 'event: error\ndata: {"message":"no"}\n\n', events: [['error', '{"message":"no"}']] },
  {
    name: 'CRLF from a Windows gateway',
    input: 'data: {"a":1}\r\n\r\ndata: [DONE]\r\n\r\n',
    events: message('{"a":1}', '[DONE]'),
  },
  { name: 'a padded end mark', input: 'data:   [DONE] \n\n', events: message('  [DONE] ') },
];

export const sseCases: SseCase[] = [...webPlatformTests, ...fromTheText, ...openAiShapes];

function bytes(...parts: (string | number[])[]): number[] {
  return parts.flatMap((part) => (typeof part === 'string' ? [...Buffer.from(part)] : part));
}

export function bytesOf({ input }: SseCase): Uint8Array {
  return typeof input === 'string' ? new TextEncoder().encode(input) : Uint8Array.from(input);
}
