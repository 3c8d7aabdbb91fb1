// Mutation testing, a room at a time: `npm run test:mutation -- [ROOM…] [FILE…]`, every room without one; with files of src/,
// those of the rooms alone. Some seconds a mutant: a room is an hour or more.
//
// A mutant is run against the tests of its own room that drive the code in their own process: a test that starts the
// built command would run the code as it was built, without the mutant, and one that takes seconds would run a thousand
// times. So a survivor here may still be noticed by the whole suite; docs/mutation-testing.md lists them with reasons.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const rooms = {
  protocol: { mutate: ['src/protocol/**/*.ts', '!src/protocol/types.ts'], tests: ['protocol'] },
  client: { mutate: ['src/client/**/*.ts'], tests: ['client'] },
  journal: { mutate: ['src/journal/**/*.ts'], tests: ['journal', 'conversation'] },
  conversation: { mutate: ['src/conversation/**/*.ts'], tests: ['conversation'] },
  history: { mutate: ['src/history/**/*.ts'], tests: ['history'] },
  batch: { mutate: ['src/batch/**/*.ts'], tests: ['batch'] },
  terminal: {
    mutate: ['src/terminal/{terminal-safe,outgoing-text,own-text,runner-commands}.ts'],
    tests: ['terminal'],
  },
};
/** Sweeps and fuzzers: seconds a run, and what they notice the tables beside them notice as well. */
const tooSlow = [
  'every-offset',
  'linear-time',
  'fixtures',
  'properties',
  'concurrency',
  'history-model',
  'network',
  'callers',
];

const given = process.argv.slice(2);
const files = given.filter((name) => name.includes('/'));
const asked = given.filter((name) => !name.includes('/'));
const unknown = asked.filter((name) => !Object.hasOwn(rooms, name));
if (unknown.length > 0) {
  console.error(`no such room: ${unknown.join(', ')} (there are ${Object.keys(rooms).join(', ')})`);
  process.exit(2);
}

const directory = '.stryker';
mkdirSync(directory, { recursive: true });
let status = 0;
const lines = [];
for (const name of asked.length > 0 ? asked : Object.keys(rooms)) {
  const room = rooms[name];
  const folder = `${directory}/${name}`;
  mkdirSync(folder, { recursive: true });
  const config = {
    packageManager: 'npm',
    plugins: ['@stryker-mutator/jest-runner', path.resolve('scripts/mutation-runner.mjs')],
    testRunner: 'file-by-file',
    testFilesPlace: path.resolve(folder, 'test-files.json'),
    testRunnerNodeArgs: ['--experimental-vm-modules'],
    jest: { projectType: 'custom', enableFindRelatedTests: false, configFile: `${folder}/jest.config.json` },
    coverageAnalysis: 'perTest',
    ignoreStatic: true,
    mutate: files.length > 0 ? files : room.mutate,
    ignorePatterns: ['/.litellm', `/${directory}/*/sandbox`, '/dist', '*.log'],
    incremental: true,
    incrementalFile: `${folder}/incremental.json`,
    tempDirName: `${folder}/sandbox`,
    // Words are held by the tests that read them; a mutant a literal would be a third of all.
    mutator: { excludedMutations: ['StringLiteral'] },
    concurrency: Number(process.env['MUTATION_CONCURRENCY'] ?? 2),
    timeoutMS: 8_000,
    timeoutFactor: 3,
    // Each run leaves its modules in the process.
    maxTestRunnerReuse: 150,
    reporters: ['json', 'html', 'progress-append-only'],
    jsonReporter: { fileName: `${folder}/mutation.json` },
    htmlReporter: { fileName: `${folder}/mutation.html` },
  };
  writeFileSync(`${folder}/config.json`, JSON.stringify(config, null, 2));
  // A file of its own: beside jest.config.js its projects would be run as well.
  writeFileSync(
    `${folder}/jest.config.json`,
    JSON.stringify({
      rootDir: '../..',
      testEnvironment: 'node',
      // A busy machine is no fault; a mutant that never ends is ended by Stryker.
      testTimeout: 60_000,
      extensionsToTreatAsEsm: ['.ts'],
      transform: { '^.+\\.ts$': ['ts-jest', { useESM: true, diagnostics: false }] },
      roots: ['<rootDir>/src', ...room.tests.map((test) => `<rootDir>/__tests__/${test}`)],
      testMatch: room.tests.map((test) => `**/__tests__/${test}/**/*.test.ts`),
      testPathIgnorePatterns: ['/node_modules/', ...tooSlow.map((test) => `/${test}\\.test\\.ts$`)],
    }),
  );
  const run = spawnSync('npx', ['stryker', 'run', `${folder}/config.json`], { stdio: 'inherit' });
  if (run.status !== 0) {
    status = 1;
    lines.push(`${name}: did not run`);
    continue;
  }
  lines.push(summary(name, `${folder}/mutation.json`));
}
console.log(lines.join('\n'));
process.exit(status);

/** A line of figures, then a line a survivor. */
function summary(name, file) {
  const counts = {};
  const survivors = [];
  for (const [source, { mutants, source: code }] of Object.entries(JSON.parse(readFileSync(file, 'utf8')).files)) {
    const text = code.split('\n');
    for (const mutant of mutants) {
      counts[mutant.status] = (counts[mutant.status] ?? 0) + 1;
      if (mutant.status !== 'Survived' && mutant.status !== 'NoCoverage') continue;
      const { line } = mutant.location.start;
      const replacement = (mutant.replacement ?? '').replaceAll(/\s+/g, ' ').slice(0, 60);
      survivors.push(
        `  ${source}:${line} ${mutant.mutatorName} [${text[line - 1].trim().slice(0, 70)}] -> [${replacement}]`,
      );
    }
  }
  const killed = (counts['Killed'] ?? 0) + (counts['Timeout'] ?? 0);
  const counted = killed + (counts['Survived'] ?? 0) + (counts['NoCoverage'] ?? 0);
  const share = counted === 0 ? 100 : (100 * killed) / counted;
  if (share < 85) status = 1;
  return [`${name}: ${share.toFixed(1)} % of ${counted} killed`, ...survivors].join('\n');
}
