/** The model of the default configuration: it answers without any provider. */
export const keylessModel = 'hello';

/** What `cllm proxy up` starts with when no configuration is named: one keyless model, and how to add others. */
export const defaultConfig = `# The LiteLLM proxy that \`cllm proxy up\` runs on this machine. Change it, then: cllm proxy down && cllm proxy up
# Provider keys come from the environment of \`cllm proxy up\` and do not belong in this file.

model_list:
  - model_name: ${keylessModel}
    litellm_params:
      model: openai/hello
      api_key: none
      mock_response: >-
        Hello! This reply comes from a real LiteLLM proxy on this machine, as server-sent events, a few letters at a
        time. No provider was asked: add one to the proxy's configuration to talk to a model.

#  - model_name: gpt
#    litellm_params:
#      model: openai/gpt-5.4-mini
#      api_key: os.environ/OPENAI_API_KEY
#
#  - model_name: local            # ollama pull llama3.2
#    litellm_params:
#      model: ollama_chat/llama3.2
#      api_base: http://127.0.0.1:11434

general_settings:
  master_key: os.environ/LITELLM_MASTER_KEY
`;
