import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '../../src/local-proxy/free-port.ts';
import { type Installation, provisionLiteLLM } from '../../src/local-proxy/provision.ts';
import { suiteDirectory, testedVersion, testMachine } from './litellm-environment.ts';
import { listening, stop } from './nginx.ts';
import { programAt, programPath } from './programs.ts';

const run = promisify(execFile);

/** A PostgreSQL with LiteLLM's tables, and what a proxy needs to work on it. */
export interface TeamDatabase {
  /** A LiteLLM that finds Prisma's client and engine: `startLitellm` takes it. */
  installation: Installation;
  environment: Record<string, string>;
  /** Rows as psql prints them: `|` between columns. */
  sql(statement: string): Promise<string[]>;
  close(): Promise<void>;
}

/**
 * What a team's proxy has and a test's has not. Prisma's engine and its migrations are downloads that not every machine may
 * make, so npm's WebAssembly engine stands behind the engine's own interface (team-proxy/query-engine.mjs), and psql
 * applies LiteLLM's migrations. LiteLLM itself is as it was installed: a virtual environment on top of it has the client
 * that is generated from its schema. Thirty seconds the first time, ten after that.
 */
export async function startTeamDatabase(suites: Installation): Promise<TeamDatabase> {
  const installation = suites.method === 'docker' ? await fromPackages() : suites;
  const prisma = await preparePrisma(installation.python);
  const postgres = await startPostgres();
  try {
    const migrations = join(prisma.packages, 'litellm_proxy_extras', 'migrations');
    const files = readdirSync(migrations, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => join(migrations, name, 'migration.sql'))
      .toSorted();
    await postgres.psql('postgres', '--command', 'CREATE DATABASE litellm');
    await postgres.psql('litellm', ...files.flatMap((file) => ['--file', file]));
  } catch (error) {
    await postgres.close();
    throw error;
  }
  return {
    installation: { ...installation, program: prisma.program },
    environment: {
      DATABASE_URL: `postgresql://litellm@127.0.0.1:${postgres.port}/litellm`,
      // Its own way of applying them is the schema engine, which is a download as well.
      DISABLE_SCHEMA_UPDATE: 'true',
      LITELLM_SALT_KEY: 'sk-salt-of-the-tests',
      PRISMA_QUERY_ENGINE_BINARY: prisma.engine,
      PRISMA_HIDE_UPDATE_MESSAGE: '1',
    },
    async sql(statement) {
      const rows = await postgres.psql('litellm', '--tuples-only', '--no-align', '--command', statement);
      return rows.split('\n').filter((row) => row !== '');
    },
    close: () => postgres.close(),
  };
}

/** Where the suite runs an image: what is generated for the packages would not fit what is in it. */
async function fromPackages(): Promise<Exclude<Installation, { method: 'docker' }>> {
  const installation = await provisionLiteLLM({
    machine: testMachine(),
    directory: join(suiteDirectory, 'packages'),
    report: () => undefined,
    method: 'venv',
    ...(testedVersion !== undefined && { version: testedVersion }),
  });
  if (installation.method === 'docker') throw new Error('LiteLLM was to be installed from its packages');
  return installation;
}

interface Prisma {
  /** Starts LiteLLM with the generated client. */
  program: string;
  /** What LiteLLM starts as its query engine. */
  engine: string;
  /** Where LiteLLM's packages are. */
  packages: string;
}

/** Made once for each LiteLLM: a stamp, written last, says that it is whole. */
async function preparePrisma(python: string): Promise<Prisma> {
  const packages = await sitePackages(python);
  const own = join(import.meta.dirname, 'team-proxy');
  const parts = ['package-lock.json', 'query-engine.mjs'].map((name) => readFileSync(join(own, name)));
  const schema = readFileSync(join(packages, 'litellm', 'proxy', 'schema.prisma'), 'utf8');
  const digest = createHash('sha256')
    .update([...parts, schema, python].join('\0'))
    .digest('hex');
  const directory = join(suiteDirectory, 'team');
  const prisma = { program: join(directory, 'litellm'), engine: join(directory, 'query-engine'), packages };
  const stamp = join(directory, 'made-of');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return prisma;
  rmSync(directory, { recursive: true, force: true });

  const npm = join(directory, 'npm');
  mkdirSync(npm, { recursive: true });
  for (const name of ['package.json', 'package-lock.json', 'query-engine.mjs'])
    cpSync(join(own, name), join(npm, name));
  await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: npm });
  const node = process.execPath;
  // LiteLLM asks for the version first, and wants this one.
  const engine = `case "$1" in --version) echo "query-engine 393aa359c9ad4a4bb28630fb5613f9c281cde053"; exit 0;; esac`;
  script(prisma.engine, `${engine}\nexec '${node}' '${join(npm, 'query-engine.mjs')}' "$@"`);

  const venv = join(directory, 'venv');
  const bin = join(venv, 'bin');
  await run(python, ['-m', 'venv', '--without-pip', venv]);
  const overlay = await sitePackages(join(bin, 'python'));
  writeFileSync(join(overlay, 'litellm.pth'), `${packages}\n`);
  for (const name of readdirSync(packages).filter((each) => /^prisma(?:-.*\.dist-info)?$/.test(each))) {
    cpSync(join(packages, name), join(overlay, name), { recursive: true });
  }
  script(join(bin, 'prisma-client-py'), `exec '${bin}/python' -c 'from prisma.cli import main; main()' "$@"`);
  script(prisma.program, `PATH='${bin}':"$PATH" exec '${bin}/python' '${join(dirname(python), 'litellm')}' "$@"`);

  const schemaFile = join(directory, 'schema.prisma');
  writeFileSync(schemaFile, schema.replace(/binaryTargets = .*/, ''));
  await run(node, [join(npm, 'node_modules/prisma/build/index.js'), 'generate', '--schema', schemaFile], {
    cwd: directory,
    env: {
      PATH: [bin, process.env['PATH']].join(delimiter),
      HOME: directory,
      DATABASE_URL: 'postgresql://nowhere',
      PRISMA_HIDE_UPDATE_MESSAGE: '1',
      PRISMA_QUERY_ENGINE_BINARY: prisma.engine,
      PRISMA_QUERY_ENGINE_LIBRARY: prisma.engine,
      PRISMA_SCHEMA_ENGINE_BINARY: prisma.engine,
    },
  });
  writeFileSync(stamp, digest);
  return prisma;
}

async function sitePackages(python: string): Promise<string> {
  const { stdout } = await run(python, ['-c', 'import sysconfig; print(sysconfig.get_path("purelib"))']);
  return stdout.trim();
}

function script(file: string, body: string): void {
  writeFileSync(file, `#!/bin/sh\n${body}\n`);
  chmodSync(file, 0o755);
}

interface Postgres {
  port: number;
  psql(database: string, ...given: string[]): Promise<string>;
  close(): Promise<void>;
}

/** Debian keeps the server's programs by their release, out of everybody's way. */
export function postgresPrograms(): string | null {
  const releases = '/usr/lib/postgresql';
  const newest = existsSync(releases) ? readdirSync(releases).toSorted((a, b) => Number(b) - Number(a))[0] : undefined;
  if (newest !== undefined) return join(releases, newest, 'bin');
  const found = programAt('initdb');
  return found && dirname(found);
}

async function startPostgres(): Promise<Postgres> {
  const programs = postgresPrograms();
  if (programs === null) throw new Error('this machine has no PostgreSQL server (apt-get install postgresql)');
  // Not in the repository, whose folders a user of its own may be kept out of.
  const directory = mkdtempSync(join(tmpdir(), 'cllm-postgres-'));
  const data = join(directory, 'data');
  const port = await freePort();
  const user = await serverUser();
  if (user !== null) chownSync(directory, user.uid, user.gid);
  const options = { cwd: directory, env: { PATH: programPath, LANG: 'C.UTF-8' }, ...user };
  await run(join(programs, 'initdb'), ['-D', data, '-A', 'trust', '-U', 'litellm', '--no-sync', '-E', 'UTF8'], options);
  const settings = {
    listen_addresses: "'127.0.0.1'",
    port,
    unix_socket_directories: "''",
    max_connections: 200,
    // The data are gone with the run.
    fsync: 'off',
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}\n`);
  appendFileSync(join(data, 'postgresql.conf'), lines.join(''));
  const server = spawn(join(programs, 'postgres'), ['-D', data], { ...options, stdio: ['ignore', 'ignore', 'pipe'] });
  const close = async (): Promise<void> => {
    await stop(server, 'SIGQUIT');
    rmSync(directory, { recursive: true, force: true });
  };
  await listening(server, port, close);
  const psql = async (database: string, ...given: string[]): Promise<string> => {
    const fixed = ['--quiet', '--no-psqlrc', '--set', 'ON_ERROR_STOP=1', '--host', '127.0.0.1', '--port', String(port)];
    const { stdout } = await run('psql', [...fixed, '--username', 'litellm', '--dbname', database, ...given], {
      env: { PATH: programPath, PGOPTIONS: '-c client_min_messages=warning' },
      maxBuffer: 1 << 26,
    });
    return stdout;
  };
  return { port, psql, close };
}

/** PostgreSQL refuses to be root; its package makes a user for it. */
async function serverUser(): Promise<{ uid: number; gid: number } | null> {
  if (process.getuid?.() !== 0) return null;
  const ids = await Promise.all(['-u', '-g'].map(async (flag) => Number((await run('id', [flag, 'postgres'])).stdout)));
  return { uid: ids[0] ?? 0, gid: ids[1] ?? 0 };
}
