// Writes the manual pages, cllm.1 and one a command, from what the commands declare: a part of npm run build.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const environment = [
  ['LITELLM_PROXY_URL', 'the base URL of the proxy'],
  ['LITELLM_PROXY_API_KEY', 'the key for it; it goes to the base URL that is the user’s own, and to no other'],
  ['CLLM_MODEL', 'the model, where no flag names one'],
  ['CLLM_HOME', 'one directory for settings, keys, history and caches'],
  ['CLLM_TRUST', 'base URLs that project files may name, for where nobody can be asked'],
  ['NO_COLOR', 'no styles'],
];

/**
 * @param {string} root of the repository
 * @param {string} directory where the pages go
 * @param {string} version
 * @returns {Promise<string[]>} the names of the pages
 */
export async function writeManPages(root, directory, version) {
  const { commandTable, ask, exits } = await declarations(root);
  const commands = [ask, ...(await Promise.all(commandTable.map(({ load }) => load())))];
  const pages = new Map([['cllm.1', mainPage(commands, exits, version)]]);
  for (const command of commands) pages.set(`cllm-${nameOf(command)}.1`, commandPage(command, version));
  await mkdir(directory, { recursive: true });
  for (const [name, roffText] of pages) await writeFile(path.join(directory, name), roffText);
  return [...pages.keys()];
}

async function declarations(root) {
  // Below node_modules, where the packages are found that are left out.
  const caches = path.join(root, 'node_modules/.cache');
  await mkdir(caches, { recursive: true });
  const folder = await mkdtemp(path.join(caches, 'cllm-man-'));
  try {
    const outfile = path.join(folder, 'declarations.mjs');
    await build({
      stdin: {
        contents: `export { commandTable } from './src/cli/command-table.ts';
          export { ask } from './src/cli/commands/ask/command.ts';
          export { exits } from './src/outcome/exits.ts';`,
        resolveDir: root,
        loader: 'ts',
      },
      bundle: true,
      platform: 'node',
      format: 'esm',
      outfile,
      // What a command declares needs none of them.
      packages: 'external',
      define: { __VERSION__: '"0"' },
      logLevel: 'error',
    });
    return await import(pathToFileURL(outfile).href);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function mainPage(commands, exits, version) {
  return page('cllm', version, [
    '.SH NAME',
    text('cllm - asks the LiteLLM proxy of a team, shows the reply, keeps it'),
    '.SH SYNOPSIS',
    synopsis('cllm', commands[0]),
    '.br',
    '.B cllm',
    '.I command',
    text('…'),
    '.SH DESCRIPTION',
    text(
      'The words are a prompt, with standard input when it is a file or a pipe. The reply is streamed to standard output and kept in a conversation, which -c and -C NAME continue. A reply that was cut, filtered, shortened or empty never ends in exit code 0; what arrived is printed and kept all the same.',
    ),
    '.SH COMMANDS',
    ...commands.flatMap((command) => item(`.BR cllm\\-${roff(nameOf(command))} (1)`, command.describe)),
    '.SH EXIT STATUS',
    ...Object.values(exits).flatMap(({ code, when }) => item(`.B ${code}`, when)),
    '.SH ENVIRONMENT',
    ...environment.flatMap(([name, about]) => item(`.B ${roff(name)}`, about)),
    '.SH FILES',
    ...item('.I ~/.config/cllm/config.json', 'settings, by cllm config'),
    ...item('.I ~/.local/share/cllm/history.db', 'the history; cllm history path says where it is'),
    ...item('.I cllm.yaml', 'settings of a project, in its folder; cllm init writes one'),
  ]);
}

function commandPage(command, version) {
  const name = `cllm ${nameOf(command)}`;
  const title = `cllm-${nameOf(command)}`;
  const examples = [command, ...command.subcommands].flatMap((each) => each.examples);
  return page(title, version, [
    '.SH NAME',
    text(`${title} - ${command.describe}`),
    '.SH SYNOPSIS',
    [
      ...(command.run === null ? [] : [synopsis('cllm', command)]),
      ...command.subcommands.map((each) => synopsis(name, each)),
    ].join('\n.br\n'),
    ...(command.run === null ? [] : [...words(command), ...options(command)]),
    ...command.subcommands.flatMap((each) => subcommand(name, each)),
    ...(examples.length === 0 ? [] : ['.SH EXAMPLES']),
    ...examples.flatMap(([line, about]) => ['.TP', `.B ${roff(line)}`, text(about)]),
    '.SH SEE ALSO',
    '.BR cllm (1)',
  ]);
}

function page(title, version, lines) {
  return `${[`.\\" made from the declarations of the commands`, `.TH ${title.toUpperCase()} 1 "" "cllm ${version}" "User Commands"`, ...lines].join('\n')}\n`;
}

function subcommand(group, command) {
  return [
    `.SH ${roff(nameOf(command)).toUpperCase()}`,
    text(command.describe),
    ...words(command),
    ...options(command, '.SS'),
  ];
}

function synopsis(before, { usage }) {
  const [name, ...rest] = usage.split(' ');
  return `.B ${roff(`${before} ${name}`)}\n${text([...rest, '[flags]'].join(' '))}`;
}

function words({ words: declared }) {
  const named = Object.entries(declared).filter(([, { hasPlace }]) => hasPlace);
  return named.flatMap(([name, { describe }]) => item(`.I ${roff(name)}`, describe));
}

function options({ flags }, heading = '.SH') {
  const groups = new Map();
  for (const entry of Object.entries(flags)) {
    const { group } = entry[1];
    groups.set(group, [...(groups.get(group) ?? []), entry]);
  }
  return [...groups].flatMap(([group, entries]) => [
    `${heading} ${roff(group === null ? 'OPTIONS' : group.replace(/:$/, '').toUpperCase())}`,
    ...entries.flatMap(([name, flag]) => option(name, flag)),
  ]);
}

function option(name, { kind, alias, choices, describe, isOnByDefault }) {
  const names = [...(alias === null ? [] : [`-${alias}`]), `--${name}`, ...(isOnByDefault ? [`--no-${name}`] : [])];
  const value = kind === 'toggle' ? '' : ` ${choices === null ? 'VALUE' : choices.join('|')}`;
  return item(`.BR ${roff(names.join(', ')).replaceAll(' ', '\\ ')} "${roff(value)}"`, describe);
}

function item(term, about) {
  return ['.TP', term, text(about)];
}

/** A line of text: what begins it is no request. */
function text(line) {
  return roff(line).replace(/^([.'])/, '\\&$1');
}

function roff(line) {
  return line.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll('"', '\\(dq');
}

function nameOf({ usage }) {
  return usage.split(' ')[0];
}
