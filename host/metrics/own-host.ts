import type { IncomingMessage } from "node:http";
import { isLoopback } from "../../image/registry/http-get.ts";

/**
 * True if a request names this machine in its Host: a loopback name or address, the address that it reached, or one of `names`. A
 * web page whose name was led to this address has another one.
 */
export function isOwnHost({ headers, socket }: IncomingMessage, names: readonly string[]): boolean {
  const [, name = ""] = /^(\[[0-9a-f:.]+\]|[^:[\]]+)(?::\d+)?$/.exec((headers.host ?? "").toLowerCase()) ?? [];
  const reached = socket.localAddress?.replace(/^::ffff:/, "") ?? "";
  return isLoopback(name) || name === (reached.includes(":") ? `[${reached}]` : reached) || names.includes(name);
}
