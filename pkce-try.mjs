import { chromium } from 'playwright-core';
const url = process.argv[2];
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
const log = (...a) => process.stderr.write(`[browser] ${a.join(' ')}\n`);
try {
  const page = await browser.newPage();
  page.on('response', (r) => log(r.status(), r.request().method(), r.url().slice(0, 160)));
  await page.goto(url, { waitUntil: 'domcontentloaded' });
  log('title', await page.title(), page.url().slice(0, 200));
  log((await page.locator('body').innerText()).slice(0, 800).replace(/\n+/g, ' | '));
  const cookies = await page.context().cookies();
  log('cookies', cookies.map((c) => c.name).join(' '));
  if (await page.locator('input[name=username]').count()) {
    await page.fill('input[name=username]', process.env.PKCE_USER ?? 'admin');
    await page.fill('input[name=password]', process.env.PKCE_PASS);
    await page.locator('input[type=submit],button[type=submit]').first().click();
    await page.waitForLoadState('domcontentloaded');
    await page.waitForTimeout(1500);
    log('after login', page.url().slice(0, 250));
    log((await page.locator('body').innerText()).slice(0, 1200).replace(/\n+/g, ' | '));
    log(
      'buttons',
      (
        await page.locator('button,input[type=submit]').evaluateAll((e) => e.map((x) => x.outerHTML.slice(0, 150)))
      ).join(' || '),
    );
    await page.screenshot({ path: '/tmp/scripts/people/consent.png' });
    const approve = page
      .locator(
        'button[value=approve], button:has-text("Approve"), button:has-text("Authorize"), button:has-text("Allow"), button:has-text("Continue")',
      )
      .first();
    if (await approve.count()) {
      await approve.click();
      await page.waitForTimeout(1500);
      log('after approve', page.url().slice(0, 120));
      log((await page.locator('body').innerText()).slice(0, 300));
    }
  }
} catch (e) {
  log('ERR', e.message.slice(0, 500));
} finally {
  await browser.close();
}
