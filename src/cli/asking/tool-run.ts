import type { Settings } from '../../config/settings.ts';
import type { LiteLLMClient } from '../../client/client.ts';
import type { Conversation } from '../../conversation/conversation.ts';
import { isUnfinished, type PendingCalls, pendingCalls } from '../../conversation/pending-calls.ts';
import type { Store, TurnRequest, TurnResult } from '../../conversation/turn.ts';
import { UsageError } from '../../outcome/errors.ts';
import { ToolRunKeeper } from '../../tools/call-keeper.ts';
import { callersTools } from '../../tools/callers-tools.ts';
import { commandTool } from '../../tools/command-tool.ts';
import { mcpTools } from '../../tools/gateway.ts';
import { type LoopOptions, sendWithTools } from '../../tools/loop.ts';
import { decide, type Rules } from '../../tools/rules.ts';
import { settledRules } from '../../tools/settled-rules.ts';
import type { Tool } from '../../tools/tool.ts';
import type { toolFlags, toolResultFlags } from '../flags/flags.ts';
import type { Values } from '../flags/flag.ts';
import type { Io } from '../io.ts';
import { readFlagFile } from '../input/flag-file.ts';

export type ToolValues = Values<typeof toolFlags>;

/** What a run with tools is made from. */
export interface ToolRunParts {
  io: Io;
  settings: Pick<Settings, 'tools'>;
  client: LiteLLMClient;
  remark: (text: string) => void;
}

/** What a model may call in this run, and what rules say of it. */
export interface Toolbox {
  /** In the request already: those of `--tools FILE`. */
  tools: readonly Tool[];
  rules: Rules;
}

/** Requests to the model for one prompt, unless --max-steps says otherwise. */
const usualSteps = 10;

/**
 * The tools that the flags name: of servers of the proxy, commands of this machine, and the caller's own in the body.
 *
 * @throws CllmError as `mcpTools`; UsageError for a rule that is none
 */
export async function openToolbox(
  values: Pick<ToolValues, 'mcp' | 'allow'>,
  body: Readonly<Record<string, unknown>>,
  { io, settings, client, remark }: ToolRunParts,
): Promise<Toolbox> {
  const flag = { from: 'flag', name: '--allow' } as const;
  const own = settledRules({ allow: values.allow.map((value) => ({ value, origin: flag })), deny: [] }).allow;
  const settled = settledRules(settings.tools);
  const rules: Rules = { allow: [...own, ...settled.allow], deny: settled.deny };
  const servers = values.mcp.flatMap((names) => names.split(',')).map((name) => name.trim());
  if (servers.includes('')) throw new UsageError('--mcp: a name is empty', { hint: 'for example --mcp github,jira' });
  const commands = own.filter(({ kind }) => kind === 'command');
  const tools = [
    ...callersTools(body),
    ...(servers.length === 0 ? [] : await mcpTools(client, servers, io.signal, { say: remark })),
    ...(commands.length === 0
      ? []
      : [
          commandTool(
            { allow: commands, deny: rules.deny },
            { cwd: io.cwd, env: io.secrets.environmentForOthers(), kill: (group, by) => io.kill(group, by) },
          ),
        ]),
  ];
  const names = tools.map(({ name }) => name);
  const double = names.find((name, at) => names.indexOf(name) !== at);
  if (double !== undefined) {
    throw new UsageError(`two tools are called ${JSON.stringify(double)}: one of --tools, and another`, {
      hint: 'give the one in the file of --tools another name',
    });
  }
  return { tools: tools.map((tool) => withoutKeys(tool, (text) => io.secrets.withoutOwn(text))), rules };
}

/** The same tool, whose results never hold a key of the proxy: they go to a model and into the history. */
function withoutKeys(tool: Tool, mask: (text: string) => string): Tool {
  const { run } = tool;
  if (run === null) return tool;
  return {
    ...tool,
    run: async (...given) => {
      const outcome = await run(...given);
      return { ...outcome, text: mask(outcome.text) };
    },
  };
}

/** What goes with a request for its model to call. */
export function requestTools(tools: readonly Tool[]): { tools?: Tool['definition'][] } {
  return tools.length === 0 ? {} : { tools: tools.map(({ definition }) => definition) };
}

/**
 * The results of `--tool-result`, by the id of their call.
 *
 * @throws UsageError
 */
export async function handedInResults(
  values: Values<typeof toolResultFlags>,
  pending: PendingCalls | null,
  io: Io,
): Promise<Map<string, string>> {
  const results = new Map<string, string>();
  for (const given of values.toolResult) {
    // The longest that fits: one id may begin like another.
    const [known] = (pending?.calls ?? [])
      .map(({ id }) => id)
      .filter((each) => given.startsWith(`${each}=`))
      .toSorted((one, other) => other.length - one.length);
    const id = known ?? given.slice(0, given.indexOf('='));
    if (results.has(id)) throw new UsageError(`--tool-result: two results for ${id}`, { hint: 'give one of them' });
    const text = given.slice(id.length + 1);
    results.set(id, text.startsWith('@') ? await readFlagFile('--tool-result', text.slice(1), io) : text);
  }
  return results;
}

/** What a conversation stopped at. */
export interface Standstill {
  pending: PendingCalls | null;
  /** There is something to go on from without a prompt. */
  isUnfinished: boolean;
}

export function standstillOf({ state }: Conversation, { history }: Pick<Store, 'history'>): Standstill {
  const turns = history === null || state.id === null ? [] : history.turns(state.id);
  return { pending: pendingCalls(turns), isUnfinished: isUnfinished(turns) };
}

/**
 * Results that answer nothing, or leave a call of the caller's own without an answer, are a mistake that nobody would
 * notice.
 *
 * @throws UsageError
 */
export function assertAnswered(
  handedIn: ReadonlyMap<string, string>,
  pending: PendingCalls | null,
  { tools, history }: { tools: readonly Tool[]; history: Store['history'] },
): void {
  const calls = pending?.calls ?? [];
  const ids = calls.map(({ id }) => id);
  const stray = [...handedIn.keys()].find((id) => !ids.includes(id));
  if (stray !== undefined) {
    throw new UsageError(`--tool-result: no call ${JSON.stringify(stray)} waits for a result`, {
      hint:
        ids.length === 0
          ? 'the conversation waits for none; -C NAME names another one'
          : `those that wait: ${ids.map((id) => JSON.stringify(id)).join(', ')}`,
    });
  }
  const outcomes = pending === null ? null : history?.callOutcomes(pending.turnId);
  const isRun = (name: string): boolean => tools.some((tool) => tool.name === name && tool.run !== null);
  // What the model made up nobody can answer: the loop tells it so.
  const offered = callersTools(pending?.request ?? {}).map(({ name }) => name);
  const isMadeUp = (name: string): boolean => offered.length > 0 && !offered.includes(name);
  const left = calls.filter(
    ({ id, name }, place) => !handedIn.has(id) && !outcomes?.has(place) && !isRun(name) && !isMadeUp(name),
  );
  if (left.length === 0) return;
  const named = left.map(({ id, name }) => `${JSON.stringify(id)} (${name})`).join(', ');
  throw new UsageError(`the conversation waits for the result of ${named}`, {
    hint: "give each one: --tool-result ID=@FILE (for a tool that cllm runs, the --mcp and --allow of the run before); or go on without: cllm -c 'never mind'",
  });
}

/** One who sends turns of a conversation with tools, as `Conversation.send` does without. */
export function toolSender(
  conversation: Conversation,
  {
    store,
    pending,
    ...options
  }: Omit<LoopOptions, 'keeper' | 'decide' | 'pending'> &
    Pick<Toolbox, 'rules'> & { store: Store; pending: PendingCalls | null },
): { send: (turn: TurnRequest) => Promise<TurnResult> } {
  const { state } = conversation;
  const { history } = store;
  const keeper = new ToolRunKeeper(history, () => state.id, { isWritten: !state.isReadOnly });
  const isForeign = pending !== null && history?.isForeign(pending.turnId) === true;
  let left = pending;
  let used = 0;
  return {
    send(turn) {
      const now = left;
      left = null;
      return sendWithTools(conversation, turn, {
        ...options,
        keeper,
        pending: now && { ...now, conversationId: state.id, isForeign },
        // Further tries for a form go on counting.
        maxSteps: Math.max(1, options.maxSteps - used),
        onReply(reply) {
          used += 1;
          options.onReply(reply);
        },
        decide: (subject) => decide(options.rules, subject),
      });
    },
  };
}

export function stepsOf({ maxSteps }: Pick<ToolValues, 'maxSteps'>): number {
  return maxSteps ?? usualSteps;
}
