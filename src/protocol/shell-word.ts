/**
 * A word as a shell takes it, for a command that somebody copies: quoted where a shell would read more into it. What no
 * quotes make harmless in every shell (a line end, a control, a backslash, which fish reads inside of quotes) and what a
 * command would take for a flag is left out, and a placeholder stands for it.
 */
export function shellWord(text: string, placeholder: string): string {
  if (/^[\w@:./][\w@%+=:,./-]*$/.test(text) && text.length <= longest) return text;
  if (text === '' || text.length > longest || text.startsWith('-') || /[\\\p{C}\p{Zl}\p{Zp}]/u.test(text))
    return placeholder;
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** Nobody copies more than that by intent. */
const longest = 1000;
