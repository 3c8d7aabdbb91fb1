import { type SecretShape, secretShapes } from '../protocol/redact-secrets.ts';
import { decodeEntities } from '../terminal/markdown-inline.ts';

type Kind = SecretShape['kind'] | 'private key' | 'e-mail address' | 'home path' | 'known key';

interface Shape {
  kind: Kind;
  pattern: RegExp;
  replacement: string;
}

/** Secrets of others than a proxy's, which people paste together with what they ask about. */
const furtherSecrets: readonly Shape[] = [
  {
    kind: 'private key',
    pattern: /-----BEGIN ([A-Z ]{0,30})PRIVATE KEY-----[^]*?(?:-----END \1PRIVATE KEY-----|$)/g,
    replacement: '(private key)',
  },
  { kind: 'key', pattern: /\b([spr]k)_(live|test)_\w{10,}/g, replacement: '$1_$2_…' },
  { kind: 'token', pattern: /\b(npm_|ya29\.|SG\.|AGE-SECRET-KEY-1)[\w.-]{16,}/g, replacement: '$1…' },
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
    this.#shapes = [...furtherSecrets, ...secretShapes, ...own, ...personal];
    this.#maskKnown = maskKnown;
  }

  /** The text without them. */
  readonly redacted = (text: string): string => {
    const visible = /[\\&]/.test(text) ? this.#unhidden(text) : text;
    return this.#known(this.#shapes.reduce((rest, shape) => this.#without(rest, shape), visible));
  };

  /** Counts the secrets of a text that stays as it is; an address or a path is none. */
  noticeSecrets(text: string): void {
    this.#known([...furtherSecrets, ...secretShapes].reduce((rest, shape) => this.#without(rest, shape), text));
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

  /** Markdown and JSON hide what a page then shows: `jane\_doe@example.com`, `sk&#45;…`, `\/home\/jane`. */
  #unhidden(text: string): string {
    return text
      .split(/(\s+)/)
      .map((word) => {
        const bare = decodeEntities(word.replaceAll(/\\([!-/:-@[-`{-~])/g, '$1'));
        return bare !== word && this.#shapes.some(({ pattern }) => bare.search(pattern) !== -1) ? bare : word;
      })
      .join('');
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
