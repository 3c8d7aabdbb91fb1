import { terminalSafe } from '../terminal/terminal-safe.ts';

/** What may stand in a template of `html`: a text is a stranger's and is escaped, nothing at all leaves no trace. */
export type HtmlValue = string | number | Html | null | undefined | readonly HtmlValue[];

/** A piece of a page. Only `html` and `styleElement` make one, so no text of a stranger becomes markup by accident. */
export class Html {
  readonly #text: string;

  /** @internal */
  constructor(text: string) {
    this.#text = text;
  }

  toString(): string {
    return this.#text;
  }
}

/**
 * A piece of a page: what stands in the template is ours, whatever is put into it is a stranger's and is escaped, in a
 * text as in an attribute.
 *
 * @throws Error for an attribute without quotes, which no escape makes safe.
 */
export function html(words: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  let text = words[0] ?? '';
  for (const [at, value] of values.entries()) {
    if (/[=<]$/.test(words[at] ?? '')) throw new Error('a value stands in quotes, and names no element');
    text += written(value) + (words[at + 1] ?? '');
  }
  return new Html(text);
}

function written(value: HtmlValue): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'string') return escaped(value);
  if (typeof value === 'number' || value instanceof Html) return value.toString();
  let text = '';
  for (const each of value) text += written(each);
  return text;
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/**
 * Controls and the marks that turn the direction of text become visible, as on a terminal: HTML can not hold the former,
 * and the latter make code say another thing than what runs.
 */
function escaped(text: string): string {
  return terminalSafe(text)
    .replaceAll('\r\n', '\n')
    .replace(/[&<>"']/g, (character) => entities[character] as string);
}

/** A style sheet as it is. @internal For a constant of ours alone: nothing in it is escaped. */
export function styleElement(css: string): Html {
  return new Html(`<style>${css}</style>`);
}
