"""A model that needs no key and no network, for the example beside it: it reads a note, or adds to one, and says what came.

It is no language model: it looks for `add SOMETHING to NOTE`, and else for the name of a note. LiteLLM runs it inside the
proxy (custom_provider_map in litellm.yaml).
"""

import json
import re
import time
import uuid

from litellm import CustomLLM
from litellm.types.utils import ChatCompletionMessageToolCall, Choices, Function, Message, ModelResponse, Usage


def text_of(content):
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content or [])


def called(messages, tools):
    """The tool to call now and its arguments, or None when it is time to answer."""
    names = [tool["function"]["name"] for tool in tools]

    def find(suffix):
        return next((name for name in names if name.endswith(suffix)), None)

    prompt = text_of(next((m["content"] for m in reversed(messages) if m["role"] == "user"), ""))
    if any(m["role"] == "tool" for m in messages[-1:]):
        return None
    add = re.search(r"add (.+) to ([\w-]+\.md)", prompt)
    if add and find("-add"):
        return find("-add"), {"name": add[2], "line": add[1]}
    note = re.search(r"[\w-]+\.md", prompt)
    if note and find("-read"):
        return find("-read"), {"name": note[0]}
    return (find("-list"), {}) if find("-list") else None


def answer(messages):
    results = []
    for message in reversed(messages):
        if message["role"] != "tool":
            break
        results.insert(0, text_of(message["content"]))
    return "The tool says:\n\n" + "\n".join(results) if results else "I can only read notes: cllm --mcp notes"


class Clerk(CustomLLM):
    def completion(self, *args, **kwargs):
        messages = kwargs["messages"]
        call = called(messages, (kwargs.get("optional_params") or {}).get("tools") or [])
        if call is None:
            message, reason = Message(role="assistant", content=answer(messages)), "stop"
        else:
            function = Function(name=call[0], arguments=json.dumps(call[1]))
            tool_call = ChatCompletionMessageToolCall(id=f"call_{uuid.uuid4().hex[:8]}", type="function", function=function)
            message, reason = Message(role="assistant", content=None, tool_calls=[tool_call]), "tool_calls"
        return ModelResponse(
            model="clerk",
            created=int(time.time()),
            choices=[Choices(index=0, finish_reason=reason, message=message)],
            usage=Usage(prompt_tokens=10, completion_tokens=10, total_tokens=20),
        )

    async def acompletion(self, *args, **kwargs):
        return self.completion(*args, **kwargs)

    async def astreaming(self, *args, **kwargs):
        reply = self.completion(*args, **kwargs)
        choice = reply.choices[0]
        calls = choice.message.tool_calls or []
        yield {
            "text": choice.message.content or "",
            "tool_use": {**calls[0].model_dump(), "index": 0} if calls else None,
            "is_finished": False,
            "finish_reason": "",
            "usage": None,
            "index": 0,
        }
        yield {
            "text": "",
            "tool_use": None,
            "is_finished": True,
            "finish_reason": choice.finish_reason,
            "usage": {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20},
            "index": 0,
        }


clerk = Clerk()
