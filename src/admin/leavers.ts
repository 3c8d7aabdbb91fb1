import type { Wanted } from './people-file.ts';
import { markedMetadata, newMark, type ProxyKey, type ProxyState, type ProxyUser } from './proxy-state.ts';
import { type Call, count, nameOf, quoted, type Step, step } from './step.ts';

/** Of those who are in order now, how many lose a key that works today. */
export interface Share {
  blocked: number;
  all: number;
}

export interface Leaving {
  block: Step[];
  delete: Step[];
  remarks: string[];
  people: Share;
  jobs: Share;
}

/** What the plan knows by then. */
export interface Staying {
  wanted: Wanted;
  state: ProxyState;
  now: Date;
  /** The ids of the users who stand in the file. */
  users: ReadonlySet<string>;
  /** The keys that stand in the file, by their hashes. */
  keys: ReadonlyMap<string, ProxyKey>;
}

/**
 * What becomes of whom the file no longer names: the keys are blocked, and deleted once the file's time is over. A person goes
 * with all of their keys, their own as well; a key that cllm made and the file does not name goes by itself.
 */
export function leaving(staying: Staying): Leaving {
  const { wanted, state, users } = staying;
  const people = state.users.filter((user) => user.mark?.set === wanted.set);
  const left = people.filter((user) => !users.has(user.id));
  const persons = leavingPeople(left, staying);
  const keys = leavingKeys(new Set(left.map(({ id }) => id)), staying);
  const blocked = new Set([...left.filter(isPresent).map(({ id }) => id), ...keys.losing]);
  return {
    block: [...persons.block, ...keys.block],
    delete: [...persons.delete, ...keys.delete],
    remarks: keys.remarks,
    people: { blocked: blocked.size, all: Math.max(people.filter(isPresent).length, blocked.size) },
    jobs: keys.jobs,
  };
}

function isPresent({ mark }: ProxyUser): boolean {
  return mark?.leftAt === null;
}

function leavingPeople(left: readonly ProxyUser[], staying: Staying): Pick<Leaving, 'block' | 'delete'> {
  const steps: Pick<Leaving, 'block' | 'delete'> = { block: [], delete: [] };
  for (const user of left) {
    const keys = staying.state.keys.filter((key) => key.userId === user.id);
    const open = keys.filter((key) => !key.isBlocked);
    if (isOver(user, staying)) {
      steps.delete.push(
        step({
          kind: 'person',
          action: 'delete',
          name: user.id,
          why: `left ${user.mark?.leftAt?.slice(0, 10) ?? ''}; ${count(keys.length, 'key')} with it`,
          calls: [{ path: '/user/delete', body: { user_ids: [user.id] } }],
        }),
      );
    }
    if (open.length === 0 && user.mark?.leftAt !== null) continue;
    steps.block.push(
      step({
        kind: 'person',
        action: 'block',
        name: user.id,
        why: `no longer in the file: ${count(open.length, 'key')}`,
        // The mark on the person comes last: without it the next run blocks again.
        calls: [...open.flatMap((key) => blockCalls(key, staying)), ...leftCall(user, staying)],
      }),
    );
  }
  return steps;
}

/** @param gone the people who go with all of their keys */
function leavingKeys(
  gone: ReadonlySet<string>,
  staying: Staying,
): Pick<Leaving, 'block' | 'delete' | 'remarks' | 'jobs'> & { losing: Set<string> } {
  const { wanted, state, keys: taken } = staying;
  const found = {
    block: [] as Step[],
    delete: [] as Step[],
    remarks: [] as string[],
    jobs: { blocked: 0, all: 0 },
    losing: new Set<string>(),
  };
  const aliases = new Set([...taken.values()].map(({ alias }) => alias));
  for (const key of state.keys) {
    if (key.mark?.set !== wanted.set) continue;
    if (key.mark.rotatedFrom !== null && key.mark.leftAt === null) {
      found.remarks.push(
        `the key ${quoted(nameOf(key))} was being rotated: cllm admin keys rotate ${key.mark.rotatedFrom}`,
      );
      continue;
    }
    const isJobs = key.userId === null && key.mark.leftAt === null;
    if (isJobs) found.jobs.all += 1;
    if (taken.has(key.hash) || (key.userId !== null && gone.has(key.userId))) continue;
    if (isOver(key, staying)) {
      found.delete.push(
        step({
          kind: 'key',
          action: 'delete',
          name: nameOf(key),
          why: `left ${key.mark.leftAt?.slice(0, 10) ?? ''}`,
          calls: [{ path: '/key/delete', body: { keys: [key.hash] } }],
        }),
      );
    }
    // By this, or by hand: then it does not come back by a line of the file either.
    if (key.isBlocked) continue;
    if (isJobs) found.jobs.blocked += 1;
    if (key.userId !== null) found.losing.add(key.userId);
    const isTwin = key.alias !== null && aliases.has(key.alias);
    found.block.push(
      step({
        kind: 'key',
        action: 'block',
        name: nameOf(key),
        why: isTwin ? `another key has this alias; this is ${key.shortName ?? key.hash}` : 'no longer in the file',
        calls: blockCalls(key, staying),
      }),
    );
  }
  return found;
}

/** Blocked first, which holds at once on every replica; then marked, so that it can come back. */
function blockCalls(key: ProxyKey, { wanted, now }: Staying): Call[] {
  const block = { path: '/key/block', body: { key: key.hash } };
  const mark = { ...(key.mark ?? newMark(wanted.set)), leftAt: now.toISOString() };
  return [block, { path: '/key/update', body: { key: key.hash, metadata: markedMetadata(key.metadata, mark) } }];
}

function leftCall(user: ProxyUser, { now }: Staying): Call[] {
  if (user.mark === null || user.mark.leftAt !== null) return [];
  const mark = { ...user.mark, leftAt: now.toISOString() };
  return [{ path: '/user/update', body: { user_id: user.id, metadata: markedMetadata(user.metadata, mark) } }];
}

function isOver({ mark }: Pick<ProxyUser, 'mark'>, { wanted: { deleteAfterMs }, now }: Staying): boolean {
  if (deleteAfterMs === null || mark === null || mark.leftAt === null) return false;
  return now.getTime() - Date.parse(mark.leftAt) > deleteAfterMs;
}
