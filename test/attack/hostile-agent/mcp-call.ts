// Makes the calls of a tool of MCP at an agent: `mcp-call.ts ADDRESS TOOL FOLDER`. Connects, and calls once stdin ends; prints results and errors.
import { join } from "node:path";
import { Session } from "../../../host/mcp/session/session.ts";
import { SessionSandbox } from "../../../host/mcp/session/session-sandbox.ts";
import { TOOLS } from "../../../host/mcp/tool/tools.ts";
import { Sandbox } from "../../../host/sdk/sandbox/sandbox.ts";
import { CONNECTED, MCP_CALLS } from "./mcp-lines.ts";

const [address = "", name = "", copied = ""] = process.argv.slice(2);

/** A session that has the agent's container as its sandbox. */
class AttackedSession extends Session {
  readonly own: SessionSandbox;

  constructor(own: SessionSandbox) {
    super({
      ...{ images: [join(copied, "image.tar")], anyImage: false, network: false, agent: { address, limits: false } },
      folders: [{ path: copied, real: copied, writable: true }],
      ...{ maxSandboxes: 2, maxMemoryMib: 1024, maxCpus: 2 },
    });
    this.own = own;
  }

  override get sandboxes(): readonly SessionSandbox[] {
    return [this.own];
  }

  override get(): SessionSandbox {
    return this.own;
  }
}

const call = async (tool: string, input: object): Promise<Record<string, unknown>> => {
  try {
    const found = TOOLS.find((each) => each.name === tool);
    const result = await found?.call(input, { session, signal: new AbortController().signal });
    process.stdout.write(`${JSON.stringify(result)}\n`);
    return result ?? {};
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    return {};
  }
};

const session = new AttackedSession(new SessionSandbox(await Sandbox.connect(address, { container: "web" }), "image"));
process.stdout.write(CONNECTED);
for await (const _ of process.stdin);
await MCP_CALLS[name]?.(call, copied);
process.exit(0);
