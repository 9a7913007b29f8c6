import { join } from "node:path";

/** Line of the program that makes the calls. */
export const CONNECTED = "connected\n";

type Call = (tool: string, input: object) => Promise<Record<string, unknown>>;

const sandbox = "web";
const limit = { sandbox, timeout_seconds: 3 };

/** Starts a command, and returns what names it. */
async function started(call: Call): Promise<object> {
  const { id } = await call("exec", { ...limit, command: "ls", keep_stdin_open: true, wait_seconds: 0.5 });
  return { sandbox, id: id ?? "none" };
}

/** Calls of each tool of MCP. */
export const MCP_CALLS: Readonly<Record<string, (call: Call, copied: string) => Promise<unknown>>> = {
  sandbox_create: (call) => call("sandbox_create", { timeout_seconds: 3 }),
  sandbox_list: async (call) => {
    await started(call);
    await call("sandbox_list", {});
  },
  sandbox_stop: (call) => call("sandbox_stop", limit),
  sandbox_logs: (call) => call("sandbox_logs", limit),
  exec: (call) => call("exec", { ...limit, command: "ls", wait_seconds: 2 }),
  exec_read: async (call) => call("exec_read", { ...(await started(call)), wait_seconds: 1 }),
  exec_write: async (call) => call("exec_write", { ...(await started(call)), text: "text", timeout_seconds: 1 }),
  exec_kill: async (call) => call("exec_kill", { ...(await started(call)), wait_seconds: 1 }),
  file_read: (call) => call("file_read", { ...limit, path: "/etc/hostname" }),
  file_write: (call) => call("file_write", { ...limit, path: "/tmp/x", content: "content" }),
  file_list: (call) => call("file_list", { ...limit, path: "/" }),
  copy_in: (call, copied) => call("copy_in", { ...limit, host_path: join(copied, "file"), path: "/tmp/file" }),
  copy_out: (call, copied) => call("copy_out", { ...limit, path: "/var/log", host_path: join(copied, "new") }),
  port_list: (call) => call("port_list", limit),
  port_forward: (call) => call("port_forward", { ...limit, port: 80 }),
  port_close: async (call) => {
    const { host_port } = await call("port_forward", { ...limit, port: 80 });
    await call("port_close", { sandbox, host_port: host_port ?? 1 });
  },
};
