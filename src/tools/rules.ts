import { UsageError } from '../outcome/errors.ts';
import { type Harmless, harmlessOf, isHarmless, type Operands, withSubcommands } from './harmless-options.ts';
import { isRisky } from './risky-options.ts';
import { runnerOf } from './runners.ts';
import type { ToolSubject } from './tool.ts';

/** A text with `*` in it: what stands between two of them, so that a text without is one piece. */
type Glob = readonly string[];

/** What may run without a question, or never. */
export type Rule = { readonly text: string } & (
  | { readonly kind: 'mcp'; readonly server: Glob; readonly tool: Glob }
  | { readonly kind: 'command'; readonly words: readonly Glob[] }
);

export interface Rules {
  readonly allow: readonly Rule[];
  readonly deny: readonly Rule[];
}

export interface Decision {
  decision: 'allow' | 'deny' | 'ask';
  /** The rule that decided, as it was written. */
  rule: string | null;
}

/**
 * Reads a rule: `mcp:SERVER/TOOL` with `*` in either part, or a command's words as a shell splits them, where an unquoted
 * `*` matches inside of its word and a last word `*` any number of words.
 *
 * @param use a rule that denies may be as wide as it likes
 * @throws UsageError for a rule that does not mean what it looks like
 */
export function parseRule(given: string, use: 'allow' | 'deny' = 'allow'): Rule {
  const text = given.trim();
  if (text === '') throw wrong(given, 'is empty');
  if (text.startsWith('mcp:')) return mcpRule(text);
  const words = split(text);
  const [program = ['']] = words;
  if (/^[A-Za-z_]\w*=/.test(program[0] ?? '')) {
    throw wrong(text, 'begins with a variable, and there is no shell that would set it', 'begin with the program');
  }
  if (program.length === 1 && program[0] === '') throw wrong(text, 'names no program');
  if (use === 'allow') assertNarrow(text, words);
  return { kind: 'command', text, words };
}

/** The rule for one thing alone, for people who say "always". */
export function ruleOf(subject: Exclude<ToolSubject, { kind: 'caller' }>): Rule {
  if (subject.kind === 'mcp') {
    const { server, tool } = subject;
    return { kind: 'mcp', text: `mcp:${server}/${tool}`, server: [server], tool: [tool] };
  }
  const text = subject.argv.map(quoted).join(' ');
  return { kind: 'command', text, words: subject.argv.map((word) => [word]) };
}

/** What the rules say to a call. What no rule names is asked about. */
export function decide({ allow, deny }: Rules, subject: ToolSubject): Decision {
  if (subject.kind === 'caller') return { decision: 'ask', rule: null };
  const tokens = subject.kind === 'command' && deny.length > 0 ? tokensOf(subject.argv) : [];
  const denied = deny.find((rule) => isDenied(rule, subject, tokens));
  if (denied !== undefined) return { decision: 'deny', rule: denied.text };
  const allowed = allow.find((rule) => isAllowed(rule, subject));
  if (allowed !== undefined) return { decision: 'allow', rule: allowed.text };
  return { decision: 'ask', rule: null };
}

type Called = Exclude<ToolSubject, { kind: 'caller' }>;

function isAllowed(rule: Rule, subject: Called): boolean {
  if (rule.kind === 'mcp') {
    if (subject.kind !== 'mcp') return false;
    return isMatch(rule.server, subject.server) && isMatch(rule.tool, subject.tool);
  }
  return subject.kind === 'command' && isSound(subject.argv) && allowsCommand(rule.words, subject.argv);
}

/** What could be started at all. The type says words, and they came from a model. */
function isSound(argv: readonly unknown[]): argv is readonly string[] {
  return argv.length > 0 && argv[0] !== '' && argv.every((word) => typeof word === 'string' && !word.includes('\0'));
}

function allowsCommand(words: readonly Glob[], argv: readonly string[]): boolean {
  const isOpen = isStar(words.at(-1));
  const fixed = isOpen ? words.slice(0, -1) : words;
  if (isOpen ? argv.length < fixed.length : argv.length !== fixed.length) return false;
  const command = new Command(argv, fixed);
  return argv.every((word, at) => {
    const glob = fixed[at] ?? star;
    if (glob.length === 1) return glob[0] === word;
    return isMatch(glob, word) && command.takes(word, glob);
  });
}

const star: Glob = ['', ''];

/** A command, with those words that the rule wrote out, and what its other words may be. */
class Command {
  readonly #program: string;
  /** From the subcommand on, or from the first word behind the program. */
  readonly #words: readonly string[];
  readonly #optionGlobs: readonly Glob[];
  /** What is known of it; null for nothing. */
  readonly #known: Harmless | null;
  readonly #isSubcommandKnown: boolean;
  readonly #areOperandsTaken: boolean;

  constructor(argv: readonly string[], fixed: readonly Glob[]) {
    this.#program = baseName(argv[0] ?? '');
    const written = fixed.map((glob) => (glob.length === 1 ? (glob[0] as string) : null));
    const start = this.#program === 'git' ? gitStart(written) : 1;
    this.#words = argv.slice(start);
    this.#optionGlobs = fixed.filter((glob) => glob.length > 1 && glob[0]?.startsWith('-'));
    this.#known = harmlessOf(this.#program, this.#words);
    const subcommand = written[start] ?? null;
    // `git *` is what is known of git, `git push *` is what its author wrote.
    this.#isSubcommandKnown =
      !withSubcommands.has(this.#program) || (subcommand !== null && !isOption(subcommand)) || this.#known !== null;
    const named = written.slice(start).filter((word) => word !== null && !isOption(word));
    this.#areOperandsTaken = takesOperands(this.#known?.operands ?? null, this.#words, named.length);
  }

  /** Whether a word is nothing but more of what the rule wrote out. */
  takes(word: string, glob: Glob): boolean {
    // Nobody writes a control or half a character, and what shows it would show something else.
    if (word === '' || /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_C}]/u.test(word)) return false;
    const prefix = glob[0] ?? '';
    if (this.#program === 'git' && runsGpg.test(word)) return false;
    // `docs/*` is what is in docs, and `docs/../.ssh/id_rsa` is not.
    if (prefix.includes('/') && word.split(/[/\\]/).includes('..') && !prefix.split('/').includes('..')) return false;
    if (prefix.startsWith('-')) return !isRisky(this.#program, this.#words, word);
    if (prefix !== '') return this.#isSubcommandKnown;
    return isOption(word) || (this.#known === null && looksLikeMore(word))
      ? this.#takesOption(word)
      : this.#takesOperand(word);
  }

  #takesOption(word: string): boolean {
    if (this.#known !== null && isHarmless(word, this.#known)) return true;
    const isGlobbed = this.#optionGlobs.some((glob) => isMatch(glob, word));
    return isGlobbed && !isRisky(this.#program, this.#words, word);
  }

  #takesOperand(word: string): boolean {
    const operands = this.#known?.operands ?? null;
    const isLike = operands === null || !('like' in operands) || operands.like.test(word);
    return isLike && this.#areOperandsTaken && this.#isSubcommandKnown;
  }
}

/** @param named how many operands the rule wrote out, a subcommand being the first */
function takesOperands(operands: Operands | null, words: readonly string[], named: number): boolean {
  if (operands === null || 'like' in operands) return true;
  if ('most' in operands) {
    const end = words.indexOf('--');
    const count = words.filter((word, at) => !isOption(word) || (end !== -1 && at > end)).length;
    return count <= operands.most;
  }
  // `git branch topic *`: what it makes stands in the rule.
  if (named > 1) return true;
  // Further on it could be the value of another option, and would not be seen.
  const first = words.slice(1).find((word) => !/^-[arvi]+$/.test(word)) ?? '';
  return operands.beside.includes(first.replace(/=.*/su, ''));
}

/** What makes git run gpg: a format's placeholder, a key to sort by. */
const runsGpg = /%[-+ ]?G|%\(\*?signature|^(--sort=)?-?\*?signature/iu;

/** Where git's subcommand stands, behind what the rule wrote before it. */
function gitStart(written: readonly (string | null)[]): number {
  let at = 1;
  for (;;) {
    const word = written[at];
    if (word === '--no-pager' || word === '-P' || word === '--no-optional-locks' || word === '--literal-pathspecs')
      at += 1;
    else if ((word === '-C' || word === '-c') && typeof written[at + 1] === 'string') at += 2;
    else return at;
  }
}

/** Every dash of Unicode: a program that converts its words may take any of them for the one of ASCII. */
function isOption(word: string): boolean {
  return /^[-\p{Pd}\u2212]./su.test(word);
}

/**
 * Of programs that nothing is known of: options without a dash (dd's `of=`, make's `SHELL=`, vim's `+!`, gcc's `@file`), and
 * what a shell reads, for many hand their words to one (`npm run`, `make`).
 */
function looksLikeMore(word: string): boolean {
  return /^[+@]|^[^/\s=]*=|[;&|`$<>]/u.test(word);
}

/**
 * A rule that denies matches as widely as it can be read: its words in their order anywhere in the command, its options
 * anywhere, in any case, with or without a path, abbreviated, and inside of what another program would run.
 */
function isDenied(rule: Rule, subject: Called, tokens: readonly Token[]): boolean {
  if (rule.kind === 'mcp') {
    if (subject.kind !== 'mcp') return false;
    const [server, tool] = [folded(subject.server), folded(subject.tool)];
    return isMatch(rule.server.map(folded), server) && isMatch(rule.tool.map(folded), tool);
  }
  if (subject.kind !== 'command') return false;
  const named = rule.words.filter((glob) => !isStar(glob));
  const [options, operands] = [named.filter(isOptionGlob), named.filter((glob) => !isOptionGlob(glob))];
  let at = 0;
  for (const glob of operands) {
    const wanted = glob.map(folded);
    const isWanted = wanted.some((piece) => piece.includes('/')) ? pathMatcher(wanted) : nameMatcher(wanted);
    while (at < tokens.length && !isWanted(tokens[at] as Token)) at += 1;
    if (at === tokens.length) return false;
    at += 1;
  }
  if (options.length === 0) return true;
  const letters = new Set(tokens.flatMap(({ word }) => (/^-[^-]/.test(word) ? Array.from(word.slice(1)) : [])));
  return options.every((glob) => tokens.some((token) => isDeniedOption(glob, token)) || isBundled(glob, letters));
}

function nameMatcher(wanted: Glob): (token: Token) => boolean {
  return ({ plain, name }) => isMatch(wanted, plain) || isMatch(wanted, name);
}

function pathMatcher(wanted: Glob): (token: Token) => boolean {
  const [first = '', ...others] = wanted;
  if (others.length === 0) return ({ plain, name }) => plain === first || name === baseName(first);
  const anywhere = ['', `/${first.replace(/^(\.?\/)+/, '')}`, ...others];
  return ({ plain, path }) => isMatch(wanted, plain) || isMatch(anywhere, `/${path}`);
}

/** A word of a command, or a piece of one, as a rule that denies sees it. */
interface Token {
  word: string;
  /** In lower case. */
  plain: string;
  path: string;
  name: string;
}

/** The words, and what a shell or a program that splits them would make of each. */
function tokensOf(argv: readonly unknown[]): Token[] {
  return argv
    .filter((word) => typeof word === 'string')
    .flatMap((given) => {
      const word = given
        .normalize('NFKC')
        .replaceAll(/[\p{Default_Ignorable_Code_Point}\p{Cc}]+/gu, ' ')
        .trim();
      const pieces = [word, word.replaceAll(/['"\\]/g, '')].flatMap((text) => text.split(/[\s;|&()<>`$"'{}=,:]+/u));
      return [word, ...pieces.filter((piece) => piece !== '' && piece !== word)];
    })
    .map((word) => {
      const plain = word.toLowerCase();
      const path = plain.replaceAll(/[/\\](?:\.?[/\\])*/g, '/');
      return { word, plain, path, name: baseName(path).replace(/\.(exe|cmd|bat|com|ps1)$/, '') };
    });
}

function isOptionGlob(glob: Glob): boolean {
  return glob[0]?.startsWith('-') === true;
}

/** Long names in any case and abbreviated; of short ones the case tells which it is. */
function isDeniedOption(glob: Glob, { word, plain }: Token): boolean {
  if (isMatch(glob, word)) return true;
  if (!word.startsWith('--') || word === '--') return false;
  return isMatch(glob.map(folded), plain) || folded(glob[0] ?? '').startsWith(plain);
}

function isBundled(glob: Glob, letters: ReadonlySet<string>): boolean {
  const [word = ''] = glob;
  return (
    glob.length === 1 && /^-[A-Za-z0-9]{1,3}$/.test(word) && Array.from(word.slice(1)).every((one) => letters.has(one))
  );
}

function folded(text: string): string {
  return text.normalize('NFKC').toLowerCase();
}

/** In time that grows with the text alone. */
function isMatch(glob: Glob, text: string): boolean {
  const [first = '', ...others] = glob;
  const last = others.pop();
  if (last === undefined) return text === first;
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
  const end = text.length - last.length;
  let at = first.length;
  for (const piece of others) {
    const found = text.indexOf(piece, at);
    if (found === -1 || found + piece.length > end) return false;
    at = found + piece.length;
  }
  return true;
}

function isStar(glob: Glob | undefined): boolean {
  return glob !== undefined && glob.length > 1 && glob.every((piece) => piece === '');
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function mcpRule(text: string): Rule {
  const named = text.slice('mcp:'.length);
  const slash = named.indexOf('/');
  const [server, tool] = [named.slice(0, Math.max(0, slash)), named.slice(slash + 1)];
  if (server === '' || tool === '' || /[\s\p{C}]/u.test(named)) {
    throw wrong(text, 'must be mcp:SERVER/TOOL', 'write mcp:SERVER/* for all tools of a server');
  }
  return { kind: 'mcp', text, server: server.split('*'), tool: tool.split('*') };
}

/**
 * A `*` where the words say which program runs would be every program.
 *
 * @throws UsageError
 */
function assertNarrow(text: string, words: readonly Glob[]): void {
  const [program = [], ...others] = words;
  if (program.length > 1) throw wrong(text, 'must name its program', "begin with the program: 'git log *'");
  const name = program[0] ?? '';
  const runner = runnerOf(name);
  if (runner === null) return;
  let missing = runner.first + 1;
  for (const glob of others) {
    const [word = ''] = glob;
    if (glob.length > 1) {
      // A folder's scripts (`scripts/*`) are named; `*`, and whatever options, are not.
      if (missing === 1 && /[^./].*\/|^\.\/\w/su.test(word) && !word.startsWith('-')) return;
      if (missing > 0) {
        throw wrong(
          text,
          `would allow every program: ${name} runs what its words say`,
          `write out what it runs before a *: '${name} scripts/check *'`,
        );
      }
      return;
    }
    if (/^-[^-]/.test(word))
      missing += Array.from(word.slice(1)).every((letter) => runner.flags.includes(letter)) ? 0 : 1;
    else if (!word.startsWith('-') && !/^\w+=/.test(word) && !(runner.isTimed && /^[\d.]+[smhd]?$/.test(word)))
      missing -= 1;
  }
}

function noShell(character: string): string {
  return `holds ${character}, and there is no shell: a rule is one program with its words`;
}

/** Words as a shell splits them; nothing in them is expanded. */
function split(text: string): Glob[] {
  const found: string[][] = [];
  let word: string[] | null = null;
  const add = (characters: string): void => {
    word ??= [''];
    word[word.length - 1] += characters;
  };
  const characters = Array.from(text);
  for (let at = 0; at < characters.length; at += 1) {
    const one = characters[at] as string;
    const isStart = word === null;
    if (one === ' ' || one === '\t') {
      if (word !== null) found.push(word);
      word = null;
    } else if (/[\p{Cc}\p{Cs}\p{Cf}\p{Zl}\p{Zp}\p{Zs}]/u.test(one)) {
      const code = (one.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
      throw wrong(text, `holds U+${code}, which looks like something else or nothing`, 'type it anew');
    } else if (one === "'" || one === '"') {
      const end = closing(characters, at);
      if (end === -1) throw wrong(text, `has no second ${one}`);
      const inside = characters.slice(at + 1, end).join('');
      if (one === '"' && /[$`]/.test(inside)) throw wrong(text, noShell('$ or `'), 'put single quotes around it');
      if (/\p{Cc}/u.test(inside)) throw wrong(text, 'holds a control character', 'type it anew');
      add(one === '"' ? inside.replaceAll(/\\(["\\])/g, '$1') : inside);
      at = end;
    } else if (one === '\\') {
      at += 1;
      if (at === characters.length) throw wrong(text, 'ends with a \\');
      add(characters[at] as string);
    } else if (/[;|&<>()$`]/.test(one)) {
      throw wrong(
        text,
        noShell(one),
        `give each program a rule of its own, and quote ${one} where it belongs to a word`,
      );
    } else if (/[?[]/.test(one) || (one === '~' && isStart)) {
      throw wrong(text, `${one} is not expanded, only * is`, `quote ${one} where it belongs to a word`);
    } else if (one === '*') {
      word ??= [''];
      word.push('');
    } else add(one);
  }
  if (word !== null) found.push(word);
  return found;
}

function closing(characters: readonly string[], start: number): number {
  for (let at = start + 1; at < characters.length; at += 1) {
    if (characters[at] === characters[start]) return at;
    if (characters[start] === '"' && characters[at] === '\\') at += 1;
  }
  return -1;
}

/** A word as a rule has it. */
function quoted(word: string): string {
  return /^[\w@%+=:,./^!#-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

function wrong(rule: string, why: string, hint = "write it like 'git log *' or mcp:SERVER/TOOL"): UsageError {
  return new UsageError(`the rule ${JSON.stringify(rule.slice(0, 200))} ${why}`, { hint });
}
