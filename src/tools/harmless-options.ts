/**
 * What a `*` at the end of a rule may stand for, besides words that are no options: those options of well-known programs
 * that read, which can neither run a program nor write a file. A list of what is dangerous was never complete for anybody
 * (docs/decisions/0016-command-rules.md), so what is not here is not taken, and a new option of a program is not here.
 *
 * An option is judged by itself wherever it stands, behind `--` and in the place of a value too: where a program sees an
 * option, no reading of ours can take it for something else.
 */
export interface Harmless {
  /** Letters of options, alone or in a bundle. */
  short: string;
  /** Letters that take a value in every version of the program: whatever follows in their word is one. */
  valued: string;
  /** Names behind two dashes, with a value behind `=` or without; as they are written out, not abbreviated. */
  long: ReadonlySet<string>;
  /** Words with one dash and many letters (`find`). */
  whole: ReadonlySet<string>;
  /** Words that are no options are taken as far as this says; null for all. */
  operands: Operands | null;
}

export type Operands =
  /** So many, the options' values among them: the next one would be a file to write. */
  | { most: number }
  /** Only behind one of these options: without, the program makes what it is told the name of. */
  | { beside: readonly string[] }
  | { like: RegExp };

/** Whether an option of this program, as one word, is known to be harmless. */
export function isHarmless(word: string, { short, valued, long, whole }: Harmless): boolean {
  if (!word.startsWith('-')) return false;
  if (word === '--' || whole.has(word)) return true;
  if (word.startsWith('--')) {
    const equals = word.indexOf('=');
    const name = word.slice(2, equals === -1 ? undefined : equals);
    return long.has(name);
  }
  // find's numbers: fewer days than, smaller than.
  if (whole.size > 0) return /^-\d+[A-Za-z]?$/.test(word);
  for (const letter of word.slice(1)) {
    if (valued.includes(letter)) return true;
    if (!short.includes(letter)) return false;
  }
  return word.length > 1;
}

/** What is known of the command that these words begin: of the program, or of its subcommand. */
export function harmlessOf(program: string, words: readonly string[]): Harmless | null {
  const [one = '', two = ''] = words;
  return table.get(`${program} ${one} ${two}`) ?? table.get(`${program} ${one}`) ?? table.get(program) ?? null;
}

/** Programs whose first word says what they do: a `*` stands there for what the table knows. */
export const withSubcommands: ReadonlySet<string> = new Set(
  split(`
    git gh glab hg svn jj npm pnpm yarn bun deno cargo go docker podman kubectl helm aws gcloud az terraform tofu systemctl
    brew apt apt-get dnf yum apk pip pip3 pipx poetry uv bundle gem composer dotnet conda nix flatpak snap
  `),
);

/** A package of the registry, a field; of a repository npm runs the scripts. */
const registered: Operands = { like: /^(?!.*\.(?:tgz|tar|gz)$)(?:@[\w.-]+\/)?\w[\w.-]*(?:@[\w.^~<>=*|-]+)?$/ };

/** tar reaches for another machine where a name has a colon. */
const local: Operands = { like: /^[^:]+$/ };

const digits = '0123456789';

const diffLong = `
  patch no-patch stat numstat shortstat dirstat summary name-only name-status raw patch-with-stat patch-with-raw
  compact-summary unified minimal patience histogram diff-algorithm anchored color no-color color-moved no-color-moved
  color-moved-ws word-diff word-diff-regex color-words renames no-renames rename-empty no-rename-empty check
  ws-error-highlight full-index binary abbrev no-abbrev break-rewrites find-renames find-copies find-copies-harder
  irreversible-delete diff-filter pickaxe-all pickaxe-regex find-object skip-to rotate-to relative no-relative text
  ignore-cr-at-eol ignore-space-at-eol ignore-space-change ignore-all-space ignore-blank-lines ignore-matching-lines
  inter-hunk-context function-context exit-code quiet no-ext-diff no-textconv ignore-submodules src-prefix dst-prefix
  no-prefix default-prefix line-prefix indent-heuristic no-indent-heuristic stat-width stat-name-width stat-count
  stat-graph-width
`;
const logLong = `
  oneline graph no-graph decorate no-decorate decorate-refs decorate-refs-exclude clear-decorations all branches tags remotes
  glob exclude reflog walk-reflogs merges no-merges min-parents max-parents first-parent author committer grep grep-reflog
  all-match invert-grep regexp-ignore-case basic-regexp extended-regexp fixed-strings perl-regexp since after until before
  max-count skip max-age min-age reverse date-order author-date-order topo-order date relative-date format pretty
  abbrev-commit no-abbrev-commit encoding notes no-notes follow full-diff log-size source use-mailmap mailmap no-mailmap
  left-right left-only right-only cherry cherry-pick cherry-mark boundary simplify-by-decoration simplify-merges full-history
  ancestry-path dense sparse parents children show-pulls no-walk not cc diff-merges merge expand-tabs no-expand-tabs
  since-as-filter remove-empty ignore-missing
`;
const listLong = `
  list all remotes verbose no-verbose contains no-contains merged no-merged points-at sort format column no-column color
  no-color abbrev no-abbrev ignore-case show-current omit-empty
`;
const lists = ['--list', '--contains', '--no-contains', '--merged', '--no-merged', '--points-at'];

const gitDiff = options(`abpurRstwWzq${digits}`, 'UGSlMCB', diffLong);
const gitLog = options(`abpurRstwWzqcmgiEFP${digits}`, 'nUGSLlMCB', `${diffLong} ${logLong}`);
const grepLong = `
  extended-regexp fixed-strings basic-regexp perl-regexp regexp ignore-case no-ignore-case word-regexp line-regexp null-data
  no-messages invert-match max-count byte-offset line-number with-filename no-filename only-matching quiet silent
  binary-files text recursive dereference-recursive include exclude exclude-dir files-without-match files-with-matches count
  initial-tab null before-context after-context context color colour group-separator no-group-separator
`;

const table: ReadonlyMap<string, Harmless> = new Map<string, Harmless>([
  ['git log', gitLog],
  ['git show', gitLog],
  ['git diff', { ...gitDiff, long: longNames(`${diffLong} cached staged merge-base no-index base ours theirs`) }],
  ['git diff-tree', options(`abpurRstwWzqcmv${digits}`, 'UGSlMC', `${diffLong} root no-commit-id cc merge-base`)],
  [
    'git status',
    options(
      'sbvz',
      'u',
      `short branch show-stash porcelain long verbose untracked-files ignored
    ignore-submodules column no-column ahead-behind no-ahead-behind renames no-renames find-renames null`,
    ),
  ],
  [
    'git blame',
    options(
      `ctlfenswbp${digits}`,
      'LMC',
      `root show-stats line-porcelain porcelain incremental date score-debug
    show-name show-number show-email since abbrev ignore-rev color-lines color-by-age first-parent encoding minimal reverse`,
    ),
  ],
  [
    'git grep',
    options(
      `ivwnlLcoEGFPpWhHzqaIr${digits}`,
      'emABC',
      `cached no-index untracked no-exclude-standard
    exclude-standard text no-textconv ignore-case max-depth recursive no-recursive word-regexp invert-match full-name
    extended-regexp basic-regexp perl-regexp fixed-strings line-number column files-with-matches name-only
    files-without-match null only-matching count color no-color break heading show-function context after-context
    before-context function-context max-count threads and or not all-match quiet`,
    ),
  ],
  [
    'git ls-files',
    options(
      'cdmostuvfkiz',
      'x',
      `cached deleted modified others ignored stage unmerged killed directory
    no-empty-directory exclude exclude-standard error-unmatch full-name abbrev eol deduplicate sparse
    format`,
    ),
  ],
  ['git ls-tree', options('drtlz', '', 'long name-only name-status object-only full-name full-tree abbrev format')],
  [
    'git rev-parse',
    options(
      'q',
      '',
      `verify quiet short symbolic symbolic-full-name abbrev-ref all branches tags remotes
    show-toplevel show-prefix show-cdup show-superproject-working-tree git-dir git-common-dir absolute-git-dir
    is-inside-git-dir is-inside-work-tree is-bare-repository is-shallow-repository show-object-format path-format revs-only
    no-revs flags no-flags default not local-env-vars show-ref-format`,
    ),
  ],
  [
    'git rev-list',
    options(
      digits,
      'n',
      `${logLong} count objects no-object-names objects-edge header timestamp
    no-commit-header disk-usage left-right quiet use-bitmap-index unpacked`,
    ),
  ],
  [
    'git shortlog',
    options(
      `nsec${digits}`,
      'w',
      'numbered summary email committer group format author since until all no-merges merges',
    ),
  ],
  [
    'git describe',
    options(
      '',
      '',
      `all tags contains abbrev candidates exact-match long match exclude always first-parent dirty
    broken`,
    ),
  ],
  ['git merge-base', options('a', '', 'all octopus independent is-ancestor fork-point')],
  ['git name-rev', options('', '', 'tags refs exclude all name-only no-undefined always')],
  ['git cat-file', options('tsep', '', 'batch-all-objects unordered use-mailmap mailmap')],
  [
    'git for-each-ref',
    options(
      '',
      '',
      'count sort format color contains no-contains merged no-merged points-at ignore-case exclude omit-empty',
    ),
  ],
  ['git show-ref', options('dsq', '', 'head heads branches tags dereference hash verify abbrev quiet exists')],
  ['git count-objects', options('vH', '', 'verbose human-readable')],
  ['git check-ignore', options('qvnz', '', 'quiet verbose non-matching no-index')],
  ['git stash list', gitLog],
  ['git stash show', gitLog],
  ['git reflog show', gitLog],
  ['git worktree list', options('vz', '', 'porcelain verbose expire')],
  ['git remote', options('v', '', 'verbose', { beside: [] })],
  ['git remote get-url', options('', '', 'all push')],
  ['git branch', options('arvi', '', listLong, { beside: lists })],
  ['git tag', options('li', 'n', listLong, { beside: ['-l', ...lists] })],

  ['gh pr view', options('c', 'qtR', 'comments json jq template repo')],
  [
    'gh pr list',
    options('d', 'qtRsLlAaSBH', 'json jq template repo state limit label author assignee search base head draft app'),
  ],
  ['gh pr diff', options('', 'R', 'name-only patch color repo')],
  ['gh pr checks', options('', 'qtR', 'json jq template repo required fail-fast')],
  ['gh issue view', options('c', 'qtR', 'comments json jq template repo')],
  [
    'gh issue list',
    options('', 'qtRsLlAaSm', 'json jq template repo state limit label author assignee search milestone mention app'),
  ],
  ['gh run view', options('v', 'qtRja', 'json jq template repo job attempt log log-failed verbose exit-status')],
  [
    'gh run list',
    options('', 'qtRsLwbuec', 'json jq template repo status limit workflow branch user event commit created all'),
  ],

  ['npm ls', options('agl', '', 'all depth json long parseable global omit include link package-lock-only unicode')],
  ['npm list', options('agl', '', 'all depth json long parseable global omit include link package-lock-only unicode')],
  ['npm view', options('', '', 'json', registered)],
  ['npm info', options('', '', 'json', registered)],
  ['npm outdated', options('agl', '', 'all json long parseable global')],
  ['npm explain', options('', '', 'json')],

  [
    'rg',
    options(
      'abcFhHiIlLnNopPqsSuUvwx0.',
      'egtTmABCrjME',
      `after-context before-context context regexp glob iglob type type-not
    type-add type-clear type-list files files-with-matches files-without-match count count-matches include-zero line-number
    no-line-number column no-column ignore-case case-sensitive smart-case fixed-strings word-regexp line-regexp pcre2 auto-hybrid-regex
    no-pcre2 multiline multiline-dotall invert-match only-matching max-count max-columns max-columns-preview max-depth
    max-filesize hidden no-hidden no-ignore no-ignore-vcs no-ignore-parent no-ignore-global no-ignore-dot ignore-vcs follow
    heading no-heading with-filename no-filename null null-data vimgrep json stats no-stats color colors pretty sort sortr
    text binary no-binary unrestricted quiet passthru replace trim crlf encoding engine threads one-file-system
    glob-case-insensitive no-messages no-config no-pre no-search-zip context-separator field-match-separator
    field-context-separator path-separator byte-offset stop-on-nonmatch version help`,
    ),
  ],
  ['grep', options(`rRnivclLohHwxEFPGsqaIbzZyT${digits}`, 'emABC', grepLong)],
  ['egrep', options(`rRnivclLohHwxEFPGsqaIbzZyT${digits}`, 'emABC', grepLong)],
  ['fgrep', options(`rRnivclLohHwxEFPGsqaIbzZyT${digits}`, 'emABC', grepLong)],
  [
    'ls',
    options(
      'aAbBcCdDfFgGhHikKlLmnNopqQrRsStuUvxXZ1',
      '',
      `all almost-all author escape block-size ignore-backups color
    directory classify file-type format full-time group-directories-first no-group human-readable si dereference
    dereference-command-line hide indicator-style inode ignore literal numeric-uid-gid hide-control-chars
    show-control-chars quote-name quoting-style reverse recursive size sort time time-style width zero kibibytes context`,
    ),
  ],
  [
    'cat',
    options('AbeEnstTuv', '', 'show-all number-nonblank show-ends number squeeze-blank show-tabs show-nonprinting'),
  ],
  ['tac', options('br', 's', 'before regex separator')],
  ['head', options(`qvz${digits}`, 'nc', 'lines bytes quiet silent verbose zero-terminated')],
  ['tail', options(`qvzr${digits}`, 'nc', 'lines bytes quiet silent verbose zero-terminated')],
  ['wc', options('cmlLw', '', 'bytes chars lines words max-line-length total')],
  [
    'sort',
    options(
      'bdfghiMnRrVcCmsuz',
      'kt',
      `ignore-leading-blanks dictionary-order ignore-case general-numeric-sort
    human-numeric-sort ignore-nonprinting month-sort numeric-sort random-sort reverse sort version-sort check key
    field-separator merge stable unique zero-terminated`,
    ),
  ],
  [
    'uniq',
    options(
      'cdDiuz',
      'fsw',
      `count repeated all-repeated skip-fields group ignore-case skip-chars unique zero-terminated
    check-chars`,
      { most: 1 },
    ),
  ],
  [
    'cut',
    options(
      'nsz',
      'bcdf',
      'bytes characters delimiter fields complement only-delimited output-delimiter zero-terminated',
    ),
  ],
  ['nl', options('p', 'bdfhilnsvw', 'body-numbering number-format number-width number-separator starting-line-number')],
  ['comm', options('123z', '', 'check-order nocheck-order total zero-terminated output-delimiter')],
  ['paste', options('sz', 'd', 'delimiters serial zero-terminated')],
  ['cmp', options('bls', 'in', 'print-bytes bytes ignore-initial verbose quiet silent')],
  [
    'diff',
    options(
      `qsurNabBwiycetTpdEZn${digits}`,
      'UCWIxF',
      `normal brief report-identical-files context unified ed rcs
    side-by-side width left-column suppress-common-lines show-c-function show-function-line label expand-tabs initial-tab
    tabsize suppress-blank-empty recursive no-dereference new-file unidirectional-new-file ignore-file-name-case exclude
    starting-file ignore-case ignore-tab-expansion ignore-trailing-space ignore-space-change ignore-all-space
    ignore-blank-lines ignore-matching-lines text strip-trailing-cr minimal horizon-lines speed-large-files color`,
    ),
  ],
  [
    'find',
    options(
      '',
      '',
      '',
      null,
      `-name -iname -path -ipath -wholename -iwholename -regex -iregex -regextype -type -xtype
    -size -empty -mtime -mmin -atime -amin -ctime -cmin -newer -anewer -cnewer -newermt -newerat -newerct -newermm -perm
    -user -group -uid -gid -nouser -nogroup -links -inum -samefile -lname -ilname -readable -writable -executable -fstype
    -true -false -used -print -print0 -printf -ls -prune -quit -not -a -and -o -or -maxdepth -mindepth -depth -mount -xdev
    -follow -daystart -noleaf -warn -nowarn -ignore_readdir_race -L -H -P -E`,
    ),
  ],
  // fd's -l runs ls.
  [
    'fd',
    options(
      'HIisgaLpF0u',
      'tedEcjS',
      `hidden no-ignore no-ignore-vcs unrestricted ignore-case case-sensitive glob
    regex fixed-strings absolute-path follow full-path type extension max-depth min-depth exact-depth exclude prune size
    changed-within changed-before owner color print0 max-results threads and one-file-system`,
    ),
  ],
  // tree takes the letters behind one with a value for options, so that none of its letters has a value in its word.
  [
    'tree',
    options(
      `adfilpsughDFrtvUcCnASNqQJXxLPI${digits}`,
      '',
      `dirsfirst filesfirst noreport gitignore prune du si sort charset
    filelimit matchdirs ignore-case inodes device timefmt`,
    ),
  ],
  [
    'jq',
    options(
      'rcnsSeajMCR',
      '',
      `raw-output raw-output0 compact-output null-input slurp sort-keys exit-status ascii-output
    join-output monochrome-output color-output raw-input arg argjson slurpfile rawfile args jsonargs tab indent seq stream
    stream-errors`,
    ),
  ],
  [
    'du',
    options(
      '0abcDhHklLmPsSx',
      'dt',
      `all apparent-size bytes total dereference-args max-depth human-readable
    inodes dereference separate-dirs si summarize threshold time time-style exclude one-file-system block-size null`,
    ),
  ],
  [
    'df',
    options(
      'aHhiklPTm',
      'tx',
      `all total human-readable si inodes local portability type print-type exclude-type
    block-size output`,
    ),
  ],
  ['stat', options('fLtx', 'c', 'dereference file-system format printf terse')],
  [
    'file',
    options(
      'bhikLNr0E',
      '',
      'brief mime mime-type mime-encoding dereference no-dereference keep-going raw extension print0',
    ),
  ],
  [
    'realpath',
    options(
      'emLPqsz',
      '',
      `canonicalize-existing canonicalize-missing logical physical quiet strip no-symlinks
    relative-to relative-base zero`,
    ),
  ],
  ['readlink', options('femnqsvz', '', 'canonicalize canonicalize-existing canonicalize-missing no-newline zero')],
  ['basename', options('az', 's', 'multiple suffix zero')],
  ['dirname', options('z', '', 'zero')],
  ['echo', options('neE', '', '')],
  ['printf', options('', '', '')],
  ['seq', options('w', 'fs', 'format separator equal-width')],
  ...['tar', 'gtar', 'bsdtar'].map((name): [string, Harmless] => [name, options('', '', '', local)]),
  ['pwd', options('LP', '', 'logical physical')],
  ['date', options('uR', 'I', 'utc universal iso-8601 rfc-3339 rfc-email', { like: /^\+/ })],
  [
    'uname',
    options('asnrvmpio', '', 'all kernel-name nodename kernel-release kernel-version machine operating-system'),
  ],
  ['id', options('agGnruz', '', 'group groups name real user zero')],
  ['whoami', options('', '', '')],
  ['which', options('as', '', 'all')],
  ['nproc', options('', '', 'all ignore')],
  ['ps', options('aAdefFHjlLwxTyc', 'opuCtg', 'format pid user sort forest no-headers headers deselect')],
  ['od', options('abcdfilosxv', 'ANjtw', 'address-radix skip-bytes read-bytes format output-duplicates width')],
  ...['md5sum', 'sha1sum', 'sha224sum', 'sha256sum', 'sha384sum', 'sha512sum', 'b2sum', 'cksum', 'shasum'].map(
    (name): [string, Harmless] => [
      name,
      options('bctwz', 'a', 'binary check tag text zero ignore-missing quiet status strict warn algorithm'),
    ],
  ),
]);

function options(short: string, valued: string, long: string, operands: Operands | null = null, whole = ''): Harmless {
  return { short, valued, long: longNames(long), whole: new Set(split(whole)), operands };
}

function longNames(text: string): ReadonlySet<string> {
  return new Set(split(text));
}

function split(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}
