/** Commands that belong together, and what they are for, in the order in which somebody needs them. */
const groups: readonly (readonly [names: readonly string[], about: string])[] = [
  [['ask', 'chat', 'batch', 'compare'], 'ask once (the default), talk, ask much or several'],
  [['history', 'recover', 'replay'], 'what was said, also before a crash; play again'],
  [['models', 'whoami', 'spend', 'doctor'], 'what is served, whose key, its spend, is all well'],
  [['login', 'logout', 'config', 'init'], 'keys, settings, a project file'],
  [['mcp', 'proxy', 'admin'], 'MCP tools; a proxy here; its people and keys'],
  [['completion', 'help'], 'for your shell; help exit-codes, connection, limits'],
];

/** What `cllm --help` says: one screen of 24 lines of 80 columns. What is left out stands in each command's own help. */
export function mainHelp(commands: readonly string[]): string {
  const known = new Set(groups.flatMap(([names]) => names));
  const others = commands.filter((name) => !known.has(name));
  const rows = groups
    .map(([names, about]) => [names.filter((name) => commands.includes(name)).join(' '), about] as const)
    .filter(([names]) => names !== '');
  if (others.length > 0) rows.push([others.join(' '), 'more']);
  return `cllm [ask] [prompt..]   asks the team's LiteLLM proxy, shows the reply, keeps it

  cllm "why is the sky blue?"       the reply, streamed
  git diff | cllm "review this"     a prompt with standard input
  cllm -c "and at night?"           go on with the latest conversation
  cllm --demo "hello"               no proxy at hand: a small one inside answers

Commands (cllm COMMAND --help):
${rows.map(([names, about]) => `  ${names.padEnd(26)} ${about}\n`).join('')}
Flags (more: cllm ask --help; all: cllm help ask all):
  -m, --model NAME         -s, --system TEXT|@FILE     -f, --file PATH
  -c, --continue           -C, --conversation NAME     --ephemeral  keep nothing
  -q, --quiet              -o FILE  the reply to it    --output-format json
  --base-url URL           --profile NAME              --render plain|markdown
Everything after -- is prompt.`;
}
