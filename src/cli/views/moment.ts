/**
 * A time as a proxy says it, and how far that is from now: `2026-12-01 00:00 UTC (in 9 days)`. LiteLLM writes some of its
 * times without a zone; they are UTC as well. What is no time stays as it is.
 */
export function moment(text: string, now: Date): string {
  const time = new Date(/z$|[+-]\d\d:?\d\d$/i.test(text) ? text : `${text}Z`);
  if (Number.isNaN(time.getTime())) return text;
  const minutes = Math.abs(time.getTime() - now.getTime()) / 60_000;
  const distance =
    minutes < 120
      ? `${Math.round(minutes)} min`
      : minutes < 48 * 60
        ? `${Math.round(minutes / 60)} h`
        : `${Math.round(minutes / 60 / 24)} days`;
  const stamp = time.toISOString().slice(0, 16).replace('T', ' ');
  return `${stamp} UTC (${time < now ? `${distance} ago` : `in ${distance}`})`;
}
