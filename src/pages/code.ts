import { CodeLexer, type CodeToken } from '../terminal/highlight.ts';
import { html, type Html } from './html.ts';

/** Code with its colours, as far as the language was loaded (`loadLanguage`). Its text is the code, unchanged. */
export function codeHtml(code: string, language: string): Html {
  const lexer = new CodeLexer(language);
  const lines = code.split('\n').map((line, at) => [at === 0 ? '' : '\n', lexer.line(line).map(tokenHtml)]);
  // A part that scrolls has to be reached by the keyboard, too.
  return html`<pre tabindex="0" dir="ltr"><code>${lines}</code></pre>`;
}

function tokenHtml({ text, style }: CodeToken): Html | string {
  return style === null ? text : html`<span class="${style}">${text}</span>`;
}
