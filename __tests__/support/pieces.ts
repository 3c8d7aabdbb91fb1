import fc from 'fast-check';

/** Where to cut; taken modulo the length, so that it fits any bytes. */
export const cuts = fc.array(fc.nat(), { maxLength: 12 });

export function pieces(bytes: Uint8Array, at: number[]): Uint8Array[] {
  const points = [
    0,
    ...at.map((cut) => cut % (bytes.length + 1)).toSorted((left, right) => left - right),
    bytes.length,
  ];
  return points.slice(1).map((point, index) => bytes.subarray(points[index], point));
}
