import type { LiteLLMClient } from '../../client/client.ts';
import { isProjectsAlone, type Origin, type Settings } from '../../config/settings.ts';
import { Conversation } from '../../conversation/conversation.ts';
import type { Store } from '../../conversation/turn.ts';
import { CllmError, UsageError } from '../../outcome/errors.ts';
import { refuseKey } from './refuse-key.ts';
import type { Io } from '../io.ts';
import type { Values } from '../flags/flag.ts';
import type { conversationFlags } from '../flags/flags.ts';

/** What the flags say of the conversation. */
export interface ConversationChoice extends Omit<Values<typeof conversationFlags>, 'ephemeral'> {
  readonly system: string | undefined;
  /** False leaves standard input alone. */
  readonly stdin?: boolean;
}

/** What a run has to choose from. */
export interface ConversationRun {
  io: Io;
  settings: Settings;
  client: LiteLLMClient;
  store: Store;
  remark: (text: string) => void;
}

/**
 * The conversation that the flags name: the latest (`-c`), one by name, id or prefix (`-C`, which starts one under a
 * name that nobody has), or a new one. It keeps the system prompt it was started with, until a later `-s` replaces it.
 *
 * @throws UsageError `project_untrusted` when it would go to a proxy that a project file alone names, and was last had with
 * another one
 */
export async function chooseConversation(
  named: ConversationChoice,
  { io, settings, client, store, remark }: ConversationRun,
): Promise<Conversation> {
  const { conversation: reference, continue: isContinued, readOnly: isReadOnly } = named;
  if (isContinued && reference !== undefined)
    throw new UsageError('-c and -C name two conversations', { hint: 'give one of them' });
  if (reference !== undefined) refuseKey(io, 'the conversation', reference);
  const { system } = settings;
  const fresh = (): Conversation =>
    new Conversation(client, store, { name: reference ?? null, system: system.value, isReadOnly });
  if (!isContinued && reference === undefined) {
    if (isReadOnly) remark('--read-only without a conversation keeps nothing, as --ephemeral does');
    return fresh();
  }

  const { history } = store;
  if (history === null) throw noHistory(store);
  const summary = reference === undefined ? history.latest() : history.findOrNull(reference);
  if (summary === null) {
    if (reference !== undefined && !isReadOnly) return fresh();
    throw new CllmError(
      'not_in_history',
      reference === undefined ? 'there is no conversation to go on with' : `there is no conversation ${reference}`,
      {
        hint: 'cllm history list shows them; without -c a new one begins',
      },
    );
  }
  const { restoreConversation } = await import('./restore-conversation.ts');
  restoreConversation(summary.id, { history, journal: store.journal, remark });
  if (isProjectsAlone(settings)) {
    const { assertSameProxy } = await import('./conversation-proxy.ts');
    await assertSameProxy({
      name: summary.name ?? summary.id,
      lastBaseUrl: history.lastBaseUrl(summary.id),
      settings,
      io,
      isInputIgnored: named.stdin === false,
    });
  }
  const conversation = Conversation.of(client, store, summary, isReadOnly);
  // Kept with the next prompt, and not before: what still can fail must not have changed anything.
  if (named.system !== undefined) Object.assign(conversation.state, { system: system.value, hasNewSystem: true });
  return conversation;
}

export interface ModelChoice {
  settings: Pick<Settings, 'model'>;
  /** The model for a conversation that was had with none. */
  otherwise: () => Promise<string>;
  remark: (text: string) => void;
}

/**
 * Who shall answer: who `-m` names, else who the conversation was had with, else the model of the settings. That another
 * one answers is said: it reads what was said to the first.
 */
export async function modelFor(
  { state }: Conversation,
  { settings: { model }, otherwise, remark }: ModelChoice,
): Promise<string> {
  if (state.model === null) return otherwise();
  if (model.value === null || !isChosenNow(model.origin)) return state.model;
  if (model.value !== state.model)
    remark(`this conversation was had with ${state.model}; from here on ${model.value} answers`);
  return model.value;
}

/** By a flag of this run, `--profile` among them. */
function isChosenNow(origin: Origin): boolean {
  return origin.from === 'flag' || ('profile' in origin && origin.profile !== null);
}

/** Nothing was printed that could be unsaved: what keeps the history from being opened is the error itself. */
function noHistory({ problem }: Store): CllmError {
  return (
    problem ??
    new UsageError('-c and -C need the history, and none is kept', {
      hint: 'leave out --ephemeral, or: cllm config set history on',
    })
  );
}
