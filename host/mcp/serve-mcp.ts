import { StdioServerTransport, serveStdio } from "@modelcontextprotocol/server/stdio";
import { oneLine } from "../operation-error.ts";
import type { McpOptions } from "./mcp-options.ts";
import { newServer } from "./new-server.ts";
import { Session } from "./session/session.ts";
import { wholeLines } from "./whole-lines.ts";

/** Bytes of one message; a longer one ends the session. */
const MAX_MESSAGE_BYTES = 32 << 20;

/**
 * Serves MCP on stdin and stdout until the client closes stdin or the signal aborts. Then every sandbox of the session is
 * stopped. Rejects with the signal's reason.
 */
export async function serveMcp(options: McpOptions, signal: AbortSignal): Promise<void> {
  const over = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => over.resolve(), { once: true });
  await using session = new Session(options);
  const input = process.stdin.pipe(wholeLines(MAX_MESSAGE_BYTES));
  const transport = new StdioServerTransport(input, process.stdout, { maxBufferSize: MAX_MESSAGE_BYTES });
  const server = serveStdio(() => newServer(session), {
    transport,
    onerror: (error) => process.stderr.write(`guestctl: mcp: ${oneLine(error)}\n`),
  });
  const onClose = transport.onclose;
  transport.onclose = () => {
    onClose?.();
    over.resolve();
  };
  if (!signal.aborted) await over.promise;
  await server.close();
  signal.throwIfAborted();
}
