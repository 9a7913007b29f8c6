import { AgentError } from "./error.ts";

const MAX_PATH = 4095;

/** Returns a guest path sent by the host unchanged. Throws, naming it as `what`, if it is relative, too long or contains NUL. */
export function guestPath(what: string, path: string): string {
  const refuse = (why: string) =>
    new AgentError("invalid-argument", `${what} ${JSON.stringify(path.slice(0, 200))} ${why}`);
  if (!path.startsWith("/")) throw refuse("is not an absolute path");
  if (path.includes("\0")) throw refuse("has a NUL byte in it");
  if (Buffer.byteLength(path) > MAX_PATH) throw refuse(`is longer than ${MAX_PATH} bytes`);
  return path;
}
