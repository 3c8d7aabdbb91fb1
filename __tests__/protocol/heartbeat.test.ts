import { describe, expect, test } from '@jest/globals';
import { ReplyReader, type Reply } from '../../src/protocol/reply-reader.ts';
import { chunkOf, dataLine, deltaChunk } from './chunks.ts';

const events = [
  dataLine(deltaChunk({ role: 'assistant', content: 'Hel' })),
  dataLine(deltaChunk({ content: 'lo' })),
  dataLine(deltaChunk({}, 'stop')),
  dataLine(chunkOf({ usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 } })),
  'data: [DONE]\n\n',
];

function replyTo(body: string): Reply {
  const reader = new ReplyReader({ status: 200, contentType: 'text/event-stream' });
  reader.push(new TextEncoder().encode(body));
  return reader.finish({ type: 'end' }).reply;
}

const costumes = [
  ': ping\n\n',
  ': OPENROUTER PROCESSING\n\n',
  ':\n\n',
  'data:\n\n',
  'data: \n\n',
  'data\n\n',
  'retry: 500\n\n',
  'id: 7\n\n',
  'event: ping\n\n',
  'event: ping\ndata:\n\n',
  'event: ping\ndata: {}\n\n',
  'event: ping\ndata: {"type":"ping"}\n\n',
  'event: ping\ndata: 2026-11-22T14:00:58Z\n\n',
  'event: heartbeat\ndata: {"choices":[],"time":1}\n\n',
  'event: keep-alive\ndata: no JSON {\n\n',
  'event: keepalive\ndata: null\n\n',
  'data: ping\n\n',
  'data: "heartbeat"\n\n',
  'data: : keep-alive\n\n',
  'data: ping - 2026-11-22 14:00:58.123456+00:00\n\n',
  'data: null\n\n',
  'data: {}\n\n',
  'data: []\n\n',
  'data: {"type":"keepalive"}\n\n',
  'data: {"type":"ping","choices":[]}\n\n',
  'data: {"event":"heartbeat","id":"other","model":"other"}\n\n',
  'data: {"ping":1763800000}\n\n',
];

describe('a sign of life', () => {
  const plain = replyTo(events.join(''));

  test.each(costumes)('%j between any two events ends nothing and enters nothing', (beat) => {
    for (let at = 0; at <= events.length; at += 1)
      expect(replyTo([...events.slice(0, at), beat, beat, ...events.slice(at)].join(''))).toEqual(plain);
  });

  test('alone is no reply', () => {
    for (const beat of costumes) {
      const { verdict, completion } = replyTo(beat.repeat(3));
      expect({ beat, isWhole: verdict === 'complete', completion }).toEqual({ beat, isWhole: false, completion: null });
    }
  });

  test('does not hide a cut', () => {
    for (const beat of costumes) expect([beat, replyTo(`${events[0]}${beat}`).verdict]).toEqual([beat, 'cut']);
  });
});

describe('another way to write [DONE]', () => {
  const endings = [
    'data: [done]\n\n',
    'data: DONE\n\n',
    'data: "[DONE]"\n\n',
    'data: <DONE>\n\n',
    'data: {"done":true}\n\n',
    'data: {"type":"done"}\n\n',
    'event: done\ndata: {}\n\n',
    'event: end\ndata: [DONE]\n\n',
    'event: close\ndata:\n\n',
  ];

  test.each(endings)('%j after a finish_reason is one', (ending) => {
    const { verdict, error } = replyTo([...events.slice(0, 4), ending].join(''));
    expect([verdict, error]).toEqual(['complete', null]);
  });

  test.each(endings)('%j before it makes nothing whole', (ending) => {
    expect(replyTo(`${events[0]}${events[1]}${ending}`).verdict).not.toBe('complete');
  });
});
