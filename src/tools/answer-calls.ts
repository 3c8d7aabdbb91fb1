import type { CallRecord } from '../conversation/turn.ts';
import type { CallOutcome, ToolDecider } from '../history/tool-runs.ts';
import { CllmError, InterruptedError } from '../outcome/errors.ts';
import { type AnswerableCall, answerTo } from '../protocol/answerable-calls.ts';
import { ambiguityOf } from '../protocol/ambiguous-json.ts';
import { parseJson } from '../protocol/json.ts';
import type { ChatMessage } from '../protocol/types.ts';
import { markedUntrusted, unmarked } from './untrusted.ts';
import { type Tool, ToolArgumentsError, type ToolOutcome, type ToolSubject } from './tool.ts';

/** What rules say of a call. */
export interface RuleDecision {
  decision: 'allow' | 'deny' | 'ask';
  /** The rule as it was written; null for none. */
  rule: string | null;
}

export type Approval = 'yes' | 'no' | 'always';

/** Where it is kept what became of calls: the history, or the memory of this run. */
export interface CallKeeper {
  /** What is known of the turn's calls already, by their place. */
  outcomes(turnId: string | null): ReadonlyMap<number, CallOutcome>;
  /** Whether the call may be run: false when somebody began it already. Durable when it returns. */
  begin(turnId: string | null, place: number, decidedBy: ToolDecider): boolean;
  end(turnId: string | null, place: number, end: { isError: boolean; content: string }): void;
  isGranted(subject: string): boolean;
  grant(subject: string): void;
}

/** Told of calls as they are decided and answered. */
export interface CallObserver {
  approval?(record: CallRecord): Promise<void> | void;
  toolResult?(record: CallRecord): Promise<void> | void;
}

export interface CallRules {
  tools: readonly Tool[];
  decide: (subject: ToolSubject) => RuleDecision;
  /** A person who can be asked; null where nobody can. */
  ask: ((call: AnswerableCall, subject: ToolSubject) => Promise<Approval>) | null;
  keeper: CallKeeper;
  /** Results that the caller hands in, by the id of their call. */
  handedIn: ReadonlyMap<string, string>;
  observer: CallObserver | undefined;
  /** Milliseconds of a clock that only goes forward. */
  now: () => number;
}

export interface Answers {
  /** One for each call, in their order; empty when the loop ends here. */
  messages: ChatMessage[];
  records: CallRecord[];
  /** Why the loop ends here; null when it goes on. A call of the caller's tools ends it without an error. */
  stop: { error: CllmError | null } | null;
}

const mostAtOnce = 8;

/** A tool of a server may go on there, and a command may have done half of its work. */
const stoppedOutcome =
  'The user stopped this call before it ended: whether it took effect is not known. It is not run again by itself.';
const refusedByPerson = 'The user refused this call.';
const refusedByRule = 'A rule of the user refuses this call.';

interface Planned {
  call: AnswerableCall;
  place: number;
  record: CallRecord;
  /** What the model is told, where that is known without running anything. */
  known: string | null;
  run: { tool: Tool & { run: NonNullable<Tool['run']> }; args: unknown; by: ToolDecider; subject: ToolSubject } | null;
}

/**
 * Decides on the calls of a reply, runs what is allowed, and gives the answers for the model. Decisions come first, all of
 * them: where one is needed and nobody can be asked, nothing runs. Each call is committed before it runs and with what it
 * came to. Those that a rule allows run at once, those that a person allowed one after another, as they were allowed. After
 * a signal it ends with that, when what was run is kept.
 */
export async function answerCalls(
  turnId: string | null,
  calls: readonly AnswerableCall[],
  rules: CallRules,
  signal: AbortSignal,
): Promise<Answers> {
  const { keeper, observer } = rules;
  const earlier = keeper.outcomes(turnId);
  const running = [...earlier].find(([, { runningIn }]) => runningIn !== null);
  if (running !== undefined) {
    const [place, { runningIn }] = running;
    return { messages: [], records: [], stop: { error: begunElsewhere(calls[place], runningIn) } };
  }
  const planned = calls.map((call, place) => plan(call, place, earlier.get(place), rules));
  const records = planned.map(({ record }) => record);
  for (const each of planned) {
    const interrupted = await askFor(each, rules, signal);
    if (interrupted !== null) return { messages: [], records, stop: { error: interrupted } };
    if (!earlier.has(each.place)) await observer?.approval?.(each.record);
  }
  const needed = planned.filter(({ record }) => record.decision === 'needed');
  if (needed.length > 0) return { messages: [], records, stop: { error: unapproved(needed.map(({ call }) => call)) } };
  const execute = (each: Planned): Promise<CllmError | null> => execution(turnId, each, rules, signal);
  const asked = planned.filter(({ run }) => run?.by === 'person');
  const problems = await Promise.all([
    ...atOnce(
      planned.filter((each) => !asked.includes(each)),
      execute,
    ),
    inOrder(asked, execute),
  ]);
  if (signal.aborted) return { messages: [], records, stop: { error: interruption(signal) } };
  const problem = problems.find((each) => each !== null);
  if (problem !== undefined) return { messages: [], records, stop: { error: problem } };
  const left = planned.filter(({ record }) => record.decision === 'caller' && record.result === null);
  if (left.length > 0) return { messages: [], records, stop: { error: null } };
  return { messages: planned.map(({ call, known }) => answerTo(call, known ?? '')), records, stop: null };
}

function plan(call: AnswerableCall, place: number, earlier: CallOutcome | undefined, rules: CallRules): Planned {
  const { name, id, input } = call;
  const record: CallRecord = { name, id, input, decision: 'failed', by: null, rule: null, result: null };
  const planned: Planned = { call, place, record, known: null, run: null };
  const settled = (decision: CallRecord['decision'], text: string, isError: boolean): Planned => {
    record.decision = decision;
    record.result = { text, isError, durationMs: null };
    return { ...planned, known: text };
  };
  if (earlier !== undefined) {
    settled('allowed', unmarked(earlier.content), earlier.isError);
    return { ...planned, known: earlier.content };
  }
  const handedIn = rules.handedIn.get(id);
  if (handedIn !== undefined) {
    record.by = 'caller';
    return settled('caller', handedIn, false);
  }
  const tool = rules.tools.find((each) => each.name === name);
  if (tool === undefined) return settled('failed', `There is no tool ${JSON.stringify(name)}.`, true);
  if (call.isMalformed && tool.run !== null) return settled('failed', 'The arguments are no JSON.', true);
  if (tool.run === null) {
    record.decision = 'caller';
    return planned;
  }
  let args: unknown;
  try {
    args = input.trim() === '' ? {} : parseJson(input);
  } catch {
    // A call of another kind, or nested so deeply that nobody could read it.
    return settled('failed', 'The arguments are no JSON that can be read.', true);
  }
  const ambiguity = ambiguityOf(input);
  if (ambiguity !== null) return settled('failed', `The JSON of the arguments ${ambiguity}.`, true);
  let subject: ToolSubject;
  try {
    subject = tool.subject(args);
  } catch (error) {
    if (error instanceof ToolArgumentsError) return settled('failed', error.message, true);
    throw error;
  }
  const { decision, rule } = rules.decide(subject);
  record.rule = rule;
  if (decision === 'deny') {
    record.by = 'rule';
    return settled('refused', refusedByRule, true);
  }
  const isGranted = decision === 'ask' && rules.keeper.isGranted(subjectKey(subject));
  record.decision = decision === 'allow' || isGranted ? 'allowed' : 'needed';
  const by = isGranted ? 'conversation' : 'rule';
  if (record.decision === 'allowed') record.by = by;
  return { ...planned, run: { tool: tool as NonNullable<Planned['run']>['tool'], args, by, subject } };
}

/** Null once the call is decided on. */
async function askFor(
  each: Planned,
  { ask, keeper }: CallRules,
  signal: AbortSignal,
): Promise<InterruptedError | null> {
  const { run, call, record } = each;
  if (run === null || ask === null || record.decision !== 'needed') return null;
  // An "always" of a moment ago may hold for this one.
  const key = subjectKey(run.subject);
  let answer: Approval;
  try {
    answer = keeper.isGranted(key) ? 'yes' : await ask(call, run.subject);
  } catch (error) {
    if (error instanceof InterruptedError) return error;
    throw error;
  }
  if (signal.aborted) return interruption(signal);
  if (answer === 'always') keeper.grant(key);
  record.by = 'person';
  if (answer === 'no') {
    record.decision = 'refused';
    record.result = { text: refusedByPerson, isError: true, durationMs: null };
    each.known = refusedByPerson;
    each.run = null;
    return null;
  }
  record.decision = 'allowed';
  run.by = 'person';
  return null;
}

async function execution(
  turnId: string | null,
  each: Planned,
  { keeper, observer, now }: CallRules,
  signal: AbortSignal,
): Promise<CllmError | null> {
  const { run, record, place } = each;
  if (run === null) {
    // The caller's own are kept as well, so that a second call can hand in the rest.
    if (record.result !== null && each.known !== null) {
      const by = record.by ?? 'nobody';
      const problem = kept(() => {
        if (keeper.begin(turnId, place, by))
          keeper.end(turnId, place, { isError: isErrorOf(record), content: each.known ?? '' });
      });
      if (problem !== null) return problem;
      await observer?.toolResult?.(record);
    }
    return null;
  }
  if (signal.aborted) return null;
  let mayRun = false;
  const unwritable = kept(() => (mayRun = keeper.begin(turnId, place, run.by)));
  if (unwritable !== null) return unwritable;
  if (!mayRun) return begunElsewhere(each.call, keeper.outcomes(turnId).get(place)?.runningIn ?? null);
  const startedAt = now();
  let outcome: ToolOutcome;
  try {
    outcome = await run.tool.run(run.args, signal, each.call.input);
  } catch (error) {
    if (!(error instanceof InterruptedError) && !signal.aborted) throw error;
    outcome = { text: stoppedOutcome, isError: true };
  }
  record.result = { ...outcome, durationMs: now() - startedAt };
  each.known = markedUntrusted(outcome.text, record.name);
  const unsaved = kept(() => keeper.end(turnId, place, { isError: outcome.isError, content: each.known ?? '' }));
  // Seen is had: it may be kept nowhere else.
  await observer?.toolResult?.(record);
  return unsaved;
}

function kept(write: () => unknown): CllmError | null {
  try {
    write();
    return null;
  } catch (error) {
    if (!(error instanceof CllmError)) throw error;
    return new CllmError('history_unsaved', `what became of a call could not be saved: ${error.message}`, {
      cause: error,
      hint: error.hint ?? '--ephemeral keeps nothing, and runs tools all the same',
    });
  }
}

/** Each in its turn, as many at once as a machine and a server can take. */
function atOnce<Item>(
  items: readonly Item[],
  act: (item: Item) => Promise<CllmError | null>,
): Promise<CllmError | null>[] {
  const waiting = [...items];
  const work = async (): Promise<CllmError | null> => {
    let problem: CllmError | null = null;
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) problem ??= await act(next);
    return problem;
  };
  return Array.from({ length: Math.min(mostAtOnce, items.length) }, work);
}

async function inOrder<Item>(
  items: readonly Item[],
  act: (item: Item) => Promise<CllmError | null>,
): Promise<CllmError | null> {
  for (const item of items) {
    const problem = await act(item);
    if (problem !== null) return problem;
  }
  return null;
}

/** What a grant is for: a tool of a server, or a command with exactly these words. */
function subjectKey(subject: ToolSubject): string {
  switch (subject.kind) {
    case 'mcp':
      // An id may be the name of a server, and hold a slash.
      return `mcp:${subject.server.replaceAll(/[%/]/g, encodeURIComponent)}/${subject.tool}`;
    case 'command':
      return `command:${JSON.stringify(subject.argv)}`;
    case 'caller':
      return 'caller';
  }
}

function isErrorOf({ result }: CallRecord): boolean {
  return result?.isError ?? false;
}

function unapproved(calls: readonly AnswerableCall[]): CllmError {
  const names = calls.map(({ name }) => name).join(', ');
  return new CllmError(
    'tool_unapproved',
    `no rule allows ${calls.length === 1 ? 'the call' : 'the calls'} of ${names}, and nobody can be asked`,
  );
}

/** @param runningIn its pid, where the process runs still */
function begunElsewhere(call: AnswerableCall | undefined, runningIn: number | null): CllmError {
  const name = call?.name ?? 'a tool';
  return new CllmError(
    'tool_unapproved',
    runningIn === null
      ? `the call of ${name} was begun by another process, and is not run twice`
      : `process ${runningIn} runs the call of ${name} still: nothing was asked`,
    { hint: 'go on once it has ended: cllm -c' },
  );
}

function interruption(signal: AbortSignal): InterruptedError {
  const reason: unknown = signal.reason;
  return reason instanceof InterruptedError ? reason : new InterruptedError(null, 'interrupted');
}
