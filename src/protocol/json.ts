/** An object that came as JSON: any key may hold anything. */
export type JsonObject = Record<string, unknown>;

/** JSON that goes out as it is written: a value would not hold all that it says. */
export class JsonText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Whether a value that came as JSON is an object, neither null nor an array. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An object that came as JSON, or none with nothing in it. */
export function objectOf(value: unknown): JsonObject {
  return isJsonObject(value) ? value : {};
}

/** The same values under the names that our JSON has: `costUsd` is `cost_usd`. */
export function snakeCased(object: object): JsonObject {
  return Object.fromEntries(
    Object.entries(object).map(([name, value]: [string, unknown]) => [
      name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      value,
    ]),
  );
}

/** A string that holds something; anything else is null. */
export function textOrNull(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

/** A whole number, however large; anything else is null. */
export function integerOrNull(value: unknown): number | null {
  return typeof value === 'number' && Number.isInteger(value) ? value : null;
}

/** Deeper than any reply, and far from where recursion over a value runs out of stack. */
const deepest = 500;

/**
 * Parses a JSON text from the network. A text that is nested more than 500 levels deep counts as no JSON: JSON.parse takes
 * it, but JSON.stringify, and whatever else walks a value, dies on it.
 *
 * @throws {SyntaxError} the text is no JSON, or nested too deeply
 */
export function parseJson(text: string): unknown {
  // Before it is parsed: a bracket of the text is a list in memory, fifty times its size.
  if (text.length > 2 * deepest && mayBeDeep(text) && isDeep(text)) throw new SyntaxError('nested too deeply');
  return JSON.parse(text) as unknown;
}

/** Whether there are as many opening brackets as it takes, wherever they stand. */
function mayBeDeep(text: string): boolean {
  let count = 0;
  for (const bracket of ['{', '[']) {
    for (let at = text.indexOf(bracket); at !== -1; at = text.indexOf(bracket, at + 1)) {
      count += 1;
      if (count > deepest) return true;
    }
  }
  return false;
}

/** Counts the open brackets outside strings. Of a text that is no JSON it may say anything. */
function isDeep(text: string): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (character === '"') {
      at = endOfString(text, at);
    } else if (character === '{' || character === '[') {
      depth += 1;
      if (depth > deepest) return true;
    } else if (character === '}' || character === ']') {
      depth -= 1;
    }
  }
  return false;
}

/** Where the string ends that begins at `start`. */
export function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end !== -1) {
    let backslashes = 0;
    while (text.charAt(end - 1 - backslashes) === '\\') backslashes += 1;
    if (backslashes % 2 === 0) return end;
    end = text.indexOf('"', end + 1);
  }
  return text.length;
}
