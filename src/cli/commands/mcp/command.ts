import { command, commandGroup } from '../../command.ts';
import { neededWord, optionalWord, reworded, text, wordList } from '../../flags/flag.ts';
import { jsonFlag, limitFlags, proxyFlags } from '../../flags/flags.ts';

const flags = { ...proxyFlags, 'connect-timeout': limitFlags['connect-timeout'], ...jsonFlag };

const callFlags = {
  ...flags,
  timeout: reworded(limitFlags.timeout, { describe: 'seconds for the call (default 0: as long as it takes)' }),
  output: text('write what it gives to a file: its image, recording or file, else its text', {
    alias: 'o',
    completes: 'files',
  }),
};

export const mcp = commandGroup('mcp', "the tools of the proxy's MCP servers: list, look at, call", [
  command({
    usage: 'list',
    describe: 'the servers that this key may use, and whether they answer',
    flags,
    run: async ({ json }, context) => (await import('./run.ts')).runList(json, context),
  }),
  command({
    usage: 'tools [server..]',
    describe: 'what they can do, and with which arguments',
    words: { server: wordList('names of servers (default: all)') },
    flags,
    run: async ({ server, json }, context) => (await import('./run.ts')).runTools(server, json, context),
  }),
  command({
    usage: 'call <tool> [arguments]',
    describe: 'run a tool once, and print what it gives',
    words: {
      tool: neededWord('SERVER/TOOL'),
      arguments: optionalWord("a JSON object, @FILE, or - for standard input (default '{}')"),
    },
    flags: callFlags,
    examples: [
      [`cllm mcp call math/add '{"a":2}'`, 'its text on standard output'],
      ['cllm mcp call files/read @args.json', 'arguments from a file'],
    ],
    run: async (values, context) => (await import('./run.ts')).runCall(values, context),
  }),
]);
