/* oxlint-disable no-control-regex -- control characters are what this is about */
import { mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { commandTable } from '../../src/cli/command-table.ts';
import type { Command } from '../../src/cli/command.ts';
import {
  chunk,
  type FakeUpstream,
  type RecordedRequest,
  type ScriptedReply,
  startFakeUpstream,
} from '../support/fake-upstream.ts';
import { CliHome } from '../support/run-cli.ts';
import { Terminal } from '../support/terminal.ts';

/** Sets the title and the clipboard, blinks, clears, hides, turns the writing around, in C0, DEL, C1 and bidi controls. */
const evil =
  'a\u001b]0;EVIL\u0007\u001b[5mB\u001b[2J\u009b5mC\u009d0;X\u009c\u202eR\u2066i\u0008\u007f\u001b]52;c;aGk=\u0007\u001b]8;;http://e\u001b\\L\rCR\u200eM\u061cA\nN';
/** Without what no argument, header or name of a file can hold. */
const evilWord = evil.replaceAll('\n', '').replaceAll('/', '_');
const evilHeader = 'a\u009b5mC\u009d0;X\u009c';

/** What of a terminal's input cllm never writes itself. */
function foreign(output: string): string[] {
  const rest = output
    .replace(/\u001b\[(?:[\d]{1,2}m|\d*[ABCG]|\d?[HJK]|\?20(?:04|26)[hl])/g, '')
    .replace(/\r\n|\r(?!C)/g, '');
  const controls = rest.match(
    /[^]{0,20}[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069][^]{0,20}/g,
  );
  return [...(controls ?? []), ...(/\u001b\[5m/.test(output) ? ['blinking'] : [])];
}

const evilDelta = {
  content: `# ${evil}\n\n- ${evil}\n\n> ${evil}\n\n| ${evil} | b |\n|---|---|\n| c | d |\n\n\`\`\`${evil}\n${evil}\n\`\`\`\n\n[${evil}](http://x/${evil}) \`${evil}\` **b ${evil}** &#27;]0;E&#7; &#x9b;5m &#8238;\n\n`,
};
const evilCalls = [
  {
    index: 0,
    id: evil,
    type: 'function',
    function: { name: evil, arguments: JSON.stringify({ a: evil, b: [evil, evil, evil] }) },
  },
  { index: 1, id: 'x', type: 'custom', custom: { name: evil, input: evil } },
];

/** Everything that a proxy tells, in words that drive a terminal. */
function evilProxy(request: RecordedRequest): ScriptedReply {
  const headers = {
    'x-litellm-model-group': evilHeader,
    server: evilHeader,
    'x-litellm-call-id': evilHeader,
    'x-litellm-version': evilHeader,
  };
  if (request.path.includes('/chat/completions')) {
    if (request.body.model === 'fails')
      return { status: 400, headers, body: { error: { message: evil, type: evil, code: evil } } };
    const named = { model: evil, id: evil };
    const delta = (each: Record<string, unknown>, finish: string | null = null): { data: unknown } => ({
      data: chunk([{ index: 0, delta: each, finish_reason: finish }], named),
    });
    const calls = delta({ tool_calls: evilCalls });
    return {
      headers,
      steps: [delta({ reasoning_content: evil }), delta(evilDelta), calls, delta({ refusal: evil }), delta({}, evil)],
    };
  }
  const info = {
    key_alias: evil,
    team_alias: evil,
    user_id: evil,
    budget_reset_at: evil,
    budget_duration: evil,
    expires: evil,
    max_budget: 5,
    spend: 1,
    models: [evil],
  };
  const evilPart = {
    [evil]: { metrics: { spend: 1, api_requests: 1 }, metadata: { key_alias: evil, team_alias: evil } },
  };
  const evilDay = {
    date: evil,
    metrics: { spend: 1, api_requests: 1 },
    breakdown: { model_groups: evilPart, api_keys: evilPart, entities: evilPart },
  };
  const evilCall = {
    request_id: 'x',
    session_id: evil,
    model: evil,
    model_group: evil,
    startTime: evil,
    status: evil,
    user: evil,
    request_tags: [evil],
    metadata: {
      user_api_key_alias: evil,
      spend_logs_metadata: { [evil]: evil },
      error_information: { error_message: evil },
    },
  };
  const evilTool = {
    name: 't',
    description: evil,
    inputSchema: { properties: { [evil]: { type: evil } }, required: [evil] },
  };
  const bodies: Record<string, unknown> = {
    '/v1/models': {
      data: [
        { id: evil, mode: evil },
        { id: 'm', mode: evil },
      ],
    },
    '/model/info': {
      data: [
        { model_name: evil, model_info: { litellm_provider: evil, mode: evil } },
        { model_name: 'm', model_info: { litellm_provider: evil } },
      ],
    },
    '/key/info': { info },
    '/user/daily/activity': { results: [evilDay] },
    '/team/daily/activity': { results: [evilDay] },
    '/spend/logs/v2': { data: [evilCall], total_pages: 1 },
    '/team/list': [
      { team_id: evil, team_alias: evil, budget_reset_at: evil, models: [evil], metadata: { cllm: { set: evil } } },
    ],
    '/user/list': { users: [{ user_id: evil, user_email: evil }], total_pages: 1 },
    '/key/list': {
      keys: [{ ...info, token: evil, key_name: evil, team_id: evil, metadata: { cllm: { set: evil } } }],
      total_pages: 1,
    },
    '/health/readiness': { status: evil, db: evil, litellm_version: evil },
    '/v1/mcp/server': [{ server_id: evil, server_name: evil, transport: evil, status: evil, description: evil }],
    '/mcp-rest/tools/list': {
      tools: [
        { ...evilTool, mcp_info: { server_id: evil, server_name: evil } },
        { ...evilTool, name: evil, mcp_info: { server_id: 'm', server_name: 'm' } },
        { ...evilTool, mcp_info: { server_id: 'm', server_name: 'm' } },
      ],
      server_outcomes: { [evil]: { status: evil } },
    },
    '/mcp-rest/tools/call': {
      content: [
        { type: 'text', text: evil },
        { type: 'image', data: evil, mimeType: evil },
        { type: 'resource', resource: { uri: evil, text: evil } },
        { type: 'resource_link', uri: evil, name: evil },
        { type: evil },
      ],
      isError: request.text.includes('fails'),
    },
  };
  return {
    headers,
    body: bodies[request.path.split('?')[0] ?? ''] ?? { status: evil, litellm_version: evil, error: { message: evil } },
  };
}

let upstream: FakeUpstream;
let home: CliHome;
let folder: string;

beforeAll(async () => {
  upstream = await startFakeUpstream();
  upstream.fallback = evilProxy;
  home = new CliHome({ LITELLM_PROXY_URL: upstream.baseUrl, CLLM_MODEL: 'm' });
  // A folder, a project file, a history, a recording, a batch, a journal and a local proxy's log of a stranger.
  folder = home.at(evilWord);
  mkdirSync(folder);
  writeFileSync(
    path.join(folder, 'cllm.yaml'),
    `system: ${JSON.stringify(evil)}\naliases: {"x": ${JSON.stringify(evil)}}\n`,
  );
  writeFileSync(
    path.join(folder, 'p.jsonl'),
    [evil, 'b'].map((id) => JSON.stringify({ custom_id: id, prompt: 'x', model: 'fails' })).join('\n'),
  );
  const failed = { type: 'result', line: 1, is_error: true, custom_id: evil, error: { code: evil, message: evil } };
  writeFileSync(path.join(folder, 'parts.jsonl'), `${JSON.stringify(failed)}\n`);
  writeFileSync(path.join(folder, 'people.yaml'), 'teams: { search: }\npeople: { ann: { team: search } }\n');
  writeFileSync(path.join(folder, 'damaged.jsonl'), `{"conversation": ${JSON.stringify(evil)}`);
  await home.run(['-C', evilWord, '-s', evil, '--record', 'x.rec', '--no-stdin', `${evil} needle`], { cwd: folder });
  const own = home.at('cllm');
  mkdirSync(path.join(own, 'proxy'), { recursive: true });
  writeFileSync(path.join(own, 'proxy', 'litellm.log'), `INFO ${evil}\n\u001b[92mgreen\u001b[0m\n`);
  const service = {
    baseUrl: 'http://127.0.0.1:1',
    masterKey: 'sk-x',
    version: evil,
    method: evil,
    configFile: evil,
    logFile: evil,
    processId: 999_999,
    port: 1,
    launch: { program: 'x', arguments: [], forceStop: null },
    startedAt: evil,
  };
  writeFileSync(path.join(own, 'proxy', 'proxy.json'), JSON.stringify(service));
  const journal = path.join(own, 'journal', `${evilWord}.recording`);
  mkdirSync(path.dirname(journal), { recursive: true, mode: 0o700 });
  const turn = { name: null, system: null, messages: [], model: evil };
  writeFileSync(
    journal,
    `cllm-recording 1\nmeta ${JSON.stringify({ conversation_id: evil, pid: 999_999, process_started_at: '1', realm: 'x y z', created_at: evil, turn })}\n`,
    { mode: 0o600 },
  );
  utimesSync(journal, 1, 1);
});

afterAll(async () => {
  home.close();
  await upstream.close();
});

/** At least one run of each command, by its path; `{}` is the id of a conversation. */
const runs: Readonly<Record<string, readonly (readonly string[])[]>> = {
  ask: [
    ['--no-stdin', 'hi'],
    ['--no-stdin', '--render', 'plain', '--debug', 'hi'],
    ['--no-stdin', '--output-format', 'json', 'hi'],
    ['--no-stdin', '--output-format', 'stream-json', 'hi'],
    ['--no-stdin', '-m', 'fails', 'hi'],
    ['--no-stdin', '--require-model', evilWord, 'hi'],
    ['--no-stdin', '-f', evilWord, 'hi'],
    ['--no-stdin', '-C', evilWord, 'hi'],
    ['--no-stdin', '-p', evilWord, 'hi'],
    ['--no-stdin', '--max-cost', evilWord, 'hi'],
    ['--no-stdin', '--max-cost', '1', 'hi'],
    ['--no-stdin', '--dry-run', '-s', evil, evil],
    ['--no-stdin', '--dry-run', '--output-format', 'json', evil],
    ['--no-stdin', '--max-input-tokens', '1', 'hi'],
    ['--no-stdin', '--header', evilWord, 'hi'],
    ['--no-stdin', '--base-url', `http://${evilWord}`, 'hi'],
    ['--no-stdin', '--profile', evilWord, 'hi'],
    ['--no-stdin', '--api-key-file', evilWord, 'hi'],
    ['--no-stdin', '--output-schema', evilWord, 'hi'],
    ['--no-stdin', '-o', `${evilWord}/x`, 'hi'],
    [`--${evilWord.replaceAll(/\s/g, '')}`],
    ['--output-format', evilWord],
    ['--help'],
    ['--version'],
  ],
  chat: [['chat', '-m', 'm']],
  'batch worker': [['batch', 'worker', '--queue', evilWord]],
  'batch status': [['batch', 'status', '--queue', evilWord, '--json']],
  batch: [
    ['batch', 'p.jsonl', '-o', 'o.jsonl', '--reporter', 'github,junit,markdown'],
    ['batch', evilWord, '-o', 'o2.jsonl'],
    ['batch', 'p.jsonl', '--dry-run'],
    ['batch', 'p.jsonl', '--dry-run', '--output-format', 'json'],
    ['batch', 'p.jsonl', '-o', 'o3.jsonl', '--reporter', evilWord],
  ],
  'batch merge': [
    ['batch', 'merge', 'parts.jsonl', '-o', `${evilWord}.jsonl`, '--input', 'p.jsonl'],
    ['batch', 'merge', evilWord, '-o', 'm2.jsonl'],
    ['batch', 'merge', 'p.jsonl', '-o', evilWord, '--input', evilWord],
  ],
  compare: [
    ['compare', '-m', 'm', '-m', evilWord, '--no-stdin', 'hi'],
    ['compare', '-m', 'm', '-m', evilWord, '--no-stdin', '--dry-run', evil],
    ['compare', '-m', 'm', '-m', 'fails', '--no-stdin', '--output-format', 'json', 'hi'],
    ['compare', '-m', 'm', '-m', evilWord, '--html', 'all.html', '--no-stdin', 'hi'],
  ],
  'history list': [
    ['history', 'list'],
    ['history', 'list', '--json'],
    ['history', 'list', '--totals'],
  ],
  'history show': [
    ['history', 'show', '{}'],
    ['history', 'show', '{}', '--format', 'markdown'],
    ['history', 'show', '{}', '--format', 'json'],
    ['history', 'show', evilWord],
  ],
  'history last': [
    ['history', 'last', '{}'],
    ['history', 'last', '{}', '--render', 'plain'],
    ['history', 'last', evilWord],
  ],
  'history search': [
    ['history', 'search', 'needle'],
    ['history', 'search', 'needle', '--json'],
  ],
  'history share': [
    ['history', 'share', '{}'],
    ['history', 'share', '{}', '--redact', '-o', 'shared.html'],
    ['history', 'share', evilWord],
  ],
  'history recover': [
    ['history', 'recover'],
    ['history', 'recover', evilWord],
  ],
  'history replay': [
    ['history', 'replay', 'x.rec', '--speed', 'max'],
    ['history', 'replay', evilWord],
  ],
  'history rename': [
    ['history', 'rename', '{}', `${evilWord}2`],
    ['history', 'rename', evilWord, evilWord],
  ],
  'history fork': [['history', 'fork', '{}', '--name', `${evilWord}3`]],
  'history delete': [
    ['history', 'delete', evilWord],
    ['history', 'delete', '{}'],
  ],
  'history prune': [
    ['history', 'prune', '--older-than', evilWord],
    ['history', 'prune', '--older-than', '1d'],
  ],
  'history export': [
    ['history', 'export'],
    ['history', 'export', '--format', 'markdown'],
    ['history', 'export', '{}', '--format', 'markdown'],
  ],
  'history import': [
    ['history', 'import', 'damaged.jsonl'],
    ['history', 'import', evilWord],
  ],
  'history verify': [['history', 'verify']],
  'history path': [['history', 'path']],
  recover: [['recover'], ['recover', evilWord], ['recover', '--yes']],
  replay: [
    ['replay', 'x.rec', '--speed', 'max'],
    ['replay', 'x.rec', '--speed', 'max', '--output-format', 'json'],
    ['replay', evilWord],
  ],
  models: [['models'], ['models', '--json']],
  whoami: [['whoami'], ['whoami', '--json']],
  spend: [
    ['spend'],
    ['spend', '--by', 'model'],
    ['spend', '--by', 'key'],
    ['spend', '--by', 'team'],
    ['spend', '--by', 'conversation'],
    ['spend', '--by', 'model', '--json'],
    ['spend', '--by', 'model', '--csv'],
    ['spend', '--local', '--by', 'model'],
    ['spend', 'why', evilWord],
    ['spend', 'why', 'x'],
    ['spend', '--tag', evilWord],
  ],
  doctor: [
    ['doctor', '-m', 'm'],
    ['doctor', '-m', 'm', '--json'],
    ['doctor', '-m', evilWord],
  ],
  login: [
    ['login', evilWord],
    ['login', '--base-url', `http://${evilWord}`],
  ],
  logout: [['logout'], ['logout', evilWord], ['logout', '--all']],
  'admin apply': [
    ['admin', 'apply', 'people.yaml', '--dry-run'],
    ['admin', 'apply', 'people.yaml', '--dry-run', '--json'],
    ['admin', 'apply', 'people.yaml', '--yes', '-o', 'new.jsonl'],
    ['admin', 'apply', evilWord],
  ],
  'admin keys list': [
    ['admin', 'keys', 'list'],
    ['admin', 'keys', 'list', '--json'],
    ['admin', 'keys', 'list', '--team', evilWord],
  ],
  'admin keys block': [
    ['admin', 'keys', 'block', evil],
    ['admin', 'keys', 'block', evilWord],
  ],
  'admin keys rotate': [['admin', 'keys', 'rotate', evilWord, '-o', '-']],
  'admin teams': [
    ['admin', 'teams'],
    ['admin', 'teams', '--json'],
  ],
  'proxy up': [['proxy', 'up', '--config', evilWord, '--method', evilWord]],
  'proxy down': [['proxy', 'down']],
  'proxy status': [
    ['proxy', 'status'],
    ['proxy', 'status', '--json'],
  ],
  'proxy logs': [['proxy', 'logs']],
  'mcp list': [
    ['mcp', 'list'],
    ['mcp', 'list', '--json'],
  ],
  'mcp tools': [
    ['mcp', 'tools'],
    ['mcp', 'tools', 'm', '--json'],
    ['mcp', 'tools', evilWord],
  ],
  'mcp call': [
    ['mcp', 'call', 'm/t'],
    ['mcp', 'call', 'm/t', '--json'],
    ['mcp', 'call', 'm/t', '{"fails": true}', '-o', 'evil.png'],
    ['mcp', 'call', `m/${evilWord}`],
    ['mcp', 'call', evilWord, evilWord],
  ],
  init: [['init'], ['init', evilWord]],
  'templates list': [
    ['templates', 'list'],
    ['templates', 'list', '--json'],
  ],
  'templates show': [['templates', 'show', evilWord]],
  'templates new': [['templates', 'new', evilWord]],
  'templates check': [
    ['templates', 'check'],
    ['templates', 'check', evilWord],
  ],
  'templates trust': [['templates', 'trust', evilWord]],
  'config get': [
    ['config', 'get', 'system'],
    ['config', 'get', 'aliases'],
    ['config', 'get', evilWord],
  ],
  'config set': [
    ['config', 'set', 'system', evilWord],
    ['config', 'set', evilWord, evilWord],
  ],
  'config unset': [['config', 'unset', evilWord]],
  'config list': [
    ['config', 'list'],
    ['config', 'list', '--json'],
  ],
  'config explain': [
    ['config', 'explain'],
    ['config', 'explain', '--json'],
    ['config', 'explain', '--profile', evilWord],
  ],
  'config path': [['config', 'path']],
  'config trust': [
    ['config', 'trust'],
    ['config', 'trust', '--list'],
    ['config', 'trust', evilWord],
  ],
  'config untrust': [
    ['config', 'untrust'],
    ['config', 'untrust', evilWord],
  ],
  completion: [
    ['completion', 'bash'],
    ['completion', evilWord],
    ['completion', 'words', '--', '-m', ''],
    ['completion', 'words', '--', '-C', ''],
  ],
  help: [
    ['help', 'exit-codes'],
    ['help', evilWord],
    ['help', evilWord, evilWord],
  ],
};

function pathsOf(command: Command, name: string): string[] {
  if (command.subcommands.length === 0) return [name];
  const below = command.subcommands.flatMap((each) => pathsOf(each, `${name} ${each.usage.split(' ')[0]}`));
  return command.run === null ? below : [name, ...below];
}

test('every command has a run here', async () => {
  const paths: string[] = [];
  for (const { usage, load } of commandTable) paths.push(...pathsOf(await load(), usage.split(' ')[0] ?? usage));
  expect(['ask', ...paths].filter((each) => runs[each] === undefined)).toEqual([]);
});

describe('a terminal gets no byte that cllm does not write itself', () => {
  test.each(Object.keys(runs))('%s', async (command) => {
    const listed = await home.run(['history', 'list', '--json'], { cwd: folder });
    const id = (JSON.parse(listed.stdout) as { conversation_id: string }[])[0]?.conversation_id ?? 'none';
    const found: Record<string, string[]> = {};
    for (const run of runs[command] ?? []) {
      const args = run.map((word) => (word === '{}' ? id : word));
      const terminal = new Terminal(home, args, { cwd: folder });
      if (command === 'chat') await chat(terminal);
      // Questions that a terminal is asked get an answer that changes nothing.
      else answer(terminal);
      await terminal.exitCode;
      expect(terminal.output).not.toMatch(/internal error|at .*\.[jt]s:\d+/);
      const bad = foreign(terminal.output);
      if (bad.length > 0) found[args.join(' ')] = bad;
      terminal.close();
    }
    expect(found).toEqual({});
  });
});

async function chat(terminal: Terminal): Promise<void> {
  await terminal.until('/help');
  terminal.type('/model\r');
  await terminal.until('the proxy serves');
  terminal.type('/system\r');
  terminal.type('/model \t');
  terminal.type('\u0015hello\r');
  await terminal.until('hello');
  await terminal.until('tool call');
  terminal.type('\u0004');
}

function answer(terminal: Terminal): void {
  void terminal.until(/\[y\/N\]|not shown|Base URL/).then(
    () => terminal.type('\u0004'),
    () => undefined,
  );
}
