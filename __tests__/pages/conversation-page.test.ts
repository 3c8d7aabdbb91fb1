import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { terminalSafe } from '../../src/terminal/terminal-safe.ts';
import { verdicts } from '../../src/outcome/exits.ts';
import { seed } from '../support/seed.ts';
import { pageOf, png, turnOf } from './conversations.ts';
import { hostileTexts } from './hostile-texts.ts';
import { attribute, type Element, livePartsOf, type ParsedPage, textOf } from './parsed-page.ts';

const texts = (elements: readonly Element[]): string[] => elements.map((element) => textOf(element).trim());
const notes = (page: ParsedPage): string[] => texts(page.classed('note'));

describe('a page', () => {
  test('says whose conversation it is, what was asked as it was typed, and what came as the Markdown it is', async () => {
    const { page } = await pageOf([
      turnOf({ content: '**yes**' }, { messages: [{ role: 'user', content: '*no*\n  & <b>' }] }),
    ]);
    expect(texts(page.named('h1'))).toEqual(['a name']);
    expect(texts(page.named('title'))).toEqual(['a name']);
    expect(texts(page.classed('facts'))).toEqual(['a title · conversation 0abcdefg · 2026-01-02 03:04 UTC · 1 turn']);
    expect(page.classed('plain').map((element) => textOf(element))).toEqual(['*no*\n  & <b>']);
    expect(texts(page.named('strong'))).toEqual(['yes']);
    expect(texts(page.classed('who'))).toEqual(['user', 'served']);
  });

  test('has one style, which its policy names by its hash, and a policy that lets nothing else in', async () => {
    const { page } = await pageOf([turnOf({ content: 'x' })]);
    const [style, ...others] = page.named('style');
    expect(others).toEqual([]);
    const hash = createHash('sha256')
      .update(textOf(style as Element))
      .digest('base64');
    const policy = page.named('meta').find((meta) => attribute(meta, 'http-equiv') === 'Content-Security-Policy');
    expect(attribute(policy as Element, 'content')).toBe(
      `default-src 'none'; style-src 'sha256-${hash}'; img-src data:; media-src data:; base-uri 'none'; form-action 'none'`,
    );
    expect(textOf(style as Element)).not.toMatch(/url\(|@import/);
  });

  test('folds what is not the reply itself: system prompt, reasoning, calls and their results', async () => {
    const call = { id: 'call_1', type: 'function', function: { name: 'read', arguments: '{"path":"a\\/b"}' } };
    const { page } = await pageOf(
      [
        turnOf(
          { content: 'done', reasoning_content: 'hm', tool_calls: [call] },
          { messages: [{ role: 'tool', tool_call_id: 'call_0', content: 'a result' }] },
        ),
      ],
      { system: 'be brief' },
    );
    expect(texts(page.named('summary'))).toEqual([
      'system prompt',
      'tool result (call_0)',
      'reasoning',
      'tool call read (call_1)',
    ]);
    expect(page.named('details').map((each) => attribute(each, 'open'))).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    expect(texts(page.named('pre'))).toEqual(['{\n  "path": "a/b"\n}']);
  });

  test('shows the images and recordings of the history, and only names what is elsewhere or is a document', async () => {
    const content = [
      { type: 'text', text: 'look' },
      { type: 'image_url', image_url: { url: `data:image/png;base64,${png}` } },
      { type: 'file', file: { file_id: 'f' } },
    ];
    const images = [
      { image_url: { url: `data:image/png;base64,${png}` } },
      { image_url: { url: 'https://x.example/y.png' } },
      { image_url: { url: "data:image/svg+xml,<svg onload='alert(1)'/>" } },
      { image_url: { url: 'data:image/png;base64,"><script>' } },
      { image_url: { url: 'javascript:alert(1)' } },
    ];
    const audio = { data: Buffer.from('ID3 and more').toString('base64'), transcript: 'x' };
    const { page } = await pageOf([turnOf({ images, audio }, { messages: [{ role: 'user', content }] })]);
    expect(page.named('img').map((image) => attribute(image, 'src'))).toEqual(
      Array(2).fill(`data:image/png;base64,${png}`),
    );
    expect(page.named('audio').map((each) => attribute(each, 'src'))).toEqual([`data:audio/mpeg;base64,${audio.data}`]);
    expect(texts(page.classed('named'))).toEqual([
      'file',
      'image: image of an unknown type, elsewhere: https://x.example/y.png',
      'image: image/svg+xml, 24 bytes',
      'image: image/png, damaged',
      'image: image of an unknown type, elsewhere: javascript:alert(1)',
    ]);
    expect(livePartsOf(page)).toEqual([]);
  });

  test.each(verdicts.filter((verdict) => verdict !== 'complete'))(
    'says of a reply that is %s that it is not whole',
    async (verdict) => {
      const { page } = await pageOf([
        turnOf({ content: 'half' }, { verdict, error: { code: 'a_code', message: 'why' } }),
      ]);
      expect(notes(page)).toEqual([expect.stringMatching(/^\p{Lu}[^]*\.$/u), 'why (a_code)']);
    },
  );

  test('says so where there is no reply, or a part of it is lost, and nothing where all is well', async () => {
    expect(notes((await pageOf([turnOf({ content: 'x' })])).page)).toEqual([]);
    const refused = turnOf(null, { verdict: null, error: { code: 'rate_limited', message: 'later' } });
    expect(notes((await pageOf([refused])).page)).toEqual(['No reply: later (rate_limited)']);
    expect(notes((await pageOf([turnOf(null, { verdict: null, endedAt: null })])).page)).toEqual([
      'No reply: it was still coming, or a crash left it without an end.',
    ]);
    expect(notes((await pageOf([turnOf({ content: 'x' }, { damage: ['messages'] })])).page)).toEqual([
      'Damaged in the history, and so not all here: messages.',
    ]);
  });

  test('shows each receipt, and at its foot what was taken out', async () => {
    const { page } = await pageOf(
      [turnOf({ content: 'x' })],
      {},
      { receiptOf: ({ model }) => `${model} · $1`, taken: () => '2 keys' },
    );
    expect(texts(page.classed('receipt'))).toEqual(['asked · $1']);
    expect(texts(page.named('footer'))[0]).toMatch(/Taken out of it: 2 keys\.$/);
  });

  test('passes every text of the conversation through what is shown of it', async () => {
    const secret = 'SECRET';
    const call = { id: secret, type: 'function', function: { name: secret, arguments: `{"a":"\\u0053ECRET"}` } };
    const { source } = await pageOf(
      [
        turnOf(
          {
            content: secret,
            refusal: secret,
            reasoning_content: secret,
            tool_calls: [call],
            images: [`https://x.example/${secret}`],
          },
          {
            model: secret,
            verdict: 'cut',
            error: { code: 'x', message: secret },
            messages: ['user', 'tool', secret].map((role) => ({ role, content: secret, tool_call_id: secret })),
          },
        ),
        turnOf(null, { model: secret }),
      ],
      { name: secret, title: secret, system: secret },
      { shown: (text) => text.replaceAll(secret, 'public'), receiptOf: () => secret },
    );
    expect(source).not.toContain(secret);
    expect(source).toContain('public');
  });
});

describe('a page of a hostile history', () => {
  const text = fc.oneof(
    fc.constantFrom(...hostileTexts.filter(({ length }) => length < 500)),
    fc.string({ unit: 'binary' }),
  );

  test('runs nothing and loads nothing, wherever a text stands, and its prompts read as they were typed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(text, { minLength: 12, maxLength: 12 }), async (given) => {
        const [a = '', b = '', c = '', d = '', e = '', f = '', g = '', h = '', i = '', j = '', k = '', l = ''] = given;
        const { page } = await pageOf(
          [
            turnOf(
              {
                content: a,
                refusal: b,
                reasoning_content: c,
                tool_calls: [{ id: d, type: 'function', function: { name: `n${e}`, arguments: f } }],
                images: [g],
              },
              {
                model: h,
                createdAt: i,
                verdict: 'error',
                error: { code: j, message: k },
                messages: [{ role: l, content: `${a}\n${b}` }],
              },
            ),
          ],
          { id: c, name: d, title: e, system: f, parent: { id: g, seq: 1 } },
          { receiptOf: () => h, version: i },
        );
        expect(livePartsOf(page)).toEqual([]);
        expect([page.named('style'), page.named('title'), page.named('article')].map(({ length }) => length)).toEqual([
          1, 1, 1,
        ]);
        expect(page.classed('plain').map((element) => textOf(element))).toContain(
          terminalSafe(`${a}\n${b}`).replaceAll('\r\n', '\n'),
        );
      }),
      { seed, numRuns: 200 },
    );
  });

  test('is made of parts of any kind, and of a reply of more paragraphs than a stack holds', async () => {
    const odd = JSON.parse('{"toString":1,"a":[null,{"type":{}}]}') as never;
    const content = 'a <b>word</b> **x**\n\n'.repeat(150_000);
    const { source } = await pageOf([
      turnOf({ content }, { messages: [{ role: 'user', content: [odd, null, 1, 'x', [odd]] as never }] }),
    ]);
    expect(source.split('<strong>x</strong>')).toHaveLength(150_001);
    expect(source).not.toContain('<b>');
  }, 60_000);
});
