/**
 * Makes the pictures of the README, and holds them to be current:
 *
 *   npm run pictures             writes them: a run of the built command in a real terminal as SVG, a shared page as PNG
 *   npm run pictures -- --check [FOLDER]  writes nothing; names what is no longer as it was drawn, with exit code 1
 *
 * Times, speeds and ids differ from run to run and are left out of the comparison. The page needs `chromium` to be drawn;
 * whether it is current shows by the checksum of what was drawn, which needs none.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { spawn } from '@lydell/node-pty';
// oxlint-disable-next-line import/default -- CommonJS: the whole module is its default export
import unicode11 from '@xterm/addon-unicode11';
import headless from '@xterm/headless';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const [mode, folder = path.join(root, 'docs/pictures')] = process.argv.slice(2);
const fileOf = (name) => path.join(folder, name);
const columns = 84;
const commands = [
  ['--demo', 'Explain server-sent events in two sentences'],
  ['history', 'list', '--totals'],
];

const home = mkdtempSync(path.join(tmpdir(), 'cllm-pictures-'));
const env = { PATH: process.env.PATH, HOME: home, LANG: 'C.UTF-8', TZ: 'UTC' };
const cli = path.join(root, 'dist/cli/bin.js');

try {
  const screen = new headless.Terminal({ cols: columns, rows: 60, scrollback: 1000, allowProposedApi: true });
  screen.loadAddon(new unicode11.Unicode11Addon());
  screen.unicode.activeVersion = '11';
  for (const words of commands) {
    const typed = words.map((word) => (/\s/.test(word) ? `"${word}"` : word)).join(' ');
    await shown(screen, `\u001b[32m$\u001b[39m \u001b[1mcllm ${typed}\u001b[22m\r\n`);
    await run(screen, words);
    await shown(screen, '\r\n');
  }
  const svg = svgOf(rowsOf(screen), `cllm ${commands[0].join(' ')}`);
  const page = pageOf();
  const checksum = `${createHash('sha256').update(page).digest('hex')}\n`;
  if (mode === '--check') {
    const outdated = [];
    if (comparable(readFileSync(fileOf('terminal.svg'), 'utf8')) !== comparable(svg)) outdated.push('terminal.svg');
    if (readFileSync(fileOf('page.sha256'), 'utf8') !== checksum) outdated.push('page.png');
    for (const name of outdated) console.log(`docs/pictures/${name} is not current: npm run pictures`);
    process.exitCode = outdated.length === 0 ? 0 : 1;
  } else {
    writeFileSync(fileOf('terminal.svg'), svg);
    await drawPage(page);
    writeFileSync(fileOf('page.sha256'), checksum);
  }
} finally {
  rmSync(home, { recursive: true, force: true });
}

function shown(screen, text) {
  return new Promise((resolve) => screen.write(text, resolve));
}

function run(screen, words) {
  return new Promise((resolve, reject) => {
    const size = { cols: columns, rows: 60 };
    const pty = spawn(process.execPath, [cli, ...words], {
      ...size,
      cwd: home,
      env: { TERM: 'xterm-256color', ...env },
    });
    // The one thing that is not as it was: whose home it is.
    pty.onData((data) => screen.write(data.replaceAll(home, '~')));
    pty.onExit(({ exitCode }) => {
      if (exitCode !== 0) reject(new Error(`cllm ${words.join(' ')} ended with ${exitCode}`));
      screen.write('', resolve);
    });
  });
}

/** Each row as pieces of one style. */
function rowsOf(screen) {
  const buffer = screen.buffer.active;
  const rows = [];
  for (let y = 0; y < buffer.baseY + buffer.cursorY; y += 1) {
    const line = buffer.getLine(y);
    const pieces = [];
    for (let x = 0; x < line.translateToString(true).length; x += 1) {
      const cell = line.getCell(x);
      if (cell.getWidth() === 0) continue;
      const style = [
        cell.isBold() ? 'b' : null,
        cell.isDim() ? 'd' : null,
        cell.isItalic() ? 'i' : null,
        cell.isUnderline() ? 'u' : null,
        cell.isFgDefault() ? null : `c${cell.getFgColor()}`,
      ]
        .filter((each) => each !== null)
        .join(' ');
      const last = pieces.at(-1);
      const text = cell.getChars() || ' ';
      if (last?.style === style) last.text += text;
      else pieces.push({ style, text });
    }
    rows.push(pieces);
  }
  while (rows.at(-1)?.length === 0) rows.pop();
  return rows;
}

function svgOf(rows, title) {
  const [cell, line, margin, bar] = [8.4, 19, 16, 30];
  const [width, height] = [Math.ceil(columns * cell + 2 * margin), bar + rows.length * line + margin];
  const texts = rows.map((pieces, row) => {
    if (pieces.length === 0) return '';
    const spans = pieces.map(({ style, text }) =>
      style === '' ? escaped(text) : `<tspan class="${style}">${escaped(text)}</tspan>`,
    );
    return `<text x="${margin}" y="${bar + (row + 0.75) * line}">${spans.join('')}</text>\n`;
  });
  const scheme = (background, text, dim, border, ...colours) =>
    `.w{fill:${background};stroke:${border}}text{fill:${text}}.d{fill:${dim}}.o{fill:${border}}` +
    colours.map((colour, at) => `.c${at + 1}{fill:${colour}}`).join('');
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escaped(title)}">
<!-- Made by scripts/pictures.mjs from a run of the command: npm run pictures -->
<style>
text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;white-space:pre}
.b{font-weight:bold}.i{font-style:italic}.u{text-decoration:underline}
${scheme('#fff', '#1f2328', '#59636e', '#d1d9e0', '#cf222e', '#116329', '#7d4e00', '#0969da', '#8250df', '#1b7c83')}
@media (prefers-color-scheme:dark){${scheme('#0d1117', '#e6edf3', '#9198a1', '#3d444d', '#ff7b72', '#3fb950', '#d29922', '#58a6ff', '#bc8cff', '#39c5cf')}}
</style>
<rect class="w" x=".5" y=".5" width="${width - 1}" height="${height - 1}" rx="8"/>
<circle class="o" cx="20" cy="17" r="5"/><circle class="o" cx="38" cy="17" r="5"/><circle class="o" cx="56" cy="17" r="5"/>
${texts.join('')}</svg>
`;
}

function escaped(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}

/** The words of it in their styles, without what differs from run to run: times, ids, dates, and where a row ends for them. */
function comparable(svg) {
  return svg
    .replaceAll(/<\/?text[^>]*>|(?:height|viewBox)="[^"]*"|\s+/g, '')
    .replaceAll('</tspan><tspanclass="d">', '')
    .replaceAll(/\d{4}-\d\d-\d\d\d\d:\d\d/g, 'TIME')
    .replaceAll(/\d[\da-z]{7}(?=TIME)|(?<=conversation)\d[\da-z]{7}/g, 'ID')
    .replaceAll(/[\d.]+(?=s·|sinall|tokens\/s)/g, 'N');
}

/** A conversation that does not change, as the built command makes a page of it. */
function pageOf() {
  const command = (...words) => execFileSync(process.execPath, [cli, ...words], { cwd: home, env, encoding: 'utf8' });
  command('history', 'import', path.join(root, 'scripts/pictures-conversation.jsonl'));
  return command('history', 'share', 'retries');
}

async function drawPage(page) {
  const { chromium } = createRequire(import.meta.url)('playwright-core');
  const file = path.join(home, 'page.html');
  writeFileSync(file, page);
  const executablePath = execFileSync('sh', ['-c', 'command -v chromium'], { encoding: 'utf8' }).trim();
  // A sandbox of its own needs rights that a container has not; nothing but this page is opened.
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  try {
    const tab = await browser.newPage({ viewport: { width: 760, height: 900 }, colorScheme: 'light' });
    await tab.goto(pathToFileURL(file).href);
    await tab.screenshot({ path: fileOf('page.png'), fullPage: true });
  } finally {
    await browser.close();
  }
}
