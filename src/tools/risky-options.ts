import { harmlessOf, isHarmless } from './harmless-options.ts';

/**
 * Options that run a program or write a file, of programs with options that a rule may take by a glob (`rg -*`). Such a
 * rule is its author's word for many options, and these are not among them: nobody means `--pre` by `-*`.
 */
interface Risky {
  /** Names behind two dashes; an abbreviation is as risky. */
  long: readonly string[];
  /** Letters, anywhere in a bundle: what is a value there and what a letter is not asked. */
  short: string;
  /** How words with one dash and many letters begin. */
  whole: readonly string[];
}

const risky: ReadonlyMap<string, Risky> = new Map<string, Risky>([
  [
    'git',
    options(
      'cCOoxfeEdDMm',
      `ext-diff output exec upload-pack receive-pack config-env textconv open-files-in-pager exec-path show-signature paginate
      git-dir work-tree namespace super-prefix edit edit-description template contents upload-archive file force delete
      interactive output-directory help`,
    ),
  ],
  ['rg', options('z', 'pre hostname-bin search-zip')],
  ['find', options('', '', '-exec -ok -delete -fprint -fls -files0-from')],
  ['fd', options('xXl', 'exec exec-batch list-details')],
  ['sort', options('oTS', 'output compress-program temporary-directory files0-from random-source')],
  ['diff', options('lD', 'paginate')],
  ['tree', options('oRH', 'output')],
  ['file', options('CmzZS', 'compile magic-file uncompress')],
  ['date', options('s', 'set')],
  [
    'tar',
    options(
      'IcruAxCfFUgGTX',
      `to-command checkpoint-action use-compress-program info-script new-volume-script rmt-command rsh-command create append
      update extract get delete concatenate catenate file directory remove-files listed-incremental`,
    ),
  ],
  ['less', options('oOkKt', 'log-file lesskey-file lesskey-src lesskey-content tag')],
  ['man', options('PCHTXZ', 'pager html preprocessor config-file gxditview troff-device ditroff')],
  ['bat', options('', 'pager config-file')],
  ['yq', options('is', 'inplace split-exp')],
  [
    'curl',
    options('oOKDcTwE', 'remote-name cookie-jar dump-header trace stderr engine etag-save hsts alt-svc upload-file'),
  ],
  [
    'wget',
    options('OoaePi', 'append-output execute use-askpass directory-prefix save-cookies warc post-file body-file'),
  ],
  ['ssh', options('oFEIiSLRDW', '')],
  ['scp', options('oFSiJD', '')],
  ['rsync', options('eMT', 'rsh rsync-path log-file only-write-batch temp-dir partial-dir backup-dir files-from')],
  ['zip', options('TObm', 'unzip-command test test-command temp-path move')],
  ['npm', options('Cgc', 'prefix node-options userconfig globalconfig git init-module call')],
  ['go', options('', 'exec toolexec', '-exec -toolexec -o -vettool -ldflags -gcflags -overlay -modfile -C')],
  ['make', options('fCIEoW', 'eval file makefile directory include-dir')],
  ['cc', options('oBfWx', 'wrapper specs')],
  ['gh', options('weF', 'web editor')],
]);

const otherNames: ReadonlyMap<string, string> = new Map(
  Object.entries({
    gfind: 'find',
    fdfind: 'fd',
    gsort: 'sort',
    gtar: 'tar',
    bsdtar: 'tar',
    batcat: 'bat',
    gmake: 'make',
    gcc: 'cc',
    'g++': 'cc',
    clang: 'cc',
    'clang++': 'cc',
  }),
);

/** What such an option is called in any program. */
const telling =
  'exec execute command cmd shell eval script program pager editor browser viewer hook plugin wrapper preproc preprocessor loader require import output out outfile write save log-file logfile in-place inplace delete remove config rsh askpass pre'.split(
    ' ',
  );

/** Whether an option that a glob of a rule covers may run a program or write a file, as far as anybody knows. */
export function isRisky(program: string, words: readonly string[], word: string): boolean {
  const harmless = harmlessOf(program, words);
  if (harmless !== null && isHarmless(word, harmless)) return false;
  const { long, short, whole } = risky.get(otherNames.get(program) ?? program) ?? options('', '');
  const equals = word.indexOf('=');
  const name = word.slice(0, equals === -1 ? undefined : equals).replace(/^--?/, '');
  // An abbreviation of several is every one of them.
  if (name === '' || long.some((each) => each.startsWith(name))) return true;
  if (telling.some((each) => each.startsWith(name.toLowerCase()) && name.length > 1)) return true;
  if (telling.some((each) => `-${name.toLowerCase()}-`.includes(`-${each}-`))) return true;
  if (word.startsWith('--')) return false;
  return (
    whole.some((each) => word.startsWith(each)) || Array.from(word.slice(1)).some((letter) => short.includes(letter))
  );
}

function options(short: string, long: string, whole = ''): Risky {
  const names = (text: string): string[] => text.split(/\s+/).filter((name) => name !== '');
  return { short, long: names(long), whole: names(whole) };
}
