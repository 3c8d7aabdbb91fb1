import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';

export interface ActionStep {
  id?: string;
  if?: string;
  name?: string;
  uses?: string;
  run?: string;
  shell?: string;
  env?: Record<string, string>;
  'working-directory'?: string;
}

interface CompositeAction {
  inputs: Record<string, { default?: string; required?: boolean }>;
  outputs: Record<string, { value: string }>;
  runs: { using: string; steps: ActionStep[] };
}

export interface ActionResult {
  /** Of the step that failed, else 0. */
  code: number;
  /** What the job's log would have: standard output and error of all steps. */
  log: string;
  outputs: Record<string, string>;
  /** What the steps put in front of the PATH of later ones. */
  path: string[];
}

export interface ActionJob {
  /** The folder that the steps run in. */
  workspace: string;
  /** The runner's own folder for temporary files, made if need be. */
  temp: string;
  /** The job's environment. */
  env: Record<string, string>;
  /** The contexts of expressions but `inputs` and `steps`: `github.action_path` and so on. */
  contexts: Record<string, string>;
}

export const readAction = (file: string): CompositeAction => parse(readFileSync(file, 'utf8')) as CompositeAction;

/** Runs a composite action as GitHub's runner does: expressions in `if`, `env` and folders, a file of commands a step. */
export async function runAction(file: string, inputs: Record<string, string>, job: ActionJob): Promise<ActionResult> {
  const action = readAction(file);
  const facts = new Map(Object.entries(job.contexts));
  for (const [name, { default: value = '' }] of Object.entries(action.inputs))
    facts.set(`inputs.${name}`, inputs[name] ?? value);
  const result: ActionResult = { code: 0, log: '', outputs: {}, path: [] };
  mkdirSync(job.temp, { recursive: true });
  for (const [index, step] of action.runs.steps.entries()) {
    if (step.if !== undefined && evaluate(step.if.replace(/^\$\{\{(.*)\}\}$/s, '$1'), facts) === '') continue;
    if (step.shell !== 'bash' || step.run === undefined) throw new Error('only steps that bash runs are known here');
    const of = (name: string): string => path.join(job.temp, `${name}-${index}`);
    for (const name of ['path', 'output']) writeFileSync(of(name), '');
    writeFileSync(of('script'), step.run);
    const env = Object.entries(step.env ?? {}).map(([name, value]) => [name, fill(value, facts)]);
    const child = spawn('bash', ['--noprofile', '--norc', '-e', '-o', 'pipefail', of('script')], {
      cwd: path.resolve(job.workspace, fill(step['working-directory'] ?? '.', facts)),
      env: {
        ...job.env,
        ...Object.fromEntries(env),
        PATH: [...result.path.toReversed(), job.env['PATH']].join(':'),
        RUNNER_TEMP: job.temp,
        GITHUB_PATH: of('path'),
        GITHUB_OUTPUT: of('output'),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (result.log += text));
    result.code = await new Promise((resolve, reject) =>
      child.on('error', reject).on('close', (code) => resolve(code ?? 128)),
    );
    for (const [name, value] of commandsOf(readFileSync(of('output'), 'utf8')))
      facts.set(`steps.${step.id}.outputs.${name}`, value);
    result.path.push(...readFileSync(of('path'), 'utf8').split('\n').filter(Boolean));
    if (result.code !== 0) break;
  }
  for (const [name, { value }] of Object.entries(action.outputs)) result.outputs[name] = fill(value, facts);
  return result;
}

const fill = (text: string, facts: Map<string, string>): string =>
  text.replace(/\$\{\{(.*?)\}\}/gs, (_all, expression: string) => evaluate(expression, facts));

/** A name of a context, or such a name compared with a text: the expressions that the action has. */
function evaluate(expression: string, facts: Map<string, string>): string {
  const [, name = '', other] = /^\s*([\w.-]+)(?:\s*!=\s*'([^']*)')?\s*$/.exec(expression) ?? [];
  if (!/^(inputs|github|steps)\.[\w.-]+$/.test(name)) throw new Error(`unknown expression: ${expression}`);
  if (!facts.has(name) && !name.startsWith('steps.')) throw new Error(`no such value: ${name}`);
  const value = facts.get(name) ?? '';
  return other === undefined ? value : value === other ? '' : 'true';
}

/** The `name=value` and `name<<END` entries of a command file. */
function* commandsOf(text: string): Generator<[string, string]> {
  const lines = text.split('\n');
  for (let line = lines.shift(); line !== undefined; line = lines.shift()) {
    const [, name = '', kind, rest = ''] = /^(.+?)(=|<<)(.*)$/.exec(line) ?? [];
    if (kind === '=') yield [name, rest];
    else if (kind === '<<')
      yield [
        name,
        lines
          .splice(0, lines.indexOf(rest) + 1)
          .slice(0, -1)
          .join('\n'),
      ];
  }
}
