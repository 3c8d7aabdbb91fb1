import type { Output } from './output.ts';
import { paintFor, type Style } from './style.ts';
import { terminalSafe } from './terminal-safe.ts';

/**
 * Text with codes of cllm's own in it. An output makes every string safe that it is given; what this class holds it takes
 * as it is. Nothing of a stranger becomes one by accident: the words of the template are ours, whatever is put into it is
 * not.
 */
export class OwnText {
  readonly #text: string;
  /** Whether a runner of CI jobs may read a command in it. */
  readonly isCommand: boolean;
  /** Whether it puts something into the terminal's clipboard. */
  readonly isClipboard: boolean;

  /** @internal `ours`, `styled`, `drawn`, `runnerCommand` and `clipboardCode` make them. */
  constructor(text: string, { isCommand = false, isClipboard = false } = {}) {
    this.#text = text;
    this.isCommand = isCommand;
    this.isClipboard = isClipboard;
  }

  toString(): string {
    return this.#text;
  }
}

/**
 * A line or several: what stands in the template is ours, a string that is put into it is a stranger's. That one stays in
 * its line, and drives nothing: line ends become visible as controls do.
 */
export function ours(words: TemplateStringsArray, ...values: readonly (string | number | OwnText)[]): OwnText {
  return new OwnText(
    words
      .map((word, at) => {
        const value = values[at];
        if (value === undefined) return word;
        return word + (typeof value === 'string' ? inLine(value) : String(value));
      })
      .join(''),
  );
}

/** A stranger's text as a part of one line. */
function inLine(text: string): string {
  const safe = terminalSafe(text);
  return /[\r\n\u2028\u2029]/.test(safe) ? safe.replace(/[\r\n\u2028\u2029]/g, visible) : safe;
}

function visible(character: string): string {
  if (character === '\n') return '\\n';
  return character === '\r' ? '\\r' : `\\u{${character.charCodeAt(0).toString(16)}}`;
}

/** A text in a style, where the output takes one. */
export function styled(output: Pick<Output, 'isStyled'>, style: Style, text: string | OwnText): OwnText {
  return new OwnText(paintFor(output)(style, typeof text === 'string' ? inLine(text) : String(text)));
}

/** Several as one. */
export function joined(texts: readonly (string | OwnText)[], separator = ''): OwnText {
  return new OwnText(texts.map((text) => (typeof text === 'string' ? inLine(text) : String(text))).join(separator));
}

/**
 * What a renderer made: lines with styles, frames that are drawn over. It has made the strangers' parts safe itself; the
 * output still holds it to the codes that cllm writes (outgoing-text.ts).
 */
export function drawn(text: string): OwnText {
  return new OwnText(text);
}

/** Lines that a runner of CI jobs is to obey. */
export function runnerCommand(text: string): OwnText {
  return new OwnText(terminalSafe(text), { isCommand: true });
}

/** The code by which a terminal takes a text into its clipboard (OSC 52): no text of a stranger stands in it as it is. */
export function clipboardCode(text: string): OwnText {
  return new OwnText(`\u001b]52;c;${Buffer.from(text).toString('base64')}\u0007`, { isClipboard: true });
}
