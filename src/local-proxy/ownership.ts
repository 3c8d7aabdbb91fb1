import { identifyProcess, type ProcessIdentity, processState } from '../files/process-identity.ts';
import { runCommand } from './command.ts';
import { isAlive, type Machine } from './machine.ts';

/** What tells a process that was just started from every later one with its id. */
export function identifyChild(machine: Machine, processId: number): ProcessIdentity {
  const { startedAt } = identifyProcess(processId);
  const { realm } = identifyProcess(machine.processId);
  // Where there are no ticks it is the time of the start, which is now.
  return { pid: processId, realm, startedAt: /^\d+$/.test(startedAt) ? startedAt : new Date().toISOString() };
}

/**
 * Whether the group of a process that we started is still there, and so may be signalled. An id alone says nothing: after a
 * restart, or a few days, it is another program's.
 */
export function isOurGroup(machine: Machine, identity: ProcessIdentity): boolean {
  const self = identifyProcess(machine.processId);
  if (processState(identity, self) === 'running') return true;
  // The leader has ended and its workers go on: as long as its group is there, nothing else is given its id.
  return identity.realm === self.realm && !isAlive(machine, identity.pid) && isAlive(machine, -identity.pid);
}

/** Whether a container of this name runs; the names that cllm gives hold a random word. */
export async function isContainerRunning(machine: Machine, name: string): Promise<boolean> {
  const { exitCode, output } = await runCommand(
    machine,
    'docker',
    ['container', 'inspect', '--format', '{{.State.Running}}', name],
    { timeoutMs: 10_000 },
  );
  return exitCode === 0 && output.trim() === 'true';
}
