// jest's globalTeardown of the litellm project: ends the process that litellm-setup.mjs started.
export default async function teardown() {
  await globalThis.stopLitellmSuite?.();
}
