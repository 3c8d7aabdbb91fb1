import { expect, test } from '@jest/globals';
import { projectTemplate } from '../../src/config/project-template.ts';
import { parseYaml } from '../../src/config/yaml-text.ts';
import { settingNames, validateSettings } from '../../src/config/validation.ts';

/** With every setting in force: a line `# name:`, and what is indented below it. */
const uncommented = projectTemplate.replaceAll(/^# (?=[a-z_]+:( |$)| {2})/gm, '');

test('as it is written it sets nothing', () => {
  expect(parseYaml(projectTemplate, 'cllm.yaml')).toBeNull();
});

test('it shows every setting there is, and each example is valid', () => {
  const values = validateSettings(parseYaml(uncommented, 'cllm.yaml'), 'cllm.yaml');
  expect(Object.keys(values).toSorted()).toEqual(
    // A program that tells a key is nothing that comes with a repository.
    settingNames.filter((name) => name !== 'key_command').toSorted(),
  );
});
