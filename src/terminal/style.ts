import type { Output } from './output.ts';

/** The few styles that cllm uses: those of every terminal since 1980, in the eight colours that its owner chose. */
const codes = {
  bold: [1, 22],
  dim: [2, 22],
  italic: [3, 23],
  underline: [4, 24],
  strike: [9, 29],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  blue: [34, 39],
  magenta: [35, 39],
  cyan: [36, 39],
} as const;

export type Style = keyof typeof codes;

/** All of their numbers, for who tells our styles from a stranger's. */
export const styleCodes: readonly number[] = Object.values(codes).flat();

/** Puts a style around a text, or leaves it as it is. */
export type Paint = (style: Style, text: string) => string;

export const plainPaint: Paint = (_style, text) => text;

/** A style inside another one of the same kind ends both on a terminal, so the outer one is opened again after it. */
export const colourPaint: Paint = (style, text) => {
  if (text === '') return '';
  const [on, off] = codes[style];
  const [open, close] = [`\u001b[${on}m`, `\u001b[${off}m`];
  return open + text.replaceAll(close, close + open) + close;
};

export function paintFor(output: Pick<Output, 'isStyled'>): Paint {
  return output.isStyled ? colourPaint : plainPaint;
}
