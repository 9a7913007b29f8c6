import { mkdtempSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import { limitOf } from "../../sdk/call/limits.ts";
import { sandboxError, toSandboxError } from "../../sdk/error/to-sandbox-error.ts";
import type { CopyOptions, CopyReport } from "../../sdk/files/file-driver.ts";
import { pathToCreate, pathToRead } from "../host-folder/host-folder.ts";
import { defineTool } from "./define-tool.ts";
import { hostPath, sandboxName, sandboxPath, timeoutSeconds } from "./fields.ts";

const MAX_BYTES = 1 << 30;
const MAX_FILES = 100_000;

const report = z.object({
  copied: z.number().describe("Files, directories and links"),
  left_out: z.array(z.string()).describe("A line for each kind of thing that was left out"),
});

export const copyTools = [
  defineTool({
    name: "copy_in",
    title: "Copy into a sandbox",
    description:
      "Copies a file or folder of the user's machine into a sandbox, by the rules of docker cp: into path if that is a directory, otherwise as path. At most 1 GiB and 100,000 files.",
    annotations: { readOnlyHint: false, destructiveHint: true, openWorldHint: false },
    input: z.strictObject({
      sandbox: sandboxName,
      host_path: hostPath("Source"),
      path: sandboxPath("Absolute path in the sandbox"),
      timeout_seconds: timeoutSeconds(300),
    }),
    output: report,
    async call({ sandbox: name, host_path, path, timeout_seconds }, { session, signal }) {
      const { files } = session.get(name).sandbox;
      return session.copy(signal, () => {
        const source = pathToRead("copy_in", session.options.folders, host_path);
        return copy("copy_in", timeout_seconds, signal, (options) => files.upload(source, path, options));
      });
    },
  }),
  defineTool({
    name: "copy_out",
    title: "Copy out of a sandbox",
    description:
      "Copies a file or directory of a sandbox to a new path of the user's machine; nothing that exists there is changed. At most 1 GiB and 100,000 files.",
    annotations: { readOnlyHint: false, destructiveHint: false, openWorldHint: false },
    input: z.strictObject({
      sandbox: sandboxName,
      path: sandboxPath("Absolute path in the sandbox"),
      host_path: hostPath("New path, which must not exist"),
      timeout_seconds: timeoutSeconds(300),
    }),
    output: report,
    async call({ sandbox: name, path, host_path, timeout_seconds }, { session, signal }) {
      const { files } = session.get(name).sandbox;
      return session.copy(signal, async () => {
        const place = pathToCreate("copy_out", session.options.folders, host_path);
        const partial = newFolder(dirname(place));
        try {
          const whole = join(partial, basename(place));
          const copied = await copy("copy_out", timeout_seconds, signal, (options) => {
            return files.download(path, whole, options);
          });
          renameSync(whole, place);
          return copied;
        } finally {
          rmSync(partial, { recursive: true, force: true });
        }
      });
    },
  }),
];

async function copy(
  what: string,
  seconds: number,
  signal: AbortSignal,
  work: (options: CopyOptions & { readonly signal: AbortSignal }) => Promise<CopyReport>,
): Promise<z.input<typeof report>> {
  using limit = limitOf(what, { timeoutMs: seconds * 1000, signal });
  const full = new AbortController();
  const onProgress = (bytes: number, count: number) => {
    if (bytes <= MAX_BYTES && count <= MAX_FILES) return;
    full.abort(sandboxError("limit", `${what}: more than ${MAX_BYTES} bytes or ${MAX_FILES} files`));
  };
  try {
    const { members, notes } = await work({ onProgress, signal: AbortSignal.any([limit.signal, full.signal]) });
    return { copied: members, left_out: [...notes] };
  } catch (error) {
    for (const { aborted, reason } of [full.signal, limit.signal]) if (aborted) throw reason;
    throw error;
  }
}

function newFolder(parent: string): string {
  try {
    return mkdtempSync(join(parent, ".guestctl-copy-"));
  } catch (error) {
    throw toSandboxError("copy_out", error);
  }
}
