import { audit } from "../../audit/audit.ts";
import type { FileDriver } from "../files/file-driver.ts";
import type { Driver } from "./driver.ts";

const OPERATIONS: { readonly [Method in keyof Driver]?: string } = {
  start: "exec",
  join: "attach",
  forward: "forward",
  upgrade: "upgrade",
  snapshot: "snapshot",
  setTimeout: "setTimeout",
  resize: "resize",
  fork: "fork",
  pause: "pause",
  resume: "resume",
  stop: "stop",
};
const FILE_OPERATIONS: { readonly [Method in keyof FileDriver]?: string } = {
  write: "files.write",
  mkdir: "files.mkdir",
  rename: "files.rename",
  remove: "files.remove",
  upload: "files.upload",
  download: "files.download",
};

/** Wraps a sandbox's driver: the audit records the operations that change the sandbox, or copy files out of it. */
export function auditedDriver<T extends Driver>(driver: T, guest: string | undefined): T {
  const { address, container } = driver;
  let isStopped = false;
  const note = (operation: string, result: unknown) => {
    if (operation === "stop" && isStopped) return; // a sandbox's disposal stops it again
    isStopped ||= operation === "stop";
    const isProcess = operation === "exec" || operation === "attach";
    audit(operation, { address, guest, container, exec: isProcess ? (result as { id: string }).id : undefined });
  };
  const files = noteCalls(driver.files, FILE_OPERATIONS, note);
  return noteCalls(driver, OPERATIONS, note, { files });
}

/** Wraps an object: passes each call of the named methods to `note` once it has begun. `replaced` has other properties. */
function noteCalls<T extends object>(
  object: T,
  operations: Readonly<Record<string, string>>,
  note: (operation: string, result: unknown) => void,
  replaced: Readonly<Record<string, unknown>> = {},
): T {
  return new Proxy(object, {
    get(target, name) {
      if (typeof name === "string" && name in replaced) return replaced[name];
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      const operation = typeof name === "string" ? operations[name] : undefined;
      return (...words: unknown[]) => {
        const result: unknown = Reflect.apply(value, target, words);
        if (operation !== undefined) note(operation, result);
        return result;
      };
    },
  });
}
