/**
 * A sum for people: cents from a dollar on, four decimals below, two significant digits below a cent, and never an
 * exponent: `$12.50`, `$0.0123`, `$0.00000042`.
 */
export function formatUsd(usd: number): string {
  const size = Math.abs(usd);
  if (size === 0) return '$0.00';
  const decimals = size >= 1 ? 2 : size >= 0.01 ? 4 : Math.min(20, 1 - Math.floor(Math.log10(size)));
  const text = size.toFixed(decimals).replace(/(\.\d\d\d*?)0+$/, '$1');
  return `${usd < 0 ? '-' : ''}$${text}`;
}
