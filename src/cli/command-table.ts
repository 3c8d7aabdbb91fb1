import type { CommandEntry } from './command.ts';
import { ask } from './commands/ask/command.ts';

/** Every command but `ask`, each in a chunk of its own that is loaded when it is called for. */
export const commandTable: readonly CommandEntry[] = [
  {
    usage: 'chat',
    describe: 'a conversation at the terminal',
    load: async () => (await import('./commands/chat/command.ts')).chat,
  },
  {
    usage: 'batch <file>',
    describe: 'many prompts, one result line each',
    load: async () => (await import('./commands/batch/command.ts')).batch,
  },
  {
    usage: 'compare [prompt..]',
    describe: 'the same prompt to several models, side by side',
    load: async () => (await import('./commands/compare/command.ts')).compare,
  },
  {
    usage: 'history',
    describe: 'list, show, search, rename, fork, delete, export, … conversations',
    load: async () => {
      const [{ historyCommand }, { recover }, { replayCommand }] = await Promise.all([
        import('./commands/history/command.ts'),
        import('./commands/recover/command.ts'),
        import('./commands/replay/command.ts'),
      ]);
      return historyCommand([recover, replayCommand]);
    },
  },
  {
    usage: 'recover [id]',
    describe: 'turns that a crash left in flight; restores all with --yes',
    load: async () => (await import('./commands/recover/command.ts')).recover,
  },
  {
    usage: 'replay <recording>',
    describe: 'a recording, offline, through the same pipeline',
    load: async () => (await import('./commands/replay/command.ts')).replayCommand,
  },
  {
    usage: 'models',
    describe: 'what the proxy serves: mode, context, prices, abilities',
    load: async () => (await import('./commands/models/command.ts')).models,
  },
  {
    usage: 'whoami',
    describe: 'whose key this is: its spend, budget, limits and models',
    load: async () => (await import('./commands/whoami/command.ts')).whoami,
  },
  {
    usage: 'spend [why] [call]',
    describe: 'what was spent, by day, model, key, tag, …; why CALL_ID: one call',
    load: async () => (await import('./commands/spend/command.ts')).spend,
  },
  {
    usage: 'doctor',
    describe: 'is the path to the proxy sound, from its name to a live stream',
    load: async () => (await import('./commands/doctor/command.ts')).doctor,
  },
  {
    usage: 'login',
    describe: 'sign in, or keep a key that is asked for unseen or read from a pipe',
    load: async () => (await import('./commands/login/command.ts')).loginCommand,
  },
  {
    usage: 'logout',
    describe: 'forget the key of a proxy',
    load: async () => (await import('./commands/logout.ts')).logout,
  },
  {
    usage: 'admin',
    describe: 'for who runs the proxy: teams, people and keys, from a file',
    load: async () => (await import('./commands/admin/command.ts')).admin,
  },
  {
    usage: 'proxy',
    describe: 'a LiteLLM proxy on this machine: up, down, status, logs',
    load: async () => (await import('./commands/proxy/command.ts')).proxyCommand,
  },
  {
    usage: 'mcp',
    describe: "the tools of the proxy's MCP servers: list, look at, call",
    load: async () => (await import('./commands/mcp/command.ts')).mcp,
  },
  {
    usage: 'init',
    describe: 'write a commented cllm.yaml into this folder',
    load: async () => (await import('./commands/init.ts')).init,
  },
  {
    usage: 'templates',
    describe: 'prompts with variables and commands, in files: list, show, new, …',
    load: async () => (await import('./commands/templates/command.ts')).templates,
  },
  {
    usage: 'config',
    describe: 'get, set, unset, list, explain settings, or say where they are',
    load: async () => (await import('./commands/config/command.ts')).config,
  },
  {
    usage: 'completion [shell]',
    describe: 'completion for bash, zsh or fish: what to source',
    load: async () => (await import('./commands/completion/command.ts')).completionCommand(commandTable, ask),
  },
  {
    usage: 'help [topic..]',
    describe: 'exit-codes: what each one means; or a command',
    load: async () => (await import('./commands/help.ts')).help,
  },
];
