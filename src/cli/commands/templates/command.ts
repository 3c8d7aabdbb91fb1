import { command, commandGroup } from '../../command.ts';
import { neededWord, optionalWord, reworded, toggle } from '../../flags/flag.ts';
import { jsonFlag } from '../../flags/flags.ts';

const name = neededWord('the name of a template, or a path', 'templates');

export const templates = commandGroup('templates', 'prompts with variables and commands, in files', [
  command({
    usage: 'list',
    describe: 'those that a name reaches from this folder',
    flags: { json: reworded(jsonFlag.json, { describe: 'the list as JSON' }) },
    run: async ({ json }, context) => (await import('./run.ts')).runList(json, context),
  }),
  command({
    usage: 'show <name>',
    describe: 'the file, its digest, and what it would run',
    words: { name },
    run: async (values, context) => (await import('./run.ts')).runShow(values.name, context),
  }),
  command({
    usage: 'new <name>',
    describe: 'write a commented template into .cllm/templates/ of this folder',
    words: { name: neededWord('its name') },
    flags: { user: toggle("into the user's own folder instead") },
    run: async (values, context) => (await import('./run.ts')).runNew(values, context),
  }),
  command({
    usage: 'check [name]',
    describe: 'whether it, or each one, can be used; nothing runs and nothing is sent',
    words: { name: optionalWord('the name of a template, or a path', 'templates') },
    run: async (values, context) => (await import('./run.ts')).runCheck(values.name, context),
  }),
  command({
    usage: 'trust <name>',
    describe: 'let the commands of a template run, as its file is now',
    words: { name },
    run: async (values, context) => (await import('./run.ts')).runTrust(values.name, context),
  }),
]);
