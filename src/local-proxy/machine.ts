import { errorCode } from '../files/file-error.ts';

/**
 * What local-proxy may use of the machine it runs on. It is passed in because only cli/ touches `process`, and so that a
 * test can offer a machine without Docker, without Python or with other programs on its PATH.
 */
export interface Machine {
  /** The whole environment, keys included: what a program gets of it is chosen in environment.ts. PATH says where they are looked for. */
  environment: Readonly<Record<string, string | undefined>>;
  platform: string;
  /** The user that we run as; null where the platform has none. */
  uid: number | null;
  /** Our own process id: it marks who holds a lock. */
  processId: number;
  /** `process.kill`: signals a process, a process group (a negative id), or with 0 asks whether it is there (throws when not). */
  kill(processId: number, signal: NodeJS.Signals | 0): void;
}

/** Whether a process, or a process group (a negative id), is there. */
export function isAlive(machine: Machine, processId: number): boolean {
  try {
    machine.kill(processId, 0);
    return true;
  } catch (error) {
    // EPERM: it is there, and somebody else's.
    return errorCode(error) === 'EPERM';
  }
}

/** Signals a process or group; one that is gone already is no mistake. */
export function signal(machine: Machine, processId: number, name: NodeJS.Signals): void {
  try {
    machine.kill(processId, name);
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error;
  }
}
