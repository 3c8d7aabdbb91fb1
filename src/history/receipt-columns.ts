/** A receipt that is damaged has no members, and takes nothing else with it. */
function member(name: string, types: string): string {
  return `CASE WHEN json_valid(turns.receipt) AND json_type(turns.receipt, '$.${name}') IN (${types})
    THEN json_extract(turns.receipt, '$.${name}') END`;
}

/** A text of the receipts in `turns`, as SQL. */
export function receiptText(name: string): string {
  return member(name, "'text'");
}

/**
 * A figure of them, by the rule of protocol/figures.ts: also as a text, from 0 to `most`, and null for all else. A real
 * number, so that no sum overflows.
 */
export function receiptFigure(name: string, most: number): string {
  const found = member(name, "'integer', 'real', 'text'");
  return `CASE WHEN ${found} GLOB '[0-9.]*' AND CAST(${found} AS REAL) BETWEEN 0 AND ${most} THEN CAST(${found} AS REAL) END`;
}
