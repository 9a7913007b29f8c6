import { z } from "zod";
import type { SessionSandbox } from "../session/session-sandbox.ts";
import { createInput } from "./create-input.ts";
import { createOptions } from "./create-options.ts";
import { defineTool } from "./define-tool.ts";
import { sandboxName, timeoutSeconds } from "./fields.ts";

const described = z.object({
  sandbox: z.string().describe("Name for the other tools"),
  image: z.string(),
  status: z.enum(["running", "ended"]),
  reason: z.string().optional().describe("Why it has ended"),
  created_at: z.string(),
  commands: z.array(z.object({ id: z.string(), command: z.string(), running: z.boolean() })),
  forwards: z.array(z.object({ host_port: z.number(), port: z.number() })),
});

export const sandboxTools = [
  defineTool({
    name: "sandbox_create",
    title: "Create a sandbox",
    description:
      "Creates an isolated sandbox (a container in a micro-VM of its own) from an image, and waits until it runs. It has no network unless asked for, sees nothing of the user's machine, and ends with this session.",
    annotations: { readOnlyHint: false, destructiveHint: false, openWorldHint: false },
    input: createInput,
    output: described,
    async call(input, { session, signal }) {
      const { image, options } = createOptions(input, session.options);
      const created = await session.create(image, { ...options, signal });
      return describe(created);
    },
  }),
  defineTool({
    name: "sandbox_list",
    title: "List sandboxes",
    description: "Lists the sandboxes of this session with their commands and forwarded ports.",
    annotations: { readOnlyHint: true, openWorldHint: false },
    input: z.strictObject({}),
    output: z.object({ sandboxes: z.array(described) }),
    async call(_, { session }) {
      return { sandboxes: session.sandboxes.map(describe) };
    },
  }),
  defineTool({
    name: "sandbox_stop",
    title: "Stop a sandbox",
    description: "Stops a sandbox. Its processes end, its files are gone, and its ports are closed.",
    annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: false },
    input: z.strictObject({ sandbox: sandboxName, timeout_seconds: timeoutSeconds(60) }),
    output: z.object({ sandbox: z.string(), status: z.literal("stopped") }),
    async call({ sandbox, timeout_seconds }, { session }) {
      await session.stop(sandbox, { timeoutMs: timeout_seconds * 1000 });
      return { sandbox, status: "stopped" as const };
    },
  }),
];

function describe({ sandbox, image, createdAt, commands, forwards }: SessionSandbox): z.input<typeof described> {
  const { aborted, reason } = sandbox.ended;
  return {
    sandbox: sandbox.name,
    image,
    status: aborted ? "ended" : "running",
    ...(aborted && { reason: reason instanceof Error ? reason.message : String(reason) }),
    created_at: createdAt.toISOString(),
    commands: commands.map(({ line, command }) => ({ id: command.id, command: line, running: command.isRunning })),
    forwards: forwards.map(({ port, forward }) => ({ host_port: forward.port, port })),
  };
}
