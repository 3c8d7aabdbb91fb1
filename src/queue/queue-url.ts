import { isLoopback } from '../client/http/http-proxy.ts';
import { UsageError } from '../outcome/errors.ts';

/** Where the queue is. */
export interface QueueAddress {
  host: string;
  port: number;
  username: string | null;
  password: string | null;
  /** Redis numbers its databases. */
  database: number;
  isTls: boolean;
  /** For people: without user and password. */
  shown: string;
}

const hint = 'for example rediss://queue.example.com:6379, in CLLM_QUEUE_URL when it holds a password';

/**
 * Reads the URL of a queue. No message repeats it: it may hold a password.
 *
 * @param isInsecureAllowed whether prompts, replies and the password may cross a network in clear
 * @throws UsageError
 */
export function readQueueUrl(text: string, isInsecureAllowed: boolean): QueueAddress {
  let url: URL;
  try {
    url = new URL(text.trim());
  } catch {
    throw new UsageError('the URL of the queue is none', { hint });
  }
  const { protocol, hostname, pathname, search, hash } = url;
  if (protocol !== 'redis:' && protocol !== 'rediss:') {
    throw new UsageError(`a queue is at redis:// or rediss://, and not at ${protocol}//`, { hint });
  }
  if (hostname === '') throw new UsageError('the URL of the queue names no host', { hint });
  if (search !== '' || hash !== '' || !/^(?:\/\d{0,5})?$/.test(pathname)) {
    throw new UsageError('behind the host, the URL of a queue holds the number of a database or nothing', {
      hint: 'for example rediss://queue.example.com:6379/2',
    });
  }
  const isTls = protocol === 'rediss:';
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  const port = url.port === '' ? 6379 : Number(url.port);
  const database = Number(pathname.slice(1));
  const shown = `${protocol}//${hostname}:${port}${database === 0 ? '' : `/${database}`}`;
  if (!isTls && !isInsecureAllowed && !isLoopback(hostname)) {
    throw new UsageError(
      `${shown} is not encrypted: prompts, replies and the password would cross the network in clear`,
      {
        hint: 'use rediss://; on a network that is yours alone, --insecure-queue',
      },
    );
  }
  return {
    host,
    port,
    username: decoded(url.username),
    password: decoded(url.password),
    database,
    isTls,
    shown,
  };
}

function decoded(part: string): string | null {
  if (part === '') return null;
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** @throws UsageError for what could not stand in the keys of Redis, or in a rule of its ACL */
export function assertQueueName(name: string): string {
  if (/^[\w.-]{1,60}$/.test(name)) return name;
  throw new UsageError('the name of a queue has letters, digits, ".", "_" and "-", 60 at most', {
    hint: 'for example --queue-name nightly',
  });
}
