/** What a CI job says about itself. What it does not say is null. */
export interface CiJob {
  /** `github-actions`, `gitlab`, … */
  service: string;
  repository: string | null;
  workflow: string | null;
  job: string | null;
  run: string | null;
  attempt: string | null;
  pullRequest: string | null;
  actor: string | null;
  /** Where people see the run. */
  url: string | null;
}

/** How a job's calls are marked in the proxy's spend records. */
export interface Attribution {
  /** The CI system in its own spelling, for people. */
  name: string;
  tags: string[];
  metadata: Record<string, string>;
  /** What the proxy groups the job's calls by; null when the job does not say which run it is of. */
  session: string | null;
  userAgent: string;
}

/** Jenkins has it in multibranch projects alone. */
const branch = 'BRANCH_NAME';

type Environment = Readonly<Record<string, string | undefined>>;
type JobFacts = Omit<CiJob, 'service'>;
type Facts = Readonly<Record<string, string | null>>;

interface Service {
  name: string;
  service: string;
  facts: (variable: (name: string) => string | null) => JobFacts;
}

/**
 * The systems whose jobs are described, under ci-info's names for them.
 *
 * Source: each system's reference of predefined variables.
 */
const services: Readonly<Record<string, Service>> = {
  GITHUB_ACTIONS: {
    name: 'GitHub Actions',
    service: 'github-actions',
    facts: (variable) => ({
      repository: variable('GITHUB_REPOSITORY'),
      workflow: variable('GITHUB_WORKFLOW'),
      job: variable('GITHUB_JOB'),
      run: variable('GITHUB_RUN_ID'),
      attempt: variable('GITHUB_RUN_ATTEMPT'),
      pullRequest: /^refs\/pull\/(\d+)\//.exec(variable('GITHUB_REF') ?? '')?.[1] ?? null,
      actor: variable('GITHUB_ACTOR'),
      url: joined(
        variable('GITHUB_SERVER_URL'),
        variable('GITHUB_REPOSITORY'),
        'actions/runs',
        variable('GITHUB_RUN_ID'),
      ),
    }),
  },
  GITLAB: {
    name: 'GitLab CI',
    service: 'gitlab',
    facts: (variable) => ({
      repository: variable('CI_PROJECT_PATH'),
      workflow: variable('CI_PIPELINE_NAME'),
      job: variable('CI_JOB_NAME'),
      run: variable('CI_PIPELINE_ID'),
      // A job that is run again is a new job of the same pipeline: its id tells the tries apart.
      attempt: variable('CI_JOB_ID'),
      pullRequest: variable('CI_MERGE_REQUEST_IID'),
      actor: variable('GITLAB_USER_LOGIN'),
      url: variable('CI_JOB_URL'),
    }),
  },
  JENKINS: {
    name: 'Jenkins',
    service: 'jenkins',
    facts: (variable) => ({
      repository: repositoryOf(variable('GIT_URL')),
      // In a multibranch project the branch, or the change, is the last part of it.
      workflow: variable(branch) === null ? variable('JOB_NAME') : parentOf(variable('JOB_NAME')),
      job: variable('STAGE_NAME') ?? (variable(branch) === null ? variable('JOB_BASE_NAME') : null),
      run: variable('BUILD_NUMBER'),
      attempt: null,
      pullRequest: variable('CHANGE_ID') ?? variable('ghprbPullId'),
      actor: variable('BUILD_USER_ID') ?? variable('CHANGE_AUTHOR'),
      url: variable('BUILD_URL'),
    }),
  },
  BUILDKITE: {
    name: 'Buildkite',
    service: 'buildkite',
    facts: (variable) => ({
      repository: repositoryOf(variable('BUILDKITE_REPO')),
      workflow: variable('BUILDKITE_PIPELINE_SLUG'),
      job: variable('BUILDKITE_STEP_KEY') ?? variable('BUILDKITE_LABEL'),
      run: variable('BUILDKITE_BUILD_NUMBER'),
      // Counted from 0 there.
      attempt: oneMore(variable('BUILDKITE_RETRY_COUNT')),
      pullRequest: unless(variable('BUILDKITE_PULL_REQUEST'), 'false'),
      actor: variable('BUILDKITE_BUILD_CREATOR') ?? variable('BUILDKITE_BUILD_AUTHOR'),
      url: variable('BUILDKITE_BUILD_URL'),
    }),
  },
  CIRCLE: {
    name: 'CircleCI',
    service: 'circleci',
    facts: (variable) => ({
      repository: joined(variable('CIRCLE_PROJECT_USERNAME'), variable('CIRCLE_PROJECT_REPONAME')),
      // There is no name of it: the id is new each time that a workflow runs.
      workflow: null,
      job: variable('CIRCLE_JOB'),
      run: variable('CIRCLE_BUILD_NUM'),
      attempt: variable('CIRCLE_WORKFLOW_ID'),
      pullRequest: variable('CIRCLE_PR_NUMBER') ?? /\/(\d+)$/.exec(variable('CIRCLE_PULL_REQUEST') ?? '')?.[1] ?? null,
      actor: variable('CIRCLE_USERNAME'),
      url: variable('CIRCLE_BUILD_URL'),
    }),
  },
  AZURE_PIPELINES: {
    name: 'Azure Pipelines',
    service: 'azure-pipelines',
    facts: (variable) => ({
      repository: variable('BUILD_REPOSITORY_NAME'),
      workflow: variable('BUILD_DEFINITIONNAME'),
      job: variable('SYSTEM_JOBDISPLAYNAME') ?? variable('SYSTEM_JOBNAME'),
      run: variable('BUILD_BUILDID'),
      attempt: variable('SYSTEM_JOBATTEMPT'),
      pullRequest: variable('SYSTEM_PULLREQUEST_PULLREQUESTNUMBER') ?? variable('SYSTEM_PULLREQUEST_PULLREQUESTID'),
      actor: variable('BUILD_REQUESTEDFOR'),
      url: joined(
        variable('SYSTEM_COLLECTIONURI')?.replace(/\/$/, '') ?? null,
        variable('SYSTEM_TEAMPROJECT'),
        variable('BUILD_BUILDID')?.replace(/^/, '_build/results?buildId=') ?? null,
      ),
    }),
  },
};

/**
 * What the environment of a CI job says about it; null outside of the systems that are known.
 *
 * @param service the CI system, as ci-info names it
 */
export function ciJob(service: string | null, env: Environment): CiJob | null {
  if (service === null || !Object.hasOwn(services, service)) return null;
  const known = services[service] as Service;
  const facts = known.facts((name) => env[name]?.trim() || null);
  const { url, ...others } = facts;
  const shortened = Object.entries(others).map(([name, value]) => [name, value && shortTo(longestFact, value)]);
  return { service: known.service, ...(Object.fromEntries(shortened) as typeof others), url: publicUrl(url) };
}

/** A stranger's pull request may name its jobs as it likes, and headers that are too long are refused: every call would fail. */
const longestFact = 200;
const longestUrl = 500;

/** Without the name and the password of who may see it; null for one that is too long to lead anywhere once cut. */
function publicUrl(url: string | null): string | null {
  const open = url?.replace(/^([a-z+]+:\/\/)[^/?#]*@/i, '$1') ?? null;
  return open !== null && open.length > longestUrl ? null : open;
}

/** Never half of a pair. */
function shortTo(most: number, text: string): string {
  return text.slice(0, most).replace(/[\ud800-\udbff]$/, '');
}

/**
 * Tags, spend metadata, a session and a user agent for a job. LiteLLM sums spend by each tag, a row for each day, model and
 * key, and shows the names of all of them to everybody: so only what many runs share is a tag. The metadata, which is kept
 * with each call, holds all that the job says, and the session is what all calls of the one job are found by.
 */
export function attributionOf(service: string | null, env: Environment, version: string): Attribution | null {
  const job = ciJob(service, env);
  if (job === null) return null;
  const shared: Facts = { ci: job.service, repo: job.repository, workflow: job.workflow, job: job.job };
  const metadata: Facts = {
    ci_service: job.service,
    ci_repository: job.repository,
    ci_workflow: job.workflow,
    ci_job: job.job,
    ci_run: job.run,
    ci_attempt: job.attempt,
    ci_pull_request: job.pullRequest,
    ci_actor: job.actor,
    ci_url: job.url,
  };
  return {
    name: services[service ?? '']?.name ?? job.service,
    tags: told(shared).map(([tag, value]) => fittedTag(`${tag}:${value}`)),
    metadata: Object.fromEntries(told(metadata)),
    session: sessionOf(job),
    // LiteLLM makes a tag of the whole of it, so it says only what many calls share.
    userAgent: `cllm/${version} (${[job.service, job.repository]
      .filter((part) => part !== null)
      .join('; ')
      .replace(/[^\x20-\x7e]|[()]/g, '')})`,
  };
}

/** Characters of a tag as a header has it: `%E6%97%A5` is one of Japanese. */
const longestTag = 210;

function fittedTag(tag: string): string {
  let fitted = '';
  let length = 0;
  for (const character of tag) {
    length += headerTag(character).length;
    if (length > longestTag) return fitted;
    fitted += character;
  }
  return tag;
}

/**
 * `github-actions:octo/cat:42:1:build`: the one job of the one run. What a service does not tell is left out; each part is
 * as long as it may be for all to fit in 200 characters, which is what the client takes.
 */
function sessionOf({ service, repository, run, attempt, job }: CiJob): string | null {
  if (run === null) return null;
  const parts: [part: string | null, most: number][] = [
    [service, 20],
    [repository, 60],
    [run, 40],
    [attempt, 40],
    [job, 36],
  ];
  return parts
    .flatMap(([part, most]) => (part === null ? [] : headerTag(part).replaceAll(' ', '_').slice(0, most)))
    .join(':');
}

/**
 * `x-litellm-tags` and `x-litellm-spend-logs-metadata`: what the caller said, then what the job says; a name that both
 * have is the caller's. Headers carry neither commas inside a tag nor anything but ASCII.
 */
export function attributionHeaders(
  caller: { tags: readonly string[]; metadata: Readonly<Record<string, string>> },
  attribution: Attribution | null,
): Record<string, string> {
  const tags = [...new Set([...caller.tags, ...(attribution?.tags ?? [])].map(headerTag))];
  const metadata = { ...attribution?.metadata, ...caller.metadata };
  return {
    ...(tags.length > 0 && { 'x-litellm-tags': tags.join(',') }),
    ...(Object.keys(metadata).length > 0 && { 'x-litellm-spend-logs-metadata': asciiJson(metadata) }),
  };
}

/**
 * A body with `tags` of its own: LiteLLM drops those of the header then, so they are added to it.
 *
 * Source: litellm 1.104.2, which does merge them with `metadata.tags`.
 */
export function withHeaderTags<Body extends Record<string, unknown>>(body: Body, header: string | undefined): Body {
  const { tags } = body;
  if (header === undefined || !Array.isArray(tags)) return body;
  return { ...body, tags: [...new Set([...tags, ...header.split(',')])] };
}

function headerTag(tag: string): string {
  // Half of a pair has no percent-encoding.
  return tag
    .replace(/\p{Surrogate}/gu, '\u{fffd}')
    .replace(/[^\x20-\x7e]+|,/gu, (characters) => (characters === ',' ? ' ' : encodeURIComponent(characters)));
}

function told(facts: Facts): [string, string][] {
  return Object.entries(facts).filter((fact): fact is [string, string] => fact[1] !== null);
}

/** JSON in ASCII alone: everything else as the escapes that JSON has for it. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[^\x20-\x7e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** `owner/name` of a remote, without its host, its user and what may be a token there. */
function repositoryOf(url: string | null): string | null {
  const path = url
    ?.replace(/[?#].*$/s, '')
    .replace(/^[a-z+]+:\/\/[^/]*\/|^(?:[^/]*@)?[^/:@]*:/i, '')
    .replace(/\.git\/?$/, '');
  return path || null;
}

function joined(...parts: (string | null)[]): string | null {
  return parts.includes(null) ? null : parts.join('/');
}

/** `team/app/PR-3` is in `team/app`; what is in nothing has no parent. */
function parentOf(path: string | null): string | null {
  return path?.replace(/\/?[^/]*$/, '') || null;
}

function unless(value: string | null, nothing: string): string | null {
  return value === nothing ? null : value;
}

function oneMore(count: string | null): string | null {
  return count !== null && /^\d+$/.test(count) ? String(Number(count) + 1) : null;
}
