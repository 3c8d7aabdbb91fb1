import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fakeGateway, listedTool, textResult } from '../support/fake-gateway.ts';
import { callReply, type FakeUpstream, startFakeUpstream, textReply } from '../support/fake-upstream.ts';
import { CliHome } from '../support/run-cli.ts';
import { seed } from '../support/seed.ts';

/** Loops of five steps, killed anywhere: nothing that ended is lost, and nothing runs twice for one approval. */

const steps = 5;
/** Loops, each killed three times; CLLM_KILLS=70 for a long run. */
const loops = Number(process.env['CLLM_KILLS'] ?? 4);
const flags = ['--mcp', 'math', '--allow', 'mcp:math/add', '--quiet'];

let upstream: FakeUpstream;
let home: CliHome;
/** By loop and step: how often its tool ran. */
const ran = new Map<string, number>();

beforeAll(async () => {
  upstream = await startFakeUpstream();
  const math = {
    name: 'math',
    tools: [listedTool('add', { loop: {}, step: {} })],
    call: (_: string, args: Record<string, unknown>) => {
      const key = `${String(args['loop'])}.${String(args['step'])}`;
      ran.set(key, (ran.get(key) ?? 0) + 1);
      return textResult(`did ${key}`);
    },
  };
  // What it calls follows from what it is sent, so that whoever goes on from there finds it as it was.
  upstream.fallback = fakeGateway([math], (request) => {
    const messages = request.body.messages ?? [];
    const asked = messages.filter(({ role }) => role === 'assistant').length;
    const loop = /loop (\d+)/.exec(String(messages[0]?.content))?.[1] ?? '';
    if (asked >= steps) return textReply('done')(request);
    return callReply([{ id: `call_${asked}`, name: 'math-add', args: { loop, step: asked } }])(request);
  });
  home = new CliHome({ LITELLM_PROXY_URL: upstream.baseUrl });
});

afterAll(async () => {
  home.close();
  await upstream.close();
});

describe('kill -9 in the middle of a loop', () => {
  test(`loses no step that ended, and runs no tool twice (seed ${seed})`, async () => {
    const random = generator();
    let kills = 0;
    const started = performance.now();
    await home.run([...flags, '-C', 'whole', 'loop 1000']);
    const whole = performance.now() - started;
    for (let loop = 0; loop < loops; loop += 1) {
      const name = `loop-${loop}`;
      let run = home.start([...flags, '-C', name, `loop ${loop}`]);
      for (let round = 0; round < 3; round += 1) {
        await Promise.race([sleep(whole * random()), run.result]);
        if (run.process.kill('SIGKILL')) kills += 1;
        await run.result;
        const recovered = await home.run(['recover', '--yes']);
        expect(recovered.code).toBe(0);
        // Killed before its prompt was kept there is nothing to go on from.
        const isThere = (await home.run(['history', 'show', name])).code === 0;
        run = home.start(isThere ? [...flags, '-C', name] : [...flags, '-C', name, `loop ${loop}`]);
      }
      let end = await run.result;
      // A reply that was cut by a kill is no call: it is asked for again.
      if (end.code === 2) end = await home.run([...flags, '-C', name, `loop ${loop}, go on`]);
      expect({ loop, code: end.code, stderr: end.code === 0 ? '' : end.stderr }).toEqual({ loop, code: 0, stderr: '' });
      const shown = JSON.parse((await home.run(['history', 'show', name, '--format', 'json'])).stdout) as {
        turns: { messages: { role: string; content: string }[] }[];
      };
      const answers = shown.turns.flatMap(({ messages }) => messages).filter(({ role }) => role === 'tool');
      for (const { content } of answers) expect(content).toMatch(/did \d+\.\d|not known/);
    }
    expect(kills).toBeGreaterThan(loops / 2);
    expect([...ran].filter(([, count]) => count !== 1)).toEqual([]);
    expect((await home.run(['history', 'verify'])).code).toBe(0);
  }, 600_000);
});

test.each([
  ['a command beside the prompt', ['--exec', 'echo $$ > pid; sleep 60 & wait', 'go']],
  ['a command that the model chose', ['--allow', 'sleep *', 'sleep now']],
])('kill -9 leaves nothing running of %s', async (_, args) => {
  const sleeping = { name: 'run_command', args: { argv: ['sleep', '61'] } };
  upstream.reply(callReply([sleeping]));
  const run = home.start(args);
  const children = (): number[] => processesOf(run.pid);
  while (children().length === 0) await sleep(20);
  const [group = 0] = children();
  run.process.kill('SIGKILL');
  await run.result;
  while (isAlive(-group)) await sleep(20);
  expect(isAlive(-group)).toBe(false);
});

/** Groups of `sleep` that a process started, by /proc. */
function processesOf(parent: number): number[] {
  const stats = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const [, program = '', rest = ''] =
          /^\d+ \((.*)\) (.*)$/s.exec(readFileSync(`/proc/${name}/stat`, 'utf8')) ?? [];
        const [, ppid = '', group = ''] = rest.split(' ');
        return [{ pid: Number(name), program, ppid: Number(ppid), group: Number(group) }];
      } catch {
        return [];
      }
    });
  const own = stats.filter(({ ppid }) => ppid === parent).map(({ group }) => group);
  return stats.filter(({ program, group }) => program === 'sleep' && own.includes(group)).map(({ group }) => group);
}

function isAlive(group: number): boolean {
  try {
    process.kill(group, 0);
    return true;
  } catch {
    return false;
  }
}

/** Numbers in [0, 1) that follow from the seed (Park and Miller). */
function generator(): () => number {
  let state = (seed % 2_147_483_646) + 1;
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}
