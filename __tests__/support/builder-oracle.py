"""litellm.stream_chunk_builder as an oracle for src/protocol/completion-builder.ts.

Reads one JSON array of streams (each an array of parsed chunks) from standard input and writes one JSON object:
{"version": ..., "answers": [...]}, each answer {"completion": ...} as litellm would serialise it, or {"error": "<class>"}
where it raises. Run it with LITELLM_LOCAL_MODEL_COST_MAP=True, or the import asks the network.
"""

import contextlib
import importlib.metadata
import json
import logging
import sys


def answer(stream):
    try:
        # Parsing changes what it is given; each stream is used once.
        chunks = [litellm.ModelResponseStream(**chunk) for chunk in stream]
        built = litellm.stream_chunk_builder(chunks)
    except Exception as error:
        return {"error": type(error).__name__}
    if built is None:
        return {"completion": None}
    try:
        # exclude_unset=True would leave out the type of a custom tool call.
        return {"completion": built.model_dump(mode="json", exclude_unset=False)}
    except Exception:
        # A lone surrogate; json.dumps escapes it.
        return {"completion": built.model_dump(exclude_unset=False)}


# litellm prints to standard output, where the answer goes.
with contextlib.redirect_stdout(sys.stderr):
    import litellm

    litellm.suppress_debug_info = True
    logging.disable(logging.CRITICAL)
    answers = [answer(stream) for stream in json.load(sys.stdin)]

json.dump({"version": importlib.metadata.version("litellm"), "answers": answers}, sys.stdout)
