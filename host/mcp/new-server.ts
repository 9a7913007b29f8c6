import { type CallToolResult, McpServer, type StandardSchemaWithJSON } from "@modelcontextprotocol/server";
import packageJson from "../../package.json" with { type: "json" };
import { toSandboxError } from "../sdk/error/to-sandbox-error.ts";
import type { Session } from "./session/session.ts";
import { TOOLS } from "./tool/tools.ts";

const INSTRUCTIONS = `Sandboxes for commands and code that need not be trusted. Create one with sandbox_create, then use exec and
the file tools. A sandbox has no network and sees nothing of the user's machine unless the user has allowed it, and ends with
this session. Results are bounded and say what was left out. An error is one line: code, what failed, why; what to do.`;

/** Elements and members that the input of a call may have. */
const MAX_ELEMENTS = 10_000;

/** Names of the SDK in its errors, and those of the tools. */
const NAMES: Readonly<Record<string, string>> = {
  timeoutMs: "timeout_seconds",
  "files.upload": "copy_in",
  "files.download": "copy_out",
};

/** Makes the MCP server of a session. */
export function newServer(session: Session): McpServer {
  const info = { name: "guestd", title: "guestd sandboxes", version: packageJson.version };
  const server = new McpServer(info, { instructions: INSTRUCTIONS, maxToolInputElements: MAX_ELEMENTS });
  for (const { name, title, description, annotations, input, output, call } of TOOLS) {
    const config = { title, description, annotations, inputSchema: unchecked(input), outputSchema: output };
    server.registerTool(name, config, async (value, { mcpReq }): Promise<CallToolResult> => {
      try {
        const result = await call(value, { session, signal: mcpReq.signal });
        return { content: [{ type: "text", text: JSON.stringify(result) }], structuredContent: result };
      } catch (error) {
        return { content: [{ type: "text", text: errorLine(name, error) }], isError: true };
      }
    });
  }
  return server;
}

/** Describes an input, but leaves its check to the tool, whose errors have a code and a remedy. */
function unchecked(schema: StandardSchemaWithJSON): StandardSchemaWithJSON {
  const standard = schema["~standard"];
  return { "~standard": { ...standard, validate: (value) => ({ value }) } };
}

/** Returns "code: what failed, why; what to do". A name in quotes is the caller's own. */
function errorLine(name: string, error: unknown): string {
  const { code, message } = toSandboxError(name, error);
  return `${code}: ${message.replaceAll(/(?<!")timeoutMs|files\.(upload|download)/g, (text) => NAMES[text] ?? text)}`;
}
