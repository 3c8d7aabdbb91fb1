import { command } from '../../command.ts';
import { choice, list, optionalWord, toggle, type Values } from '../../flags/flag.ts';
import { limitFlags, proxyFlags } from '../../flags/flags.ts';
import { moment } from '../../flags/point-in-time.ts';

/** What spend is divided by. */
export const divisions = ['day', 'model', 'key', 'user', 'team', 'tag', 'conversation'] as const;
export type Division = (typeof divisions)[number];

export const spendFlags = {
  ...proxyFlags,
  'connect-timeout': limitFlags['connect-timeout'],
  since: moment('from then on: 2026-01-31, or how long ago (12h, 7d, 4w, 6m, 1y); default 7d', { isEnd: false }),
  until: moment('up to then, a day as a whole', { isEnd: true }),
  by: choice('a row for each (default day; model with --run)', divisions),
  // In place of the flag that sends one.
  tag: list('only calls with this tag, or with one of these'),
  run: toggle("this CI job's calls; waits for those that the proxy has not logged yet"),
  local: toggle('what the history of this machine tells, without asking the proxy'),
  json: toggle('as JSON; what nobody told is null'),
  csv: toggle('as CSV with a heading'),
};

export type SpendValues = Values<typeof spendFlags>;

export const spend = command({
  usage: 'spend [why] [call]',
  describe: 'what was spent, by day, model, key, tag, …; why CALL_ID: one call',
  words: {
    why: optionalWord('`why`: what one call cost, and why'),
    call: optionalWord("the call's id, from a receipt or a result"),
  },
  flags: spendFlags,
  examples: [
    ['cllm spend --since 30d --by model', 'a month, the dearest model first'],
    ['cllm spend --run >> "$GITHUB_STEP_SUMMARY"', 'what this CI job spent, as Markdown'],
    ['cllm spend why 9b8a4b57-9ed6-4038-babd-83dfd83a36f1', 'one call: its parts, its key, its tags'],
  ],
  async run(values, context) {
    const { runSpend } = await import('./run.ts');
    return runSpend(values, context);
  },
});
