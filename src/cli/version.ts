declare const __VERSION__: string | undefined;

/** The package's version, put in by the build; run from source it has none. */
export const version = typeof __VERSION__ === 'string' ? __VERSION__ : '0.0.0';
