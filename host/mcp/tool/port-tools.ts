import { z } from "zod";
import type { SessionForward } from "../session/session-sandbox.ts";
import { defineTool } from "./define-tool.ts";
import { sandboxName, timeoutSeconds, wholeNumber } from "./fields.ts";

const MAX_PORT = 65_535;

const forwarded = z.object({
  host_port: z.number(),
  address: z.string().describe("Where the user's machine listens"),
  port: z.number().describe("Port in the sandbox"),
});

export const portTools = [
  defineTool({
    name: "port_list",
    title: "List ports",
    description: "Lists the ports on which processes of a sandbox listen, and those that are forwarded.",
    annotations: { readOnlyHint: true, openWorldHint: false },
    input: z.strictObject({ sandbox: sandboxName, timeout_seconds: timeoutSeconds(30) }),
    output: z.object({
      ports: z.array(z.object({ protocol: z.string(), address: z.string(), port: z.number() })),
      forwards: z.array(forwarded),
    }),
    async call({ sandbox: name, timeout_seconds }, { session, signal }) {
      const { sandbox, forwards } = session.get(name);
      const ports = await sandbox.ports({ timeoutMs: timeout_seconds * 1000, signal });
      return { ports: [...ports], forwards: forwards.map(describe) };
    },
  }),
  defineTool({
    name: "port_forward",
    title: "Forward a port",
    description:
      "Waits until a process of a sandbox listens on a TCP port, then forwards a port of 127.0.0.1 of the user's machine to it. The sandbox can't connect to that machine through it.",
    annotations: { readOnlyHint: false, destructiveHint: false, openWorldHint: false },
    input: z.strictObject({
      sandbox: sandboxName,
      port: wholeNumber(1, MAX_PORT, "TCP port in the sandbox"),
      host_port: wholeNumber(0, MAX_PORT, "Port to listen on; by default 0: any that is free").default(0),
      timeout_seconds: timeoutSeconds(30),
    }),
    output: forwarded,
    async call({ sandbox: name, port, host_port, timeout_seconds }, { session, signal }) {
      const sandbox = session.get(name);
      const limits = { timeoutMs: timeout_seconds * 1000, signal };
      await sandbox.sandbox.waitForPort(port, limits);
      return describe(await sandbox.forward(port, host_port, limits));
    },
  }),
  defineTool({
    name: "port_close",
    title: "Close a forwarded port",
    description: "Ends a forward of port_forward. Connections that are open continue.",
    annotations: { readOnlyHint: false, destructiveHint: false, openWorldHint: false },
    input: z.strictObject({
      sandbox: sandboxName,
      host_port: wholeNumber(1, MAX_PORT, "Its port on the user's machine"),
    }),
    output: forwarded,
    async call({ sandbox, host_port }, { session }) {
      return describe(await session.get(sandbox).closeForward(host_port));
    },
  }),
];

function describe({ port, forward }: SessionForward): z.input<typeof forwarded> {
  return { host_port: forward.port, address: forward.address, port };
}
