import { type Plan, stepsOf } from '../../../admin/plan.ts';
import type { Step } from '../../../admin/step.ts';
import type { Output } from '../../../terminal/output.ts';
import { joined, ours, type OwnText, styled } from '../../../terminal/own-text.ts';
import type { Style } from '../../../terminal/style.ts';
import { snakeCased } from '../../../protocol/json.ts';

const marks: Readonly<Record<Step['action'], readonly [mark: string, style: Style]>> = {
  make: ['+', 'green'],
  change: ['~', 'yellow'],
  unblock: ['+', 'green'],
  block: ['!', 'red'],
  remove: ['-', 'red'],
  delete: ['-', 'red'],
};

/** A screen of what is new says it all; what changes or goes is shown to the last. */
const mostNew = 20;

/** What is to be done, a line each. */
export function planLines(plan: Plan, output: Output): OwnText {
  const steps = stepsOf(plan);
  if (steps.length === 0) return ours`nothing to do: the proxy has what the file says\n`;
  const isLong = (kind: Step['kind']): boolean =>
    output.isTTY && steps.filter((step) => step.action === 'make' && step.kind === kind).length > mostNew;
  const lines: OwnText[] = [];
  const made = new Map<Step['kind'], number>();
  for (const step of steps) {
    if (step.action === 'make' && isLong(step.kind)) {
      const count = (made.get(step.kind) ?? 0) + 1;
      made.set(step.kind, count);
      if (count > mostNew) continue;
    }
    lines.push(line(step, output));
  }
  for (const [kind, count] of made)
    lines.push(ours`+ … and ${count - Math.min(count, mostNew)} more of kind ${kind}\n`);
  return joined([...lines, ours`${summaryOf(plan)}\n`]);
}

function line(step: Step, output: Output): OwnText {
  const [mark, style] = marks[step.action];
  const what = `${step.action === 'make' ? 'new' : step.action} ${step.kind}`;
  const where = step.of === null ? '' : step.kind === 'member' ? ` → ${step.of}` : ` of ${step.of}`;
  const changes = Object.entries(step.changes).map(([name, [from, to]]) =>
    step.action === 'make' ? `${name} ${shown(to)}` : `${name} ${shown(from)} → ${shown(to)}`,
  );
  const rest = [step.why, ...changes].filter((each) => each !== null).join(' · ');
  return ours`${styled(output, style, mark)} ${what.padEnd(15)} ${step.name}${where}${rest === '' ? '' : `  ${rest}`}\n`;
}

function shown(value: unknown): string {
  if (value === null || (Array.isArray(value) && value.length === 0)) return 'none';
  if (Array.isArray(value)) return value.join(', ');
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** `3 to make, 1 to block`. */
export function summaryOf(plan: Plan): string {
  const words = [
    ['make', 'make'],
    ['change', 'change'],
    ['unblock', 'unblock'],
    ['block', 'block'],
    ['remove', 'remove'],
    ['delete', 'delete'],
  ] as const;
  const steps = stepsOf(plan);
  const counted = words
    .map(([action, word]) => [steps.filter((step) => step.action === action).length, word] as const)
    .filter(([count]) => count > 0);
  return counted.map(([count, word]) => `${count} to ${word}`).join(', ');
}

export function planJson(plan: Plan): Record<string, unknown> {
  return {
    steps: stepsOf(plan).map(({ kind, action, name, of, changes, why }) => ({ kind, action, name, of, why, changes })),
    people: snakeCased(plan.people),
    jobs: snakeCased(plan.jobs),
    remarks: plan.remarks,
  };
}
