# npm pack --ignore-scripts && docker build -t cllm . - docs/installing.md says how it is run.
# The packed file alone goes in: the command has its dependencies inside.
ARG BASE=docker.io/library/node:24-slim
FROM ${BASE}
ADD cllm-*.tgz /opt/cllm/
RUN ln -s ../../../opt/cllm/package/dist/cli/bin.js /usr/local/bin/cllm \
  && mkdir /data /work \
  && chmod 1777 /data
# One volume keeps the history, the settings and the logins.
ENV CLLM_HOME=/data/cllm
USER 10001:10001
WORKDIR /work
ENTRYPOINT ["cllm"]
