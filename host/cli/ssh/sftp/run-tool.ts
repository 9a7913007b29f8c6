import { type SshTarget, startProcess } from "../ssh-target.ts";
import { SftpError, toolError } from "./sftp-error.ts";

const MAX_OUTPUT_BYTES = 32 << 20;
const MAX_ERROR_BYTES = 4096;

/** Environment of the container's tools: messages in English, times in UTC. */
export const TOOL_ENV = ["LC_ALL=C", "TZ=UTC0"];

/** Runs one of the container's programs and returns its output. Throws SftpError if it fails or prints over 32 MiB. */
export async function runTool(target: SshTarget, args: readonly string[]): Promise<Buffer> {
  const output: Uint8Array[] = [];
  let [bytes, errors] = [0, ""];
  const attachment = startProcess(target, target.process(args, { env: TOOL_ENV }), (name, chunk) => {
    if (name === "stderr") errors = (errors + Buffer.from(chunk)).slice(-MAX_ERROR_BYTES);
    else {
      bytes += chunk.length;
      if (bytes > MAX_OUTPUT_BYTES) throw new SftpError(`${args[0]}: over 32 MiB of output`);
      output.push(Uint8Array.from(chunk));
    }
  });
  attachment.end();
  const { code } = await attachment.exit;
  if (code !== 0) throw toolError(errors, code);
  return Buffer.concat(output);
}

/** Runs a script of sh with `args` as $1, $2 and so on. */
export function runScript(target: SshTarget, script: string, args: readonly string[]): Promise<Buffer> {
  return runTool(target, ["sh", "-c", script, "sh", ...args]);
}
