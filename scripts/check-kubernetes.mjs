// Holds the manifests of examples/kubernetes/ against the schemas of Kubernetes: npm run check:kubernetes [VERSION…]
//
// By PyPI's kubernetes-validate, which carries the schemas of each release and asks nobody; it is installed once, into a
// Python environment below node_modules. Strict: a member that the schema does not know is a mistake.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const release = '1.37.0';
// The oldest in which all that the manifests use is stable, and the newest that the release knows.
const versions = process.argv.length > 2 ? process.argv.slice(2) : ['1.34', '1.37'];

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const environment = path.join(root, 'node_modules/.cache', `kubernetes-validate-${release}`);
const program = path.join(environment, 'bin/kubernetes-validate');
const run = (file, args) => execFileSync(file, args, { stdio: 'inherit' });

if (!existsSync(program)) {
  run('python3', ['-m', 'venv', environment]);
  run(path.join(environment, 'bin/pip'), ['install', '--quiet', `kubernetes-validate==${release}`]);
}
const folder = path.join(root, 'examples/kubernetes');
const files = readdirSync(folder).map((name) => path.join(folder, name));
try {
  for (const version of versions) run(program, ['--strict', '--kubernetes-version', version, ...files]);
} catch {
  process.exitCode = 1;
}
