import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { InterruptedError } from '../../src/outcome/errors.ts';
import { commandTool } from '../../src/tools/command-tool.ts';
import { decide, parseRule, type Rules } from '../../src/tools/rules.ts';
import { mostResultText, type Tool, ToolArgumentsError, type ToolOutcome } from '../../src/tools/tool.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';
import { hostileCommands, usualRules } from './hostile-commands.ts';

const directory = useTemporaryDirectory();
const at = (name: string): string => join(directory(), name);
const none: Rules = { allow: [], deny: [] };

interface Given {
  rules?: Rules;
  env?: Record<string, string | undefined>;
  timeout?: number;
}

function tool({ rules = none, env = {}, ...more }: Given = {}): Tool {
  const kill = (group: number, signal: NodeJS.Signals): true => process.kill(group, signal);
  return commandTool(rules, { cwd: directory(), env: { PATH: process.env['PATH'], ...env }, kill, ...more });
}

function run(argv: readonly string[], given: Given = {}, signal = new AbortController().signal): Promise<ToolOutcome> {
  const { run: start } = tool(given);
  if (start === null) throw new Error('the tool can not be run');
  return start({ argv }, signal);
}

const sh = async (line: string, given?: Given): Promise<string> => (await run(['sh', '-c', line], given)).text;

describe('the definition', () => {
  test('names the rules for commands, and no others', () => {
    const rules = {
      allow: ['git log *', 'mcp:a/b', 'ls'].map((rule) => parseRule(rule)),
      deny: [parseRule('git push', 'deny')],
    };
    const { name, definition } = tool({ rules });
    const { description } = definition['function'] as { description: string };
    expect(name).toBe('run_command');
    expect(description).toMatch(/options out in full:\n- git log \*\n- ls\nThese never run:\n- git push\n/);
    expect(description).not.toContain('mcp:');
  });

  test('stays short, however many rules there are', () => {
    const allow = Array.from({ length: 10_000 }, (_, number) => parseRule(`program-${number} *`));
    expect(JSON.stringify(tool({ rules: { allow, deny: [] } }).definition).length).toBeLessThan(10_000);
  });
});

describe('the arguments', () => {
  test('are the words of one command', () => {
    expect(tool().subject({ argv: ['git', '', 'a b'] })).toEqual({ kind: 'command', argv: ['git', '', 'a b'] });
  });

  test.each<[string, unknown]>([
    ['nothing', null],
    ['a text', 'git log'],
    ['a list', ['git', 'log']],
    ['no argv', {}],
    ['a line', { argv: 'git log' }],
    ['no word', { argv: [] }],
    ['no program', { argv: ['', 'x'] }],
    ['a number', { argv: ['git', 5] }],
    ['a list inside', { argv: [['git'], 'log'] }],
    ['a NUL', { argv: ['git', 'a\0b'] }],
    ['half a character', { argv: ['git', '\ud800'] }],
    ['a folder beside it', { argv: ['ls'], cwd: '/' }],
    ['too many words', { argv: Array.from({ length: 10_000 }, () => 'a') }],
    ['too long a word', { argv: ['a', 'b'.repeat(200_000)] }],
  ])('%s is told to the model', (_, args) => {
    expect(() => tool().subject(args)).toThrow(ToolArgumentsError);
  });
});

describe('a command', () => {
  test('runs without a shell and without standard input, and tells its exit code and what it wrote', async () => {
    expect((await run(['echo', '$HOME;', '*', '`x`'])).text).toBe('exit code 0\n$HOME; * `x`\n');
    expect(await sh('cat; echo out; echo err >&2; exit 3')).toBe('exit code 3\nout\n\nstderr:\nerr\n');
    expect(await run(['false'])).toMatchObject({ isError: true });
    expect((await run(['true'])).text).toBe('exit code 0\n(no output)');
    expect(await run(['true'])).toMatchObject({ isError: false });
    expect((await run(['no-such-program'])).text).toBe('could not be started (ENOENT)');
  });

  test('finds no pager, nobody to ask, and no program of a relative place', async () => {
    mkdirSync(at('bin'));
    writeFileSync(at('bin/evil'), '#!/bin/sh\necho evil', { mode: 0o755 });
    writeFileSync(at('evil'), '#!/bin/sh\necho evil', { mode: 0o755 });
    const env = { PATH: `bin::.:${process.env['PATH']}`, OTHER: 'stays', GIT_CONFIG_COUNT: '1' };
    const given = { env: { ...env, GIT_CONFIG_KEY_0: 'user.name', GIT_CONFIG_VALUE_0: 'A' } };
    const lines = (await sh('env', given)).split('\n');
    for (const line of ['PAGER=cat', 'GIT_PAGER=cat', 'GIT_TERMINAL_PROMPT=0', 'GIT_OPTIONAL_LOCKS=0', 'OTHER=stays']) {
      expect(lines).toContain(line);
    }
    expect((await run(['git', 'config', 'core.fsmonitor'], given)).text).toBe('exit code 0\nfalse\n');
    expect((await run(['git', 'config', 'user.name'], given)).text).toBe('exit code 0\nA\n');
    expect((await run(['evil'], given)).text).toBe('could not be started (ENOENT)');
    // Where nothing else stands in it, an empty one would be the folder itself.
    for (const PATH of ['bin', '.', '', ':', undefined]) {
      expect((await run(['evil'], { env: { PATH } })).text).toBe('could not be started (ENOENT)');
    }
  });

  test('has of a long output the beginning and the end, of any bytes text, and of controls what shows them', async () => {
    const long = await run([
      'sh',
      '-c',
      'echo first; head -c 9000000 /dev/zero | tr "\\0" x; echo; echo last; echo why >&2',
    ]);
    expect(long.text).toMatch(
      /^exit code 0\nfirst\nx+\n\[about 895\d{4} bytes are left out\]\nx+\nlast\n\nstderr:\nwhy\n$/,
    );
    const controls = await run(['sh', '-c', 'head -c 200000 /dev/zero']);
    expect(controls.text).toMatch(/^exit code 0\n(\\x00)+/);
    for (const { text } of [long, controls]) expect(text.length).toBeLessThanOrEqual(mostResultText);
    expect(await sh('printf "a\\033[2J\\377b\\r\\303\\244\\n"')).toBe('exit code 0\na\\x1b[2J\ufffdb\\x0dä\n');
  });

  test('ends after its time, and by a signal, with all that it started', async () => {
    const line = 'sleep 60 & echo $!; wait';
    const late = await sh(line, { timeout: 0.3 });
    expect(late).toMatch(/^took longer than 0.3 s, and was ended\n\d+\n$/);
    const controller = new AbortController();
    const running = run(['sh', '-c', 'echo $$ > pid; exec sleep 60'], {}, controller.signal);
    while (!existsSync(at('pid'))) await new Promise((resolve) => setTimeout(resolve, 5));
    controller.abort(new InterruptedError('SIGINT'));
    await expect(running).rejects.toMatchObject({ code: 'interrupted', signal: 'SIGINT' });
    await expect(run(['touch', at('ran')], {}, controller.signal)).rejects.toBeInstanceOf(InterruptedError);
    expect(existsSync(at('ran'))).toBe(false);
  });
});

describe('what the usual rules allow', () => {
  const usual = usualRules.map((rule) => parseRule(rule));
  /** Programs of every machine that runs this. */
  const programs = [
    'git',
    'grep',
    'find',
    'sort',
    'uniq',
    'cut',
    'head',
    'tail',
    'wc',
    'diff',
    'date',
    'ls',
    'cat',
    'du',
    'stat',
  ];
  const vocabulary = pieces();

  /** A repository with settings that run a program, and whatever else would leave a trace. */
  function makeTrap(): void {
    const git = (...words: string[]): Buffer =>
      execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b', '-c', 'init.defaultBranch=main', ...words], {
        cwd: directory(),
        stdio: 'pipe',
      });
    writeFileSync(at('evil'), `#!/bin/sh\necho ran >> '${at('canary')}'\n`, { mode: 0o755 });
    git('init', '-q');
    writeFileSync(at('a'), 'b\na\n');
    writeFileSync(at('b'), 'b\nb\n');
    git('add', '.');
    git('commit', '-qm', 'one');
    git('tag', 'v1');
    writeFileSync(at('a'), 'b\na\nc\n');
    const evil = at('evil');
    for (const name of ['core.fsmonitor', 'core.pager', 'core.editor', 'gpg.program', 'core.sshCommand', 'pager.log'])
      git('config', name, evil);
  }

  const state = (): string =>
    readdirSync(directory(), { recursive: true, encoding: 'utf8', withFileTypes: true })
      .map((entry) => join(entry.parentPath, entry.name))
      .map((file) => {
        const name = relative(directory(), file);
        try {
          return `${name} ${readFileSync(file, 'latin1')}`;
        } catch {
          return name;
        }
      })
      .toSorted()
      .join('\n');

  test('leaves nothing behind, whatever words are tried', async () => {
    makeTrap();
    const seed = Number(process.env['CLLM_TEST_SEED'] ?? 20_261_127);
    const tries = Number(process.env['CLLM_TEST_TRIES'] ?? 2_400);
    const random = randomOf(seed);
    const rules = { allow: usual, deny: [] };
    const before = state();
    const tried: (readonly string[])[] = [];
    const pick = <One>(list: readonly One[]): One => list[Math.floor(random() * list.length)] as One;
    while (tried.length < tries) {
      const program = pick(programs);
      const subcommand = program === 'git' ? [pick(gitCommands)] : [];
      const words = vocabulary.get(program) ?? [];
      const own = Array.from({ length: Math.floor(random() * 5) }, () => pick(random() < 0.3 ? operands : words));
      tried.push([program, ...subcommand, ...own]);
    }
    const allowed = tried.filter((argv) => decide(rules, { kind: 'command', argv }).decision === 'allow');
    const runs = [...new Map(allowed.map((argv) => [argv.join('\0'), argv])).values()].slice(0, tries / 20);
    const ran: (readonly string[])[] = [];
    for (const argv of runs) {
      await run(argv, { timeout: 20 });
      ran.push(argv);
      if (existsSync(at('canary')) || state() !== before) break;
    }
    const last = existsSync(at('canary')) || state() !== before ? `seed ${seed}: ${JSON.stringify(ran.at(-1))}` : null;
    expect(last).toBeNull();
    expect(runs.length).toBeGreaterThan(50);
  });

  test('are words that would leave something, had they run', async () => {
    makeTrap();
    // The trap works: some of the hostile commands do spring it.
    for (const argv of [
      ['git', 'status'],
      ['git', 'log', '--output=made'],
      ['sort', '-o', 'sorted', 'a'],
      ['git', 'branch', 'evil'],
    ])
      execFileSync(argv[0] as string, argv.slice(1), { cwd: directory(), stdio: 'ignore' });
    expect(['canary', 'made', 'sorted', '.git/refs/heads/evil'].filter((name) => !existsSync(at(name)))).toEqual([]);
  });
});

const gitCommands =
  'log diff show status branch tag grep blame ls-files rev-parse describe shortlog for-each-ref remote'.split(' ');
const operands = ['a', 'b', 'HEAD', 'v1', '.', '-', '--', 'evil', './evil', 'made', '1', 'main', 'x=y', '+1', ''];

/** Each program's words: those of the hostile commands, and of each option the beginnings. */
function pieces(): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const [[program = '', ...words]] of hostileCommands) {
    const own = found.get(program) ?? [];
    for (const word of words) {
      own.push(word.replaceAll('/tmp/', 'made-'));
      const [option = ''] = word.split('=');
      if (option.startsWith('--')) for (let end = 3; end < option.length; end += 3) own.push(option.slice(0, end));
    }
    found.set(program, own);
  }
  const letters = Array.from('abcdefghiklmnopqrstuvwxzABCDEFGHIKLMNOPRSTUVWXZ0159');
  const long =
    'format list sort contains merged color stat name-only patch all count reverse unique number check'.split(' ');
  for (const program of [
    'git',
    'grep',
    'find',
    'sort',
    'uniq',
    'cut',
    'head',
    'tail',
    'wc',
    'diff',
    'date',
    'ls',
    'cat',
    'du',
    'stat',
  ]) {
    const own = found.get(program) ?? [];
    own.push(
      ...letters.map((letter) => `-${letter}`),
      ...letters.map((letter) => `-${letter}made`),
      ...long.map((one) => `--${one}`),
    );
    own.push(
      '--format=%G?',
      '--format=%h',
      '-name',
      '-type',
      '-print',
      '-ls',
      '-delete',
      '-newermt',
      '-f1',
      '-n',
      '-k1',
      '-o',
    );
    found.set(program, own);
  }
  return found;
}

function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
