import { command, commandGroup } from '../../command.ts';
import { neededWord, text, toggle, wordList } from '../../flags/flag.ts';
import { limitFlags, proxyFlags } from '../../flags/flags.ts';

/** The way to the proxy, with an admin's key; what marks calls to a model has no use here. */
const wayFlags = {
  'base-url': proxyFlags['base-url'],
  'api-key-file': proxyFlags['api-key-file'],
  cacert: proxyFlags.cacert,
  cert: proxyFlags.cert,
  'cert-key': proxyFlags['cert-key'],
  header: proxyFlags.header,
  profile: proxyFlags.profile,
  'trust-project': proxyFlags['trust-project'],
  'connect-timeout': limitFlags['connect-timeout'],
  debug: proxyFlags.debug,
};

const output = text('the new keys, a line each, for their owner alone to read; - is standard output', {
  alias: 'o',
  completes: 'files',
});

export const applyFlags = {
  output,
  yes: toggle('do it without asking'),
  'block-many': toggle('also where it blocks more than a tenth of the people, or of the keys of jobs'),
  'dry-run': toggle('show what would be done, and do nothing'),
  json: toggle('what is to be done, and what was, as JSON'),
  ...wayFlags,
};

export const rotateFlags = { output, ...wayFlags };

const apply = command({
  usage: 'apply <file>',
  describe: 'teams, people and the keys of jobs, as a YAML file has them',
  words: { file: neededWord('the file; - is standard input', 'files') },
  flags: applyFlags,
  examples: [
    ['cllm admin apply people.yaml --dry-run', 'what would change'],
    ['cllm admin apply people.yaml -o new-keys.jsonl', 'ask, then do it; new keys into that file'],
  ],
  run: async (values, context) => (await import('./apply.ts')).runApply(values, context),
});

const keys = commandGroup('keys', 'the keys of the proxy, by their aliases: list, block, rotate', [
  command({
    usage: 'list',
    describe: 'each key: whose it is, what it spent, what it may',
    flags: { team: text('only those of a team'), json: toggle('as JSON'), ...wayFlags },
    run: async (values, context) => (await import('./keys.ts')).runList(values, context),
  }),
  command({
    usage: 'block <alias..>',
    describe: 'keep keys out, on every replica at once',
    words: { alias: wordList('the aliases of the keys') },
    flags: wayFlags,
    run: async (values, context) => (await import('./keys.ts')).runBlock(values.alias, context),
  }),
  command({
    usage: 'rotate <alias>',
    describe: 'a new key with the same limits, and the old one blocked',
    words: { alias: neededWord('the alias of the key') },
    flags: rotateFlags,
    examples: [['cllm admin keys rotate ci -o new-keys.jsonl', "the key of CI, after somebody's laptop was lost"]],
    run: async (values, context) => (await import('./keys.ts')).runRotate(values, context),
  }),
]);

const teams = command({
  usage: 'teams',
  describe: 'the teams of the proxy: their people, keys, spend and limits',
  flags: { json: toggle('as JSON'), ...wayFlags },
  run: async ({ json }, context) => (await import('./teams.ts')).runTeams(json, context),
});

export const admin = commandGroup('admin', 'teams, people and keys of a proxy, from a file', [apply, keys, teams]);
