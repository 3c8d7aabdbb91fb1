import { type SecretShape, secretShapes } from '../protocol/redact-secrets.ts';
import { decodeEntities } from '../terminal/markdown-inline.ts';

type Kind = SecretShape['kind'] | 'password' | 'private key' | 'e-mail address' | 'home path' | 'known key';

interface Shape {
  kind: Kind;
  pattern: RegExp;
  replacement: string;
}

/** Secrets of others than a proxy's, which people paste together with what they ask about. */
const furtherSecrets: readonly Shape[] = [
  {
    kind: 'private key',
    pattern: /-----BEGIN ([A-Z ]{0,30})PRIVATE KEY( BLOCK)?-----[^]*?(?:-----END \1PRIVATE KEY\2-----|$)/g,
    replacement: '(private key)',
  },
  { kind: 'key', pattern: /\b([spr]k)_(live|test)_\w{10,}/g, replacement: '$1_$2_…' },
  { kind: 'token', pattern: /\b(npm_|ya29\.|SG\.|AGE-SECRET-KEY-1)[\w.-]{16,}/g, replacement: '$1…' },
];

/** What a setting or an address gives to a name of that kind, in quotes or up to a blank; a call or a variable is none. */
function assignment(names: string, least: number): RegExp {
  const name = String.raw`(?<![\w-])([\w-]{0,40}?(?:${names})["'*]{0,3}`;
  const placeholder = String.raw`(?![$<{[(%*….]|(?:true|false|null|none|undefined|required|string|str)\b)`;
  const quoted = String.raw`[ \t]{0,3}[:=]\*{0,2}[ \t]{0,3}["'\`])${placeholder}[^"'\`\s…]{${least},200}(?=["'\`])`;
  const bare = String.raw`(?:=|[ \t]{0,3}[:=]\*{0,2}[ \t]{1,3}(?=\S+[ \t]*$)))${placeholder}[^\s"'\`,;&<>()[\]{}|\\…]{${least},200}(?![\w([{.])`;
  return new RegExp(`${name}${quoted}|${name}${bare}`, 'gim');
}

/** After the shapes that say what they are. */
const assigned: readonly Shape[] = [
  { kind: 'password', pattern: assignment('password|passwd|passphrase|pwd', 3), replacement: '$1$2…' },
  {
    kind: 'key',
    pattern: assignment('secret|api[_-]?key|access[_-]?key|account[_-]?key|private[_-]?key|client[_-]?secret|token', 8),
    replacement: '$1$2…',
  },
  // A secret key of AWS has no beginning of its own: forty of these letters, and some of each kind.
  {
    kind: 'key',
    pattern:
      /(?<![\w/+=.-])(?=(?:[a-z\d/+]{0,40}[A-Z]){3})(?=(?:[A-Z\d/+]{0,40}[a-z]){3})(?=[a-zA-Z/+]{0,40}\d)[A-Za-z\d/+]{40}(?![\w/+=-])/g,
    replacement: '…',
  },
];

/**
 * As an address of the web holds it as well, with `%40`. Its letters may have accents and need not be Latin; where words
 * have no blanks between, a sentence ends where its script does.
 */
function mailAddress(): RegExp {
  const letter = String.raw`\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}\p{M}`;
  const local = String.raw`${letter}\d_.%+\-`;
  const label = String.raw`[${letter}\d\-]{0,62}`;
  return new RegExp(
    `(?<![${local}])[${local}]{1,64}(?:@|%40)[${letter}\\d](?:${label}\\.)+[${letter}]{2,24}(?![${letter}\\d_])`,
    'giu',
  );
}

const personal: readonly Shape[] = [
  {
    kind: 'e-mail address',
    pattern: mailAddress(),
    replacement: '…@…',
  },
  // With its drive, before what comes after it is taken for a path by itself.
  {
    kind: 'home path',
    pattern: /\b[a-z]:(\\{1,2}|\/)Users\1[^\s/\\"'`<>|:;,)\]}]+/gi,
    replacement: '~',
  },
  // The path of an address on the web is nobody's home.
  {
    kind: 'home path',
    pattern: /\/(?:home|Users)\/(?<!:\/\/[^\s/]{1,255}\/(?:home|Users)\/)[^\s/\\"'`<>|:;,)\]}]+/g,
    replacement: '~',
  },
];

const secrets: readonly Shape[] = [...furtherSecrets, ...secretShapes, ...assigned];

export interface RedactionOptions {
  /** The user's own, wherever it is: `/root`, say. */
  homeDirectory: string;
  /** Masks the keys that this machine knows, whatever their shape. */
  maskKnown: (text: string) => string;
}

/** What stands for a secret elsewhere means bold in Markdown. */
const mark = '****';
const plainMark = '…';
/** A mark of the text itself, meanwhile. */
const kept = '\u{E000}';

/** Takes out of texts what a reader of the page need not know, and counts it. */
export class Redaction {
  readonly #shapes: readonly Shape[];
  readonly #maskKnown: (text: string) => string;
  readonly #taken = new Map<Kind, number>();

  constructor({ homeDirectory, maskKnown }: RedactionOptions) {
    const own = homeDirectory.length > 1 ? [ownHome(homeDirectory)] : [];
    // Secrets first: what stands before the host of a URL looks like the address of a mail.
    this.#shapes = [...secrets, ...own, ...personal];
    this.#maskKnown = maskKnown;
  }

  /** The text without them. */
  readonly redacted = (text: string): string => {
    const visible = /[\\&]|\w[*`~]+[\w-]/.test(text) ? this.#unhidden(text) : text;
    return this.#known(this.#shapes.reduce((rest, shape) => this.#without(rest, shape), visible));
  };

  /** Counts the secrets of a text that stays as it is; an address or a path is none. */
  noticeSecrets(text: string): void {
    this.#known(secrets.reduce((rest, shape) => this.#without(rest, shape), text));
  }

  /** What was taken so far: `2 keys, 1 e-mail address`; an empty text for nothing. */
  get summary(): string {
    return [...this.#taken].map(([kind, count]) => `${count} ${count === 1 ? kind : plural(kind)}`).join(', ');
  }

  #without(text: string, { kind, pattern, replacement }: Shape): string {
    return text.replaceAll(pattern, (...match: unknown[]) => {
      const found = match[0] as string;
      const group = (_: string, number: string): string => (match[Number(number)] as string | undefined) ?? '';
      const put = replacement.replaceAll(mark, plainMark).replaceAll(/\$(\d)/g, group);
      if (put !== found) this.#count(kind, 1);
      return put;
    });
  }

  #known(text: string): string {
    const masked = this.#maskKnown(text.replaceAll(mark, kept));
    const pieces = masked.split(mark);
    if (pieces.length > 1) this.#count('known key', pieces.length - 1);
    return pieces.join(plainMark).replaceAll(kept, mark);
  }

  /** Markdown and JSON hide what a page then shows: `jane\_doe@example.com`, `sk&#45;…`, `\/home\/jane`, `sk-a**bc**`. */
  #unhidden(text: string): string {
    return text
      .split(/(\s+)/)
      .map((word) => {
        const bare = decodeEntities(word.replaceAll(/\\([!-/:-@[-`{-~])/g, '$1'));
        const shown = bare !== word && this.#shapes.some(({ pattern }) => bare.search(pattern) !== -1) ? bare : word;
        const joined = shown.replaceAll(/(?<=[\w-])(?:[*~]+|`+)(?=[\w-])/g, '');
        return joined !== shown && this.#tells(joined) > this.#tells(shown) ? joined : shown;
      })
      .join('');
  }

  /** How many characters of a text belong to a secret. */
  #tells(text: string): number {
    const found = this.#shapes.map(({ pattern }) =>
      new RegExp(pattern.source, pattern.flags.replace('g', '')).exec(text),
    );
    return found.reduce((most, match) => Math.max(most, match?.[0].length ?? 0), 0);
  }

  #count(kind: Kind, more: number): void {
    this.#taken.set(kind, (this.#taken.get(kind) ?? 0) + more);
  }
}

function ownHome(directory: string): Shape {
  const literal = directory.replaceAll(/[^\w/]/g, String.raw`\$&`);
  return { kind: 'home path', pattern: new RegExp(`(?<![\\w.~/-])${literal}(?![\\w.-])`, 'g'), replacement: '~' };
}

function plural(kind: Kind): string {
  if (kind === 'password in a URL') return 'passwords in URLs';
  return kind.endsWith('s') || kind === 'hash' ? `${kind}es` : `${kind}s`;
}
