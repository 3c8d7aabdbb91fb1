/**
 * What a prompt of megabytes costs beside its sending: the redaction of an error that quotes it, and its commit with the reply's, in which the
 * history is indexed for the search:
 *
 *   node bench/prompt.bench.mjs [--smoke]
 *
 * 1, 2 and 4 MB of English and of Chinese, CPU seconds and their growth, beside JSON.stringify and JSON.parse of the same prompt and a table of
 * SQLite without an index that takes the same text. Through the real modules, bundled from src/.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { median, root } from './support/command.mjs';
import { exponent, held } from './support/held.mjs';

const isSmoke = process.argv.includes('--smoke');
const sizes = isSmoke ? [0.05, 0.1, 0.2] : [1, 2, 4];
const rounds = isSmoke ? 1 : 3;
const english =
  'the history of a proxy is kept in files that nobody reads until something is lost and then everybody does'.split(
    ' ',
  );
const languages = {
  English: (random) => `${english[random(english.length)]} `,
  // No two sentences alike: to the index of words each is a word, and new.
  Chinese: (random) =>
    `${String.fromCodePoint(...Array.from({ length: 6 + random(12) }, () => 0x4e00 + random(2_500)))}${'，。'[random(2)]}`,
};

const directory = mkdtempSync(path.join(tmpdir(), 'cllm-bench-'));
const bundle = path.join(root, 'node_modules/.cache', `prompt-bench-${process.pid}.mjs`);
try {
  await build({
    stdin: {
      contents: `export { History } from './src/history/history.ts'; export { safeText } from './src/client/safe-text.ts';`,
      resolveDir: root,
    },
    outfile: bundle,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    logLevel: 'error',
  });
  const { History, safeText } = await import(pathToFileURL(bundle).href);
  console.log(`CPU ms of prompts of ${sizes.join(', ')} MB, median of ${rounds}`);
  for (const language of Object.keys(languages)) {
    const prompts = sizes.map((size) => promptOf(language, size * 1e6));
    const history = History.open(path.join(directory, `${language}.db`), { uid: process.getuid?.() ?? null });
    const json = row('JSON.stringify and JSON.parse', language, prompts, (prompt) =>
      JSON.parse(JSON.stringify(prompt)),
    );
    const quoting = row('redaction of an error that quotes it', language, prompts, (prompt) =>
      safeText(`Invalid request: ${prompt}`, { keys: ['sk-some-key-of-length'], prompts: [prompt] }),
    );
    const kept = row("the prompt's commit and the reply's", language, prompts, (prompt) => commit(history, prompt));
    history.close();
    const perMegabyte = (cost) => cost / 1000 / sizes.at(-1);
    console.log(
      `  a MB of ${language}: redaction ${perMegabyte(quoting).toFixed(3)} s, commit ${perMegabyte(kept).toFixed(3)} s`,
    );
    held(`redaction of a quoted prompt over JSON, ${language}`, quoting / json, 'at most', 0.4);
    held(`commit of a large prompt over JSON, ${language}`, kept / json, 'at most', 0.4);
  }
} finally {
  rmSync(directory, { recursive: true });
  rmSync(bundle, { force: true });
}

/** @returns the cost of the largest */
function row(name, language, prompts, run) {
  const costs = prompts.map((prompt) =>
    median(
      Array.from({ length: rounds }, () => {
        const before = process.cpuUsage();
        run(prompt);
        const { user, system } = process.cpuUsage(before);
        // A clock that stood still would have no logarithm.
        return Math.max(0.01, (user + system) / 1000);
      }),
    ),
  );
  console.log(
    `  ${`${name}, ${language}`.padEnd(48)} ${costs.map((cost) => cost.toFixed(1).padStart(8)).join(' ')}  to the power of ${exponent(sizes, costs).toFixed(2)}`,
  );
  return costs.at(-1);
}

function commit(history, prompt) {
  const { turnId } = history.beginTurn({
    conversation: { system: null },
    messages: [{ role: 'user', content: prompt }],
    model: 'bench',
  });
  const message = { role: 'assistant', content: 'Yes.' };
  const completion = {
    id: 'c',
    object: 'chat.completion',
    created: 1,
    model: 'bench',
    choices: [{ index: 0, message, finish_reason: 'stop' }],
    usage: null,
  };
  history.endTurn(turnId, { completion, verdict: 'complete', error: null, receipt: { cost_usd: 0.001 } });
}

/** `bytes` of UTF-8. */
function promptOf(language, bytes) {
  const parts = [];
  let [length, state] = [0, 7];
  const random = (below) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % below;
  };
  while (length < bytes) {
    parts.push(languages[language](random));
    length += Buffer.byteLength(parts.at(-1));
  }
  return parts.join('');
}
