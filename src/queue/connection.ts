import { isIP, type Socket } from 'node:net';
import type { Redis, RedisOptions } from 'ioredis';
import { CllmError } from '../outcome/errors.ts';
import { goneAfterMs, noticeEveryMs } from './announcement.ts';
import type { QueuePackages } from './packages.ts';
import type { QueueAddress } from './queue-url.ts';

/** Milliseconds for name, connection and TLS, each time. */
const connectTimeoutMs = 5_000;
/** Longer than anything that waits in Redis for something to come. */
const silenceMs = 12_000;
const longestPauseMs = 2_000;
/** At the start: for a Redis that is not there yet somebody would wait for ever. */
const patienceMs = 15_000;

/** BullMQ looks at the version of Redis as we do, and writes to stderr by itself what it thinks of it. */
const forBullmq = { skipVersionCheck: true };

/**
 * A connection that comes back by itself, whatever happens: what is asked of it meanwhile waits. A machine that was cut off
 * would not learn of it from TCP for a quarter of an hour, so silence ends it as well.
 */
function optionsOf({ host, port, username, password, database, isTls }: QueueAddress): RedisOptions {
  return {
    host,
    port,
    ...(username !== null && { username }),
    ...(password !== null && { password }),
    db: database,
    // RFC 6066, section 3: an address is no server name.
    ...(isTls && { tls: isIP(host) === 0 ? { servername: host } : {} }),
    maxRetriesPerRequest: null,
    connectTimeout: connectTimeoutMs,
    keepAlive: 10_000,
    retryStrategy: (times) => Math.min(longestPauseMs, 100 * 2 ** times) * (0.5 + Math.random() / 2),
    // After a failover the old address may be that of a copy.
    reconnectOnError: (error) => (error.message.startsWith('READONLY') ? 2 : false),
    lazyConnect: true,
    ...forBullmq,
  };
}

/**
 * With an end to what is silent while it is waited for. ioredis has an option for it, whose timer outlives its connection: it
 * holds the process up, and ends the next one.
 */
function watching(Client: QueuePackages['Redis'], made: Set<Redis>): QueuePackages['Redis'] {
  return class WatchedRedis extends Client {
    constructor(options: RedisOptions) {
      super(options);
      made.add(this);
      this.on('connect', () => this.#watch());
    }

    // BullMQ has some of its own, made from this one.
    override duplicate(override?: Partial<RedisOptions>): Redis {
      return new WatchedRedis({ ...this.options, ...override });
    }

    // ioredis waits two seconds for the end of a socket that has ended already, and the process with it.
    override disconnect(reconnect = false): void {
      const { stream } = this as unknown as { stream?: Socket };
      if (this.status !== 'end' || stream?.closed !== true) super.disconnect(reconnect);
    }

    #watch(): void {
      const { stream } = this as unknown as { stream: Socket };
      let heardAt = performance.now();
      stream.on('data', () => (heardAt = performance.now()));
      let isWaiting = false;
      const timer = setInterval(() => {
        const isAsked = (this as unknown as { commandQueue: { length: number } }).commandQueue.length > 0;
        if (isAsked && !isWaiting) heardAt = performance.now();
        isWaiting = isAsked;
        if (isAsked && performance.now() - heardAt > silenceMs) stream.destroy(new Error('it does not answer'));
      }, 1_000).unref();
      stream.once('close', () => clearInterval(timer));
    }
  } as unknown as QueuePackages['Redis'];
}

export interface Connection {
  redis: Redis;
  /** Why this Redis is a bad place for a queue; null when it is none. */
  doubt: string | null;
  /** Ends it, and all that BullMQ has made from it: whatever waits for Redis then would hold the process up. */
  disconnect: () => void;
}

/** @throws CllmError `queue_failed` with what the machine or Redis said */
export async function connect(
  { Redis }: Pick<QueuePackages, 'Redis'>,
  address: QueueAddress,
  signal: AbortSignal,
): Promise<Connection> {
  const made = new Set<Redis>();
  const redis = new (watching(Redis, made))(optionsOf(address));
  const disconnect = (): void => {
    for (const each of made) each.disconnect();
  };
  const start = new AbortController();
  const stop = (): void => start.abort(signal.reason);
  signal.addEventListener('abort', stop);
  const patience = setTimeout(() => start.abort(new Error('it does not answer')), patienceMs);
  redis.on('error', (error: Error) => start.abort(error));
  let about: string;
  try {
    if (signal.aborted) stop();
    const failed = new Promise<never>((_resolve, reject) => {
      start.signal.addEventListener('abort', () => reject(start.signal.reason));
    });
    start.signal.throwIfAborted();
    about = await Promise.race([failed, redis.connect().then(() => redis.info())]);
    const version = /^redis_version:(\S+)/m.exec(about)?.[1] ?? '';
    if (isTooOld(version))
      throw new Error(`it is Redis ${version}, and a queue needs ${leastVersion.join('.')} or newer`);
  } catch (cause) {
    disconnect();
    if (cause instanceof CllmError) throw cause;
    // What the machine said, and not that the connection is closed then.
    throw queueFailure(address, start.signal.aborted ? start.signal.reason : cause);
  } finally {
    clearTimeout(patience);
    signal.removeEventListener('abort', stop);
  }
  return { redis, doubt: doubtAbout(about, address), disconnect };
}

/** As docs/queue.md says. */
const leastVersion = [6, 2] as const;

/** Valkey and others tell which Redis they are like. */
function isTooOld(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major < leastVersion[0] || (major === leastVersion[0] && minor < leastVersion[1]);
}

/** A cache may forget what it likes, as the Redis beside a proxy may be set up to. */
function doubtAbout(about: string, { shown }: QueueAddress): string | null {
  const policy = /^maxmemory_policy:([\w-]{1,40})/m.exec(about)?.[1] ?? 'noeviction';
  const isBounded = !/^maxmemory:0\b/m.test(about);
  if (policy === 'noeviction' || !isBounded) return null;
  return `the Redis at ${shown} forgets what it likes once it is full (${policy}): what it forgets is asked for and paid for again; set its maxmemory-policy to noeviction`;
}

/** What keeps a queue from working, in words without its password. */
export function queueFailure({ shown, password }: QueueAddress, cause: unknown): CllmError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const reason = code ?? (message.startsWith('Protocol error') ? 'what answers is no Redis' : message.split('\n')[0]);
  const safe = password === null ? reason : reason?.replaceAll(password, '****');
  const isAboutRights = /^(?:NOAUTH|WRONGPASS|NOPERM|ERR AUTH|ERR invalid password)/i.test(message);
  return new CllmError('queue_failed', `the queue at ${shown} can not be used (${safe})`, {
    hint: isAboutRights
      ? 'check user and password in CLLM_QUEUE_URL, and the ACL of that user: docs/queue.md has one'
      : undefined,
  });
}

/**
 * Notices that go by themselves when whoever put them there is gone, as the clock of Redis alone says: those of the machines
 * may differ.
 */
export class Notices {
  readonly #redis: Redis;
  readonly #prefix: string;

  constructor(redis: Redis, prefix: string) {
    this.#redis = redis;
    this.#prefix = prefix;
  }

  async put(kind: 'worker' | 'run', id: string, text: string): Promise<void> {
    await this.#redis
      .pipeline()
      .set(this.#key(kind, id), text, 'PX', goneAfterMs)
      .sadd(this.#index(kind), id)
      .expire(this.#index(kind), 86_400)
      .exec();
  }

  async take(kind: 'worker' | 'run', id: string): Promise<void> {
    await this.#redis.pipeline().del(this.#key(kind, id)).srem(this.#index(kind), id).exec();
  }

  async all(kind: 'worker' | 'run'): Promise<string[]> {
    const ids = await this.#redis.smembers(this.#index(kind));
    if (ids.length === 0) return [];
    const texts = await this.#redis.mget(ids.map((id) => this.#key(kind, id)));
    const gone = ids.filter((_id, at) => texts[at] === null);
    if (gone.length > 0) await this.#redis.srem(this.#index(kind), gone);
    return texts.filter((text) => text !== null);
  }

  #key(kind: string, id: string): string {
    return `${this.#prefix}notice:${kind}:${id}`;
  }

  #index(kind: string): string {
    return `${this.#prefix}notices:${kind}`;
  }
}

/** Says it now, and again as long as it may be needed; a queue that is out of reach hears it later. */
export function repeatNotice(say: () => Promise<void>): () => void {
  let isSaying = false;
  const again = (): void => {
    if (isSaying) return;
    isSaying = true;
    void say()
      .catch(() => {})
      .finally(() => (isSaying = false));
  };
  again();
  const timer = setInterval(again, noticeEveryMs);
  return () => clearInterval(timer);
}
