import { UsageError } from '../../outcome/errors.ts';
import { type Flag, mapped, text } from './flag.ts';

const millisecondsOf = { h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000, m: 30 * 86_400_000, y: 365 * 86_400_000 };

/**
 * A time that somebody typed: how long ago (`7d`), a day as the local calendar has it, or an ISO 8601 time. A day that
 * is an end is in it as a whole.
 *
 * @throws UsageError
 */
export function pointInTime(given: string, flag: string, options: { now: Date; isEnd: boolean }): Date {
  const [, count, unit] = /^(\d{1,6})\s*([hdwmy])$/.exec(given) ?? [];
  const day = /^(\d{4})-(\d\d)-(\d\d)$/.exec(given)?.slice(1).map(Number);
  let time = new Date(Number.NaN);
  if (count !== undefined) {
    time = new Date(options.now.getTime() - Number(count) * millisecondsOf[unit as keyof typeof millisecondsOf]);
  } else if (day !== undefined) {
    const [year = 0, month = 0, date = 0] = day;
    // What the calendar has not, a 31st of April, is no other day.
    if (new Date(year, month - 1, date).getDate() === date && month >= 1 && month <= 12)
      time = new Date(year, month - 1, date + (options.isEnd ? 1 : 0));
  } else if (/^\d{4}-\d\d-\d\dT\d\d:\d\d/.test(given)) {
    time = new Date(given);
  }
  if (!Number.isNaN(time.getTime())) return time;
  throw new UsageError(`--${flag} ${given} is no time`, {
    hint: 'for example 2026-01-31, 2026-01-31T12:00, or how long ago: 12h, 7d, 4w, 6m (months), 1y',
  });
}

/** A flag that says a time, as `pointInTime` reads it. */
export function moment(describe: string, { isEnd }: { isEnd: boolean }): Flag<Date | undefined> {
  return mapped(text(describe), (value, name) => pointInTime(value, name, { now: new Date(), isEnd }));
}
