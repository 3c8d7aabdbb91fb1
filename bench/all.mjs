/**
 * Runs every benchmark, one after the other, and writes what they print to bench/RESULTS.md:
 *
 *   npm run bench [-- --accept]
 *
 * A figure that is held and worse than that file says by more than its noise leaves the file as it is, and ends this with 1; `--accept` takes it.
 *
 * The README quotes that file and no other figure. Absolute times belong to the machine that is named in it; compare the
 * ratios.
 */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import path from 'node:path';
import { root } from './support/command.mjs';
import { installPeers, versionOf } from './support/peers.mjs';

const benches = [
  ['command', 'The command: start-up, a short reply, display delay, throughput, memory'],
  ['executable', 'One executable'],
  ['process-end', 'The end of the process'],
  ['protocol', 'The wire: events, chunks, the fold'],
  ['protocol-peers', 'The library over loopback'],
  ['streams', 'The library with many streams at once'],
  ['history', 'The history and the journal'],
  ['search', 'The search inside text without spaces'],
  ['batch', 'Batches'],
  ['tools', 'A loop of tools'],
  ['prompt', 'Prompts of megabytes'],
  ['terminal', 'Markdown on a terminal'],
  ['faults', 'Broken streams'],
];

const peers = installPeers();
const env = { ...process.env, CLLM_BENCH_PEERS: path.dirname(peers.openai) };
// With one of these set every start of Node costs 100 ms more, for all contenders.
delete env.NODE_EXTRA_CA_CERTS;
delete env.SSL_CERT_FILE;
if (process.argv.includes('--accept')) env.CLLM_BENCH_ACCEPT = '1';

const sections = [];
const failed = [];
for (const [name, title] of benches) {
  process.stderr.write(`bench/${name}.bench.mjs …\n`);
  const { output, code } = await outputOf([process.execPath, '--expose-gc', `bench/${name}.bench.mjs`]);
  // The others are worth their time all the same.
  if (code !== 0) failed.push(`bench/${name}.bench.mjs ended with ${code}`);
  sections.push(
    `## ${title}\n\n\`node --expose-gc bench/${name}.bench.mjs\`\n\n\`\`\`text\n${output.trim()}\n\`\`\`\n`,
  );
}

const npmPeers = Object.entries(peers.packages).map(([name, version]) => `${name} ${version}`);
const facts = [
  `Measured on ${new Date().toISOString().slice(0, 10)} with Node ${process.versions.node} on ${process.platform} ${process.arch}, ${cpus().length} cores (${cpus()[0]?.model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GiB.`,
  `Peers: ${[...npmPeers, ...['curl', 'aichat', 'llm'].map(versionOf)].join(', ')}.`,
  'All benchmarks of this file ran one after the other in one go: `npm run bench`. Absolute times belong to this machine; compare the ratios.',
];
if (failed.length > 0) throw new Error(`bench/RESULTS.md stays as it is: ${failed.join(', ')}`);
writeFileSync(path.join(root, 'bench/RESULTS.md'), `# Results\n\n${facts.join('\n\n')}\n\n${sections.join('\n')}`);

function outputOf([file, ...args]) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      output += text;
      process.stderr.write(text);
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ output, code }));
  });
}
