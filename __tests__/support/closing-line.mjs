/** A jest reporter whose last line is the count that a CI job looks for. */
export default class ClosingLine {
  onRunComplete(_contexts, { numPassedTests, numFailedTests, numRuntimeErrorTestSuites, numPendingTests }) {
    // A suite that could not even be loaded is a failure too, and jest counts none of its tests.
    const failed = numFailedTests + numRuntimeErrorTestSuites;
    const skipped = numPendingTests > 0 ? `, ${numPendingTests} skipped` : '';
    process.stderr.write(`\n${numPassedTests} passed, ${failed} failed${skipped}\n`);
  }
}
