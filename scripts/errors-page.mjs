// Writes the exit codes and the next steps of docs/errors.md from the table of errors: npm run errors-page
// What a code means, and whether it is tried again, is written there by hand.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const page = path.join(root, 'docs/errors.md');
const { outputFiles } = await build({
  stdin: {
    contents: `export { errorTable } from './src/outcome/error-table.ts'; export { exits } from './src/outcome/exits.ts';`,
    resolveDir: root,
    loader: 'ts',
  },
  bundle: true,
  format: 'esm',
  write: false,
  logLevel: 'error',
});
const { errorTable, exits } = await import(
  `data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`
);

writeFileSync(
  page,
  readFileSync(page, 'utf8').replaceAll(
    /^\| `(\w+)` \| \d+ \| ([^|]+) \| ([^|]+) \| [^|]+ \|$/gm,
    (row, code, isRetried, meaning) => {
      const known = errorTable[code];
      return known === undefined
        ? row
        : `| \`${code}\` | ${exits[known.exit].code} | ${isRetried} | ${meaning} | ${known.nextStep} |`;
    },
  ),
);
