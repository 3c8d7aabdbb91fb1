import { foldLines } from '../protocol/fold-lines.ts';
import type { TurnTemplate } from './rows.ts';

const mostCharacters = 80;

/** The template of a turn in a line for people: its name, the beginning of its digest, what its variables stood for. */
export function templateLine({ name, digest, variables }: TurnTemplate): string {
  const values = Object.entries(variables).map(([variable, value]) => {
    const text = foldLines(typeof value === 'string' ? value : JSON.stringify(value));
    return `${variable}=${text.length > mostCharacters ? `${text.slice(0, mostCharacters)}…` : text}`;
  });
  return [`template ${name} (${digest.slice(0, 'sha256:'.length + 12)})`, ...values].join(', ');
}
