import { z } from "zod";
import { BoundedOutput } from "../output/bounded-output.ts";
import { defineTool } from "./define-tool.ts";
import { leftOutBytes, sandboxName, timeoutSeconds, wholeNumber } from "./fields.ts";

const BYTES = 16 << 10;

export const logTool = defineTool({
  name: "sandbox_logs",
  title: "Read a sandbox's log",
  description:
    "Returns the end of a log: output of the container's first process, the log of the agent that runs commands, or the console of the sandbox's kernel.",
  annotations: { readOnlyHint: true, openWorldHint: false },
  input: z.strictObject({
    sandbox: sandboxName,
    source: z.enum(["container", "agent", "console"]).default("container").describe("By default container"),
    max_bytes: wholeNumber(1024, 1 << 20, `Most bytes; by default ${BYTES}`).default(BYTES),
    timeout_seconds: timeoutSeconds(30),
  }),
  output: z.object({ text: z.string(), left_out_bytes: leftOutBytes }),
  async call({ sandbox, source, max_bytes, timeout_seconds }, { session, signal }) {
    const log = new BoundedOutput(max_bytes, 0);
    const logs = session.get(sandbox).sandbox.logs({ source, timeoutMs: timeout_seconds * 1000, signal });
    for await (const { text } of logs) log.add(Buffer.from(text));
    const { text, leftOut } = log.take(true);
    return { text, left_out_bytes: leftOut };
  },
});
