import { CollectedBytes } from "../../../../lib/collected-bytes.ts";
import { TOOL_BYTES, TOOL_ENV } from "../../../engine/container/files/file-tools.ts";
import { ToolError, toolError } from "../../../engine/container/files/tool-error.ts";
import { type SshTarget, startProcess } from "../ssh-target.ts";

const MAX_ERROR_BYTES = 4096;

/** Runs one of the container's programs and returns its output. Throws ToolError if it fails or prints over TOOL_BYTES. */
export async function runTool(target: SshTarget, args: readonly string[]): Promise<Buffer> {
  const output = new CollectedBytes();
  let errors = "";
  const attachment = startProcess(target, target.process(args, { env: TOOL_ENV }), (name, chunk) => {
    if (name === "stderr") errors = (errors + Buffer.from(chunk)).slice(-MAX_ERROR_BYTES);
    else {
      if (output.length + chunk.length > TOOL_BYTES)
        throw new ToolError(`${args[0]}: over ${TOOL_BYTES} bytes of output`);
      output.add(chunk);
    }
  });
  attachment.end();
  const { code } = await attachment.exit;
  if (code !== 0) throw toolError(errors, code);
  return output.take();
}
