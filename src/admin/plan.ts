import type { JsonObject } from '../protocol/json.ts';
import { leaving, type Share } from './leavers.ts';
import { type Limits, newTeamId, type Wanted, type WantedKey, type WantedPerson } from './people-file.ts';
import {
  markedMetadata,
  newMark,
  type ProxyKey,
  type ProxyState,
  type ProxyTeam,
  type ProxyUser,
} from './proxy-state.ts';
import { type Changes, changesOf, mistaken, noLimits, quoted, sent, type Step, step } from './step.ts';

export interface Plan {
  /** One after another; the steps within one do not wait for each other. */
  stages: readonly (readonly Step[])[];
  /** What stays as it is, and somebody should know. */
  remarks: readonly string[];
  people: Share;
  jobs: Share;
}

export function stepsOf({ stages }: Plan): Step[] {
  return stages.flat();
}

/** Whether it blocks so many that it may be a mistake: more than one, and more than a tenth. */
export function isManyBlocked({ people, jobs }: Pick<Plan, 'people' | 'jobs'>): boolean {
  return [people, jobs].some(({ blocked, all }) => blocked > Math.max(1, all / 10));
}

/**
 * What has to be done that the proxy has what the file says; nothing when it has it. Pure: the same file and the same state
 * give the same plan, and a plan that was half carried out is the beginning of the next.
 *
 * @throws UsageError `input_invalid` where the file would take what is somebody else's
 */
export function planOf(wanted: Wanted, state: ProxyState, now: Date): Plan {
  return new Planner(wanted, state, now).plan();
}

class Planner {
  readonly #wanted: Wanted;
  readonly #state: ProxyState;
  readonly #now: Date;
  readonly #remarks: string[] = [];
  /** By alias. */
  readonly #teams = new Map<string, { id: string; found: ProxyTeam | null }>();
  /** By the person's id. */
  readonly #users = new Map<string, { id: string; found: ProxyUser | null }>();

  constructor(wanted: Wanted, state: ProxyState, now: Date) {
    this.#wanted = wanted;
    this.#state = state;
    this.#now = now;
  }

  /** A budget that went by mistake is one that nothing holds. */
  #sayUnlimited(steps: readonly Step[]): void {
    const names = steps.filter(({ changes }) => changes['max_budget']?.[1] === null).map(({ name }) => name);
    if (names.length > 0)
      this.#remarks.push(`no budget any more: ${names.slice(0, 10).join(', ')}${names.length > 10 ? ', …' : ''}`);
  }

  plan(): Plan {
    const teams = this.#wanted.teams.flatMap(({ alias, limits }) => this.#team(alias, limits));
    const users = this.#wanted.people.flatMap((person) => this.#user(person));
    const members = this.#members();
    const taken = new Map<string, ProxyKey>();
    const keys = this.#wanted.keys.flatMap((key) => this.#key(key, taken));
    const leavers = leaving({
      wanted: this.#wanted,
      state: this.#state,
      now: this.#now,
      users: new Set([...this.#users.values()].map(({ id }) => id)),
      keys: taken,
    });
    const removed = this.#removedMembers(taken);
    this.#sayUnlimited([...teams, ...keys]);
    return {
      // Who left is kept out first, whatever happens to the rest; what can not be taken back comes last.
      stages: [
        leavers.block,
        teams,
        users,
        // LiteLLM reads and writes the list of a team's members: two at a time would lose some to each other.
        ...members.map((each) => [each]),
        keys,
        ...removed.map((each) => [each]),
        leavers.delete,
      ].filter((stage) => stage.length > 0),
      remarks: [...this.#remarks, ...leavers.remarks],
      people: leavers.people,
      jobs: leavers.jobs,
    };
  }

  #team(alias: string, limits: Limits): Step[] {
    const found = this.#state.teams.filter((team) => team.alias === alias);
    if (found.length > 1) {
      throw mistaken(
        `the proxy has ${found.length} teams ${quoted(alias)}`,
        'give the others another name on its pages',
      );
    }
    const [team = null] = found;
    this.#teams.set(alias, { id: team?.id ?? newTeamId(alias), found: team });
    if (team === null) {
      const body = { team_id: newTeamId(alias), team_alias: alias, ...sent(limits, noLimits) };
      return [
        step({
          kind: 'team',
          action: 'make',
          name: alias,
          changes: changesOf(noLimits, limits),
          calls: [{ path: '/team/new', body: { ...body, metadata: markedMetadata({}, newMark(this.#wanted.set)) } }],
        }),
      ];
    }
    this.#assertOurs(team, `the team ${quoted(alias)}`);
    if (team.isBlocked) this.#remarks.push(`the team ${quoted(alias)} is blocked, and stays so`);
    const changes = changesOf(team.limits, limits);
    if (team.mark !== null && Object.keys(changes).length === 0) return [];
    const body = { team_id: team.id, ...sent(limits, team.limits), ...this.#newlyMarked(team) };
    return [
      step({
        kind: 'team',
        action: 'change',
        name: alias,
        changes,
        why: team.mark === null ? 'looked after by the file from now on' : null,
        calls: [{ path: '/team/update', body }],
      }),
    ];
  }

  #user({ id, email }: WantedPerson): Step[] {
    const user = this.#userOf(id, email);
    this.#users.set(id, { id: user?.id ?? id, found: user });
    const { set } = this.#wanted;
    if (user === null) {
      const body = { user_id: id, ...(email !== null && { user_email: email }), auto_create_key: false };
      return [
        step({
          kind: 'person',
          action: 'make',
          name: id,
          changes: email === null ? {} : { user_email: [null, email] },
          calls: [{ path: '/user/new', body: { ...body, metadata: markedMetadata({}, newMark(set)) } }],
        }),
      ];
    }
    this.#assertOurs(user, `the user ${quoted(user.id)}`);
    // LiteLLM does not tell all that a directory wrote there, and writing it back would lose the rest.
    if (Object.keys(user.metadata).some((name) => name.startsWith('scim'))) return [];
    const isOtherEmail = email !== null && email.toLowerCase() !== user.email?.toLowerCase();
    const isBack = user.mark !== null && user.mark.leftAt !== null;
    if (user.mark !== null && !isOtherEmail && !isBack) return [];
    const metadata = markedMetadata(user.metadata, newMark(set));
    return [
      step({
        kind: 'person',
        action: 'change',
        name: id,
        changes: isOtherEmail ? { user_email: [user.email, email] } : {},
        why: isBack ? 'is back' : user.mark === null ? 'looked after by the file from now on' : null,
        calls: [
          { path: '/user/update', body: { user_id: user.id, ...(isOtherEmail && { user_email: email }), metadata } },
        ],
      }),
    ];
  }

  /** By id; else by email, for the proxy has its own ids for those who signed in. */
  #userOf(id: string, email: string | null): ProxyUser | null {
    const byId = this.#state.users.find((user) => user.id === id) ?? null;
    const byEmail =
      email === null ? [] : this.#state.users.filter((user) => user.email?.toLowerCase() === email.toLowerCase());
    const other = byEmail.find((user) => user.id !== byId?.id);
    if (byId !== null && other !== undefined) {
      throw mistaken(`${quoted(id)} is to have the email of another user of the proxy, ${quoted(other.id)}`);
    }
    if (byEmail.length > 1) throw mistaken(`the proxy has several users with the email of ${quoted(id)}`);
    return byId ?? byEmail[0] ?? null;
  }

  #members(): Step[] {
    const steps: Step[] = [];
    for (const { alias } of this.#wanted.teams) {
      const { id, found } = this.#teams.get(alias) ?? { id: '', found: null };
      const coming = this.#wanted.people.filter(
        (person) => person.teams.includes(alias) && found?.memberIds.has(this.#userId(person.id)) !== true,
      );
      for (let at = 0; at < coming.length; at += membersAtOnce) {
        const some = coming.slice(at, at + membersAtOnce);
        const member = some.map((person) => ({ role: 'user', user_id: this.#userId(person.id) }));
        steps.push(
          step({
            kind: 'member',
            action: 'make',
            name: some.length === 1 ? (some[0]?.id ?? '') : `${some.length} people`,
            of: alias,
            why: some.length === 1 ? null : some.map((person) => person.id).join(', '),
            calls: [{ path: '/team/member_add', body: { team_id: id, member } }],
            needs: [`team:${alias}`],
          }),
        );
      }
    }
    return steps;
  }

  #key(key: WantedKey, taken: Map<string, ProxyKey>): Step[] {
    const found = this.#keyOf(key);
    const teamId = key.team === null ? null : (this.#teams.get(key.team)?.id ?? null);
    const userId = key.person === null ? null : this.#userId(key.person);
    const facts = { alias: key.alias, teamId, userId };
    const needs = [
      ...(key.team === null ? [] : [`team:${key.team}`]),
      ...(key.person === null ? [] : [`person:${key.person}`]),
    ];
    const { set } = this.#wanted;
    if (found === null) {
      const body = {
        key_alias: key.alias,
        ...(userId !== null && { user_id: userId }),
        ...(teamId !== null && { team_id: teamId }),
        ...sent(key.limits, noLimits),
        ...(key.duration !== null && { duration: key.duration }),
        metadata: markedMetadata({}, newMark(set, key.duration)),
      };
      return [
        step({
          kind: 'key',
          action: 'make',
          name: key.alias,
          of: key.team,
          changes: {
            ...changesOf(noLimits, key.limits),
            ...(key.duration !== null && { duration: [null, key.duration] }),
          },
          calls: [{ path: '/key/generate', body }],
          isNewKey: true,
          needs,
        }),
      ];
    }
    taken.set(found.hash, found);
    this.#assertOurs(found, `the key ${quoted(key.alias)}`);
    if (found.userId !== null && found.userId !== userId) {
      const whose = key.person === null ? 'a job' : quoted(key.person);
      throw mistaken(`the key ${quoted(key.alias)} is of the user ${quoted(found.userId)}, not of ${whose}`);
    }
    return this.#changedKey(key, found, facts, needs);
  }

  #changedKey(
    key: WantedKey,
    found: ProxyKey,
    { alias, teamId, userId }: { alias: string; teamId: string | null; userId: string | null },
    needs: readonly string[],
  ): Step[] {
    const isBack = found.isBlocked && found.mark !== null && found.mark.leftAt !== null;
    if (found.isBlocked && !isBack) this.#remarks.push(`the key ${quoted(alias)} was blocked by hand, and stays so`);
    if (found.expiresAt !== null && new Date(found.expiresAt) < this.#now) {
      this.#remarks.push(`the key ${quoted(alias)} has expired: cllm admin keys rotate ${alias}`);
    }
    const changes: Changes = {
      ...(found.alias !== alias && { key_alias: [found.alias, alias] }),
      ...(found.teamId !== teamId && { team: [this.#teamName(found.teamId), key.team] }),
      ...(found.userId !== userId && { user_id: [found.userId, userId] }),
      ...changesOf(found.limits, key.limits),
      ...((found.mark?.duration ?? null) !== key.duration && {
        duration: [found.mark?.duration ?? null, key.duration],
      }),
    };
    if (found.mark !== null && found.mark.leftAt === null && Object.keys(changes).length === 0) return [];
    const body = {
      key: found.hash,
      ...(found.alias !== alias && { key_alias: alias }),
      ...(found.teamId !== teamId && { team_id: teamId }),
      ...(found.userId !== userId && { user_id: userId }),
      ...sent(key.limits, found.limits),
      ...('duration' in changes && { duration: key.duration }),
      metadata: markedMetadata(found.metadata, newMark(this.#wanted.set, key.duration)),
    };
    return [
      step({
        kind: 'key',
        action: isBack ? 'unblock' : 'change',
        name: alias,
        of: key.team,
        changes,
        why: found.mark === null ? 'looked after by the file from now on' : null,
        // Last: until then it is one that left, and the next run brings it back.
        calls: [
          ...(isBack ? [{ path: '/key/unblock', body: { key: found.hash } }] : []),
          { path: '/key/update', body },
        ],
        needs,
      }),
    ];
  }

  #keyOf(key: WantedKey): ProxyKey | null {
    const named = this.#state.keys.filter(({ alias }) => alias === key.alias);
    if (named.length > 1) {
      this.#remarks.push(`the proxy has ${named.length} keys with the alias ${quoted(key.alias)}: one of them stays`);
    }
    // LiteLLM takes an alias once, but not from two who make it at the same moment.
    const stays = named.find(({ mark, isBlocked }) => mark !== null && !isBlocked) ?? named[0];
    if (stays !== undefined) return stays;
    const teamId = key.team === null ? null : this.#teams.get(key.team)?.id;
    const former = this.#state.keys.find(
      ({ alias, teamId: ofTeam, mark }) =>
        mark !== null && alias !== null && key.formerAliases.includes(alias) && ofTeam === teamId,
    );
    return former ?? null;
  }

  /** LiteLLM deletes the keys that a member has in the team: one who has any stays a member. */
  #removedMembers(taken: ReadonlyMap<string, ProxyKey>): Step[] {
    const steps: Step[] = [];
    for (const person of this.#wanted.people) {
      const userId = this.#userId(person.id);
      for (const team of this.#state.teams) {
        if (!this.#isOurs(team) || !team.memberIds.has(userId) || person.teams.includes(team.alias)) continue;
        const moved = (key: ProxyKey): boolean => taken.has(key.hash);
        if (this.#state.keys.some((key) => key.userId === userId && key.teamId === team.id && !moved(key))) continue;
        steps.push(
          step({
            kind: 'member',
            action: 'remove',
            name: person.id,
            of: team.alias,
            calls: [{ path: '/team/member_delete', body: { team_id: team.id, user_id: userId } }],
            // A key that did not get to its new team would go with the membership.
            needs: this.#wanted.keys.filter((key) => key.person === person.id).map((key) => `key:${key.alias}`),
          }),
        );
      }
    }
    return steps;
  }

  #isOurs({ mark }: { mark: ProxyUser['mark'] }): boolean {
    return mark?.set === this.#wanted.set;
  }

  #assertOurs({ mark }: { mark: ProxyUser['mark'] }, what: string): void {
    if (mark === null || mark.set === this.#wanted.set) return;
    throw mistaken(
      `${what} is looked after by the set ${quoted(mark.set)}, and this file is ${quoted(this.#wanted.set)}`,
      'let it stand in one file, or give both files the same `set`',
    );
  }

  #newlyMarked({ mark, metadata }: ProxyTeam): JsonObject {
    return mark === null ? { metadata: markedMetadata(metadata, newMark(this.#wanted.set)) } : {};
  }

  #userId(person: string): string {
    return this.#users.get(person)?.id ?? person;
  }

  #teamName(id: string | null): string | null {
    return this.#state.teams.find((team) => team.id === id)?.alias ?? id;
  }
}

/** LiteLLM writes each member's row by itself; a request of more would take minutes. */
const membersAtOnce = 50;
