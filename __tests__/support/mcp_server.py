"""An MCP server for the tests against a real LiteLLM, with the `mcp` package that comes with it.

mcp_server.py MARKS            over stdio
mcp_server.py MARKS http       over streamable HTTP, on a free port that it prints

`mark` and `mark_slowly` leave a line in the file MARKS, so that how often a tool ran can be counted.
"""

import asyncio
import base64
import socket
import sys

import uvicorn
from mcp.types import AudioContent, BlobResourceContents, EmbeddedResource, ResourceLink, TextContent, TextResourceContents

try:
    from mcp.server.fastmcp import FastMCP as Server, Image
except ImportError:
    from mcp.server import MCPServer as Server
    from mcp.server.mcpserver import Image

marks = sys.argv[1]
server = Server("tests")
dot = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)


def leave(text: str) -> None:
    with open(marks, "a", encoding="utf-8") as file:
        file.write(text + "\n")


@server.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers"""
    return a + b


@server.tool()
def boom() -> str:
    """Always fails"""
    raise ValueError("no such file")


@server.tool()
def mark(text: str) -> str:
    """Leaves a mark"""
    leave(text)
    return f"marked {text}"


@server.tool()
async def mark_slowly(text: str, seconds: float) -> str:
    """Leaves a mark, and takes its time after that"""
    leave(text)
    await asyncio.sleep(seconds)
    return f"marked {text}"


@server.tool()
def picture() -> Image:
    """A dot"""
    return Image(data=dot, format="png")


@server.tool()
def mixed() -> list:
    """One part of each kind"""
    return [
        TextContent(type="text", text="red \x1b[31m"),
        AudioContent(type="audio", data="UklGRg==", mimeType="audio/wav"),
        EmbeddedResource(
            type="resource", resource=TextResourceContents(uri="file:///a.txt", mimeType="text/plain", text="inside")
        ),
        EmbeddedResource(
            type="resource", resource=BlobResourceContents(uri="file:///a.bin", mimeType="application/x-a", blob="AAAA")
        ),
        ResourceLink(type="resource_link", uri="https://example.com/x", name="x", mimeType="text/html"),
    ]


@server.tool()
def facts() -> dict[str, int]:
    """Structured content"""
    return {"a": 1}


@server.tool(name="web-add")
def named_like_another() -> str:
    """A name that begins like that of the server `web`"""
    return "this is web-add"


async def serve() -> None:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    await uvicorn.Server(uvicorn.Config(server.streamable_http_app(), log_level="error")).serve(sockets=[listener])


if len(sys.argv) > 2:
    asyncio.run(serve())
else:
    server.run(transport="stdio")
