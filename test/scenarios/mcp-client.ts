import { type CallToolResult, Client, type ClientOptions } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { expect } from "vitest";
import { launcher } from "./guestctl-process.ts";

/** A client of `guestctl mcp`, by MCP's own SDK. */
export interface McpClient extends AsyncDisposable {
  readonly client: Client;
  readonly pid: number;
  /** Resolves once the server has closed its output. */
  readonly closed: Promise<void>;
  /** Returns the text on the server's stderr so far. */
  stderr(): string;
  /** Resolves with the structured content of a call that succeeds. */
  call(tool: string, input?: object): Promise<Record<string, unknown>>;
  /** Resolves with the line of a call that fails. */
  errorOf(tool: string, input?: object): Promise<string>;
}

/** Starts `guestctl mcp` with options, and connects to it. `guestctl` are the words of another one than the checkout's. */
export async function startMcp(
  options: readonly string[],
  env: NodeJS.ProcessEnv,
  protocol: ClientOptions = {},
  guestctl: readonly string[] = [process.execPath, launcher],
): Promise<McpClient> {
  const known = Object.entries({ ...process.env, ...env }).filter(
    (each): each is [string, string] => each[1] !== undefined,
  );
  const [command = "", ...args] = [...guestctl, "mcp", ...options];
  const place = { command, args, env: Object.fromEntries(known), stderr: "pipe" as const };
  const transport = new StdioClientTransport(place);
  let stderr = "";
  transport.stderr?.on("data", (chunk) => {
    stderr += chunk;
  });
  const client = new Client({ name: "test", version: "1" }, protocol);
  const closed = new Promise<void>((resolve) => {
    client.onclose = resolve;
  });
  await client.connect(transport);
  const call = (name: string, input: object): Promise<CallToolResult> => {
    return client.callTool({ name, arguments: { ...input } }, { timeout: 200_000 });
  };
  return {
    ...{ client, pid: transport.pid ?? -1, closed },
    stderr: () => stderr,
    async call(tool, input = {}) {
      const { isError = false, structuredContent, content } = await call(tool, input);
      expect(isError, textOf(content)).toBe(false);
      expect(JSON.parse(textOf(content))).toEqual(structuredContent);
      return structuredContent as Record<string, unknown>;
    },
    async errorOf(tool, input = {}) {
      const { isError = false, content } = await call(tool, input);
      const line = textOf(content);
      expect(isError, line).toBe(true);
      expect(line).toMatch(/^[a-z-]+: [^\n]+; [^\n]+$/);
      return line;
    },
    [Symbol.asyncDispose]: () => client.close(),
  };
}

function textOf([first]: CallToolResult["content"]): string {
  return first?.type === "text" ? first.text : "";
}
