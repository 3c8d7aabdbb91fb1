/** What `cllm init` writes: every setting, each with what it does, and none in force. */
export const projectTemplate = `# Settings of this project for cllm; they hold for this folder and all below it.
# Flags and the environment are stronger, your own settings (cllm config path) are weaker. A key never stands here:
# people enter theirs with \`cllm login\`, CI jobs have LITELLM_PROXY_API_KEY, and LITELLM_PROXY_URL beside it: a key from
# the environment is not sent to a proxy that this file alone names. \`cllm config explain\` shows what is in force.

# The team's LiteLLM proxy. It came with a repository, so it is used once a person said yes: \`cllm login --base-url URL\`,
# or \`cllm config trust\` in this folder, or CLLM_TRUST=URL in CI. Each key is bound to its own URL.
# base_url: https://llm.example.com

# A model that the proxy serves (cllm models), or one of the aliases below.
# model: gpt

# The system prompt of every conversation that starts here.
# system: |
#   Answer in one paragraph.

# How the model answers: temperature, top_p, max_tokens, seed, stop, reasoning_effort, response_format and the like.
# params:
#   temperature: 0.2
#   max_tokens: 2000

# A JSON schema that every reply must match; a path in this folder.
# output_schema: schemas/answer.json

# auto (markdown on a terminal), markdown or plain
# render: auto

# off keeps nothing of what is asked here.
# history: on

# Seconds, 0 = none. A project file may only tighten: what is longer than a person's own setting does not count.
# timeouts:
#   connect: 10
#   first_token: 300
#   idle: 120
#   total: 0

# What a run may cost in USD, how many tokens a request may have, how often it is tried again, and who may answer: a glob
# for the model, no fallback of the proxy, no reply out of its cache. These, too, a project file may only tighten; of
# several caps the lowest counts.
# max_cost: 0.50
# max_input_tokens: 100000
# retries: 1
# require_model: azure/*
# fallback: off
# cache: off

# Whether what a model thinks is shown, on stderr: show or hide.
# reasoning: hide

# LiteLLM tags: who pays for it, in the proxy's spend reports.
# tags: [my-project]

# What a model may call without a question (git log *, mcp:SERVER/TOOL), and what never. What a project file allows counts
# once a person said so (cllm config trust), what it denies always.
# tools:
#   allow: ["git log *", "git diff *"]
#   deny: ["git push"]

# Short names for models.
# aliases:
#   fast: gpt-mini

# Groups of settings for \`cllm --profile NAME\`.
# profiles:
#   review:
#     model: claude
#     system: Review the diff for mistakes. Be brief.
`;
