import { type CarriedOut, carryOut, handOver } from '../../../admin/carry-out.ts';
import { decodeText } from '../../../files/text-encoding.ts';
import { readPeopleFile, type Wanted } from '../../../admin/people-file.ts';
import { isManyBlocked, type Plan, planOf, stepsOf } from '../../../admin/plan.ts';
import { readState } from '../../../admin/proxy-state.ts';
import { CllmError, UsageError } from '../../../outcome/errors.ts';
import { jsonLine } from '../../../terminal/terminal-safe.ts';
import type { Context } from '../../context.ts';
import type { Io } from '../../io.ts';
import type { Values } from '../../flags/flag.ts';
import { mayAsk } from '../../input/confirm.ts';
import { readNamedFile } from '../../input/named-file.ts';
import { isAgreed } from '../../input/question.ts';
import { askLine } from '../../input/secret.ts';
import { adminClient, noOutput, withNewKeys } from './around.ts';
import type { applyFlags } from './command.ts';
import { planJson, planLines, summaryOf } from './plan-view.ts';

type Given = Values<typeof applyFlags> & { readonly file: string };

const mostBytes = 4 * 1024 * 1024;
/** More of them would hide what they have in common. */
const mostShown = 10;

export async function runApply(values: Given, context: Context): Promise<CllmError | null> {
  const { io } = context;
  const { file } = values;
  const wanted = await wantedOf(file, io);
  const client = await adminClient(context);
  const now = new Date();
  const state = await readState(client);
  const plan = planOf(wanted, state, now);
  // What goes to standard output with the keys is for programs.
  const shown = values.output === '-' ? io.stderr : io.stdout;
  if (!values.json) await shown.write(planLines(plan, shown));
  for (const each of plan.remarks) context.remark(each);
  await sayUnknownModels(wanted, context);
  if (isManyBlocked(plan)) context.remark(`it blocks ${many(plan)}`);
  const newKeys = stepsOf(plan).filter(({ isNewKey }) => isNewKey).length;
  if (values.dryRun) {
    if (values.json) await io.stdout.write(jsonLine({ ...planJson(plan), is_applied: false }, 2));
    return null;
  }
  if (values.output === undefined && newKeys > 0) {
    throw noOutput(newKeys === 1 ? 'a new key has' : `${newKeys} new keys have`);
  }
  const hasSteps = plan.stages.length > 0;
  if (hasSteps && !(await isMeant(plan, values, context))) {
    context.remark('nothing was done');
    return null;
  }
  const outcome = await withNewKeys(values.output, context, async ({ pending, output }) => {
    const known = new Set(state.keys.map(({ hash }) => hash));
    const handed = await handOver(pending, output, known, new Set(wanted.keys.map(({ alias }) => alias)));
    if (handed > 0)
      context.remark(`${handed === 1 ? 'a key' : `${handed} keys`} of an earlier run went where new keys go`);
    return hasSteps ? carryOut(plan, { client, pending, output, now }) : nothingToDo;
  });
  if (values.json) await io.stdout.write(jsonLine({ ...planJson(plan), is_applied: true, ...outcomeJson(outcome) }, 2));
  return ended(outcome, values, context, plan);
}

const nothingToDo: CarriedOut = { done: 0, failures: [], untried: 0, stoppedBy: null };

async function ended(
  { done, failures, untried, stoppedBy }: CarriedOut,
  { file, output }: Given,
  context: Context,
  plan: Plan,
): Promise<CllmError | null> {
  for (const { step, error } of failures.slice(0, mostShown))
    context.remark(`${step.kind} ${step.name}: ${error.message}${error.hint === undefined ? '' : ` (${error.hint})`}`);
  if (failures.length > mostShown) context.remark(`… and ${failures.length - mostShown} more`);
  const made = stepsOf(plan).filter(({ isNewKey }) => isNewKey).length;
  if (failures.length === 0 && untried === 0) {
    if (done > 0) context.remark(`done: ${summaryOf(plan)}`);
    if (made > 0 && output !== undefined && output !== '-') {
      context.remark(
        `${made === 1 ? 'the new key is' : `${made} new keys are`} in ${output}; nobody can see them again elsewhere`,
      );
    }
    return null;
  }
  if (stoppedBy?.code === 'interrupted') throw stoppedBy;
  const undone = failures.length + untried;
  throw new CllmError(
    'apply_partial',
    `${undone} of ${done + undone} steps are not done: ${stoppedBy?.message ?? 'see above'}`,
    {
      cause: stoppedBy ?? failures[0]?.error,
      hint: `run it again: cllm admin apply ${file}; what is done stays, and the rest is tried once more`,
    },
  );
}

/** Asked once; where it would keep many out, twice. */
async function isMeant(plan: Plan, { yes, blockMany }: Given, { io }: Context): Promise<boolean> {
  const isMany = isManyBlocked(plan) && !blockMany;
  const { people, jobs } = plan;
  const blocked = people.blocked + jobs.blocked;
  if (isMany && !mayAsk(io, false)) {
    throw new UsageError(`it would block ${many(plan)}`, {
      hint: 'look at the file; say --block-many if that is meant',
    });
  }
  if (!(await isAgreed(`${summaryOf(plan)}?`, yes, io))) return false;
  if (!isMany) return true;
  const answer = await askLine(io, `That keeps ${blocked} out who work today. Type ${blocked} if that is meant: `);
  return answer === String(blocked);
}

/** `keys of 12 of 40 people and 2 of 3 jobs`. */
function many({ people, jobs }: Plan): string {
  const parts = [
    { ...people, what: 'people' },
    { ...jobs, what: 'jobs' },
  ].filter(({ blocked }) => blocked > 0);
  return `keys of ${parts.map(({ blocked, all, what }) => `${blocked} of ${all} ${what}`).join(' and ')}`;
}

/** A slip of the fingers would be a key that may do nothing. */
async function sayUnknownModels(wanted: Wanted, context: Context): Promise<void> {
  const named = new Set([...wanted.keys, ...wanted.teams].flatMap(({ limits }) => limits.models));
  if (named.size === 0) return;
  const served = (await (await context.client()).models({ signal: context.io.signal })).map(({ id }) => id);
  const isServed = (name: string): boolean =>
    served.some((each) => each === name || (each.endsWith('*') && name.startsWith(each.slice(0, -1))));
  const unknown = [...named].filter((name) => !name.includes('*') && !special.has(name) && !isServed(name));
  if (unknown.length > 0)
    context.remark(`the proxy serves no model of this name: ${unknown.slice(0, mostShown).join(', ')}`);
}

/** LiteLLM's words that stand for models. */
const special = new Set(['all-team-models', 'all-proxy-models', 'no-default-models']);

function outcomeJson({ done, failures, untried }: CarriedOut): Record<string, unknown> {
  return {
    done,
    untried,
    failed: failures.map(({ step: { kind, action, name }, error: { code, message } }) => ({
      kind,
      action,
      name,
      error: { code, message },
    })),
  };
}

async function wantedOf(file: string, io: Io): Promise<Wanted> {
  const decoded = decodeText(await readNamedFile(file, file, io, { mostBytes }));
  if (decoded.problem === null) return readPeopleFile(decoded.text, file);
  throw new UsageError(`${file}: ${decoded.problem}`, { code: 'input_invalid', hint: decoded.hint });
}
