import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { runCommand } from './command.ts';
import type { Machine } from './machine.ts';

/**
 * Whether a process of the group listens on a TCP port of this machine. It is asked before a key goes to the port: any
 * other program may have taken it, and a LiteLLM without a master key takes every key. What can not be told is no.
 */
export async function listensOn(machine: Machine, processGroup: number, port: number): Promise<boolean> {
  return machine.platform === 'linux' ? linuxListens(processGroup, port) : psListens(machine, processGroup, port);
}

function linuxListens(processGroup: number, port: number): boolean {
  const sockets = new Set(['/proc/net/tcp', '/proc/net/tcp6'].flatMap((table) => listeningSockets(table, port)));
  if (sockets.size === 0) return false;
  return names('/proc')
    .filter((name) => /^\d+$/.test(name) && groupOf(name) === processGroup)
    .some((name) =>
      names(`/proc/${name}/fd`).some((descriptor) => sockets.has(target(`/proc/${name}/fd/${descriptor}`))),
    );
}

/** Source: proc_net_tcp(5): the second field is the local address in hexadecimal, the fourth 0A for listening, the tenth the inode. */
function listeningSockets(table: string, port: number): string[] {
  const hexadecimal = port.toString(16).toUpperCase().padStart(4, '0');
  return read(table)
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local = '', , state]) => local.endsWith(`:${hexadecimal}`) && state === '0A')
    .map((fields) => `socket:[${fields[9] ?? ''}]`);
}

/** Field 5 of proc_pid_stat(5), the third after the name in parentheses. */
function groupOf(processId: string): number {
  const stat = read(`/proc/${processId}/stat`);
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]);
}

/** macOS has no /proc; its lsof tells of a user's own processes. */
async function psListens(machine: Machine, processGroup: number, port: number): Promise<boolean> {
  const { output } = await runCommand(machine, 'lsof', ['-nP', `-iTCP:${port}`, '-sTCP:LISTEN', '-Fg'], {
    timeoutMs: 10_000,
  });
  return output.split('\n').includes(`g${processGroup}`);
}

function names(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    // It has ended meanwhile, or is another user's.
    return [];
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function target(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return '';
  }
}
