import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';

/**
 * What every run of the suite with `--output-format json` or `stream-json` must keep to, whatever else its test is
 * about: run-cli.ts calls this for each of them.
 */
export interface EventsRun {
  format: 'json' | 'stream-json';
  stdout: string;
  /** Null when a signal ended the process: it may have been in the middle of a line then. */
  code: number | null;
  /** The test kept the program from ending as it wants to: a second Ctrl-C, or a pipe that it closed. */
  isCutShort: boolean;
}

export interface ProgramEvent {
  type: string;
  [key: string]: unknown;
}

const schemaFile = fileURLToPath(new URL('../../schema/events.schema.json', import.meta.url));
const validate = new Ajv2020({ strict: false, discriminator: false }).compile(
  JSON.parse(readFileSync(schemaFile, 'utf8')),
);

/** The events of a run's standard output; throws for what the contract does not allow. */
export function checkEvents({ format, stdout, code, isCutShort }: EventsRun): ProgramEvent[] {
  const isWhole = code !== null && !isCutShort;
  const lines = stdout.split('\n');
  const rest = lines.pop();
  if (isWhole && rest !== '') fail('standard output does not end with a newline', stdout);
  const events = lines.map((line) => {
    const event = parse(line);
    if (!validate(event))
      fail(`an event does not match the schema: ${JSON.stringify(validate.errors?.slice(0, 5))}`, line);
    return event;
  });
  if (!isWhole) return events;
  if (format === 'json' && events.length !== 1) fail('--output-format json is one object', stdout);
  checkEnd(events, code, stdout);
  if (format === 'stream-json' && events.at(-1)?.type === 'result') checkOrder(events, stdout);
  return events;
}

/** A dry run has an object of its own in place of the result. */
const endings = ['result', 'dry_run', 'batch_dry_run'];

function checkEnd(events: readonly ProgramEvent[], code: number, stdout: string): void {
  const results = events.filter(({ type }) => endings.includes(type));
  const result = events.at(-1);
  if (results.length !== 1 || !endings.includes(result?.type ?? ''))
    fail('the last event is no result, or there are several', stdout);
  if (result?.['exit_code'] !== code) fail(`exit_code is not the exit code ${code}`, stdout);
  if (result?.['is_error'] !== (code !== 0)) fail('is_error does not say whether the exit code is 0', stdout);
}

function checkOrder(events: readonly ProgramEvent[], stdout: string): void {
  const result = events.at(-1) as ProgramEvent;
  const types = events.map(({ type }) => type);
  const inits = types.filter((type) => type === 'init').length;
  const wanted = result['exit_code'] === 2 ? 0 : 1;
  // A usage error can come to light only when the turn had begun, and its init is out by then.
  if (inits > 1 || inits < wanted || (inits === 1 && types[0] !== 'init'))
    fail('init is not the first event, once', stdout);
  const errors = events.filter(({ type }) => type === 'error');
  if (JSON.stringify(errors) !== JSON.stringify(result['is_error'] === true ? [result['error']] : [])) {
    fail('the error event is not the error of the result', stdout);
  }
  if (errors.length > 0 && types.at(-2) !== 'error') fail('the error does not stand before the result', stdout);
  // A reply that had not the form that was wanted is another one's beginning no more than its end.
  const again = events.findLastIndex(({ type, error }) => type === 'retry' && isOfForm(error));
  const joined = events
    .slice(again + 1)
    .filter(({ type }) => type === 'message')
    .map(({ content }) => content)
    .join('');
  const { choices } = (result['completion'] ?? {}) as { choices?: { message: { content: string | null } }[] };
  // What was taken out of the reply is a part of it.
  const isTaken = result['result'] !== joined && joined.endsWith(choices?.[0]?.message.content ?? '');
  if (joined !== result['result'] && !(isTaken && joined.includes(String(result['result']).trimEnd()))) {
    fail('the message events joined are not the result', stdout);
  }
}

function isOfForm(error: unknown): boolean {
  const { code } = error as { code: string };
  return code === 'schema_mismatch' || code === 'nothing_to_extract';
}

function parse(line: string): ProgramEvent {
  try {
    return JSON.parse(line) as ProgramEvent;
  } catch {
    return fail('a line is no JSON', line);
  }
}

function fail(what: string, where: string): never {
  throw new Error(`${what}:\n${where.length > 4000 ? `${where.slice(0, 2000)}\n…\n${where.slice(-2000)}` : where}`);
}
