/** The `code` of a system error, `ENOENT` say; null for any other error. */
export function errorCode(error: unknown): string | null {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : null;
}

/** Why a file could not be used, for a message: the system's code where there is one, else the error's own words. */
export function failureReason(thrown: unknown): string {
  const { message } = (thrown ?? {}) as { message?: unknown };
  return errorCode(thrown) ?? (typeof message === 'string' ? message : 'unknown reason');
}
