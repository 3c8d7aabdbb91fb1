import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import ts from 'typescript';

/**
 * docs/architecture.md draws the arrows; this holds them: every import of every file has to be allowed, so a new folder or
 * package can not slip through.
 */

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Layers from the bottom up: a file imports from layers below its own, and from its own part of its layer. */
const layers: readonly (readonly string[])[] = [
  ['src/outcome/'],
  ['src/protocol/', 'src/files/'],
  ['src/client/', 'src/journal/', 'src/history/', 'src/schema/', 'src/spending/', 'src/terminal/'],
  ['src/conversation/', 'src/config/', 'src/demo/', 'src/local-proxy/', 'src/pages/', 'src/preview/'],
  ['src/admin/', 'src/batch/', 'src/sign-in/', 'src/templates/', 'src/tools/'],
  ['src/queue/'],
  ['src/cli/thrown.ts', 'src/cli/version.ts'],
  ['src/cli/flags/', 'src/cli/process/', 'src/cli/loader/'],
  ['src/cli/io.ts'],
  ['src/cli/views/'],
  ['src/cli/input/'],
  ['src/cli/asking/'],
  ['src/cli/context.ts'],
  ['src/cli/command.ts'],
  // A command is a folder, or a file while it fits in one.
  commandsOf(readdirSync(join(root, 'src/cli/commands'))),
  [
    'src/cli/command-table.ts',
    'src/cli/main-help.ts',
    'src/cli/main.ts',
    'src/cli/start.ts',
    'src/cli/bin.ts',
    'src/cli/executable.ts',
  ],
];

/** The parts that the library is made of: nothing that reads files, the environment or a terminal. */
const libraryParts = ['src/outcome/', 'src/protocol/', 'src/client/'];

/** Each third-party package and the one file that imports it. */
const doors: Readonly<Record<string, string>> = {
  '@photostructure/sqlite': 'src/history/database.ts',
  '@codemirror/legacy-modes': 'src/terminal/highlight.ts',
  '@codemirror/streamparser': 'src/terminal/highlight.ts',
  ajv: 'src/cli/asking/reply-schema.ts',
  bullmq: 'src/queue/packages.ts',
  'ci-info': 'src/cli/asking/ci-service.ts',
  conf: 'src/config/user-file.ts',
  'csv-parse': 'src/batch/table.ts',
  'eventsource-parser': 'src/protocol/sse.ts',
  ignore: 'src/cli/input/folder.ts',
  'get-east-asian-width': 'src/terminal/width.ts',
  ioredis: 'src/queue/packages.ts',
  'p-queue': 'src/batch/run-batch.ts',
  'minijinja-js': 'src/templates/engine.ts',
  marked: 'src/terminal/markdown-tokens.ts',
  oauth4webapi: 'src/sign-in/oauth.ts',
  undici: 'src/client/http/transport.ts',
  yaml: 'src/config/yaml-text.ts',
  yargs: 'src/cli/main.ts',
};

/** Packages whose types other files may name. */
const typesElsewhere: Readonly<Record<string, string>> = {
  bullmq: 'src/queue/',
  ioredis: 'src/queue/',
  yargs: 'src/cli/',
};

/** The public API. A name that goes from here is a breaking change; one that comes is a promise. */
const publicValues = [
  'CllmError',
  'CompletionBuilder',
  'CompletionStream',
  'DeadlineError',
  'InterruptedError',
  'LiteLLMClient',
  'ProxyError',
  'SseDecoder',
  'UsageError',
  'errorCodes',
  'exitCodeOf',
  'exits',
  'verdicts',
];

const publicTypes = [
  'CallOptions',
  'ChatCompletion',
  'ChatCompletionChunk',
  'ChatMessage',
  'ChatRequest',
  'ChunkChoice',
  'ClientOptions',
  'CllmErrorOptions',
  'CompletionChoice',
  'CompletionMessage',
  'CustomToolCall',
  'Deadline',
  'Delta',
  'ErrorCode',
  'ExitCode',
  'ExitName',
  'FunctionToolCall',
  'Json',
  'KeyInfo',
  'Logprobs',
  'ModelEntry',
  'ModelInfo',
  'Receipt',
  'ReplyTap',
  'RequestInput',
  'RequestPreview',
  'ResponseHead',
  'RetryNotice',
  'SseDecoderOptions',
  'SseEvent',
  'StreamEnd',
  'StreamResult',
  'TokenCount',
  'ToolCall',
  'ToolCallDelta',
  'Usage',
  'Verdict',
];

interface Import {
  from: string;
  /** A path under the root for our own files, else the specifier. */
  to: string;
  isTypeOnly: boolean;
  /** `import()`: loaded when it is wanted. */
  isLazy: boolean;
}

const files = sourceFiles();
const imports = files.flatMap((file) => importsOf(file));
const ownImports = imports.filter(({ to }) => to.startsWith('src/'));
const packageImports = imports.filter(({ to }) => !to.startsWith('src/') && !to.startsWith('node:'));

describe('the arrows between the parts', () => {
  test('every file belongs to a layer', () => {
    expect(files.filter((file) => file !== 'src/index.ts' && placeOf(file) === null)).toEqual([]);
  });

  test('imports go one way', () => {
    expect(ownImports.filter((edge) => !isAllowed(edge)).map(describeEdge)).toEqual([]);
  });

  test('commands are leaves, which only what starts them imports', () => {
    const intoCommands = ownImports.filter(
      ({ from, to }) => to.startsWith('src/cli/commands/') && !from.startsWith('src/cli/commands/'),
    );
    expect(
      intoCommands
        .filter(({ from }) => !['src/cli/command-table.ts', 'src/cli/main.ts'].includes(from))
        .map(describeEdge),
    ).toEqual([]);
  });

  test('what a command does is loaded once it is called for', () => {
    const early = ownImports.filter(
      ({ from, to, isTypeOnly, isLazy }) =>
        from.endsWith('/command.ts') && to.endsWith('/run.ts') && !isTypeOnly && !isLazy,
    );
    expect(early.map(describeEdge)).toEqual([]);
  });

  test('the wire types import nothing', () => {
    expect(imports.filter(({ from }) => from === 'src/protocol/types.ts')).toEqual([]);
  });

  test('the pure parts import nothing of Node but its byte arrays', () => {
    const isPure = (file: string): boolean => file.startsWith('src/protocol/') || file.startsWith('src/outcome/');
    const impure = imports.filter(({ from, to }) => isPure(from) && to.startsWith('node:') && to !== 'node:buffer');
    expect(impure.map(describeEdge)).toEqual([]);
  });

  test('there is no cycle', () => {
    expect(cycles(ownImports.filter(({ isTypeOnly }) => !isTypeOnly))).toEqual([]);
  });
});

describe('the doors of packages', () => {
  test('every third-party package is imported by its one file', () => {
    expect(packageImports.filter((edge) => !isAtItsDoor(edge)).map(describeEdge)).toEqual([]);
  });

  test('every door is in use', () => {
    const used = packageImports.map(({ from, to }) => `${from} -> ${packageOf(to)}`);
    expect(Object.entries(doors).filter(([name, file]) => !used.includes(`${file} -> ${name}`))).toEqual([]);
  });

  test('only the entries and cli/io.ts look at the process or write to the console', () => {
    const offenders = files.filter(
      (file) =>
        !['src/cli/bin.ts', 'src/cli/executable.ts', 'src/cli/io.ts'].includes(file) && namesProcess(parse(file)),
    );
    expect(offenders).toEqual([]);
  });
});

describe('the public API', () => {
  const index = parse('src/index.ts');
  const exported = index.statements.filter((statement) => ts.isExportDeclaration(statement)).flatMap(namesOf);

  test('index.ts is a list of named exports and nothing else', () => {
    const others = index.statements.filter(
      (statement) =>
        !ts.isExportDeclaration(statement) ||
        statement.exportClause === undefined ||
        !ts.isNamedExports(statement.exportClause),
    );
    expect(others.map((statement) => statement.getText(index))).toEqual([]);
  });

  test('it is made of the protocol, the client and the errors alone', () => {
    const used = ownImports.filter(({ from }) => from === 'src/index.ts');
    expect(used.filter(({ to }) => !libraryParts.some((part) => to.startsWith(part))).map(describeEdge)).toEqual([]);
  });

  test('its values are these', () => {
    expect(
      exported
        .filter(({ isType }) => !isType)
        .map(({ name }) => name)
        .toSorted(),
    ).toEqual(publicValues);
  });

  test('its types are these', () => {
    expect(
      exported
        .filter(({ isType }) => isType)
        .map(({ name }) => name)
        .toSorted(),
    ).toEqual(publicTypes);
  });
});

function sourceFiles(): string[] {
  return readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => join('src', file))
    .toSorted();
}

function commandsOf(entries: readonly string[]): string[] {
  return entries.map((name) => `src/cli/commands/${name}${name.endsWith('.ts') ? '' : '/'}`);
}

function parse(file: string): ts.SourceFile {
  return ts.createSourceFile(file, readFileSync(join(root, file), 'utf8'), ts.ScriptTarget.ES2023, true);
}

function importsOf(file: string): Import[] {
  const found: Import[] = [];
  const add = (specifier: string, isTypeOnly: boolean, isLazy = false): void => {
    const to = specifier.startsWith('.') ? normalize(join(dirname(file), specifier)) : specifier;
    found.push({ from: file, to, isTypeOnly, isLazy });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
      add(node.moduleSpecifier.text, node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword);
    } else if (ts.isExportDeclaration(node) && node.moduleSpecifier && ts.isStringLiteral(node.moduleSpecifier)) {
      add(node.moduleSpecifier.text, node.isTypeOnly);
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [specifier] = node.arguments;
      add(specifier && ts.isStringLiteral(specifier) ? specifier.text : 'a computed import', false, true);
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      if (ts.isStringLiteral(node.argument.literal)) add(node.argument.literal.text, true);
    }
    ts.forEachChild(node, visit);
  };
  visit(parse(file));
  return found;
}

/** The layer of a file and the part of it that the file belongs to: the longest prefix that fits. */
function placeOf(file: string): { layer: number; part: string } | null {
  let place: { layer: number; part: string } | null = null;
  for (const [layer, parts] of layers.entries()) {
    for (const part of parts) {
      if (file.startsWith(part) && part.length > (place?.part.length ?? 0)) place = { layer, part };
    }
  }
  return place;
}

function isAllowed({ from, to, isTypeOnly }: Import): boolean {
  // index.ts has a test of its own, and types of the wire may be named everywhere.
  if (from === 'src/index.ts' || (isTypeOnly && to === 'src/protocol/types.ts')) return true;
  const [own, other] = [placeOf(from), placeOf(to)];
  if (own === null || other === null) return false;
  if (own.layer !== other.layer) return own.layer > other.layer;
  // Parts beside each other know each other's types at most; the last layer wires everything.
  return own.part === other.part || isTypeOnly || own.layer === layers.length - 1;
}

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

function isAtItsDoor({ from, to, isTypeOnly }: Import): boolean {
  const name = packageOf(to);
  const elsewhere = typesElsewhere[name];
  return (
    doors[name] === from ||
    from.endsWith('.d.ts') ||
    (isTypeOnly && elsewhere !== undefined && from.startsWith(elsewhere))
  );
}

/** Each cycle once, from its alphabetically first file on. */
function cycles(edges: readonly Import[]): string[] {
  const targets = new Map<string, string[]>();
  for (const { from, to } of edges) targets.set(from, [...(targets.get(from) ?? []), to]);
  const found = new Set<string>();
  const finished = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) {
      const cycle = path.slice(path.indexOf(file));
      const first = cycle.indexOf(cycle.toSorted()[0] ?? file);
      found.add([...cycle.slice(first), ...cycle.slice(0, first)].join(' -> '));
    } else if (!finished.has(file)) {
      for (const to of targets.get(file) ?? []) visit(to, [...path, file]);
      finished.add(file);
    }
  };
  for (const file of targets.keys()) visit(file, []);
  return [...found];
}

/** Whether the global `process` or `console` is named; a property or a parameter of that name is another thing. */
function namesProcess(source: ts.SourceFile): boolean {
  const visit = (node: ts.Node): boolean =>
    (ts.isPropertyAccessExpression(node) &&
      ts.isIdentifier(node.expression) &&
      ['process', 'console'].includes(node.expression.text)) ||
    (ts.forEachChild(node, visit) ?? false);
  return visit(source);
}

function namesOf(statement: ts.ExportDeclaration): { name: string; isType: boolean }[] {
  const clause = statement.exportClause;
  if (clause === undefined || !ts.isNamedExports(clause)) return [];
  return clause.elements.map((element) => ({
    name: element.name.text,
    isType: statement.isTypeOnly || element.isTypeOnly,
  }));
}

function describeEdge({ from, to, isTypeOnly }: Import): string {
  return `${from} ${isTypeOnly ? '-(type)->' : '->'} ${relative('', to)}`;
}
