/**
 * Stryker's runner for Jest, but a mutant meets the test files that reach it one after the other, the quickest first, and no more once it is
 * noticed. The plugin loads every test file of the room for each mutant, which is nearly all of its time, and Jest's bail is not open to it.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { commonTokens, declareFactoryPlugin, PluginKind, tokens } from '@stryker-mutator/api/plugin';
import { DryRunStatus, MutantRunStatus } from '@stryker-mutator/api/test-runner';
import { strykerPlugins as jestPlugins } from '@stryker-mutator/jest-runner';

const [{ factory: makeJestRunner }] = jestPlugins;

class FileByFile {
  static inject = tokens(commonTokens.options, 'jestRunner');
  #runner;
  #place;
  /** The files of each test, by its name, and the milliseconds of each file; each process of Stryker reads them once. */
  #known;

  constructor(options, runner) {
    this.#runner = runner;
    this.#place = options.testFilesPlace;
    const { jestTestAdapter } = runner;
    const run = jestTestAdapter.run.bind(jestTestAdapter);
    jestTestAdapter.run = (settings) => run({ ...settings, testFiles: settings.testFiles ?? this.testFiles });
  }

  testFiles;

  capabilities() {
    return this.#runner.capabilities();
  }

  init() {
    return this.#runner.init();
  }

  async dryRun(options) {
    const result = await this.#runner.dryRun(options);
    if (result.status === DryRunStatus.Complete) {
      const files = {};
      const times = {};
      for (const { id, fileName, timeSpentMs } of result.tests) {
        (files[id] ??= []).push(fileName);
        times[fileName] = (times[fileName] ?? 0) + timeSpentMs;
      }
      writeFileSync(this.#place, JSON.stringify({ files, times }));
    }
    return result;
  }

  async mutantRun(options) {
    if (options.testFilter === undefined) return this.#runner.mutantRun(options);
    this.#known ??= JSON.parse(readFileSync(this.#place, 'utf8'));
    const { files, times } = this.#known;
    const byFile = new Map();
    for (const id of options.testFilter)
      for (const file of files[id] ?? []) byFile.set(file, [...(byFile.get(file) ?? []), id]);
    const inTurn = [...byFile].toSorted(([one], [other]) => times[one] - times[other]);
    let nrOfTests = 0;
    for (const [file, testFilter] of inTurn) {
      this.testFiles = [file];
      try {
        const result = await this.#runner.mutantRun({ ...options, testFilter });
        if (result.status !== MutantRunStatus.Survived) return result;
        nrOfTests += result.nrOfTests;
      } finally {
        this.testFiles = undefined;
      }
    }
    return { status: MutantRunStatus.Survived, nrOfTests };
  }
}

makeFileByFile.inject = tokens(commonTokens.injector);
function makeFileByFile(injector) {
  return injector.provideFactory('jestRunner', makeJestRunner).injectClass(FileByFile);
}

export const strykerPlugins = [declareFactoryPlugin(PluginKind.TestRunner, 'file-by-file', makeFileByFile)];
