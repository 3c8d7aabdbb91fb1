import type { Deadline } from '../../outcome/errors.ts';

/** Seconds, fractions too; 0 = none. The connect deadline is the transport's. */
export interface DeadlineLimits {
  firstToken: number;
  idle: number;
  total: number;
}

/** A timer that fires later than this was not late: the process was stopped (Ctrl-Z, a sleeping laptop). */
const longestLateness = 1_000;
/** Milliseconds: Node's timers hold 31 bits, and one of more fires at once. */
export const longestTimer = 2 ** 31 - 1;

/**
 * Watches how long a reply takes: to the first content, between two contents, and in all. Only time in which the
 * consumer holds the stream (a terminal that is paused in `less`, a slow program) counts for none of them, and time in
 * which the process was stopped. Our own work counts: a proxy whose chunks come faster than they are parsed would
 * otherwise never be late.
 *
 * One Node timer serves all three. It is not touched for each read: it fires early, finds that content came meanwhile,
 * and is set for the rest.
 */
export class Deadlines {
  readonly #limits: DeadlineLimits;
  readonly #clock: () => number;
  readonly #expire: (deadline: Deadline, seconds: number) => void;
  readonly #leave: () => void;
  #timer: NodeJS.Timeout | undefined;
  /** When the timer fires, in waited time. */
  #armedFor = Number.POSITIVE_INFINITY;
  #recheck: NodeJS.Immediate | undefined;
  /** Milliseconds waited up to `#since`. */
  #waited = 0;
  #since: number | null = null;
  /** The deadline that content moves: first-token, then idle. */
  #contentDeadline: 'first-token' | 'idle' = 'first-token';
  #contentDue = Number.POSITIVE_INFINITY;
  readonly #totalDue: number;
  /** When a finished reply is left, although its stream is still open. */
  #graceDue = Number.POSITIVE_INFINITY;
  #isStopped = false;

  /**
   * @param clock milliseconds, monotonic
   * @param leave called when a finished reply was waited for long enough
   */
  constructor(
    limits: DeadlineLimits,
    clock: () => number,
    expire: (deadline: Deadline, seconds: number) => void,
    leave: () => void = () => {},
  ) {
    this.#limits = limits;
    this.#clock = clock;
    this.#expire = expire;
    this.#leave = leave;
    this.#totalDue = due(0, limits.total);
  }

  /** A request goes out, the first or again: its first content is awaited from here. */
  beginAttempt(): void {
    this.#contentDeadline = 'first-token';
    this.#contentDue = due(this.#waitedNow(), this.#limits.firstToken);
    this.#arm();
  }

  /** The attempt is over and the next one waits; only the total runs on. */
  endAttempt(): void {
    this.#contentDue = Number.POSITIVE_INFINITY;
    this.#graceDue = Number.POSITIVE_INFINITY;
  }

  /**
   * The reply is finished, and only its stream is still open: what may follow is waited for so many seconds, from the
   * first time that this is said, and no longer than any deadline allows.
   */
  grace(seconds: number): void {
    const end = Math.min(this.#waitedNow() + seconds * 1000, this.#contentDue, this.#totalDue);
    if (end >= this.#graceDue) return;
    this.#graceDue = end;
    if (end < this.#armedFor) this.#arm();
  }

  /** From here on time counts: the network is waited for, or what it brought is worked on. */
  startWaiting(): void {
    if (this.#isStopped) return;
    this.#since ??= this.#clock();
    if (this.#timer === undefined) this.#arm();
  }

  /** From here on it is the consumer's turn. */
  stopWaiting(): void {
    this.#waited = this.#waitedNow();
    this.#since = null;
  }

  /** Content came. */
  content(): void {
    this.#contentDeadline = 'idle';
    this.#graceDue = Number.POSITIVE_INFINITY;
    this.#contentDue = due(this.#waitedNow(), this.#limits.idle);
    if (this.#contentDue < this.#armedFor) this.#arm();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    clearImmediate(this.#recheck);
  }

  #waitedNow(): number {
    return this.#since === null ? this.#waited : this.#waited + this.#clock() - this.#since;
  }

  #arm(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#armedFor = Math.min(this.#contentDue, this.#totalDue, this.#graceDue);
    if (this.#isStopped || this.#since === null || this.#armedFor === Number.POSITIVE_INFINITY) return;
    const delay = Math.min(Math.max(1, Math.ceil(this.#armedFor - this.#waitedNow())), longestTimer);
    const expectedAt = this.#clock() + delay;
    // The connection that is waited for keeps a program alive; one whose consumer has gone does not need its time told.
    this.#timer = setTimeout(() => this.#fire(expectedAt), delay).unref();
  }

  #fire(expectedAt: number): void {
    this.#timer = undefined;
    if (this.#since === null) return;
    const lateness = this.#clock() - expectedAt;
    if (lateness > longestLateness) this.#since += lateness;
    if (this.#expired() === null) {
      this.#arm();
      return;
    }
    // Node runs timers before it looks at sockets: what has arrived meanwhile, during a long computation say, gets its
    // turn first.
    this.#recheck = setImmediate(() => {
      if (this.#isStopped || this.#since === null) return;
      const deadline = this.#expired();
      if (deadline === null) this.#arm();
      else if (deadline === 'grace') {
        this.#graceDue = Number.POSITIVE_INFINITY;
        this.#leave();
      } else {
        this.stop();
        this.#expire(deadline, deadline === 'total' ? this.#limits.total : this.#limits[limitNames[deadline]]);
      }
    });
  }

  #expired(): 'grace' | 'first-token' | 'idle' | 'total' | null {
    const waited = this.#waitedNow();
    if (waited >= this.#graceDue) return 'grace';
    if (waited >= this.#totalDue) return 'total';
    return waited >= this.#contentDue ? this.#contentDeadline : null;
  }
}

const limitNames = { 'first-token': 'firstToken', idle: 'idle' } as const;

function due(waited: number, seconds: number): number {
  return seconds > 0 ? waited + seconds * 1000 : Number.POSITIVE_INFINITY;
}
