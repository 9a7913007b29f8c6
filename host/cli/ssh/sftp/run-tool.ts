import { TOOL_ENV } from "../../../container-files/file-tools.ts";
import { ToolError, toolError } from "../../../container-files/tool-error.ts";
import { type SshTarget, startProcess } from "../ssh-target.ts";

const MAX_OUTPUT_BYTES = 32 << 20;
const MAX_ERROR_BYTES = 4096;

/** Runs one of the container's programs and returns its output. Throws ToolError if it fails or prints over 32 MiB. */
export async function runTool(target: SshTarget, args: readonly string[]): Promise<Buffer> {
  const output: Uint8Array[] = [];
  let [bytes, errors] = [0, ""];
  const attachment = startProcess(target, target.process(args, { env: TOOL_ENV }), (name, chunk) => {
    if (name === "stderr") errors = (errors + Buffer.from(chunk)).slice(-MAX_ERROR_BYTES);
    else {
      bytes += chunk.length;
      if (bytes > MAX_OUTPUT_BYTES) throw new ToolError(`${args[0]}: over 32 MiB of output`);
      output.push(Uint8Array.from(chunk));
    }
  });
  attachment.end();
  const { code } = await attachment.exit;
  if (code !== 0) throw toolError(errors, code);
  return Buffer.concat(output);
}
