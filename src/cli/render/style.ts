import type { Output } from '../io.ts';

/** The few styles that cllm uses, and only where the output takes them. */
const codes = { dim: ['\u001b[2m', '\u001b[22m'], red: ['\u001b[31m', '\u001b[39m'], bold: ['\u001b[1m', '\u001b[22m'] } as const;

export function styled(output: Output, style: keyof typeof codes, text: string): string {
  const [open, close] = codes[style];
  return output.isStyled ? `${open}${text}${close}` : text;
}
