/**
 * Programs that run what their words say: shells, interpreters, and programs that start another one. A `*` in place of
 * those words would stand for any program, which nobody writes `env *` for.
 */
interface Runner {
  /** Words before the one that says what runs: flock's file. */
  first: number;
  /** Letters of options that take no value. */
  flags: string;
  /** A duration or a priority comes before what it runs. */
  isTimed: boolean;
}

/** What hands its words to a shell, joined: no word after the program is one. */
const toShell = Number.POSITIVE_INFINITY;

const runners: ReadonlyMap<string, Runner> = new Map<string, Runner>([
  ...list('env nohup time xargs sudo doas stdbuf setsid command exec busybox toybox strace ltrace valgrind unbuffer'),
  ...list(
    'npx bunx uvx pipx tsx ts-node start open xdg-open osascript nsenter unshare pkexec gdb lldb faketime torsocks',
  ),
  ...list('timeout gtimeout nice ionice chrt taskset', { isTimed: true }),
  ...list('flock chroot sqlite3', { first: 1 }),
  ...list('ssh mosh watch parallel entr script eval su runuser', { first: toShell }),
  ...list('sh bash dash zsh ksh mksh ash fish tcsh csh pwsh powershell cmd rbash', { flags: 'eux' }),
  ...list('python pypy', { flags: 'uBsSEOqvIbm' }),
  ...list(
    'node nodejs bun deno ruby perl php lua luajit tclsh wish expect guile julia r rscript groovy scala jshell swift',
  ),
  ...list('awk gawk mawk nawk ed ex vi vim nvim view emacs nano pico dc bc m4 gnuplot'),
  ...list('sed gsed', { flags: 'nrEsuz' }),
  ...list('tar gtar bsdtar ar jar 7z unrar rar cpio zip'),
]);

/** The runner that a program is, whatever its version and where it stands. */
export function runnerOf(program: string): Runner | null {
  const name = program.slice(program.lastIndexOf('/') + 1).toLowerCase();
  return runners.get(name.replace(/\.exe$/, '')) ?? runners.get(name.replace(/[\d.-]+$/, '')) ?? null;
}

function list(names: string, more: Partial<Runner> = {}): [string, Runner][] {
  return names.split(' ').map((name) => [name, { first: 0, flags: '', isTimed: false, ...more }]);
}
