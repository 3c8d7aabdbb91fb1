import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import axe from 'axe-core';
import { type Browser, chromium, type Page } from 'playwright-core';
import { describeWithPrograms, programAt } from '../support/programs.ts';
import { comparisonPage } from '../../src/pages/conversation-page.ts';
import { pageOf, png, turnOf } from './conversations.ts';
import { hostileTexts } from './hostile-texts.ts';

/** What a page should not do: each thing that it ran, was kept from running, or asked for. */
interface Watched {
  page: Page;
  events: string[];
}

describeWithPrograms('chromium')('a page in a browser', () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'cllm-pages-'));
  const file = path.join(directory, 'page.html');
  let browser: Browser;

  beforeAll(async () => {
    // A sandbox of its own needs rights that a container has not; nothing but this page is opened.
    browser = await chromium.launch({ executablePath: programAt('chromium') ?? '', args: ['--no-sandbox'] });
    const long = `\`\`\`js\n${'const x = "a long line"; '.repeat(50)}\n\`\`\`\n\n| ${'column | '.repeat(30)}\n|${'---|'.repeat(30)}\n| ${'cell | '.repeat(30)}`;
    const call = { id: 'c', type: 'function', function: { name: 'call', arguments: '{"a":1}' } };
    const { source } = await pageOf([
      ...hostileTexts.map((text, at) =>
        turnOf(
          { content: text, refusal: text },
          { seq: at + 1, model: text, messages: [{ role: 'user', content: text }] },
        ),
      ),
      turnOf({ content: long, tool_calls: [call], images: [`data:image/png;base64,${png}`] }, { verdict: 'cut' }),
    ]);
    writeFileSync(file, source);
  }, 60_000);

  afterAll(async () => {
    await browser.close();
    rmSync(directory, { recursive: true });
  });

  async function opened(options: Parameters<Browser['newPage']>[0] = {}): Promise<Watched> {
    const events: string[] = [];
    const page = await browser.newPage(options);
    page.on('request', (request) => events.push(`request ${request.url()}`));
    page.on('dialog', (dialog) => {
      events.push(`dialog ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on('console', (message) => events.push(`console ${message.text()}`));
    page.on('pageerror', (error) => events.push(`error ${error.message}`));
    page.on('popup', () => events.push('popup'));
    await page.goto(pathToFileURL(file).href);
    return { page, events };
  }

  test('runs nothing and asks for nothing but itself and the images in it', async () => {
    const { page, events } = await opened();
    for (const summary of await page.locator('summary').all()) await summary.click();
    await page.mouse.move(300, 300);
    // Nothing was kept from running either: a violation of the policy would stand on the console.
    expect(events.filter((event) => !/^request (?:file:.*\/page\.html|data:image\/png)/.test(event))).toEqual([]);
    const images = await page
      .locator('img')
      .evaluateAll((all) => all.map((image) => (image as unknown as { naturalWidth: number }).naturalWidth));
    expect(images).toContain(1);
    await page.close();
  }, 60_000);

  test.each(['light', 'dark'] as const)(
    'fits a phone in %s, in its own colours',
    async (colorScheme) => {
      const { page } = await opened({ colorScheme, viewport: { width: 360, height: 740 } });
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);
      const background = await page.evaluate('getComputedStyle(document.body).backgroundColor');
      expect(background).toBe(colorScheme === 'light' ? 'rgb(255, 255, 255)' : 'rgb(13, 17, 23)');
      await page.close();
    },
    60_000,
  );

  /** A conversation with all that a page has, and replies side by side. */
  async function pages(): Promise<string[]> {
    const reply =
      '# A heading\n\nText with `code`, a [link](https://example.com) and **more**.\n\n```ts\nconst x: number = 1; // why\n```\n\n' +
      '| a | b |\n|---|---|\n| 1 | 2 |\n\n- [x] done\n- [ ] open\n\n> quoted\n\n1. one\n2. two\n';
    const call = { id: 'c', type: 'function', function: { name: 'call', arguments: '{"a":1}' } };
    const turns = [
      turnOf({ content: reply, reasoning_content: 'why\n'.repeat(40), tool_calls: [call] }),
      turnOf(
        { content: 'Half', images: [`data:image/png;base64,${png}`] },
        { seq: 2, verdict: 'cut', error: { code: 'stream_cut', message: 'the stream was cut' } },
      ),
    ];
    const options = { receiptOf: () => 'asked → served · 1 token in', shown: (text: string) => text };
    const { source } = await pageOf(turns, { system: 'Be brief.' }, { ...options, taken: () => '2 keys' });
    return [source, await comparisonPage('Which?', turns, { ...options, taken: () => '', version: '1.2.3' })];
  }

  test.each([
    ['light', 1280],
    ['light', 360],
    ['dark', 1280],
    ['dark', 360],
  ] as const)(
    'is accessible to axe-core in %s at %i pixels, folded and open',
    async (colorScheme, width) => {
      for (const [at, source] of (await pages()).entries()) {
        const page = await browser.newPage({ colorScheme, viewport: { width, height: 800 } });
        const place = path.join(directory, 'accessible.html');
        writeFileSync(place, source);
        await page.goto(pathToFileURL(place).href);
        // Not as a script of the page, which its policy would not let run.
        await page.evaluate(axe.source);
        for (const state of ['folded', 'open']) {
          if (state === 'open') for (const summary of await page.locator('summary').all()) await summary.click();
          const { violations, passes } = await page.evaluate<{
            violations: { id: string; nodes: { html: string; failureSummary: string }[] }[];
            passes: unknown[];
          }>('axe.run()');
          expect(
            violations.map(({ id, nodes }) => [id, nodes.map((node) => `${node.html} ${node.failureSummary}`)]),
          ).toEqual([]);
          expect(passes.length).toBeGreaterThan(15);
          await kept(page, `${['conversation', 'comparison'][at]}-${colorScheme}-${width}-${state}`);
        }
        expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
        await page.emulateMedia({ media: 'print' });
        await kept(page, `${['conversation', 'comparison'][at]}-${colorScheme}-${width}-print`);
        await page.close();
      }
    },
    60_000,
  );

  /** A screenshot for people to look at, where a folder for such things is named. */
  async function kept(page: Page, name: string): Promise<void> {
    const artifacts = process.env['CLLM_TEST_ARTIFACTS'];
    if (artifacts !== undefined) await page.screenshot({ path: path.join(artifacts, `${name}.png`), fullPage: true });
  }

  test('prints what is folded, too', async () => {
    const { page } = await opened({ colorScheme: 'dark' });
    const folded = page.locator('details pre').last();
    const height = async (): Promise<number> => (await folded.boundingBox())?.height ?? 0;
    expect(await height()).toBe(0);
    await page.emulateMedia({ media: 'print' });
    expect(await height()).toBeGreaterThan(10);
    expect(await page.evaluate('getComputedStyle(document.body).backgroundColor')).toBe('rgb(255, 255, 255)');
    expect((await page.pdf()).length).toBeGreaterThan(1000);
    await page.close();
  }, 60_000);
});
