import { describe, expect, test } from '@jest/globals';
import { configPaths } from '../../src/config/paths.ts';

describe('configPaths', () => {
  test.each([
    {
      name: 'the XDG defaults under HOME',
      env: { HOME: '/home/ada' },
      userFile: '/home/ada/.config/cllm/config.json',
      historyFile: '/home/ada/.local/share/cllm/history.db',
    },
    {
      name: 'the XDG directories when they are set',
      env: { HOME: '/home/ada', XDG_CONFIG_HOME: '/etc/ada', XDG_DATA_HOME: '/var/ada' },
      userFile: '/etc/ada/cllm/config.json',
      historyFile: '/var/ada/cllm/history.db',
    },
    {
      name: 'no relative XDG directory, as its specification asks',
      env: { HOME: '/home/ada', XDG_CONFIG_HOME: 'etc', XDG_DATA_HOME: '' },
      userFile: '/home/ada/.config/cllm/config.json',
      historyFile: '/home/ada/.local/share/cllm/history.db',
    },
    {
      name: 'CLLM_HOME for everything',
      env: { HOME: '/home/ada', XDG_CONFIG_HOME: '/etc/ada', CLLM_HOME: '/srv/cllm' },
      userFile: '/srv/cllm/config.json',
      historyFile: '/srv/cllm/history.db',
    },
    {
      name: 'a relative CLLM_HOME from the working directory',
      env: { HOME: '/home/ada', CLLM_HOME: 'here' },
      userFile: '/project/here/config.json',
      historyFile: '/project/here/history.db',
    },
  ])('gives $name', ({ env, userFile, historyFile }) => {
    expect(configPaths(env, '/project')).toMatchObject({ userFile, historyFile });
  });

  test.each([
    ['the home of the account without HOME', {}, () => '/home/ada', '/home/ada/.config/cllm'],
    ['the same for an empty or a relative HOME', { HOME: '' }, () => '/home/ada', '/home/ada/.config/cllm'],
    [
      'the root for an account that is not known here',
      { HOME: 'ada' },
      () => {
        throw new Error('uv_os_get_passwd returned ENOENT');
      },
      '/.config/cllm',
    ],
  ])('takes %s', (_name, env, accountHome, configDirectory) => {
    expect(configPaths(env, '/project', accountHome)).toMatchObject({ configDirectory });
  });

  test('asks for no account where CLLM_HOME says it all', () => {
    const unknown = (): string => {
      throw new Error('nobody may ask');
    };
    expect(configPaths({ CLLM_HOME: '/srv' }, '/project', unknown).userFile).toBe('/srv/config.json');
  });

  test('keeps the keys beside the settings and the journal beside the history', () => {
    expect(configPaths({ HOME: '/home/ada' }, '/project')).toMatchObject({
      credentialsFile: '/home/ada/.config/cllm/credentials.json',
      journalDirectory: '/home/ada/.local/share/cllm/journal',
    });
  });
});
