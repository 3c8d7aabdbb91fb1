// Makes the files of a release: npm run release
// Writes release/cllm-X.Y.Z.tgz and release/SHA256SUMS, which also covers what other scripts built into release/.
// The version stands in package.json alone; what else tells it has to agree. It publishes nothing.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const release = path.join(root, 'release');
const sums = 'SHA256SUMS';
const read = (name) => readFileSync(path.join(root, name), 'utf8');
const run = (program, args, cwd = root) =>
  execFileSync(program, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();

const { name, version } = JSON.parse(read('package.json'));
const packed = `${name}-${version}.tgz`;
const repository = repositoryName();
const problems = [...whatDisagrees()];
if (problems.length > 0) {
  for (const problem of problems) console.error(`release: ${problem}`);
  process.exit(1);
}

mkdirSync(release, { recursive: true });
packFor(repository);
const files = readdirSync(release)
  .filter((file) => file !== sums)
  .toSorted();
const lines = files.map((file) => `${sha256(path.join(release, file))}  ${file}`);
writeFileSync(path.join(release, sums), `${lines.join('\n')}\n`);
for (const line of lines) console.log(line);

function* whatDisagrees() {
  const changed = run('git', ['status', '--porcelain']);
  if (changed !== '') yield `the tree is not clean, commit or remove:\n${changed}`;
  const [, newest, when] = /^## (\S+) \((.*)\)$/m.exec(read('CHANGELOG.md')) ?? [];
  if (newest !== version) yield `package.json says ${version}, the newest heading of CHANGELOG.md says ${newest}`;
  if (!/^\d{4}-\d\d-\d\d$/.test(when ?? ''))
    yield `the newest heading of CHANGELOG.md says (${when}), it needs the day of the release, as in (2026-01-31)`;
  const said = run(process.execPath, [path.join(root, 'dist/cli/bin.js'), '--version']);
  if (said !== version) yield `package.json says ${version}, the built command says ${said}: npm run build`;
  if (process.env.GITHUB_REF_TYPE === 'tag' && process.env.GITHUB_REF_NAME !== `v${version}`)
    yield `the tag is ${process.env.GITHUB_REF_NAME}, package.json says ${version}: it has to be v${version}`;
  if (repository === null)
    yield 'nobody said which repository this is: set GITHUB_REPOSITORY=owner/name, or the git remote origin';
  for (const file of leftovers()) yield `release/${file} is of another version: remove it`;
}

/** Where the project lives is known where it is released: package.json has OWNER for it. */
function repositoryName() {
  const fromGit = () => {
    try {
      return run('git', ['remote', 'get-url', 'origin']);
    } catch {
      return '';
    }
  };
  const place = process.env.GITHUB_REPOSITORY ?? fromGit();
  return /^(?:.*github\.com[:/])?([\w.-]+\/[\w.-]+?)(?:\.git)?$/.exec(place)?.[1] ?? null;
}

function leftovers() {
  try {
    return readdirSync(release).filter((file) => (/\d+\.\d+\.\d+/.exec(file)?.[0] ?? version) !== version);
  } catch {
    return [];
  }
}

/** Packs what is built, with the address of the repository in its package.json. */
function packFor(place) {
  const folder = mkdtempSync(path.join(tmpdir(), 'cllm-release-'));
  try {
    run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder]);
    run('tar', ['-xzf', packed], folder);
    const manifest = path.join(folder, 'package/package.json');
    writeFileSync(manifest, readFileSync(manifest, 'utf8').replaceAll('OWNER/cllm', place));
    run('npm', ['pack', './package', '--ignore-scripts', '--pack-destination', folder], folder);
    rmSync(path.join(release, packed), { force: true });
    renameAcross(path.join(folder, packed), path.join(release, packed));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function renameAcross(from, to) {
  writeFileSync(`${to}.part`, readFileSync(from));
  renameSync(`${to}.part`, to);
}

function sha256(file) {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}
