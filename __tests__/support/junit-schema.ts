import { SaxesParser, type SaxesTagPlain } from 'saxes';

/**
 * The rules of junit-10.xsd, the schema that Jenkins' xUnit plugin validates reports against, for the elements of it that
 * can occur: which children, which attributes, which of them it demands. Written down by hand from the schema.
 */
interface Rule {
  children: readonly string[];
  attributes: readonly string[];
  required: readonly string[];
  /** Whether text other than white space may stand in it. */
  isText?: true;
}

const outputs = ['system-out', 'system-err'];
function words(text: string): string[] {
  return text.split(' ');
}

const message: Rule = { children: [], attributes: ['type', 'message'], required: [], isText: true };

const rules: Readonly<Record<string, Rule>> = {
  testsuites: {
    children: ['testsuite'],
    attributes: ['name', 'time', 'tests', 'failures', 'disabled', 'errors'],
    required: [],
  },
  testsuite: {
    children: ['testsuite', 'properties', 'testcase', ...outputs],
    attributes: words(
      'name tests failures errors time disabled skipped skips timestamp hostname id package assertions file skip log url',
    ),
    required: ['tests'],
  },
  testcase: {
    children: ['skipped', 'error', 'failure', 'rerunFailure', 'rerunError', ...outputs],
    // Some versions of the schema know file, line and others as well, not all.
    attributes: words('name assertions time classname status'),
    required: ['name'],
  },
  properties: { children: ['property'], attributes: [], required: [] },
  property: { children: [], attributes: ['name', 'value'], required: ['name', 'value'] },
  failure: message,
  error: message,
  skipped: message,
};

export interface XmlElement {
  name: string;
  attributes: Record<string, string>;
  children: XmlElement[];
  text: string;
}

/** Parses a report; throws where it is not well-formed, and gives what the schema would refuse. */
export function readJunit(xml: string): { root: XmlElement; problems: string[] } {
  const problems: string[] = [];
  const top: XmlElement = { name: '', attributes: {}, children: [], text: '' };
  const path = [top];
  const parser = new SaxesParser();
  parser.on('error', (error) => {
    throw error;
  });
  parser.on('opentag', ({ name, attributes }: SaxesTagPlain) => {
    const parent = path.at(-1) as XmlElement;
    const rule = rules[name];
    const element = { name, attributes, children: [], text: '' };
    if (rule === undefined) problems.push(`<${name}> is unknown`);
    if (
      parent === top
        ? !['testsuites', 'testsuite'].includes(name)
        : rules[parent.name]?.children.includes(name) !== true
    ) {
      problems.push(`<${name}> may not stand in <${parent.name}>`);
    }
    for (const attribute of Object.keys(attributes)) {
      if (rule?.attributes.includes(attribute) !== true) problems.push(`<${name}> has no ${attribute}`);
    }
    for (const attribute of rule?.required ?? []) {
      if (!(attribute in attributes)) problems.push(`<${name}> lacks ${attribute}`);
    }
    parent.children.push(element);
    path.push(element);
  });
  parser.on('closetag', () => void path.pop());
  parser.on('text', (text) => {
    const element = path.at(-1) as XmlElement;
    element.text += text;
    if (text.trim() !== '' && rules[element.name]?.isText !== true) problems.push(`<${element.name}> holds text`);
  });
  parser.write(xml).close();
  const [root] = top.children;
  if (root === undefined) throw new Error('the report holds no element');
  return { root, problems };
}
