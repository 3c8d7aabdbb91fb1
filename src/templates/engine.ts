import { Environment, initSync } from 'minijinja-js/dist/web/minijinja_js.js';
import { UsageError } from '../outcome/errors.ts';
import type { Json } from '../protocol/types.ts';
import { inLimitedTime, TimeLimitError } from '../schema/limited-time.ts';
import { engineCode } from './engine-code.ts';
import { pageBytes, withMostPages } from './limited-memory.ts';

/** A prompt that is longer is no prompt; files and input are put in after rendering where the template does not name them. */
const mostMemoryBytes = 256 * 1024 * 1024;
/** Instructions: some ten thousand turns of a loop. */
const fuel = 300_000;
const longestMs = 1_000;
/** Characters of what a template may come to. */
const mostCharacters = 16 * 1024 * 1024;

/** What a template's names stand for. */
export type TemplateValues = Readonly<Record<string, Json>>;

let isLoaded = false;
/** After a trap, or a stop in mid-work, what is left of the module can not be relied on. */
let isBroken = false;

/**
 * Renders Jinja: undefined names are errors, nothing is escaped, no file can be included, and what it may take of time,
 * memory and text is bounded, since the template may be a stranger's.
 *
 * @param place what messages name: `.cllm/templates/review.md`
 * @throws UsageError `template_invalid`
 */
export function render(source: string, values: TemplateValues, place: Place): string {
  const rendered = guarded(place, () => environment().renderStr(source, values));
  if (rendered.length <= mostCharacters) return rendered;
  throw invalid(place.name, `comes to more than ${mostCharacters} characters`);
}

/**
 * Looks at a template without rendering it.
 *
 * @throws UsageError `template_invalid` when it is no Jinja
 */
export function assertJinja(source: string, place: Place): void {
  guarded(place, () => environment().addTemplate('template', source));
}

function environment(): Environment {
  if (!isLoaded) {
    initSync({ module: withMostPages(engineCode, mostMemoryBytes / pageBytes) as Uint8Array<ArrayBuffer> });
    isLoaded = true;
  }
  const made = new Environment();
  made.undefinedBehavior = 'strict';
  made.fuel = fuel;
  made.enablePyCompat();
  made.addFilter('json', (value: unknown, indent?: unknown) => jsonOf(value, indent));
  return made;
}

function jsonOf(value: unknown, indent: unknown): string {
  const plain = (_name: string, each: unknown): unknown => (each instanceof Map ? Object.fromEntries(each) : each);
  return JSON.stringify(value, plain, typeof indent === 'number' ? indent : undefined) ?? 'null';
}

/** Where a source stands in its file, for messages. */
export interface Place {
  /** `.cllm/templates/review.md` */
  name: string;
  /** The line that the source begins with; null for a text of one line. */
  line: number | null;
}

/** The engine's own bound counts instructions, and one of them may be a long one: memory and the clock end that. */
function guarded<Result>(place: Place, work: () => Result): Result {
  if (isBroken) throw invalid(place.name, 'can not be rendered after a template that was stopped');
  try {
    return inLimitedTime(longestMs, work);
  } catch (error) {
    if (error instanceof TimeLimitError) {
      isBroken = true;
      throw invalid(place.name, `takes longer than ${longestMs} ms`, error);
    }
    const message = error instanceof Error ? error.message : 'can not be rendered';
    // The errors of WebAssembly come from another realm than the one that a test's own classes are of.
    if (isTrap(error)) {
      isBroken = true;
      throw invalid(place.name, 'takes more memory than a template may', error);
    }
    const [, what = message, at = '1'] = /^(.*?)(?: \(in [^:)]+:(\d+)\))?(?:\n|$)/.exec(message) ?? [];
    const where = place.line === null ? place.name : `${place.name}:${place.line - 1 + Number(at)}`;
    const why = what.startsWith('undefined value') ? 'names a variable that has no value' : what;
    throw invalid(where, why, error);
  }
}

function isTrap(error: unknown): boolean {
  const name = (error as { name?: unknown } | null)?.name;
  return name === 'RuntimeError' || name === 'RangeError';
}

function invalid(place: string, why: string, cause?: unknown): UsageError {
  return new UsageError(`${place}: ${why}`, {
    code: 'template_invalid',
    cause,
    ...(why.startsWith('names a variable') && {
      hint: 'declare it under variables: in the head, or give it with --var NAME=VALUE',
    }),
  });
}
