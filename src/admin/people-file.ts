import { createHash } from 'node:crypto';
import { nearestName } from '../config/nearest-name.ts';
import { parseYaml } from '../config/yaml-text.ts';
import { UsageError } from '../outcome/errors.ts';
import { isJsonObject, type JsonObject } from '../protocol/json.ts';

/** What a key or a team may do. LiteLLM's own names and meanings; null is no limit. */
export interface Limits {
  max_budget: number | null;
  budget_duration: string | null;
  rpm_limit: number | null;
  tpm_limit: number | null;
  max_parallel_requests: number | null;
  /** Sorted. None: whatever the team may use; of a team: whatever the proxy serves. */
  models: readonly string[];
}

export interface WantedTeam {
  alias: string;
  limits: Limits;
}

/** A key that is to be there: a person's for one team, or a job's. */
export interface WantedKey {
  alias: string;
  /** The aliases under which the same key may be there: a person's who has one team more than before, or one less. */
  formerAliases: readonly string[];
  /** The id of the person; null for a job's. */
  person: string | null;
  /** The alias of the team. */
  team: string | null;
  limits: Limits;
  /** From when it is made until it expires; null never. */
  duration: string | null;
}

export interface WantedPerson {
  id: string;
  email: string | null;
  teams: readonly string[];
}

/** What the file says. */
export interface Wanted {
  /** Who looks after what: keys of another set are nobody's business here. */
  set: string;
  /** Milliseconds after which what left is deleted; null never. */
  deleteAfterMs: number | null;
  teams: readonly WantedTeam[];
  people: readonly WantedPerson[];
  keys: readonly WantedKey[];
}

/** Two hundred people more than a very large proxy has; a text within these bounds is read in about a second. */
const bounds = { characters: 4 * 1024 * 1024, lines: 100_000, tokens: 400_000 };

const limitNames = [
  'max_budget',
  'budget_duration',
  'rpm_limit',
  'tpm_limit',
  'max_parallel_requests',
  'models',
] as const;
const keyNames = [...limitNames, 'duration'] as const;

/**
 * Reads a file of people: teams, people and the keys of jobs. What it does not say of a limit is that there is none, so that
 * a file and a proxy can be compared; `each` says it once for all.
 *
 * @param file how messages name it
 * @throws UsageError `input_invalid` that names the place in the file; a value is quoted only where it can be no key
 */
export function readPeopleFile(text: string, file: string): Wanted {
  const parsed = parsedText(text, file);
  return new Reader(file).read(parsed);
}

function parsedText(text: string, file: string): JsonObject {
  let parsed: unknown;
  try {
    parsed = parseYaml(text, file, bounds);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(error.message, { code: 'input_invalid', hint: 'correct it, and look again with --dry-run' });
  }
  if (isJsonObject(parsed)) return parsed;
  const what = parsed === null || parsed === undefined ? 'is empty' : 'is no list of names and values';
  throw new UsageError(`${file} ${what}`, { code: 'input_invalid', hint: 'see docs/team-proxy.md for an example' });
}

/** What `each` says for those below it. */
type Defaults = Readonly<Partial<Record<(typeof keyNames)[number], unknown>>>;

class Reader {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  read(whole: JsonObject): Wanted {
    this.#known(whole, '', ['set', 'delete_after', 'each', 'teams', 'people', 'keys']);
    const set = whole['set'] === undefined ? 'people' : this.#identifier(whole['set'], 'set');
    const each = this.#defaults(whole['each'], 'each');
    const teams = this.#entries(whole['teams'], 'teams').map(([alias, value]) => this.#team(alias, value));
    const eachOf = new Map(teams.map(({ team, members }) => [team.alias, members]));
    const people = this.#entries(whole['people'], 'people').map(([id, value]) => this.#person(id, value, each, eachOf));
    const jobs = this.#entries(whole['keys'], 'keys').map(([alias, value]) => this.#job(alias, value, eachOf));
    const wanted: Wanted = {
      set,
      deleteAfterMs: whole['delete_after'] === undefined ? null : this.#milliseconds(whole['delete_after']),
      teams: teams.map(({ team }) => team),
      people: people.map(({ person }) => person),
      keys: [...people.flatMap(({ keys }) => keys), ...jobs],
    };
    this.#refuseTwins(
      'teams',
      wanted.teams.map(({ alias }) => alias),
    );
    this.#refuseTwins(
      'people',
      wanted.people.map(({ id }) => id),
    );
    this.#refuseTwins(
      'people and keys',
      wanted.keys.map(({ alias }) => alias),
    );
    this.#refuseTwins(
      'the emails of people',
      wanted.people.flatMap(({ email }) => email ?? []),
    );
    return wanted;
  }

  #team(alias: string, value: unknown): { team: WantedTeam; members: Defaults } {
    const place = `teams.${alias}`;
    this.#teamName(alias, place);
    const given = this.#object(value ?? {}, place);
    // LiteLLM knows no such limit of a team.
    this.#known(given, place, [...limitNames.filter((name) => name !== 'max_parallel_requests'), 'each']);
    return {
      team: { alias, limits: this.#limits(given, place) },
      members: this.#defaults(given['each'], `${place}.each`),
    };
  }

  #person(
    id: string,
    value: unknown,
    each: Defaults,
    eachOf: ReadonlyMap<string, Defaults>,
  ): { person: WantedPerson; keys: WantedKey[] } {
    const place = `people.${id}`;
    this.#identifier(id, place);
    const given = this.#object(value ?? {}, place);
    this.#known(given, place, [...keyNames, 'email', 'team']);
    const teams = this.#teamsOf(given['team'], `${place}.team`, eachOf);
    const own = (team: string | null): JsonObject => ({ ...each, ...(team !== null && eachOf.get(team)), ...given });
    const key = (team: string | null, alias: string, formerAliases: string[]): WantedKey => ({
      alias,
      formerAliases,
      person: id,
      team,
      limits: this.#limits(own(team), place),
      duration: this.#duration(own(team)['duration'], `${place}.duration`),
    });
    const [first, ...others] = teams;
    const keys =
      first === undefined
        ? [key(null, id, [])]
        : others.length === 0
          ? [key(first, id, [`${id}/${first}`])]
          : teams.map((team) => key(team, `${id}/${team}`, [id]));
    return { person: { id, email: this.#email(given['email'], `${place}.email`), teams }, keys };
  }

  #job(alias: string, value: unknown, eachOf: ReadonlyMap<string, Defaults>): WantedKey {
    const place = `keys.${alias}`;
    this.#identifier(alias, place);
    const given = this.#object(value ?? {}, place);
    this.#known(given, place, [...keyNames, 'team']);
    const [team = null, second] = this.#teamsOf(given['team'], `${place}.team`, eachOf);
    if (second !== undefined) throw this.#wrong(`${place}.team`, 'is of one team: a key can have no more');
    return {
      alias,
      formerAliases: [],
      person: null,
      team,
      limits: this.#limits(given, place),
      duration: this.#duration(given['duration'], `${place}.duration`),
    };
  }

  #teamsOf(value: unknown, place: string, teams: ReadonlyMap<string, Defaults>): string[] {
    if (value === undefined || value === null) return [];
    const named = Array.isArray(value) ? value : [value];
    for (const name of named) {
      if (typeof name === 'string' && teams.has(name)) continue;
      const nearest = typeof name === 'string' ? nearestName(name, [...teams.keys()]) : null;
      const other = typeof name === 'number' ? 'write a name of digits in quotes' : 'name one that stands under teams';
      const hint = nearest === null ? other : `did you mean ${JSON.stringify(nearest)}?`;
      throw this.#wrong(place, `names a team that does not stand under teams`, hint);
    }
    const names = named as string[];
    if (new Set(names).size < names.length) throw this.#wrong(place, 'names a team twice');
    return names;
  }

  #defaults(value: unknown, place: string): Defaults {
    const given = this.#object(value ?? {}, place);
    this.#known(given, place, keyNames);
    // What is wrong with it is said where it stands, and once.
    this.#limits(given, place);
    this.#duration(given['duration'], `${place}.duration`);
    return given;
  }

  #limits(given: JsonObject, place: string): Limits {
    const whole = (name: 'rpm_limit' | 'tpm_limit' | 'max_parallel_requests'): number | null => {
      const number = this.#number(given[name], `${place}.${name}`);
      if (number !== null && !Number.isSafeInteger(number)) throw this.#wrong(`${place}.${name}`, 'is no whole number');
      return number;
    };
    return {
      max_budget: this.#number(given['max_budget'], `${place}.max_budget`),
      budget_duration: this.#duration(given['budget_duration'], `${place}.budget_duration`),
      rpm_limit: whole('rpm_limit'),
      tpm_limit: whole('tpm_limit'),
      max_parallel_requests: whole('max_parallel_requests'),
      models: this.#models(given['models'], `${place}.models`),
    };
  }

  #models(value: unknown, place: string): string[] {
    if (value === undefined || value === null) return [];
    const models: unknown[] = Array.isArray(value) ? value : [value];
    if (!models.every((model): model is string => typeof model === 'string' && /^\S{1,200}$/.test(model))) {
      throw this.#wrong(place, 'is no list of models', 'for example [hello, gpt]');
    }
    return [...new Set(models)].toSorted();
  }

  #number(value: unknown, place: string): number | null {
    if (value === undefined || value === null) return null;
    if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value;
    throw this.#wrong(place, 'is no number, 0 or more', 'for example 20; leave it out where there is no limit');
  }

  #duration(value: unknown, place: string): string | null {
    if (value === undefined || value === null) return null;
    if (typeof value === 'string' && /^[1-9]\d{0,5}(?:s|m|h|d|w|mo)$/.test(value)) return value;
    throw this.#wrong(place, 'is no duration', 'for example 12h, 30d or 1mo');
  }

  #milliseconds(value: unknown): number {
    const text = this.#duration(value, 'delete_after');
    const [, count = '', unit = ''] = /^(\d+)(h|d|w|mo)$/.exec(text ?? '') ?? [];
    const hours = { h: 1, d: 24, w: 168, mo: 720 }[unit];
    if (hours === undefined) throw this.#wrong('delete_after', 'is no duration of hours or more', 'for example 30d');
    return Number(count) * hours * 3_600_000;
  }

  #email(value: unknown, place: string): string | null {
    if (value === undefined || value === null) return null;
    if (typeof value === 'string' && /^[\x21-\x3f\x41-\x7e]{1,64}@[A-Za-z0-9.-]{1,255}$/.test(value)) return value;
    throw this.#wrong(place, 'is no email address of plain letters');
  }

  /** In plain ASCII: of two names that look alike one would be somebody else. */
  #identifier(value: unknown, place: string): string {
    if (typeof value === 'string' && /^[A-Za-z0-9][A-Za-z0-9._@+-]{0,199}$/.test(value)) return value;
    throw this.#wrong(place, 'is no name of plain letters, digits and . _ - + @');
  }

  #teamName(alias: string, place: string): void {
    if (
      /^[\p{L}\p{N}][\p{L}\p{M}\p{N} ._&+()-]{0,99}$/u.test(alias) &&
      alias.trim() === alias &&
      alias.normalize('NFC') === alias
    )
      return;
    throw this.#wrong(place, 'is no name of letters, digits, spaces and . _ - + & ( )');
  }

  #entries(value: unknown, place: string): [string, unknown][] {
    return Object.entries(this.#object(value ?? {}, place));
  }

  #object(value: unknown, place: string): JsonObject {
    if (isJsonObject(value)) return value;
    throw this.#wrong(place, 'is no group of names and values');
  }

  #known(given: JsonObject, place: string, names: readonly string[]): void {
    const stranger = Object.keys(given).find((name) => !names.includes(name));
    if (stranger === undefined) return;
    const nearest = nearestName(stranger, names);
    throw this.#wrong(
      place === '' ? stranger : `${place}.${stranger}`,
      'is not known',
      nearest === null ? `known are ${names.join(', ')}` : `did you mean ${nearest}?`,
    );
  }

  /** Names that a person, or another program, would take for one. */
  #refuseTwins(where: string, names: readonly string[]): void {
    const seen = new Map<string, string>();
    for (const name of names) {
      const form = name.normalize('NFKC').toLowerCase();
      const twin = seen.get(form);
      if (twin !== undefined) {
        throw new UsageError(`${this.#file}: ${where} have ${JSON.stringify(twin)} and ${JSON.stringify(name)}`, {
          code: 'input_invalid',
          hint: 'give each a name of its own, not by its capitals alone',
        });
      }
      seen.set(form, name);
    }
  }

  #wrong(place: string, what: string, hint?: string): UsageError {
    return new UsageError(`${this.#file}: ${clipped(place)} ${what}`, {
      code: 'input_invalid',
      hint: hint ?? 'correct it, and look again with --dry-run',
    });
  }
}

/** A message is no place for a megabyte. */
function clipped(place: string): string {
  return place.length <= 300 ? place : `${place.slice(0, 100)}…`;
}

/**
 * The id of a team that is made. LiteLLM takes two teams of one alias; with an id that follows from the alias a second
 * attempt, of this run or of another admin, finds the first one's.
 */
export function newTeamId(alias: string): string {
  return `team-${createHash('sha256').update(alias).digest('hex').slice(0, 20)}`;
}
